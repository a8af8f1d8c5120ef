/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of a mounted volume or snapshot. Their users decide what lies in it, so nothing is
 * believed: `root` is an open directory (O_PATH will do), every path is resolved beneath it and on
 * its own mount, links in it lead nowhere else, and devices, FIFOs and sockets are never opened,
 * only looked at. A volume may be in use meanwhile.
 *
 * Paths are as dol_file_path_parse makes them.
 */
#pragma once

#include "base/call.h"
#include "model/file.h"

/* ---- opening: files-open.c ---- */

/* An O_PATH descriptor of the file. Symbolic links on the way (and with `follow` at the end) are
 * followed as a program would see them whose root directory this is. NOT_FOUND; -1 on failure. */
int dol_files_open(int root, const char *path, bool follow, GError **error);
/* The same, of any length, without a symbolic link on the way (CONFLICT, naming the path); one at
 * the end is opened itself. */
int dol_files_open_strictly(int root, const char *path, GError **error);
/* Opens what an O_PATH descriptor refers to, which must be a regular file or a directory (else
 * INVALID, naming `path`). */
int dol_files_reopen(int fd, int flags, const char *path, GError **error);
/* The directory that `path` lies in, opened strictly, and its last part. */
int dol_files_open_parent(int root, const char *path, const char **ret_name, GError **error);

/* ---- looking: files-walk.c, files-attributes.c ---- */

/* The file at `path` (depth 0), what it holds (depth 1), and so on, one after the other. A
 * directory comes before what it holds, names of one directory in order of their bytes. What
 * vanishes meanwhile is left out, and so are left-overs of a restore in the root; paths of more
 * than 64 KiB: INVALID. */
typedef struct dol_file_walk dol_file_walk;
dol_file_walk *dol_file_walk_new(const dol_call *call, int root, const char *path, unsigned depth,
                                 GError **error);
void dol_file_walk_free(dol_file_walk *walk); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(dol_file_walk, dol_file_walk_free)
/* *ret_file is NULL at the end. It lives until the next call, and so does *ret_fd, an O_PATH
 * descriptor of it. */
bool dol_file_walk_next(dol_file_walk *walk, const dol_file **ret_file, int *ret_fd,
                        GError **error);

/* The same with a function; false ends it with this error. */
typedef bool (*dol_file_fn)(const dol_file *file, int fd, void *user, GError **error);
bool dol_files_walk(const dol_call *call, int root, const char *path, unsigned depth,
                    dol_file_fn fn, void *user, GError **error);

/* All extended attributes, ACLs among them; NULL with *error unset when there are none. */
GPtrArray *dol_files_xattrs(int fd, const char *path, GError **error);

/* ---- content: files-content.c ---- */

typedef bool (*dol_file_bytes_fn)(uint64_t offset, const void *bytes, size_t size, void *user,
                                  GError **error);

/* Hands out a regular file's bytes in order, without its holes; *ret_size is what it had. `fd`:
 * open for reading. */
bool dol_files_content(const dol_call *call, int fd, const char *path, dol_file_bytes_fn fn,
                       void *user, uint64_t *ret_size, GError **error);

/* ---- making: files-sink.c ---- */

/* Makes files beneath a directory: what a restore, an import and a copy have in common. */
typedef struct dol_file_sink dol_file_sink;

typedef struct {
        uint64_t files;     /* made, of any kind */
        uint64_t bytes;     /* of content written */
        uint64_t kept_back; /* by a lenient sink: devices not made, owners and attributes not set */
} dol_file_counts;

/* `lenient`: for a user who is not root. What only root may do is left out and counted; a file that
 * cannot get its owner loses its set-id bits. */
dol_file_sink *dol_file_sink_new(int root, bool lenient);
/* NULL is fine. What was made stays. */
void dol_file_sink_free(dol_file_sink *sink);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(dol_file_sink, dol_file_sink_free)

/* Makes the file, with all its attributes but for its content; directories on the way too. A
 * directory may be there; any other file is replaced. INVALID: the path leads through a link, or
 * link_to is not there. */
bool dol_file_sink_put(dol_file_sink *sink, const dol_file *file, GError **error);
/* Content of the regular file that was put last. */
bool dol_file_sink_write(dol_file_sink *sink, uint64_t offset, const void *bytes, size_t size,
                         GError **error);
/* Ends that content: the file has `size` bytes, and gets its attributes. */
bool dol_file_sink_end_file(dol_file_sink *sink, uint64_t size, GError **error);
/* Once all is there: directories get their attributes, and everything is on the disk. */
bool dol_file_sink_finish(dol_file_sink *sink, GError **error);
dol_file_counts dol_file_sink_counts(const dol_file_sink *sink);

/* ---- copying: files-copy.c, files-place.c ---- */

/* Copies the file at `path`, and all below it, to `as` beneath the sink's directory: owner, mode,
 * times, ACLs, extended attributes, links among them, holes. */
typedef struct dol_file_copier dol_file_copier;
dol_file_copier *dol_file_copier_new(int from, dol_file_sink *sink);
void dol_file_copier_free(dol_file_copier *copier);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(dol_file_copier, dol_file_copier_free)
bool dol_file_copier_add(dol_file_copier *copier, const dol_call *call, const char *path,
                         const char *as, GError **error);

/* Begins the names of what a restore puts into the root of a volume while it works. */
#define DOL_FILES_STAGE_PREFIX ".dolium-restore-"

/* Moves the finished copy `name` in the directory `stage` to `path` beneath root, each file at
 * once. What is there already: EXISTS, unless `overwrite`: then directories are joined, and other
 * files change places with the copy's. A directory in the place of another kind of file, or the
 * other way round: CONFLICT. With `check` nothing is moved. */
bool dol_files_place(const dol_call *call, int stage, const char *name, int root, const char *path,
                     bool overwrite, bool check, GError **error);
/* Makes the directories that `path` lies in, as they are in `model` where that has them. */
bool dol_files_make_parents(int model, int root, const char *path, GError **error);

/* ---- comparing: files-diff.c ---- */

/* false stops. */
typedef bool (*dol_file_change_fn)(const dol_file_change *change, void *user);

/* What differs between two states of one file system, in order of the paths. Files are compared by
 * inode, size and times, and by content only where these cannot tell. A file with another name is
 * renamed when it is the same inode, made at the same time; what lies in a renamed directory is not
 * told again unless it changed itself. */
bool dol_files_diff(const dol_call *call, int before, int after, dol_file_change_fn fn, void *user,
                    GError **error);
