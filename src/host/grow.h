/* SPDX-License-Identifier: Apache-2.0 */
/* Growing: the image, and the file system in it, mounted or not. Each step by itself; done already:
 * true. No file system ever shrinks: a smaller size is INVALID. And giving a copied file system an
 * identity of its own. */
#pragma once

#include "base/call.h"
#include "model/volume.h"

/* Grows the image file; `thick` allocates all its holes. Durable. The size changes last: NO_SPACE
 * leaves it as it was, and nothing allocated beyond. */
bool dol_grow_image(const dol_call *call, const char *image, uint64_t size, bool thick,
                    GError **error);
/* Takes back what a grow added in vain to an image that nobody has attached: it gets `size` bytes
 * again. The journal, which may know of a larger file system, is replayed first. INVALID when the
 * file system ends beyond, or when there is none. */
bool dol_grow_give_up(const dol_call *call, dol_fs_kind fs, const char *image, uint64_t size,
                      GError **error);
/* Whether this process may grow such a file system while it is mounted: DENIED when it lacks
 * CAP_SYS_RESOURCE, which the kernel wants for ext4. */
bool dol_grow_mounted_allowed(dol_fs_kind fs, GError **error);
/* Grows the mounted file system at `path` to fill its device (EXT4_IOC_RESIZE_FS,
 * XFS_IOC_FSGROWFSDATA). A last piece that is too small for a group of its own stays unused.
 * DENIED without CAP_SYS_RESOURCE, which the kernel wants for ext4: dol_grow_image_fs is the other
 * way. */
bool dol_grow_mounted(const dol_call *call, dol_fs_kind fs, const char *path, GError **error);
/* Grows the file system in an image that nobody has attached, to fill it: ext4 by e2fsck -fp and
 * resize2fs, xfs while it is mounted for a moment. BUSY while it is attached. Killed in the middle,
 * it can be repeated. */
bool dol_grow_image_fs(const dol_call *call, dol_fs_kind fs, const char *image, GError **error);

/* Replays the journal of the file system in an image that is not attached, or on a device that is
 * not mounted, as a mount does: by one that nobody sees, for a moment. A clean one: true. INTERNAL:
 * the file system is damaged. */
bool dol_image_replay(const dol_call *call, dol_fs_kind fs, const char *image, GError **error);

/* Gives the file system in an image that is not attached a new UUID, so that it and its original
 * can be mounted at the same time. The journal is replayed first. *ret_uuid is the new one (NULL
 * for DOL_FS_NONE). BUSY while it is attached. */
bool dol_image_renew_uuid(const dol_call *call, dol_fs_kind fs, const char *image, char **ret_uuid,
                          GError **error);

/* Checks the file system in an image or device that is not mounted: e2fsck -fn / xfs_repair -n, or
 * with `repair` e2fsck -fy / xfs_repair. *ret_report is the programs' output (64 KiB at most).
 * *ret_clean: nothing was found (or all of it was repaired). A journal that was not replayed makes
 * a check find what is none: see dol_image_replay. Repairing xfs replays it, and throws it away
 * when that fails because of damage. To be repaired, but in use: BUSY. */
bool dol_image_check(const dol_call *call, dol_fs_kind fs, const char *image, bool repair,
                     bool *ret_clean, char **ret_report, GError **error);
