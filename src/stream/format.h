/* SPDX-License-Identifier: Apache-2.0 */
/* The layout of a stream, for the files of this room and their tests; see docs/stream-format.md.
 * All numbers are little-endian. */
#pragma once

#include "stream/stream.h"

/* The second half finds transfers that change line ends or cut at a control character. */
#define DOL_STREAM_MAGIC \
        "\x89"           \
        "DOL\r\n\x1a\n"

enum {
        DOL_STREAM_PREAMBLE_SIZE = 16, /* magic, version, size of the header */
        DOL_STREAM_HEADER_MAX = 65536, /* bytes of JSON */
        DOL_STREAM_SUM_SIZE = 8,       /* after the header */
        DOL_STREAM_HEAD_SIZE = 32,     /* of a record */
        DOL_STREAM_HEAD_SUMMED = 24,   /* of it, what its checksum covers */
        DOL_STREAM_END_SIZE = 40,      /* of the end record's payload */
        DOL_STREAM_REASON_MAX = 1024,  /* of an abort record's */
};

typedef enum {
        DOL_STREAM_DATA = 1, /* payload: the bytes */
        DOL_STREAM_ZSTD = 2, /* payload: one zstd frame of them */
        DOL_STREAM_ZERO = 3, /* no payload */
        DOL_STREAM_ABORT = 4,
        DOL_STREAM_END = 5,
} dol_stream_kind;

typedef struct {
        uint32_t kind;
        uint32_t stored; /* bytes of payload */
        uint64_t offset, length;
        uint64_t sum;
} dol_stream_head;

typedef struct {
        uint64_t records;    /* before the end record */
        uint64_t data, zero; /* bytes in their ranges */
        uint64_t sum[2];     /* of the stream so far: low, high */
} dol_stream_totals;

/* Little-endian numbers at any address. */
uint64_t dol_stream_get64(const void *from);
uint32_t dol_stream_get32(const void *from);
void dol_stream_put64(void *to, uint64_t value);
void dol_stream_put32(void *to, uint32_t value);

/* Structs and their DOL_STREAM_HEAD_SIZE and DOL_STREAM_END_SIZE bytes. */
void dol_stream_head_encode(const dol_stream_head *head, uint8_t *to);
void dol_stream_head_decode(const uint8_t *from, dol_stream_head *ret);
void dol_stream_totals_encode(const dol_stream_totals *totals, uint8_t *to);
void dol_stream_totals_decode(const uint8_t *from, dol_stream_totals *ret);

/* XXH3 (64 bits) of an encoded head and its payload. The number of the record is its seed: a record
 * that was moved, repeated or left out does not fit. */
uint64_t dol_stream_sum(uint64_t number, const uint8_t *head, const void *payload, size_t size);
/* XXH3 (64 bits) of preamble and header. */
uint64_t dol_stream_header_sum(const uint8_t *preamble, const void *json, size_t size);
bool dol_stream_is_zero(const void *bytes, size_t size);
