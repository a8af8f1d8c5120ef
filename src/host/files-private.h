/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of host/files-*.c and host/tar-*.c share. */
#pragma once

#include "host/files.h"

#include <sys/stat.h>

enum { DOL_FILES_PATH_MAX = 65536 };

/* openat2 that stays on the mount and follows no magic link; errno on failure. */
int dol_files_openat2(int parent, const char *path, uint64_t flags, uint64_t resolve);
/* "/proc/self/fd/N": reaches the very file of an O_PATH descriptor. */
char *dol_files_proc_path(int fd);
/* Fills the file from an O_PATH descriptor, the target of a link too (to be g_freed). */
bool dol_files_stat(int fd, const char *path, dol_file *ret, GError **error);

/* The names in a directory, in order of their bytes; `path` is for messages. */
GPtrArray *dol_files_names(int fd, const char *path, GError **error);

void dol_file_xattr_free(void *xattr);

/* Owner, mode and extended attributes onto an O_PATH descriptor. What a lenient caller may leave
 * out is counted. */
bool dol_files_set_attributes(int fd, const dol_file *file, bool lenient, uint64_t *kept_back,
                              GError **error);
/* The time of the last change of content. */
bool dol_files_set_time(int fd, const dol_file *file, GError **error);
