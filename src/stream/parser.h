/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one place that understands a stream, for reader.c and check.c. A stream is taken in units
 * (preamble, header, head of a record, payload); the parser says how large the next one is, and is
 * given exactly that much.
 */
#pragma once

#include "stream/format.h"

#include <xxhash.h>
#include <zstd.h>

typedef enum {
        DOL_STREAM_AT_PREAMBLE,
        DOL_STREAM_AT_HEADER,
        DOL_STREAM_AT_HEAD,
        DOL_STREAM_AT_PAYLOAD,
        DOL_STREAM_AT_END,
} dol_stream_place;

typedef struct {
        bool expands; /* data is wanted, not only checked */
        dol_stream_place place;
        uint32_t wanted;   /* size of the next unit; 0 at the end */
        uint64_t position; /* bytes taken so far */
        uint8_t preamble[DOL_STREAM_PREAMBLE_SIZE];
        dol_stream_header *header; /* NULL until it was read */
        uint8_t raw_head[DOL_STREAM_HEAD_SIZE];
        dol_stream_head head; /* of the record that is being taken */
        uint64_t number;      /* of that record */
        uint64_t end;         /* of the last range */
        dol_stream_totals totals;
        XXH3_state_t *all;
        ZSTD_DCtx *zstd;
        uint8_t *expanded; /* DOL_STREAM_PIECE_MAX bytes */
} dol_stream_parser;

enum { DOL_STREAM_UNIT_MAX = DOL_STREAM_PIECE_MAX };

/* `expands`: as the member. Clear it in the end. */
void dol_stream_parser_init(dol_stream_parser *parser, bool expands);
void dol_stream_parser_clear(dol_stream_parser *parser);
/* Takes a unit of parser->wanted bytes. *ret_any: it completed a range. Bytes of the range are the
 * unit's or the parser's; NULL also when nothing is expanded. */
bool dol_stream_parser_take(dol_stream_parser *parser, const uint8_t *unit, dol_stream_piece *ret,
                            bool *ret_any, GError **error);
/* The stream ends here, `more` bytes into the next unit: is it whole? */
bool dol_stream_parser_end(const dol_stream_parser *parser, size_t more, GError **error);
/* INVALID: bytes follow the end record. */
bool dol_stream_parser_fail_beyond(const dol_stream_parser *parser, GError **error);
