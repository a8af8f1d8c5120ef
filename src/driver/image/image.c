/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The embedded pool: one raw image file per volume, on a file system that can share extents (XFS
 * with reflink, or btrfs), attached by a loop device with direct I/O.
 *
 * Layout of a pool's directory:
 *         pool.json                       whose it is
 *         volumes/<uid>/volume.json       the volume's description: written last, removed first
 *         volumes/<uid>/disk              its image
 *         volumes/<uid>/snapshots/<uid>/  snapshot.json and disk of each snapshot
 *         templates/                      formatted images that new volumes are cloned from
 *         ballast                         space kept for the moment when the pool is full
 */
#include "driver/image/image.h"

#include "base/guard.h"
#include "host/space.h"

#include <fcntl.h>

static void image_pool_free(image_pool *pool)
{
        g_free(pool->path);
        g_free(pool->uid);
        g_free(pool->backing);
        g_free(pool);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(image_pool, image_pool_free)

static uint32_t find_traits(const image_pool *pool)
{
        dol_autofd fd = open(pool->path, O_TMPFILE | O_RDWR | O_DIRECT | O_CLOEXEC, 0600);

        return DOL_TRAIT_FILE_SYSTEM | DOL_TRAIT_BLOCK | DOL_TRAIT_SIZE_ENFORCED | DOL_TRAIT_THICK |
               (fd >= 0 ? DOL_TRAIT_DIRECT_IO : 0);
}

static bool image_open(const dol_call *call, const dol_pool_request *request, void **ret_pool,
                       uint32_t *ret_traits, GError **error)
{
        g_autoptr(image_pool) pool = g_new0(image_pool, 1);
        const dol_pool_spec *spec = request->spec;

        pool->path = dol_place_resolve(spec->path ? spec->path : request->default_path, error);
        pool->uid = g_strdup(request->uid);
        pool->full = spec->full > 0 ? spec->full : 0.95;
        if (!pool->path || !dol_place_check(pool->path, error) ||
            !image_ground_prepare(pool, call, request, error))
                return false;
        pool->media = spec->media ? spec->media : dol_space_media(pool->path);
        if (request->create && !image_replenish(pool, call, error))
                return false;
        *ret_traits = find_traits(pool);
        *ret_pool = g_steal_pointer(&pool);
        return true;
}

static void image_close(void *pool)
{
        if (pool)
                image_pool_free(pool);
}

static bool image_probe(const dol_call *call, GError **error)
{
        if (access("/dev/loop-control", R_OK | W_OK) < 0)
                return dol_fail(error, DOL_ERROR_UNSUPPORTED,
                                "/dev/loop-control cannot be used: the loop module is not loaded "
                                "(modprobe loop), or this is not root");
        return true;
}

const dol_driver dol_driver_image = {
        .name = "image",
        .title = "image files on XFS or btrfs, size enforced",
        .open = image_open,
        .close = image_close,
        .create = image_create,
        .destroy = image_destroy,
        .inspect = image_inspect,
        .list = image_list,
        .describe = image_describe,
        .attach = image_attach,
        .detach = image_detach,
        .space = image_space,
        .probe = image_probe,
        .relieve = image_relieve,
        .replenish = image_replenish,
        .resize = image_resize,
        .snapshot_create = image_snapshot_create,
        .snapshot_destroy = image_snapshot_destroy,
        .snapshot_inspect = image_snapshot_inspect,
        .snapshot_list = image_snapshot_list,
        .snapshot_describe = image_snapshot_describe,
        .snapshot_attach = image_snapshot_attach,
        .snapshot_detach = image_snapshot_detach,
        .clone = image_clone,
        .copy = image_copy,
        .revert = image_revert,
        .diff = image_diff,
        .snapshot_read = image_snapshot_read,
        .snapshot_receive = image_snapshot_receive,
};
