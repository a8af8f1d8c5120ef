/* SPDX-License-Identifier: Apache-2.0 */
/* What the files about images share; for them and their tests. */
#pragma once

#include "host/image.h"

#define DOL_IMAGE_TEMPLATES_MAX 16

/* Runs a mkfs; NO_SPACE when the file system beneath `path` is the reason for its failure. */
bool dol_image_mkfs(const dol_call *call, const char *const argv[], const char *path,
                    GError **error);
/* Formats the file (size as it is) as an ext4 template: no lost+found, nothing left for the kernel
 * to initialise, checksums that do not depend on the UUID. */
bool dol_ext4_format(const dol_call *call, const char *path, uint64_t size, GError **error);
/* Whether the file begins with the superblock of a whole template of this size. */
bool dol_ext4_is_template(int fd, uint64_t size);
/* Gives the copy `to` of the template `from` its own UUID (text), hash seed and times, and its root
 * directory an owner and mode. Whole blocks are read from the template, whose pages are cached. */
bool dol_ext4_personalise(int from, int to, const char *uuid, const dol_image_spec *spec,
                          GError **error);

/* What a superblock says of a file system. */
typedef struct {
        bool plain;        /* made as the templates are, so that dol_ext4_set_uuid will do */
        bool needs_replay; /* its journal has something that is not in its place yet */
        bool errors;       /* e2fsck should look at it */
        uint64_t size;     /* bytes */
} dol_ext4_info;

/* INTERNAL when there is none. */
bool dol_ext4_inspect(int fd, dol_ext4_info *ret, GError **error);
/* Gives a whole file system that is not mounted, with nothing to replay, another UUID. */
bool dol_ext4_set_uuid(int fd, const char *uuid, GError **error);

/* The size in bytes of the xfs in the file; INTERNAL when there is none. */
bool dol_xfs_inspect(int fd, uint64_t *ret_size, GError **error);
/* Gives an xfs that was just unmounted another UUID. *ret_done false: it is not quite as expected,
 * and was left alone. */
bool dol_xfs_set_uuid(int fd, const char *uuid, bool *ret_done, GError **error);
/* The 16 bytes of a UUID. */
void dol_image_parse_uuid(const char *text, uint8_t *ret);
/* Grows the mounted xfs with this root directory to fill its device. */
bool dol_xfs_grow(int root, GError **error);
/* mkfs.xfs with this UUID, then owner and mode of the root directory. */
bool dol_xfs_format(const dol_call *call, const char *path, const char *uuid,
                    const dol_image_spec *spec, GError **error);

/* Opens the ext4 template of a size for reading, made first if need be; -1 on failure. */
int dol_image_template(const dol_call *call, const char *directory, uint64_t size, GError **error);

/* Makes the empty file `to` share all extents of `from`; UNSUPPORTED where it cannot. */
bool dol_image_clone(int from, int to, GError **error);
/* Copies what is not a hole; `to` gets the same size. */
bool dol_image_copy(int from, int to, GError **error);
/* Turns blocks of zeroes into holes, where the file system can. */
void dol_image_dig(int fd);
