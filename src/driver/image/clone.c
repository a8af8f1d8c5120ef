/* SPDX-License-Identifier: Apache-2.0 */
/* New volumes from old images, old images back in place, larger images, and what differs. */
#include "base/fault.h"
#include "base/file.h"
#include "driver/description.h"
#include "driver/image/image.h"
#include "host/extents.h"
#include "host/grow.h"
#include "host/image.h"
#include "host/loop.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* The image of a snapshot, or of the volume itself. */
static char *image_of(const image_pool *pool, const char *volume, const char *snapshot)
{
        return snapshot ? image_snapshot_disk(pool, volume, snapshot)
                        : dol_description_path(pool->path, volume, IMAGE_DISK);
}

/* ---- clone ---- */

static bool make_disk(const image_pool *pool, const dol_call *call, const char *source,
                      const dol_volume *want, char **ret_fs_uuid, GError **error)
{
        g_autofree char *disk = dol_description_path(pool->path, want->uid, IMAGE_DISK);
        g_autofree char *temporary =
                dol_description_path(pool->path, want->uid, IMAGE_DISK_TEMPORARY);

        if (unlink(temporary) < 0 && errno != ENOENT)
                return dol_fail_errno(error, errno, "remove '%s'", temporary);
        if (!dol_reflink(source, temporary, error) || !dol_fault_point("image.clone.made", error) ||
            !dol_image_renew_uuid(call, want->spec.fs, temporary, ret_fs_uuid, error) ||
            !dol_grow_image(call, temporary, want->spec.size, want->spec.thick, error) ||
            !dol_grow_image_fs(call, want->spec.fs, temporary, error) ||
            !dol_fault_point("image.clone.grown", error))
                return false;
        if (rename(temporary, disk) < 0)
                return dol_fail_errno(error, errno, "rename '%s'", temporary);
        return true;
}

static bool make_volume(const image_pool *pool, const dol_call *call, const char *source,
                        const dol_volume *want, char **ret_fs_uuid, GError **error)
{
        g_autofree char *directory = dol_description_directory(pool->path, want->uid);
        g_autofree char *volumes = g_path_get_dirname(directory);
        dol_volume described = *want;

        if (!dol_directory_ensure(directory, 0700, error) ||
            !make_disk(pool, call, source, want, ret_fs_uuid, error))
                return false;
        described.status.fs_uuid = *ret_fs_uuid;
        described.status.size_enforced = true;
        return dol_description_write(pool->path, &described, error) &&
               dol_directory_sync(volumes, error);
}

bool image_clone(void *data, const dol_call *call, const char *volume, const char *snapshot,
                 const dol_volume *want, char **ret_fs_uuid, GError **error)
{
        const image_pool *pool = data;
        g_autofree char *source = image_of(pool, volume, snapshot);
        g_autofree char *disk = dol_description_path(pool->path, want->uid, IMAGE_DISK);
        g_autoptr(dol_volume) there = NULL;
        g_autofree char *fs_uuid = NULL, *type = NULL;

        if (!dol_place_still(pool->path, &pool->id, error))
                return false;
        there = dol_description_read(pool->path, want->uid, NULL);
        if (there && want->spec.fs != DOL_FS_NONE)
                return dol_image_probe(disk, &type, ret_fs_uuid, error);
        if (there)
                return true;
        if (!image_release(disk, error))
                return false;
        if (!make_volume(pool, call, source, want, &fs_uuid, error)) {
                image_destroy(data, call, want->uid, NULL);
                return false;
        }
        *ret_fs_uuid = g_steal_pointer(&fs_uuid);
        return true;
}

/* ---- revert ---- */

static bool renew_uuid(const image_pool *pool, const dol_call *call, const char *volume,
                       const char *disk, char **ret_fs_uuid, GError **error)
{
        g_autoptr(dol_volume) described = dol_description_read(pool->path, volume, error);

        return described &&
               dol_image_renew_uuid(call, described->spec.fs, disk, ret_fs_uuid, error);
}

bool image_revert(void *data, const dol_call *call, const char *volume, const char *snapshot,
                  char **ret_fs_uuid, GError **error)
{
        const image_pool *pool = data;
        g_autofree char *source = image_snapshot_disk(pool, volume, snapshot);
        g_autofree char *disk = dol_description_path(pool->path, volume, IMAGE_DISK);
        g_autofree char *temporary = dol_description_path(pool->path, volume, IMAGE_DISK_TEMPORARY);
        g_autofree char *directory = dol_description_directory(pool->path, volume);

        if (!dol_place_still(pool->path, &pool->id, error) || !image_release(disk, error))
                return false;
        if (unlink(temporary) < 0 && errno != ENOENT)
                return dol_fail_errno(error, errno, "remove '%s'", temporary);
        if (!dol_reflink(source, temporary, error) ||
            !dol_fault_point("image.revert.made", error) ||
            (ret_fs_uuid && !renew_uuid(pool, call, volume, temporary, ret_fs_uuid, error)))
                return false;
        if (rename(temporary, disk) < 0)
                return dol_fail_errno(error, errno, "rename '%s'", temporary);
        return dol_directory_sync(directory, error);
}

/* ---- resize ---- */

/* A grow that is given up: back to where the file system ends. */
static bool give_up(const dol_call *call, const dol_volume *volume, const char *disk, uint64_t size,
                    GError **error)
{
        g_auto(dol_loop) loop = DOL_LOOP_INIT;
        GError *local = NULL;

        if (dol_loop_find(disk, &loop, &local))
                return dol_fail(error, DOL_ERROR_BUSY,
                                "the larger size cannot be given up while it is in use");
        if (local) {
                g_propagate_error(error, local);
                return false;
        }
        return dol_grow_give_up(call, volume->spec.fs, disk, size, error);
}

static bool grow(const dol_call *call, const dol_volume *volume, const char *disk, uint64_t size,
                 GError **error)
{
        g_auto(dol_loop) loop = DOL_LOOP_INIT;
        GError *local = NULL;

        if (!dol_grow_image(call, disk, size, volume->spec.thick, error) ||
            !dol_fault_point("image.resize.grown", error))
                return false;
        if (dol_loop_find(disk, &loop, &local))
                return dol_loop_resize(loop.device, error);
        if (local) {
                g_propagate_error(error, local);
                return false;
        }
        return dol_grow_image_fs(call, volume->spec.fs, disk, error);
}

bool image_resize(void *data, const dol_call *call, const char *uid, uint64_t size, GError **error)
{
        const image_pool *pool = data;
        g_autofree char *disk = dol_description_path(pool->path, uid, IMAGE_DISK);
        g_autoptr(dol_volume) volume = NULL;
        struct stat st;

        if (!dol_place_still(pool->path, &pool->id, error) ||
            !(volume = dol_description_read(pool->path, uid, error)))
                return false;
        if (stat(disk, &st) < 0)
                return dol_fail_errno(error, errno, "the volume's image '%s'", disk);
        return (uint64_t)st.st_size > size ? give_up(call, volume, disk, size, error)
                                           : grow(call, volume, disk, size, error);
}

/* ---- diff ---- */

bool image_diff(void *data, const dol_call *call, const char *volume, const char *base,
                const char *target, dol_changed_fn fn, void *user, GError **error)
{
        const image_pool *pool = data;
        g_autofree char *first = base ? image_snapshot_disk(pool, volume, base) : NULL;
        g_autofree char *second = image_of(pool, volume, target);

        return dol_place_still(pool->path, &pool->id, error) &&
               dol_extents_diff(call, first, second, fn, user, error);
}
