/* SPDX-License-Identifier: Apache-2.0 */
/* A stream as it is, and with its checksums made right, so that what they protect is reached. What
 * the reader takes must stay within what the header says, and the check must agree with it. */
#include "fuzz.h"

#include "stream/format.h"

#include <string.h>
#include <xxhash.h>

typedef struct {
        const uint8_t *bytes;
        size_t size, at;
} cursor;

/* In pieces of changing size. */
static bool from_bytes(void *to, size_t max, size_t *ret_size, void *user, GError **error)
{
        cursor *from = user;

        *ret_size = MIN(MIN(max, from->size - from->at), 1 + from->at % 97);
        if (*ret_size) /* no bytes may be at no address */
                memcpy(to, from->bytes + from->at, *ret_size);
        from->at += *ret_size;
        return true;
}

static bool read_pieces(dol_stream_reader *reader, uint64_t size)
{
        dol_stream_piece piece;
        uint64_t end = 0, sum = 0;
        bool any;

        while (dol_stream_reader_next(reader, &piece, &any, NULL)) {
                if (!any)
                        return true;
                fuzz_require(piece.offset >= end && piece.length > 0);
                fuzz_require(piece.length <= size && piece.offset <= size - piece.length);
                fuzz_require((piece.offset | piece.length) % DOL_SIZE_GRAIN == 0);
                fuzz_require(!piece.bytes || piece.length <= DOL_STREAM_PIECE_MAX);
                for (uint64_t i = 0; piece.bytes && i < piece.length; i++)
                        sum += ((const uint8_t *)piece.bytes)[i];
                end = piece.offset + piece.length;
        }
        return sum == UINT64_MAX; /* never, but every byte was looked at */
}

static bool check_agrees(const uint8_t *bytes, size_t size)
{
        g_autoptr(dol_stream_check) check = dol_stream_check_new();

        return dol_stream_check_feed(check, bytes, size / 2, NULL) &&
               dol_stream_check_feed(check, bytes + size / 2, size - size / 2, NULL) &&
               dol_stream_check_end(check, NULL);
}

static void try_stream(const uint8_t *bytes, size_t size)
{
        cursor from = {bytes, size, 0};
        g_autoptr(dol_stream_reader) reader = dol_stream_reader_new(from_bytes, &from);
        const dol_stream_header *header = dol_stream_reader_begin(reader, NULL);

        if (header && read_pieces(reader, header->size))
                fuzz_require(check_agrees(bytes, size));
}

static void mend_end(uint8_t *bytes, size_t at)
{
        XXH128_hash_t all = XXH3_128bits(bytes, at);

        dol_stream_put64(bytes + at + DOL_STREAM_HEAD_SIZE + 24, all.low64);
        dol_stream_put64(bytes + at + DOL_STREAM_HEAD_SIZE + 32, all.high64);
}

static void mend_records(uint8_t *bytes, size_t size, size_t at)
{
        for (uint64_t number = 0; size - at >= DOL_STREAM_HEAD_SIZE; number++) {
                uint32_t stored = dol_stream_get32(bytes + at + 4);

                if (stored > size - at - DOL_STREAM_HEAD_SIZE)
                        return;
                if (dol_stream_get32(bytes + at) == DOL_STREAM_END && stored == DOL_STREAM_END_SIZE)
                        mend_end(bytes, at);
                dol_stream_put64(bytes + at + DOL_STREAM_HEAD_SUMMED,
                                 dol_stream_sum(number, bytes + at,
                                                bytes + at + DOL_STREAM_HEAD_SIZE, stored));
                at += DOL_STREAM_HEAD_SIZE + stored;
        }
}

static void mend(uint8_t *bytes, size_t size)
{
        const size_t around = DOL_STREAM_PREAMBLE_SIZE + DOL_STREAM_SUM_SIZE;
        uint8_t *json = bytes + DOL_STREAM_PREAMBLE_SIZE;
        size_t json_size;

        if (size < around)
                return;
        json_size = dol_stream_get32(bytes + 12);
        if (json_size > size - around)
                return;
        memcpy(bytes, DOL_STREAM_MAGIC, sizeof(DOL_STREAM_MAGIC) - 1);
        dol_stream_put64(json + json_size, dol_stream_header_sum(bytes, json, json_size));
        mend_records(bytes, size, around + json_size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        g_autofree uint8_t *mended = g_memdup2(data, size);

        try_stream(data, size);
        if (mended)
                mend(mended, size);
        try_stream(mended, mended ? size : 0);
        return 0;
}
