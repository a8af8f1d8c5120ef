/* SPDX-License-Identifier: Apache-2.0 */
#include "stream/parser.h"

#include <string.h>

void dol_stream_parser_init(dol_stream_parser *parser, bool expands)
{
        *parser = (dol_stream_parser){.expands = expands, .wanted = DOL_STREAM_PREAMBLE_SIZE};
        parser->all = XXH3_createState();
        XXH3_128bits_reset(parser->all);
        if (expands) {
                parser->zstd = ZSTD_createDCtx();
                parser->expanded = g_malloc(DOL_STREAM_PIECE_MAX);
        }
}

void dol_stream_parser_clear(dol_stream_parser *parser)
{
        dol_schema_free(&dol_stream_header_schema, parser->header);
        XXH3_freeState(parser->all);
        ZSTD_freeDCtx(parser->zstd);
        g_free(parser->expanded);
}

/* INVALID with the place of the unit. Always false. */
static bool G_GNUC_PRINTF(3, 4)
        bad(const dol_stream_parser *parser, GError **error, const char *format, ...)
{
        g_autofree char *text = NULL;
        va_list args;

        va_start(args, format);
        text = g_strdup_vprintf(format, args);
        va_end(args);
        return dol_fail(error, DOL_ERROR_INVALID,
                        "the stream is damaged at byte %" G_GUINT64_FORMAT ": %s", parser->position,
                        text);
}

static void go_to(dol_stream_parser *parser, dol_stream_place place, size_t wanted)
{
        parser->position += parser->wanted;
        parser->place = place;
        parser->wanted = (uint32_t)wanted;
}

/* ---- preamble and header ---- */

static bool take_preamble(dol_stream_parser *parser, const uint8_t *unit, GError **error)
{
        uint32_t version = dol_stream_get32(unit + 8), size = dol_stream_get32(unit + 12);

        if (memcmp(unit, DOL_STREAM_MAGIC, sizeof(DOL_STREAM_MAGIC) - 1) != 0)
                return dol_fail(error, DOL_ERROR_INVALID,
                                "this is not a stream of dolium: it begins with other bytes");
        if (version > DOL_STREAM_VERSION)
                return dol_fail(error, DOL_ERROR_UNSUPPORTED,
                                "the stream has version %u of the format, and this program reads "
                                "versions up to %d: upgrade it",
                                version, DOL_STREAM_VERSION);
        if (version == 0)
                return bad(parser, error, "there is no version 0 of the format");
        if (size == 0 || size > DOL_STREAM_HEADER_MAX)
                return bad(parser, error, "a header of %u bytes", size);
        memcpy(parser->preamble, unit, sizeof(parser->preamble));
        go_to(parser, DOL_STREAM_AT_HEADER, size + DOL_STREAM_SUM_SIZE);
        return true;
}

static bool take_header(dol_stream_parser *parser, const uint8_t *unit, GError **error)
{
        size_t size = parser->wanted - DOL_STREAM_SUM_SIZE;
        g_autofree dol_stream_header *header = g_new0(dol_stream_header, 1);
        g_autoptr(GError) why = NULL;

        if (dol_stream_header_sum(parser->preamble, unit, size) != dol_stream_get64(unit + size))
                return bad(parser, error, "the checksum of the header does not fit");
        if (!dol_json_decode(&dol_stream_header_schema, (const char *)unit, size, 0, header, &why))
                return bad(parser, error, "header: %s", why->message);
        parser->header = g_steal_pointer(&header);
        if (!dol_stream_header_check(parser->header, &why))
                return bad(parser, error, "header: %s", why->message);
        go_to(parser, DOL_STREAM_AT_HEAD, DOL_STREAM_HEAD_SIZE);
        return true;
}

/* ---- records ---- */

static bool check_range(const dol_stream_parser *parser, const dol_stream_head *head,
                        GError **error)
{
        uint64_t size = parser->header->size;

        if (head->length == 0 || (head->offset | head->length) % DOL_SIZE_GRAIN != 0)
                return bad(parser, error, "a range that is empty or not of whole blocks");
        if (head->offset < parser->end)
                return bad(parser, error, "a range that begins before the end of the last one");
        if (head->offset > size || head->length > size - head->offset)
                return bad(parser, error, "a range beyond the volume's size");
        if (head->kind != DOL_STREAM_ZERO && head->length > DOL_STREAM_PIECE_MAX)
                return bad(parser, error, "more data in one record than allowed");
        return true;
}

/* How much payload a record must have, and may have. */
static bool check_stored(const dol_stream_parser *parser, const dol_stream_head *head,
                         GError **error)
{
        uint64_t min = 0, max = 0;

        switch (head->kind) {
        case DOL_STREAM_DATA:
                min = max = head->length;
                break;
        case DOL_STREAM_ZSTD:
                min = 1;
                max = head->length - 1;
                break;
        case DOL_STREAM_ABORT:
                min = 1;
                max = DOL_STREAM_REASON_MAX;
                break;
        case DOL_STREAM_END:
                min = max = DOL_STREAM_END_SIZE;
                break;
        default: /* zeroes have none */
                break;
        }
        return (head->stored >= min && head->stored <= max) ||
               bad(parser, error, "a record with %u bytes of payload", head->stored);
}

static bool take_payload(dol_stream_parser *parser, const uint8_t *payload, dol_stream_piece *ret,
                         bool *ret_any, GError **error);

