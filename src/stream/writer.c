/* SPDX-License-Identifier: Apache-2.0 */
#include "stream/format.h"

#include <string.h>
#include <xxhash.h>
#include <zstd.h>

struct dol_stream_writer {
        dol_stream_sink sink;
        void *user;
        XXH3_state_t *all; /* over everything that was written */
        ZSTD_CCtx *zstd;
        uint8_t *record;     /* room for a head and the largest payload */
        size_t payload_room; /* bytes of it for the payload */
        uint64_t number;     /* of the next record */
        dol_stream_totals totals;
        uint64_t zero_offset, zero_length; /* range of zeroes that is not written yet */
};

dol_stream_writer *dol_stream_writer_new(dol_stream_sink sink, void *user)
{
        dol_stream_writer *writer = g_new0(dol_stream_writer, 1);

        writer->sink = sink;
        writer->user = user;
        writer->all = XXH3_createState();
        XXH3_128bits_reset(writer->all);
        writer->zstd = ZSTD_createCCtx();
        writer->payload_room = ZSTD_compressBound(DOL_STREAM_PIECE_MAX);
        writer->record = g_malloc(DOL_STREAM_HEAD_SIZE + writer->payload_room);
        return writer;
}

void dol_stream_writer_free(dol_stream_writer *writer)
{
        if (!writer)
                return;
        XXH3_freeState(writer->all);
        ZSTD_freeCCtx(writer->zstd);
        g_free(writer->record);
        g_free(writer);
}

static bool put(dol_stream_writer *writer, const void *bytes, size_t size, GError **error)
{
        XXH3_128bits_update(writer->all, bytes, size);
        return writer->sink(bytes, size, writer->user, error);
}

bool dol_stream_writer_begin(dol_stream_writer *writer, const dol_stream_header *header,
                             GError **error)
{
        uint8_t preamble[DOL_STREAM_PREAMBLE_SIZE], sum[DOL_STREAM_SUM_SIZE];
        g_autoptr(GString) json = g_string_new(NULL);

        if (!dol_stream_header_check(header, error))
                return dol_fail_while(error, "header of the stream");
        dol_json_encode(&dol_stream_header_schema, header, DOL_ENCODE_STORE, json);
        memcpy(preamble, DOL_STREAM_MAGIC, sizeof(DOL_STREAM_MAGIC) - 1);
        dol_stream_put32(preamble + 8, DOL_STREAM_VERSION);
        dol_stream_put32(preamble + 12, (uint32_t)json->len);
        dol_stream_put64(sum, dol_stream_header_sum(preamble, json->str, json->len));
        return put(writer, preamble, sizeof(preamble), error) &&
               put(writer, json->str, json->len, error) && put(writer, sum, sizeof(sum), error);
}

/* The payload is in its place already. */
static bool put_record(dol_stream_writer *writer, dol_stream_head head, GError **error)
{
        uint8_t *payload = writer->record + DOL_STREAM_HEAD_SIZE;

        dol_stream_head_encode(&head, writer->record);
        head.sum = dol_stream_sum(writer->number++, writer->record, payload, head.stored);
        dol_stream_head_encode(&head, writer->record);
        return put(writer, writer->record, DOL_STREAM_HEAD_SIZE + head.stored, error);
}

static bool flush_zero(dol_stream_writer *writer, GError **error)
{
        dol_stream_head head = {.kind = DOL_STREAM_ZERO,
                                .offset = writer->zero_offset,
                                .length = writer->zero_length};

        if (!writer->zero_length)
                return true;
        writer->zero_length = 0;
        writer->totals.records++;
        writer->totals.zero += head.length;
        return put_record(writer, head, error);
}

static bool add_zero(dol_stream_writer *writer, uint64_t offset, uint64_t length, GError **error)
{
        if (writer->zero_length && writer->zero_offset + writer->zero_length == offset) {
                writer->zero_length += length;
                return true;
        }
        if (!flush_zero(writer, error))
                return false;
        writer->zero_offset = offset;
        writer->zero_length = length;
        return true;
}

static bool add_data(dol_stream_writer *writer, uint64_t offset, const void *bytes, size_t length,
                     GError **error)
{
        uint8_t *payload = writer->record + DOL_STREAM_HEAD_SIZE;
        dol_stream_head head = {.kind = DOL_STREAM_ZSTD, .offset = offset, .length = length};
        size_t stored;

        if (!flush_zero(writer, error))
                return false;
        stored = ZSTD_compressCCtx(writer->zstd, payload, writer->payload_room, bytes, length,
                                   DOL_STREAM_LEVEL);
        if (ZSTD_isError(stored) || stored >= length) {
                head.kind = DOL_STREAM_DATA;
                stored = length;
                memcpy(payload, bytes, length);
        }
        head.stored = (uint32_t)stored;
        writer->totals.records++;
        writer->totals.data += length;
        return put_record(writer, head, error);
}

bool dol_stream_writer_add(dol_stream_writer *writer, const dol_stream_piece *piece, GError **error)
{
        if (!piece->bytes || dol_stream_is_zero(piece->bytes, piece->length))
                return add_zero(writer, piece->offset, piece->length, error);
        return add_data(writer, piece->offset, piece->bytes, piece->length, error);
}

bool dol_stream_writer_end(dol_stream_writer *writer, GError **error)
{
        const dol_stream_head head = {.kind = DOL_STREAM_END, .stored = DOL_STREAM_END_SIZE};
        XXH128_hash_t all;

        if (!flush_zero(writer, error))
                return false;
        all = XXH3_128bits_digest(writer->all);
        writer->totals.sum[0] = all.low64;
        writer->totals.sum[1] = all.high64;
        dol_stream_totals_encode(&writer->totals, writer->record + DOL_STREAM_HEAD_SIZE);
        return put_record(writer, head, error);
}

bool dol_stream_writer_abort(dol_stream_writer *writer, const char *why, GError **error)
{
        g_autofree char *text =
                g_utf8_make_valid(why, (gssize)strnlen(why, DOL_STREAM_REASON_MAX / 3));
        const dol_stream_head head = {.kind = DOL_STREAM_ABORT, .stored = (uint32_t)strlen(text)};

        memcpy(writer->record + DOL_STREAM_HEAD_SIZE, text, head.stored);
        return put_record(writer, head, error);
}
