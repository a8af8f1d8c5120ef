/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ballast: a file of allocated blocks that nobody needs, 1 % of the pool and at most 1 GiB.
 * When the pool is full it is removed, so that what must still be written (records beside volumes,
 * the file systems' own metadata) finds room while the user deletes something.
 */
#include "base/fault.h"
#include "base/file.h"
#include "driver/image/image.h"
#include "host/space.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define BALLAST_MAX (UINT64_C(1) << 30)
enum { BALLAST_SHARE = 100 };

static char *ballast_path(const image_pool *pool)
{
        return g_build_filename(pool->path, IMAGE_BALLAST, NULL);
}

static uint64_t ballast_size(const dol_pool_space *space)
{
        return MIN(space->capacity / BALLAST_SHARE, BALLAST_MAX) / DOL_SIZE_GRAIN * DOL_SIZE_GRAIN;
}

/* Bytes that the ballast takes now; 0 when there is none. */
static bool ballast_held(const char *path, uint64_t *ret, GError **error)
{
        *ret = 0;
        if (access(path, F_OK) < 0 && errno == ENOENT)
                return true;
        return dol_space_allocated(path, ret, error);
}

bool image_relieve(void *data, const dol_call *call, uint64_t *ret_freed, GError **error)
{
        const image_pool *pool = data;
        g_autofree char *path = ballast_path(pool);

        if (!dol_place_still(pool->path, &pool->id, error) || !ballast_held(path, ret_freed, error))
                return false;
        /* blocks of a removed file come back some time later, those of a truncated one at once */
        if ((truncate(path, 0) < 0 || unlink(path) < 0) && errno != ENOENT)
                return dol_fail_errno(error, errno, "remove '%s'", path);
        return dol_directory_sync(pool->path, error);
}

/* Twice its size below the watermark, so that taking it does not fill the pool again. What counts
 * is what is left: btrfs can be full of chunks that are not. */
static bool has_room(const image_pool *pool, const dol_pool_space *space, uint64_t size)
{
        uint64_t taken = space->capacity - MIN(space->available, space->capacity);

        return (double)(taken + 2 * size) <= (double)space->capacity * pool->full;
}

bool image_replenish(void *data, const dol_call *call, GError **error)
{
        const image_pool *pool = data;
        g_autofree char *path = ballast_path(pool);
        g_autoptr(GError) cause = NULL;
        uint64_t held, size;
        dol_pool_space space;

        if (!image_space(data, call, &space, error) || !ballast_held(path, &held, error))
                return false;
        size = ballast_size(&space);
        if (held >= size || !has_room(pool, &space, size))
                return true;
        if (dol_space_preallocate(path, size, &cause))
                return dol_fault_point("image.replenish.allocated", error);
        unlink(path);
        if (dol_error_is(cause, DOL_ERROR_NO_SPACE))
                return true;
        g_propagate_error(error, g_steal_pointer(&cause));
        return false;
}
