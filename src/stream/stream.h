/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Images of volumes as a stream: what export writes and import reads, to a file or through a pipe.
 * The format is specified in docs/stream-format.md. A stream holds a whole image, or what changed
 * since a base that its reader must have. It is written and read from one end to the other; its
 * writer and its readers hold one record in memory, whatever the size of the volume.
 */
#pragma once

#include "model/volume.h"

enum {
        DOL_STREAM_VERSION = 1,
        DOL_STREAM_PIECE_MAX = 1 << 20, /* bytes of data in one record */
        DOL_STREAM_LEVEL = 1,           /* of zstd: it must keep up with disks */
};

#define DOL_STREAM_MEDIA_TYPE "application/vnd.dolium.stream"

/* A snapshot, as both sides know it. */
typedef struct {
        char *uid;
        char *name; /* its name where the stream was written */
} dol_stream_point;

typedef struct {
        char *uid, *name; /* of the volume, where the stream was written */
        uint64_t size;
        dol_fs_kind fs;             /* ext4, xfs or none */
        dol_stream_point *snapshot; /* that it is an image of; NULL = of the volume at `created` */
        dol_stream_point *base;     /* NULL: the whole image */
        uint64_t data;              /* bytes of data that come, at most: for a progress bar */
        int64_t created;
} dol_stream_header;

extern const dol_schema dol_stream_header_schema;

/* Checks every field; each error begins with the field's name. */
bool dol_stream_header_check(const dol_stream_header *header, GError **error);

/* A range of the image. Ranges come in order and do not overlap; what no range covers is as it was
 * in the base, or zeroes without one. */
typedef struct {
        uint64_t offset, length; /* multiples of DOL_SIZE_GRAIN */
        const void *bytes;       /* `length` bytes, at most DOL_STREAM_PIECE_MAX; NULL: zeroes */
} dol_stream_piece;

/* ---- writer.c ---- */

typedef struct dol_stream_writer dol_stream_writer;
typedef bool (*dol_stream_sink)(const void *bytes, size_t size, void *user, GError **error);

dol_stream_writer *dol_stream_writer_new(dol_stream_sink sink, void *user);
void dol_stream_writer_free(dol_stream_writer *writer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(dol_stream_writer, dol_stream_writer_free)

/* First. INVALID for a header that readers would refuse. */
bool dol_stream_writer_begin(dol_stream_writer *writer, const dol_stream_header *header,
                             GError **error);
/* The next range. What is all zeroes is written as such. */
bool dol_stream_writer_add(dol_stream_writer *writer, const dol_stream_piece *piece,
                           GError **error);
/* Last: the stream is whole. */
bool dol_stream_writer_end(dol_stream_writer *writer, GError **error);
/* Last: the writer cannot go on, and readers are told why. */
bool dol_stream_writer_abort(dol_stream_writer *writer, const char *why, GError **error);

/* ---- reader.c: takes nothing on trust; errors say at which byte of the stream ---- */

typedef struct dol_stream_reader dol_stream_reader;
/* Up to `max` bytes, at least one; *ret_size 0 = the end. */
typedef bool (*dol_stream_source)(void *to, size_t max, size_t *ret_size, void *user,
                                  GError **error);

dol_stream_reader *dol_stream_reader_new(dol_stream_source source, void *user);
void dol_stream_reader_free(dol_stream_reader *reader);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(dol_stream_reader, dol_stream_reader_free)

/* First. Borrowed from the reader. UNSUPPORTED for a newer version of the format. */
const dol_stream_header *dol_stream_reader_begin(dol_stream_reader *reader, GError **error);
/* The next range; its bytes stay until the next call. *ret_any false: the stream was whole, and
 * nothing follows it. INVALID for a damaged stream, and one that ends too early; UNAVAILABLE when
 * its writer gave up. */
bool dol_stream_reader_next(dol_stream_reader *reader, dol_stream_piece *ret, bool *ret_any,
                            GError **error);

/* ---- check.c: looks at a stream that goes by, without expanding it ---- */

typedef struct dol_stream_check dol_stream_check;

dol_stream_check *dol_stream_check_new(void);
void dol_stream_check_free(dol_stream_check *check);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(dol_stream_check, dol_stream_check_free)

/* The next bytes of the stream; fails as the reader does. */
bool dol_stream_check_feed(dol_stream_check *check, const void *bytes, size_t size, GError **error);
/* Nothing comes any more: was it whole? */
bool dol_stream_check_end(const dol_stream_check *check, GError **error);
/* Bytes of data that were in it so far; and in all of it, 0 while that is not known. */
void dol_stream_check_progress(const dol_stream_check *check, uint64_t *ret_done,
                               uint64_t *ret_all);
