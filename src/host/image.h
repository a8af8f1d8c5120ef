/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Volume images: raw files that hold a file system or nothing. A new ext4 image is a shared-extent
 * clone (FICLONE, ioctl_ficlone(2)) of a formatted template with a fresh UUID written in-process;
 * where extents cannot be shared, the template's data is copied sparsely.
 */
#pragma once

#include "base/call.h"
#include "model/volume.h"

#include <stdint.h>

typedef struct {
        uint64_t size; /* bytes, multiple of DOL_SIZE_GRAIN */
        dol_fs_kind fs;
        bool thick;        /* allocate every block */
        uint64_t uid, gid; /* of the root directory, ext4 and xfs */
        uint32_t mode;
} dol_image_spec;

/* Makes the image at `path`, whole, or not at all ("<path>.tmp" is renamed; a crash may leave it,
 * the next try replaces it). Its content is durable; its name is once the caller has synced the
 * directory, which holds more than this file. A file that is there already is replaced. Templates
 * are kept in `template_dir`, on the same file system, one per size, at most 16 (the one that was
 * not used for the longest time goes). *ret_fs_uuid gets the new file system's UUID (NULL for
 * DOL_FS_NONE). The ext4 root directory has no lost+found: Docker fills a new volume from the image
 * only when it is empty. A full file system: NO_SPACE. Fault points: host.image.create.before,
 * .template.before, .cloned, .rename.before, .create.after. */
bool dol_image_create(const dol_call *call, const char *template_dir, const char *path,
                      const dol_image_spec *spec, char **ret_fs_uuid, GError **error);

/* What blkid finds on a file or device: type ("ext4", "xfs", "LVM2_member", "gpt" ...) and UUID;
 * both NULL when nothing is found. Signatures of several file systems: CONFLICT. */
bool dol_image_probe(const char *path, char **ret_type, char **ret_uuid, GError **error);

/* Clones all of `from` into the new file `to` (FICLONE); UNSUPPORTED where it cannot, EXISTS when
 * there is one. Not durable before an fsync. */
bool dol_reflink(const char *from, const char *to, GError **error);
/* Whether files in the directory can share extents: tried with two small files. */
bool dol_reflink_works(const char *directory);
