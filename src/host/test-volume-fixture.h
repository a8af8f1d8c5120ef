/* SPDX-License-Identifier: Apache-2.0 */
/* Images with a file system and something in it, for tests of what is done to them. */
#pragma once

#include "host/image.h"
#include "host/test-ground.h"

/* Makes an image of its own name in the directory of an XFS or btrfs; its path is to be g_freed. */
char *dol_fixture_image(const char *disk, dol_fs_kind fs, uint64_t size);
/* A clone of it, of its own name. */
char *dol_fixture_clone(const char *image);
/* Attaches and mounts it; the mount point is to be g_freed. */
char *dol_fixture_mount(const char *image, dol_fs_kind fs);
void dol_fixture_unmount(const char *path);
/* Fills a mounted file system with directories and files that are made from `seed`. */
void dol_fixture_fill(const char *path, unsigned seed);
/* Whether it is all there, unchanged. */
bool dol_fixture_is_whole(const char *path, unsigned seed);
/* The same, of an image that is mounted for it. */
void dol_fixture_check_image(const char *image, dol_fs_kind fs, unsigned seed);
/* Bytes that the mounted file system says it has. */
uint64_t dol_fixture_size(const char *path);
/* Whether e2fsck or xfs_repair find nothing in the image. */
bool dol_fixture_is_clean(const char *image, dol_fs_kind fs);
/* Kills the programs that a killed child has left to this process, which is their subreaper
 * (PR_SET_CHILD_SUBREAPER), and all other children. */
void dol_fixture_kill_orphans(void);
