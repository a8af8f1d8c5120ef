/* SPDX-License-Identifier: Apache-2.0 */
/* Snapshots, clones and growing through a driver: the optional slots, as pool.c has the others. */
#include "driver/pool-private.h"

#include "base/guard.h"

bool dol_pool_resize(dol_pool *pool, const dol_call *call, const char *uid, uint64_t size,
                     GError **error)
{
        if (!pool->driver->resize)
                return dol_pool_cannot(pool, "make volumes larger", error);
        return dol_pool_begin_on(pool, call, uid, "driver.resize.before", error) &&
               dol_pool_end(pool, pool->driver->resize(pool->data, call, uid, size, error),
                            "driver.resize.after", error);
}

bool dol_pool_has_snapshots(const dol_pool *pool)
{
        return pool->driver->snapshot_create != NULL;
}

/* What every call for a snapshot begins with. */
static bool begin(const dol_pool *pool, const dol_call *call, const char *volume, const char *uid,
                  const char *point, GError **error)
{
        if (!dol_pool_has_snapshots(pool))
                return dol_pool_cannot(pool, "take snapshots", error);
        return dol_pool_begin_on(pool, call, volume, point, error) &&
               (!uid || dol_pool_begin_on(pool, call, uid, "driver.snapshot", error));
}

bool dol_pool_snapshot_create(dol_pool *pool, const dol_call *call, const dol_snapshot *want,
                              GError **error)
{
        return begin(pool, call, want->volume, want->uid, "driver.snapshot-create.before", error) &&
               dol_pool_end(pool, pool->driver->snapshot_create(pool->data, call, want, error),
                            "driver.snapshot-create.after", error);
}

bool dol_pool_snapshot_destroy(dol_pool *pool, const dol_call *call, const char *volume,
                               const char *uid, GError **error)
{
        return begin(pool, call, volume, uid, "driver.snapshot-destroy.before", error) &&
               dol_pool_end(pool,
                            pool->driver->snapshot_destroy(pool->data, call, volume, uid, error),
                            "driver.snapshot-destroy.after", error);
}

bool dol_pool_snapshot_inspect(dol_pool *pool, const dol_call *call, const char *volume,
                               const char *uid, dol_snapshot_info *ret, GError **error)
{
        dol_snapshot_info info = {0};

        if (!begin(pool, call, volume, uid, "driver.snapshot-inspect.before", error) ||
            !dol_pool_end(
                    pool,
                    pool->driver->snapshot_inspect(pool->data, call, volume, uid, &info, error),
                    "driver.snapshot-inspect.after", error))
                return false;
        if (ret)
                *ret = info;
        return true;
}

bool dol_pool_snapshot_list(dol_pool *pool, const dol_call *call, dol_found_snapshot_fn fn,
                            void *user, GError **error)
{
        if (!dol_pool_has_snapshots(pool))
                return true; /* then there are none */
        return dol_pool_begin(pool, call, "driver.snapshot-list.before", error) &&
               dol_pool_end(pool, pool->driver->snapshot_list(pool->data, call, fn, user, error),
                            "driver.snapshot-list.after", error);
}

bool dol_pool_snapshot_describe(dol_pool *pool, const dol_call *call, const dol_snapshot *snapshot,
                                GError **error)
{
        return begin(pool, call, snapshot->volume, snapshot->uid, "driver.snapshot-describe.before",
                     error) &&
               dol_pool_end(pool,
                            pool->driver->snapshot_describe(pool->data, call, snapshot, error),
                            "driver.snapshot-describe.after", error);
}

bool dol_pool_snapshot_attach(dol_pool *pool, const dol_call *call, const char *volume,
                              const char *uid, dol_driver_attachment *ret, int *ret_hold,
                              GError **error)
{
        dol_driver_attachment attachment = {0};
        dol_autofd hold = -1;

        if (!begin(pool, call, volume, uid, "driver.snapshot-attach.before", error) ||
            !dol_pool_end(pool,
                          pool->driver->snapshot_attach(pool->data, call, volume, uid, &attachment,
                                                        &hold, error),
                          "driver.snapshot-attach.after", error))
                return false;
        *ret = attachment;
        if (ret_hold)
                *ret_hold = dol_steal_fd(&hold);
        return true;
}

