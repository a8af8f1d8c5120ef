/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pool in memory, for tests of what lies above the drivers. Its volumes outlive close, as those
 * on a disk do: pools are kept by uid until the process ends. Capacity is the spec's size (1 TiB
 * when it is 0); a thick volume takes its size of it, and NO_SPACE is answered as a real pool
 * would. Its sizes hold nobody back; it says that they do, so that the layers above take the same
 * ways as with a pool of images. attach gives a directory of the volume's own, in the pool's path
 * when the spec has one, else in the temporary directory; it is made at the first attach and
 * removed at destroy.
 */
#include "driver/driver.h"

#include "base/file.h"
#include "base/guard.h"
#include "driver/tree.h"

#include <errno.h>
#include <string.h>

enum { BALLAST_SHARE = 100 };

typedef struct {
        dol_volume *description;
        char *directory; /* NULL until the first attach */
        bool attached;
} fake_volume;

typedef struct {
        pthread_mutex_t lock; /* guards what follows */
        GHashTable *volumes;  /* uid to fake_volume */
        char *path;           /* NULL: the temporary directory */
        uint64_t capacity;
        uint64_t ballast; /* bytes; 0 while given back */
} fake_pool;

static pthread_mutex_t pools_lock = PTHREAD_MUTEX_INITIALIZER;
static GHashTable *pools; /* uid to fake_pool */

static void fake_volume_free(void *data)
{
        fake_volume *volume = data;

        dol_volume_free(volume->description);
        g_free(volume->directory);
        g_free(volume);
}

static fake_pool *fake_pool_new(const dol_pool_request *request)
{
        fake_pool *pool = g_new0(fake_pool, 1);

        pthread_mutex_init(&pool->lock, NULL);
        pool->volumes = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, fake_volume_free);
        pool->path = g_strdup(request->spec->path);
        pool->capacity = request->spec->size ? request->spec->size : UINT64_C(1) << 40;
        pool->ballast = pool->capacity / BALLAST_SHARE;
        return pool;
}

static bool fake_open(const dol_call *call, const dol_pool_request *request, void **ret_pool,
                      uint32_t *ret_traits, GError **error)
{
        fake_pool *pool;
        dol_lock_scope(&pools_lock);

        if (!pools)
                pools = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        pool = g_hash_table_lookup(pools, request->uid);
        if (!pool && !request->create)
                return dol_fail(error, DOL_ERROR_NOT_FOUND, "there is no fake pool with uid %s",
                                request->uid);
        if (!pool) {
                pool = fake_pool_new(request);
                g_hash_table_insert(pools, g_strdup(request->uid), pool);
        }
        *ret_pool = pool;
        *ret_traits = DOL_TRAIT_FILE_SYSTEM | DOL_TRAIT_SIZE_ENFORCED | DOL_TRAIT_THICK;
        return true;
}

static void fake_close(void *pool)
{
}

/* Called with the lock held. */
static uint64_t used_bytes(fake_pool *pool)
{
        uint64_t used = pool->ballast;
        GHashTableIter iter;
        void *value;

        g_hash_table_iter_init(&iter, pool->volumes);
        while (g_hash_table_iter_next(&iter, NULL, &value)) {
                const fake_volume *volume = value;

                if (volume->description->spec.thick)
                        used += volume->description->spec.size;
        }
        return used;
}

static fake_volume *find(fake_pool *pool, const char *uid, GError **error)
{
        fake_volume *volume = g_hash_table_lookup(pool->volumes, uid);

        if (!volume)
                dol_fail(error, DOL_ERROR_NOT_FOUND, "there is no volume with uid %s", uid);
        return volume;
}

static bool fake_create(void *data, const dol_call *call, const dol_volume *want,
                        char **ret_fs_uuid, GError **error)
{
        fake_pool *pool = data;
        fake_volume *volume;
        dol_lock_scope(&pool->lock);

        *ret_fs_uuid = NULL;
        if (g_hash_table_contains(pool->volumes, want->uid))
                return true;
        if (want->spec.fs == DOL_FS_NONE)
                return dol_fail(error, DOL_ERROR_UNSUPPORTED,
                                "fs: driver 'fake' has no block volumes");
        if (want->spec.thick && want->spec.size > pool->capacity - used_bytes(pool))
                return dol_fail(error, DOL_ERROR_NO_SPACE, "no room for a thick volume");
        volume = g_new0(fake_volume, 1);
        volume->description = dol_volume_copy(want);
        g_hash_table_insert(pool->volumes, g_strdup(want->uid), volume);
        return true;
}

static bool fake_destroy(void *data, const dol_call *call, const char *uid, GError **error)
{
        fake_pool *pool = data;
        fake_volume *volume;
        dol_lock_scope(&pool->lock);

        volume = g_hash_table_lookup(pool->volumes, uid);
        if (!volume)
                return true;
        if (volume->attached)
                return dol_fail(error, DOL_ERROR_BUSY, "the volume is attached");
        if (volume->directory && !dol_tree_remove(call, volume->directory, error))
                return false;
        g_hash_table_remove(pool->volumes, uid);
        return true;
}