static bool take_head(dol_stream_parser *parser, const uint8_t *unit, dol_stream_piece *ret,
                      bool *ret_any, GError **error)
{
        dol_stream_head *head = &parser->head;

        memcpy(parser->raw_head, unit, sizeof(parser->raw_head));
        dol_stream_head_decode(unit, head);
        if (head->kind < DOL_STREAM_DATA || head->kind > DOL_STREAM_END)
                return bad(parser, error, "a record of unknown kind %u", head->kind);
        if (head->kind <= DOL_STREAM_ZERO) {
                if (!check_range(parser, head, error))
                        return false;
        } else if (head->offset || head->length) {
                return bad(parser, error, "a range where there is none");
        }
        if (!check_stored(parser, head, error))
                return false;
        if (head->stored == 0)
                return take_payload(parser, unit, ret, ret_any, error);
        go_to(parser, DOL_STREAM_AT_PAYLOAD, head->stored);
        return true;
}

static bool expand(dol_stream_parser *parser, const uint8_t *payload, const void **ret_bytes,
                   GError **error)
{
        const dol_stream_head *head = &parser->head;
        size_t size;

        *ret_bytes = NULL;
        if (!parser->expands || head->kind == DOL_STREAM_ZERO)
                return true;
        if (head->kind == DOL_STREAM_DATA) {
                *ret_bytes = payload;
                return true;
        }
        size = ZSTD_decompressDCtx(parser->zstd, parser->expanded, head->length, payload,
                                   head->stored);
        if (ZSTD_isError(size))
                return bad(parser, error, "zstd: %s", ZSTD_getErrorName(size));
        if (size != head->length)
                return bad(parser, error, "data that expands to less than its range");
        *ret_bytes = parser->expanded;
        return true;
}

static bool take_range(dol_stream_parser *parser, const uint8_t *payload, dol_stream_piece *ret,
                       bool *ret_any, GError **error)
{
        const dol_stream_head *head = &parser->head;

        *ret = (dol_stream_piece){.offset = head->offset, .length = head->length};
        if (!expand(parser, payload, &ret->bytes, error))
                return false;
        *(head->kind == DOL_STREAM_ZERO ? &parser->totals.zero : &parser->totals.data) +=
                head->length;
        parser->totals.records++;
        parser->end = head->offset + head->length;
        *ret_any = true;
        return true;
}

static bool take_abort(const dol_stream_parser *parser, const uint8_t *payload, GError **error)
{
        g_autofree char *why = g_utf8_make_valid((const char *)payload, parser->head.stored);

        return dol_fail(error, DOL_ERROR_UNAVAILABLE, "the sender of the stream gave up: %s", why);
}

static bool take_end(dol_stream_parser *parser, const uint8_t *payload, GError **error)
{
        XXH128_hash_t all = XXH3_128bits_digest(parser->all);
        dol_stream_totals *found = &parser->totals, said;

        dol_stream_totals_decode(payload, &said);
        if (said.records != found->records || said.data != found->data || said.zero != found->zero)
                return bad(parser, error,
                           "its end counts %" G_GUINT64_FORMAT
                           " records, and there were %" G_GUINT64_FORMAT,
                           said.records, found->records);
        return (said.sum[0] == all.low64 && said.sum[1] == all.high64) ||
               bad(parser, error, "the checksum of the whole does not fit");
}

static bool take_payload(dol_stream_parser *parser, const uint8_t *payload, dol_stream_piece *ret,
                         bool *ret_any, GError **error)
{
        const dol_stream_head *head = &parser->head;
        bool is_end = head->kind == DOL_STREAM_END;

        if (dol_stream_sum(parser->number++, parser->raw_head, payload, head->stored) != head->sum)
                return bad(parser, error, "the checksum of a record does not fit");
        if (head->kind == DOL_STREAM_ABORT)
                return take_abort(parser, payload, error);
        if (is_end ? !take_end(parser, payload, error)
                   : !take_range(parser, payload, ret, ret_any, error))
                return false;
        XXH3_128bits_update(parser->all, parser->raw_head, sizeof(parser->raw_head));
        XXH3_128bits_update(parser->all, payload, head->stored);
        go_to(parser, is_end ? DOL_STREAM_AT_END : DOL_STREAM_AT_HEAD,
              is_end ? 0 : DOL_STREAM_HEAD_SIZE);
        return true;
}

bool dol_stream_parser_take(dol_stream_parser *parser, const uint8_t *unit, dol_stream_piece *ret,
                            bool *ret_any, GError **error)
{
        size_t size = parser->wanted;

        *ret_any = false;
        switch (parser->place) {
        case DOL_STREAM_AT_PREAMBLE:
                XXH3_128bits_update(parser->all, unit, size);
                return take_preamble(parser, unit, error);
        case DOL_STREAM_AT_HEADER:
                XXH3_128bits_update(parser->all, unit, size);
                return take_header(parser, unit, error);
        case DOL_STREAM_AT_HEAD:
                return take_head(parser, unit, ret, ret_any, error);
        case DOL_STREAM_AT_PAYLOAD:
                return take_payload(parser, unit, ret, ret_any, error);
        case DOL_STREAM_AT_END:
                break;
        }
        return dol_stream_parser_fail_beyond(parser, error);
}

bool dol_stream_parser_end(const dol_stream_parser *parser, size_t more, GError **error)
{
        if (parser->place == DOL_STREAM_AT_END)
                return true;
        if (parser->position + more == 0)
                return dol_fail(error, DOL_ERROR_INVALID, "the stream is empty");
        return dol_fail(error, DOL_ERROR_INVALID,
                        "the stream was cut off: it ends after %" G_GUINT64_FORMAT
                        " bytes, without its end record",
                        parser->position + more);
}

bool dol_stream_parser_fail_beyond(const dol_stream_parser *parser, GError **error)
{
        return bad(parser, error, "something follows its end");
}
