/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files as a tar stream (pax, POSIX.1-2001), with ACLs, extended attributes, hard links, holes and
 * times to the nanosecond. Of a stream that is read nothing is believed: see files.h.
 */
#pragma once

#include "host/files.h"

#define DOL_TAR_MEDIA_TYPE "application/x-tar"

typedef bool (*dol_tar_out)(const void *bytes, size_t size, void *user, GError **error);
/* Up to `max` bytes; *ret_size 0 = the end. */
typedef bool (*dol_tar_in)(void *to, size_t max, size_t *ret_size, void *user, GError **error);

/* Writes the file at `path` and all below it; names begin with the last part of the path. Sockets
 * are left out: a tar has none. */
bool dol_tar_write(const dol_call *call, int root, const char *path, dol_tar_out out, void *user,
                   GError **error);
/* Makes what the stream (plain, or compressed by gzip or zstd) has, through the sink. With `top`,
 * that stands for the first part of every name. INVALID: not a tar, damaged, cut off, with "..",
 * through a link. Names that begin with '/' lose it. */
bool dol_tar_read(const dol_call *call, dol_tar_in in, void *user, const char *top,
                  dol_file_sink *sink, GError **error);
