/* SPDX-License-Identifier: Apache-2.0 */
/* Small files, directories and their durability. Paths are absolute or relative to the cwd. */
#pragma once

#include "base/error.h"

#include <stdint.h>
#include <sys/types.h>

/* Replaces `path` by `size` bytes: temporary file beside it, fsync, rename, fsync of the
 * directory. After a crash the file is the old one or the new one, whole. */
bool dol_file_replace(const char *path, const void *bytes, size_t size, mode_t mode,
                      GError **error);
/* Reads a whole file of at most `max` bytes (more: INVALID). *ret_bytes is NUL-terminated beyond
 * *ret_size (which may be NULL) and the caller's to g_free. */
bool dol_file_read(const char *path, size_t max, char **ret_bytes, size_t *ret_size,
                   GError **error);
/* Like dol_file_read for one line of /proc or /sys: trailing white space removed. */
char *dol_file_read_line(const char *path, GError **error);

/* Creates a directory and its missing parents with `mode`; one that exists is left as it is. */
bool dol_directory_ensure(const char *path, mode_t mode, GError **error);
/* Makes creations, renames and removals in the directory durable. */
bool dol_directory_sync(const char *path, GError **error);

/* Writes all bytes in spite of short writes and EINTR. */
bool dol_write_all(int fd, const void *bytes, size_t size, GError **error);