bool dol_pool_snapshot_detach(dol_pool *pool, const dol_call *call, const char *volume,
                              const char *uid, GError **error)
{
        return begin(pool, call, volume, uid, "driver.snapshot-detach.before", error) &&
               dol_pool_end(pool,
                            pool->driver->snapshot_detach(pool->data, call, volume, uid, error),
                            "driver.snapshot-detach.after", error);
}

bool dol_pool_clone(dol_pool *pool, const dol_call *call, const char *volume, const char *snapshot,
                    const dol_volume *want, char **ret_fs_uuid, GError **error)
{
        g_autofree char *fs_uuid = NULL;

        if (!begin(pool, call, volume, snapshot, "driver.clone.before", error) ||
            !dol_pool_begin_on(pool, call, want->uid, "driver.clone", error) ||
            !dol_pool_end(
                    pool,
                    pool->driver->clone(pool->data, call, volume, snapshot, want, &fs_uuid, error),
                    "driver.clone.after", error))
                return false;
        if (ret_fs_uuid)
                *ret_fs_uuid = g_steal_pointer(&fs_uuid);
        return true;
}

bool dol_pool_copy(dol_pool *pool, const dol_call *call, const char *uid, int *ret_fd,
                   GError **error)
{
        if (!pool->driver->copy)
                return dol_pool_cannot(pool, "copy volumes", error);
        return dol_pool_begin_on(pool, call, uid, "driver.copy.before", error) &&
               dol_pool_end(pool, pool->driver->copy(pool->data, call, uid, ret_fd, error),
                            "driver.copy.after", error);
}

bool dol_pool_revert(dol_pool *pool, const dol_call *call, const char *volume, const char *snapshot,
                     char **ret_fs_uuid, GError **error)
{
        g_autofree char *fs_uuid = NULL;

        if (!begin(pool, call, volume, snapshot, "driver.revert.before", error) ||
            !dol_pool_end(pool,
                          pool->driver->revert(pool->data, call, volume, snapshot,
                                               ret_fs_uuid ? &fs_uuid : NULL, error),
                          "driver.revert.after", error))
                return false;
        if (ret_fs_uuid)
                *ret_fs_uuid = g_steal_pointer(&fs_uuid);
        return true;
}

bool dol_pool_snapshot_read(dol_pool *pool, const dol_call *call, const char *volume,
                            const char *uid, const char *base, dol_range_begin start,
                            dol_range_sink fn, void *user, GError **error)
{
        return begin(pool, call, volume, uid, "driver.snapshot-read.before", error) &&
               (!base || dol_pool_begin_on(pool, call, base, "driver.snapshot-read", error)) &&
               dol_pool_end(pool,
                            pool->driver->snapshot_read(pool->data, call, volume, uid, base, start,
                                                        fn, user, error),
                            "driver.snapshot-read.after", error);
}

bool dol_pool_snapshot_receive(dol_pool *pool, const dol_call *call, const dol_snapshot *want,
                               const char *base, dol_range_source next, void *user,
                               char **ret_fs_uuid, GError **error)
{
        g_autofree char *fs_uuid = NULL;

        if (!begin(pool, call, want->volume, want->uid, "driver.snapshot-receive.before", error) ||
            (base && !dol_pool_begin_on(pool, call, base, "driver.snapshot-receive", error)) ||
            !dol_pool_end(pool,
                          pool->driver->snapshot_receive(pool->data, call, want, base, next, user,
                                                         &fs_uuid, error),
                          "driver.snapshot-receive.after", error))
                return false;
        *ret_fs_uuid = g_steal_pointer(&fs_uuid);
        return true;
}

bool dol_pool_diff(dol_pool *pool, const dol_call *call, const char *volume, const char *base,
                   const char *target, dol_changed_fn fn, void *user, GError **error)
{
        return begin(pool, call, volume, base, "driver.diff.before", error) &&
               (!target || dol_pool_begin_on(pool, call, target, "driver.diff", error)) &&
               dol_pool_end(
                       pool,
                       pool->driver->diff(pool->data, call, volume, base, target, fn, user, error),
                       "driver.diff.after", error);
}
