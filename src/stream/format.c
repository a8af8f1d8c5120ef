/* SPDX-License-Identifier: Apache-2.0 */
#include "stream/format.h"

#include <string.h>
#include <xxhash.h>

uint64_t dol_stream_get64(const void *from)
{
        uint64_t value;

        memcpy(&value, from, sizeof(value));
        return GUINT64_FROM_LE(value);
}

uint32_t dol_stream_get32(const void *from)
{
        uint32_t value;

        memcpy(&value, from, sizeof(value));
        return GUINT32_FROM_LE(value);
}

void dol_stream_put64(void *to, uint64_t value)
{
        value = GUINT64_TO_LE(value);
        memcpy(to, &value, sizeof(value));
}

void dol_stream_put32(void *to, uint32_t value)
{
        value = GUINT32_TO_LE(value);
        memcpy(to, &value, sizeof(value));
}

void dol_stream_head_encode(const dol_stream_head *head, uint8_t *to)
{
        dol_stream_put32(to, head->kind);
        dol_stream_put32(to + 4, head->stored);
        dol_stream_put64(to + 8, head->offset);
        dol_stream_put64(to + 16, head->length);
        dol_stream_put64(to + 24, head->sum);
}

void dol_stream_head_decode(const uint8_t *from, dol_stream_head *ret)
{
        *ret = (dol_stream_head){
                .kind = dol_stream_get32(from),
                .stored = dol_stream_get32(from + 4),
                .offset = dol_stream_get64(from + 8),
                .length = dol_stream_get64(from + 16),
                .sum = dol_stream_get64(from + 24),
        };
}

void dol_stream_totals_encode(const dol_stream_totals *totals, uint8_t *to)
{
        dol_stream_put64(to, totals->records);
        dol_stream_put64(to + 8, totals->data);
        dol_stream_put64(to + 16, totals->zero);
        dol_stream_put64(to + 24, totals->sum[0]);
        dol_stream_put64(to + 32, totals->sum[1]);
}

void dol_stream_totals_decode(const uint8_t *from, dol_stream_totals *ret)
{
        *ret = (dol_stream_totals){
                .records = dol_stream_get64(from),
                .data = dol_stream_get64(from + 8),
                .zero = dol_stream_get64(from + 16),
                .sum = {dol_stream_get64(from + 24), dol_stream_get64(from + 32)},
        };
}

static uint64_t sum_of_two(uint64_t seed, const void *first, size_t first_size, const void *second,
                           size_t second_size)
{
        XXH3_state_t *state = XXH3_createState();
        uint64_t sum;

        XXH3_64bits_reset_withSeed(state, seed);
        XXH3_64bits_update(state, first, first_size);
        if (second_size)
                XXH3_64bits_update(state, second, second_size);
        sum = XXH3_64bits_digest(state);
        XXH3_freeState(state);
        return sum;
}

uint64_t dol_stream_sum(uint64_t number, const uint8_t *head, const void *payload, size_t size)
{
        return sum_of_two(number, head, DOL_STREAM_HEAD_SUMMED, payload, size);
}

uint64_t dol_stream_header_sum(const uint8_t *preamble, const void *json, size_t size)
{
        return sum_of_two(0, preamble, DOL_STREAM_PREAMBLE_SIZE, json, size);
}

bool dol_stream_is_zero(const void *bytes, size_t size)
{
        const char *at = bytes;

        return size == 0 || (at[0] == 0 && memcmp(at, at + 1, size - 1) == 0);
}
