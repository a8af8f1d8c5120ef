/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The only caller of driver slots. Each dol_pool_* function is the same three steps: begin (is the
 * uid one that may become part of a path, is there time left, the fault point before), the slot
 * with results in locals, and end (the fault point after, the pool's name in front of an error).
 * Results are handed over last, so that they are untouched on failure.
 */
#include "driver/pool-private.h"

#include "base/fault.h"
#include "base/guard.h"

#include <string.h>

enum { UID_MAX = 64 };

static bool named(const char *name, GError **error)
{
        return dol_fail_while(error, "pool '%s'", name);
}

/* uids become names of directories: nothing in them may lead anywhere else. */
static bool uid_check(const char *uid, GError **error)
{
        size_t length = uid ? strlen(uid) : 0;

        if (length < 1 || length > UID_MAX || !g_ascii_isalnum(*uid))
                return dol_fail(error, DOL_ERROR_INVALID, "uid: expected a UUID, got '%s'",
                                uid ? uid : "");
        for (const char *c = uid; *c; c++)
                if (!g_ascii_isalnum(*c) && *c != '-')
                        return dol_fail(error, DOL_ERROR_INVALID, "uid: expected a UUID, got '%s'",
                                        uid);
        return true;
}

bool dol_pool_begin(const dol_pool *pool, const dol_call *call, const char *point, GError **error)
{
        if (dol_call_check(call, error) && dol_fault_point(point, error))
                return true;
        return named(pool->name, error);
}

bool dol_pool_begin_on(const dol_pool *pool, const dol_call *call, const char *uid,
                       const char *point, GError **error)
{
        if (!uid_check(uid, error))
                return named(pool->name, error);
        return dol_pool_begin(pool, call, point, error);
}

bool dol_pool_end(const dol_pool *pool, bool done, const char *point, GError **error)
{
        if (done && dol_fault_point(point, error))
                return true;
        return named(pool->name, error);
}

bool dol_pool_cannot(const dol_pool *pool, const char *what, GError **error)
{
        dol_fail(error, DOL_ERROR_UNSUPPORTED, "driver '%s' cannot %s", pool->driver->name, what);
        return named(pool->name, error);
}

static bool open_data(dol_pool *pool, const dol_call *call, const dol_pool_request *request,
                      GError **error)
{
        pool->driver = dol_driver_find(request->spec->driver, error);
        if (!pool->driver || !uid_check(request->uid, error))
                return false;
        if (pool->driver->probe && !pool->driver->probe(call, error))
                return dol_fail_while(error, "driver '%s' cannot run here", pool->driver->name);
        return pool->driver->open(call, request, &pool->data, &pool->traits, error);
}

dol_pool *dol_pool_open(const dol_call *call, const dol_pool_request *request, GError **error)
{
        g_autoptr(dol_pool) pool = g_new0(dol_pool, 1);

        pool->name = g_strdup(request->name);
        if (!dol_pool_begin(pool, call, "driver.open.before", error))
                return NULL;
        if (!dol_pool_end(pool, open_data(pool, call, request, error), "driver.open.after", error))
                return NULL;
        return g_steal_pointer(&pool);
}

void dol_pool_close(dol_pool *pool)
{
        if (!pool)
                return;
        if (pool->data)
                pool->driver->close(pool->data);
        g_free(pool->name);
        g_free(pool);
}

const char *dol_pool_name(const dol_pool *pool)
{
        return pool->name;
}

const dol_driver *dol_pool_driver(const dol_pool *pool)
{
        return pool->driver;
}

bool dol_pool_has(const dol_pool *pool, dol_trait trait)
{
        return pool->traits & trait;
}

bool dol_pool_create(dol_pool *pool, const dol_call *call, const dol_volume *want,
                     char **ret_fs_uuid, GError **error)
{
        g_autofree char *fs_uuid = NULL;

        if (!dol_pool_begin_on(pool, call, want->uid, "driver.create.before", error))
                return false;
        if (!dol_pool_end(pool, pool->driver->create(pool->data, call, want, &fs_uuid, error),
                          "driver.create.after", error))
                return false;
        if (ret_fs_uuid)
                *ret_fs_uuid = g_steal_pointer(&fs_uuid);
        return true;
}

bool dol_pool_destroy(dol_pool *pool, const dol_call *call, const char *uid, GError **error)
{
        return dol_pool_begin_on(pool, call, uid, "driver.destroy.before", error) &&
               dol_pool_end(pool, pool->driver->destroy(pool->data, call, uid, error),
                            "driver.destroy.after", error);
}

bool dol_pool_inspect(dol_pool *pool, const dol_call *call, const char *uid, dol_volume_info *ret,
                      GError **error)
{
        dol_volume_info info = {0};

        if (!dol_pool_begin_on(pool, call, uid, "driver.inspect.before", error))
                return false;
        if (!dol_pool_end(pool, pool->driver->inspect(pool->data, call, uid, &info, error),
                          "driver.inspect.after", error))
                return false;
        if (ret)
                *ret = info;
        return true;
}

bool dol_pool_list(dol_pool *pool, const dol_call *call, dol_found_fn fn, void *user,
                   GError **error)
{
        return dol_pool_begin(pool, call, "driver.list.before", error) &&
               dol_pool_end(pool, pool->driver->list(pool->data, call, fn, user, error),
                            "driver.list.after", error);
}

bool dol_pool_describe(dol_pool *pool, const dol_call *call, const dol_volume *volume,
                       GError **error)
{
        return dol_pool_begin_on(pool, call, volume->uid, "driver.describe.before", error) &&
               dol_pool_end(pool, pool->driver->describe(pool->data, call, volume, error),
                            "driver.describe.after", error);
}

bool dol_pool_attach(dol_pool *pool, const dol_call *call, const char *uid,
                     dol_driver_attachment *ret, int *ret_hold, GError **error)
{
        dol_driver_attachment attachment = {0};
        g_autofree char *directory = NULL;
        dol_autofd hold = -1;
        bool done;

        if (!dol_pool_begin_on(pool, call, uid, "driver.attach.before", error))
                return false;
        done = pool->driver->attach(pool->data, call, uid, &attachment, &hold, error);
        directory = attachment.directory;
        if (!dol_pool_end(pool, done, "driver.attach.after", error))
                return false;
        if (ret) {
                *ret = attachment;
                ret->directory = g_steal_pointer(&directory);
        }
        if (ret_hold)
                *ret_hold = dol_steal_fd(&hold);
        return true;
}

bool dol_pool_detach(dol_pool *pool, const dol_call *call, const char *uid, GError **error)
{
        return dol_pool_begin_on(pool, call, uid, "driver.detach.before", error) &&
               dol_pool_end(pool, pool->driver->detach(pool->data, call, uid, error),
                            "driver.detach.after", error);
}

bool dol_pool_space_of(dol_pool *pool, const dol_call *call, dol_pool_space *ret, GError **error)
{
        dol_pool_space space = {0};

        if (!dol_pool_begin(pool, call, "driver.space.before", error))
                return false;
        if (!dol_pool_end(pool, pool->driver->space(pool->data, call, &space, error),
                          "driver.space.after", error))
                return false;
        if (ret)
                *ret = space;
        return true;
}

bool dol_pool_relieve(dol_pool *pool, const dol_call *call, uint64_t *ret_freed, GError **error)
{
        uint64_t freed = 0;

        if (!pool->driver->relieve)
                return dol_pool_cannot(pool, "give back kept space", error);
        if (!dol_pool_begin(pool, call, "driver.relieve.before", error))
                return false;
        if (!dol_pool_end(pool, pool->driver->relieve(pool->data, call, &freed, error),
                          "driver.relieve.after", error))
                return false;
        if (ret_freed)
                *ret_freed = freed;
        return true;
}

bool dol_pool_replenish(dol_pool *pool, const dol_call *call, GError **error)
{
        if (!pool->driver->replenish)
                return dol_pool_cannot(pool, "keep space for later", error);
        return dol_pool_begin(pool, call, "driver.replenish.before", error) &&
               dol_pool_end(pool, pool->driver->replenish(pool->data, call, error),
                            "driver.replenish.after", error);
}
