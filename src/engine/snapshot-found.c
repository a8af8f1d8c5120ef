/* SPDX-License-Identifier: Apache-2.0 */
/* Snapshots that lie in a pool and are not recorded: after the store was lost, or when their volume
 * was adopted. */
#include "engine/private.h"

#include "base/log.h"

typedef struct {
        dol_engine *engine;
        GPtrArray *found; /* of dol_snapshot */
} gathering;

static void free_snapshot(void *data)
{
        dol_snapshot_free(data);
}

static bool gather(const char *volume, const char *uid, const dol_snapshot *description,
                   const char *reason, void *user)
{
        gathering *gathered = user;
        g_autoptr(dol_held_volume) owner = dol_index_by_uid(gathered->engine->index, volume);
        g_autoptr(dol_snapshot) known = dol_snapshot_index_by_uid(gathered->engine->snapshots, uid);

        if (known || !owner)
                return true;
        if (description)
                g_ptr_array_add(gathered->found, dol_snapshot_copy(description));
        else
                dol_log(DOL_LOG_WARNING, "snapshot %s of volume '%s' is left out: %s", uid,
                        owner->name, reason);
        return true;
}

static dol_snapshot *only(void *from, unsigned i)
{
        return from;
}

static bool record(dol_engine *engine, dol_snapshot *snapshot, GError **error)
{
        g_autoptr(dol_txn) txn = dol_txn_new();

        snapshot->revision = 0;
        snapshot->phase = DOL_SNAPSHOT_READY;
        dol_txn_put_snapshot(engine, txn, snapshot);
        return dol_commit_snapshots(engine, txn, 1, only, snapshot, error) ||
               dol_fail_while(error, "snapshot '%s'", snapshot->name);
}

bool dol_snapshots_record_found(dol_engine *engine, const dol_call *call, const char *pool_name,
                                GError **error)
{
        g_autoptr(GPtrArray) found = g_ptr_array_new_with_free_func(free_snapshot);
        gathering gathered = {engine, found};
        dol_pool *pool = dol_pools_find(engine, pool_name, NULL);

        if (pool && !dol_pool_snapshot_list(pool, call, gather, &gathered, error))
                return false;
        for (unsigned i = 0; i < found->len; i++)
                if (!record(engine, found->pdata[i], error))
                        return false;
        return true;
}