static bool fake_inspect(void *data, const dol_call *call, const char *uid, dol_volume_info *ret,
                         GError **error)
{
        fake_pool *pool = data;
        fake_volume *volume;
        dol_lock_scope(&pool->lock);

        volume = find(pool, uid, error);
        if (!volume)
                return false;
        *ret = (dol_volume_info){
                .size = volume->description->spec.size,
                .allocated = volume->description->spec.thick ? volume->description->spec.size : 0,
                .attached = volume->attached,
        };
        return true;
}

static int compare_uids(const void *a, const void *b)
{
        return strcmp((*(dol_volume *const *)a)->uid, (*(dol_volume *const *)b)->uid);
}

/* Copies under the lock, so that fn may call the pool again. */
static bool fake_list(void *data, const dol_call *call, dol_found_fn fn, void *user, GError **error)
{
        g_autoptr(GPtrArray) copies =
                g_ptr_array_new_with_free_func((GDestroyNotify)dol_volume_free);
        fake_pool *pool = data;
        GHashTableIter iter;
        void *value;

        pthread_mutex_lock(&pool->lock);
        g_hash_table_iter_init(&iter, pool->volumes);
        while (g_hash_table_iter_next(&iter, NULL, &value))
                g_ptr_array_add(copies, dol_volume_copy(((fake_volume *)value)->description));
        pthread_mutex_unlock(&pool->lock);
        g_ptr_array_sort(copies, compare_uids);
        for (unsigned i = 0; i < copies->len; i++) {
                const dol_volume *volume = copies->pdata[i];

                if (!fn(volume->uid, volume, NULL, user))
                        break;
        }
        return true;
}

static bool fake_describe(void *data, const dol_call *call, const dol_volume *description,
                          GError **error)
{
        fake_pool *pool = data;
        fake_volume *volume;
        dol_lock_scope(&pool->lock);

        volume = find(pool, description->uid, error);
        if (!volume)
                return false;
        dol_volume_free(volume->description);
        volume->description = dol_volume_copy(description);
        return true;
}

static char *make_directory(const fake_pool *pool, const char *uid, GError **error)
{
        g_autofree char *directory = NULL;
        char *made;

        if (pool->path) {
                directory = g_build_filename(pool->path, uid, NULL);
                return dol_directory_ensure(directory, 0755, error) ? g_steal_pointer(&directory)
                                                                    : NULL;
        }
        made = g_dir_make_tmp("dolium-fake-XXXXXX", NULL);
        if (!made)
                dol_fail_errno(error, errno, "make a temporary directory");
        return made;
}

static bool fake_attach(void *data, const dol_call *call, const char *uid,
                        dol_driver_attachment *ret, int *ret_hold, GError **error)
{
        fake_pool *pool = data;
        fake_volume *volume;
        dol_lock_scope(&pool->lock);

        volume = find(pool, uid, error);
        if (!volume)
                return false;
        if (!volume->directory)
                volume->directory = make_directory(pool, uid, error);
        if (!volume->directory)
                return false;
        volume->attached = true;
        *ret = (dol_driver_attachment){.directory = g_strdup(volume->directory)};
        *ret_hold = -1;
        return true;
}

static bool fake_detach(void *data, const dol_call *call, const char *uid, GError **error)
{
        fake_pool *pool = data;
        fake_volume *volume;
        dol_lock_scope(&pool->lock);

        volume = g_hash_table_lookup(pool->volumes, uid);
        if (volume)
                volume->attached = false;
        return true;
}

static bool fake_space(void *data, const dol_call *call, dol_pool_space *ret, GError **error)
{
        fake_pool *pool = data;
        dol_lock_scope(&pool->lock);

        *ret = (dol_pool_space){
                .capacity = pool->capacity,
                .used = used_bytes(pool),
                .kind = "memory",
                .media = DOL_MEDIA_UNKNOWN,
        };
        ret->available = pool->capacity - ret->used;
        return true;
}

static bool fake_relieve(void *data, const dol_call *call, uint64_t *ret_freed, GError **error)
{
        fake_pool *pool = data;
        dol_lock_scope(&pool->lock);

        *ret_freed = pool->ballast;
        pool->ballast = 0;
        return true;
}

static bool fake_replenish(void *data, const dol_call *call, GError **error)
{
        fake_pool *pool = data;
        dol_lock_scope(&pool->lock);

        if (pool->ballast == 0 &&
            used_bytes(pool) + pool->capacity / BALLAST_SHARE <= pool->capacity)
                pool->ballast = pool->capacity / BALLAST_SHARE;
        return true;
}

const dol_driver dol_driver_fake = {
        .name = "fake",
        .title = "in memory, for tests",
        .open = fake_open,
        .close = fake_close,
        .create = fake_create,
        .destroy = fake_destroy,
        .inspect = fake_inspect,
        .list = fake_list,
        .describe = fake_describe,
        .attach = fake_attach,
        .detach = fake_detach,
        .space = fake_space,
        .relieve = fake_relieve,
        .replenish = fake_replenish,
};
