/* SPDX-License-Identifier: Apache-2.0 */
/* A file in a volume or snapshot, as its file system shows it, and how it differs from what it was.
 * Names are bytes: they may hold anything but '/' and NUL. */
#pragma once

#include "codec/schema.h"

#include <sys/types.h>
#include <time.h>

typedef enum {
        DOL_FILE_REGULAR,
        DOL_FILE_DIRECTORY,
        DOL_FILE_SYMLINK,
        DOL_FILE_FIFO,
        DOL_FILE_SOCKET,
        DOL_FILE_CHARACTER,
        DOL_FILE_BLOCK,
} dol_file_type;

/* One extended attribute. */
typedef struct {
        char *name;
        void *value;
        size_t size;
} dol_file_xattr;

/* The strings are borrowed from who shows the file, for the time of the call. */
typedef struct {
        const char
                *path; /* from the root of the volume, without a '/' at its ends; "" = the root */
        char *shown;   /* the same as UTF-8, beginning with '/'; filled when shown */
        char *raw;     /* base64 of `path` when that is not UTF-8; filled when shown */
        dol_file_type type;
        uint32_t mode; /* permissions, set-id and sticky bits */
        uint64_t uid, gid;
        uint64_t size;
        uint64_t links;
        uint64_t inode;
        dev_t device;  /* of a device file */
        char *target;  /* of a symbolic link */
        char *link_to; /* path of the same file that came before; NULL = the first */
        struct timespec mtime, ctime;
        struct timespec btime; /* when it was made; 0 = the file system does not say */
        int64_t modified;      /* mtime in usec since 1970; filled when shown */
        GPtrArray *xattrs;     /* of dol_file_xattr; NULL = none, or not asked for */
} dol_file;

extern const dol_schema dol_file_schema;
extern const char *const dol_file_type_words[];

/* The kind of a file by the type bits of its mode. */
dol_file_type dol_file_type_of(mode_t mode);
/* The type bits of a mode. */
mode_t dol_file_type_bits(dol_file_type type);
/* Writes the file as one JSON object. */
void dol_file_encode(const dol_file *file, GString *to);

typedef enum {
        DOL_FILE_ADDED,
        DOL_FILE_REMOVED,
        DOL_FILE_CHANGED,  /* its content, or what kind of file it is; perhaps renamed too */
        DOL_FILE_METADATA, /* owner, mode, times or attributes only */
        DOL_FILE_RENAMED,  /* the same inode under another path */
} dol_file_change_kind;

typedef struct {
        dol_file_change_kind change;
        const char *path;
        const char *from; /* the path before, when it had another one; NULL otherwise */
        dol_file_type type;
        uint64_t size; /* now; of a removed one: before */
} dol_file_change;

extern const dol_schema dol_file_change_schema;

/* Writes the change as one JSON object. */
void dol_file_change_encode(const dol_file_change *change, GString *to);

/* "data/x" of "/data//./x/"; "" = the root. INVALID: with "..", or longer than 4095 bytes. The
 * caller's to g_free. */
char *dol_file_path_parse(const char *text, GError **error);
/* The same, of any length. */
char *dol_file_path_clean(const char *text, GError **error);
