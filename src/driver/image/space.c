/* SPDX-License-Identifier: Apache-2.0 */
#include "host/space.h"
#include "driver/image/image.h"

#include <string.h>

/* A sparse backing file can only grow while the file system beneath it has room: less there than
 * the pool believes is less for the volumes. */
static bool limit_to_beneath(const image_pool *pool, dol_pool_space *space, GError **error)
{
        g_autofree char *directory = g_path_get_dirname(pool->backing);
        dol_space beneath;

        if (!dol_space_of(directory, &beneath, error))
                return false;
        space->available = MIN(space->available, beneath.available);
        return true;
}

bool image_space(void *data, const dol_call *call, dol_pool_space *ret, GError **error)
{
        const image_pool *pool = data;
        dol_pool_space result = {0};
        dol_space space;

        if (!dol_place_still(pool->path, &pool->id, error) ||
            !dol_space_of(pool->path, &space, error))
                return false;
        result.capacity = space.size;
        result.used = space.used;
        result.available = space.available;
        if (pool->backing && !limit_to_beneath(pool, &result, error))
                return false;
        g_strlcpy(result.kind, pool->kind, sizeof(result.kind));
        result.media = pool->media;
        *ret = result;
        return true;
}
