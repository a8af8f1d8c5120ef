/* SPDX-License-Identifier: Apache-2.0 */
/* An image mounted for a moment, seen by nobody: for what only the kernel can do with it. */
#pragma once

#include "base/call.h"
#include "model/volume.h"

/* BUSY while a loop device has the image. One that is just going away is waited for. */
bool dol_image_is_free(const char *image, GError **error);

/* `root` is open on the root directory. */
typedef bool (*dol_mounted_fn)(int root, GError **error);
/* Mounts the ext4 or xfs in an image that is not attached, or on a device, calls fn (NULL = nothing
 * more), and unmounts. There is no mount point, so that a crash in here leaves nothing. INTERNAL
 * when the file system is damaged. */
bool dol_image_mounted(const dol_call *call, dol_fs_kind fs, const char *image, dol_mounted_fn fn,
                       GError **error);
