/* SPDX-License-Identifier: Apache-2.0 */
/* Free space and the media beneath a path. */
#pragma once

#include "base/error.h"
#include "model/pool.h"

#include <stdint.h>

typedef struct {
        uint64_t size, used, available; /* bytes; available as an unprivileged user sees it */
        uint64_t inodes, inodes_used;
        uint32_t magic;   /* of statfs(2): XFS_SUPER_MAGIC ... */
        char fs_type[16]; /* "xfs", "btrfs", "ext4", or "0x<magic>" */
} dol_space;

/* Of the file system that holds `path`. */
bool dol_space_of(const char *path, dol_space *ret, GError **error);
/* Bytes that a file really takes (st_blocks). */
bool dol_space_allocated(const char *path, uint64_t *ret, GError **error);
/* Writes zeroes' worth of blocks: posix_fallocate without changing the size of a larger file. */
bool dol_space_preallocate(const char *path, uint64_t size, GError **error);
/* Gives back the blocks that the file system mounted at `path` does not use, of `length` bytes from
 * `offset` on; behind its end: true. UNSUPPORTED when what is beneath it cannot take them. */
bool dol_space_trim(const char *path, uint64_t offset, uint64_t length, GError **error);
/* Media class of the disk under a path: follows loop devices, partitions and device-mapper down to
 * /sys/block/<disk>/queue/rotational. DOL_MEDIA_UNKNOWN when it cannot be told. */
dol_media dol_space_media(const char *path);
