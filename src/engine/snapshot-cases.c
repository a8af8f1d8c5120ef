/* SPDX-License-Identifier: Apache-2.0 */
/* Finding, showing, changing and deleting snapshots. The lock of a snapshot is its volume's. */
#include "engine/private.h"

#include "base/clock.h"

#include <string.h>

/* ---- finding ---- */

dol_snapshot *dol_snapshot_find(dol_engine *engine, const char *reference, GError **error)
{
        g_autofree char *volume_name = NULL, *name = NULL;
        g_autoptr(dol_held_volume) volume = NULL;
        dol_snapshot *found;

        if (g_str_has_prefix(reference, "uid:")) {
                found = dol_snapshot_index_by_uid(engine->snapshots, reference + strlen("uid:"));
        } else {
                if (!dol_snapshot_reference_parse(reference, &volume_name, &name, error) ||
                    !(volume = dol_volume_find(engine, volume_name, error)))
                        return NULL;
                found = dol_snapshot_index_by_name(engine->snapshots, volume->uid, name);
        }
        if (!found)
                dol_fail(error, DOL_ERROR_NOT_FOUND, "snapshot '%s' does not exist", reference);
        return found;
}

dol_lock *dol_snapshot_take(dol_engine *engine, const dol_call *call, const char *reference,
                            dol_snapshot **ret_snapshot, dol_volume **ret_volume, GError **error)
{
        g_autoptr(dol_snapshot) found = dol_snapshot_find(engine, reference, error);
        g_autofree char *volume_reference = NULL;
        g_autoptr(dol_volume) volume = NULL;
        g_autoptr(dol_lock) lock = NULL;
        dol_snapshot *now;

        if (!found)
                return NULL;
        volume_reference = g_strconcat("uid:", found->volume, NULL);
        lock = dol_volume_take(engine, call, volume_reference, false, &volume, error);
        if (!lock)
                return NULL;
        now = dol_snapshot_index_by_uid(engine->snapshots, found->uid);
        if (!now) {
                dol_fail(error, DOL_ERROR_NOT_FOUND, "snapshot '%s' does not exist any more",
                         reference);
                return NULL;
        }
        *ret_snapshot = now;
        *ret_volume = g_steal_pointer(&volume);
        return g_steal_pointer(&lock);
}

/* ---- showing ---- */

void dol_snapshot_fill(dol_engine *engine, const dol_call *call, dol_snapshot *snapshot, bool usage)
{
        g_autoptr(dol_held_volume) volume = dol_index_by_uid(engine->index, snapshot->volume);
        dol_pool *pool = volume ? dol_pools_find(engine, volume->spec.pool, NULL) : NULL;
        dol_snapshot_info info;

        g_free(snapshot->volume_name);
        snapshot->volume_name = g_strdup(volume ? volume->name : NULL);
        g_free(snapshot->reference);
        snapshot->reference = volume ? g_strconcat(volume->name, "@", snapshot->name, NULL) : NULL;
        if (!usage || !pool || snapshot->phase != DOL_SNAPSHOT_READY ||
            !dol_pool_snapshot_inspect(pool, call, snapshot->volume, snapshot->uid, &info, NULL))
                return;
        snapshot->exclusive = info.exclusive;
        snapshot->shared = info.shared;
        snapshot->extents = info.extents;
}

dol_snapshot *dol_engine_snapshot_get(dol_engine *engine, const char *reference, GError **error)
{
        dol_call call = dol_call_within("engine", 30 * DOL_USEC_PER_SEC);
        dol_snapshot *snapshot = dol_snapshot_find(engine, reference, error);

        if (snapshot)
                dol_snapshot_fill(engine, &call, snapshot, true);
        return snapshot;
}

GPtrArray *dol_engine_snapshot_list(dol_engine *engine, const char *volume, const char *labels,
                                    bool usage, GError **error)
{
        dol_call call = dol_call_within("engine", 60 * DOL_USEC_PER_SEC);
        g_auto(GStrv) wanted = labels ? g_strsplit(labels, ",", -1) : NULL;
        g_autoptr(dol_held_volume) owner = NULL;
        GPtrArray *found;

        if (volume && !(owner = dol_volume_find(engine, volume, error)))
                return NULL;
        found = dol_snapshot_index_list(engine->snapshots, owner ? owner->uid : NULL);
        for (unsigned i = found->len; i > 0; i--) {
                dol_snapshot *snapshot = found->pdata[i - 1];

                if (dol_labels_match(snapshot->labels, wanted))
                        dol_snapshot_fill(engine, &call, snapshot, usage);
                else
                        g_ptr_array_remove_index(found, i - 1);
        }
        return found;
}

/* ---- changing ---- */

static dol_snapshot *only(void *from, unsigned i)
{
        return from;
}

static bool take_snapshot_name(dol_engine *engine, const dol_volume *volume, dol_snapshot *snapshot,
                               const char *name, dol_txn *txn, GError **error)
{
        g_autoptr(dol_snapshot) other =
                dol_snapshot_index_by_name(engine->snapshots, volume->uid, name);

        if (!dol_snapshot_name_check(name, error))
                return false;
        if (other)
                return dol_fail(error, DOL_ERROR_EXISTS, "snapshot '%s@%s' exists already",
                                volume->name, name);
        dol_txn_free_snapshot_name(txn, snapshot);
        g_free(snapshot->name);
        snapshot->name = g_strdup(name);
        dol_txn_put_snapshot_name(txn, snapshot);
        return true;
}

static bool apply(dol_engine *engine, const dol_volume *volume, dol_snapshot *snapshot,
                  const dol_snapshot_change *change, dol_txn *txn, GError **error)
{
        if (change->labels) {
                if (!dol_labels_check(change->labels, error))
                        return false;
                g_clear_pointer(&snapshot->labels, g_hash_table_unref);
                snapshot->labels = dol_map_copy(change->labels);
        }
        if (change->protect)
                snapshot->protect = *change->protect;
        return !change->name || strcmp(change->name, snapshot->name) == 0 ||
               take_snapshot_name(engine, volume, snapshot, change->name, txn, error);
}

bool dol_engine_snapshot_change(dol_engine *engine, const dol_call *call, const char *reference,
                                const dol_snapshot_change *change, dol_snapshot **ret_snapshot,
                                GError **error)
{
        g_autoptr(dol_snapshot) snapshot = NULL;
        g_autoptr(dol_volume) volume = NULL;
        g_autoptr(dol_lock) lock =
                dol_snapshot_take(engine, call, reference, &snapshot, &volume, error);
        g_autoptr(dol_txn) txn = dol_txn_new();
        dol_pool *pool;

        if (!lock)
                return false;
        if (snapshot->phase != DOL_SNAPSHOT_READY)
                return dol_fail(error, DOL_ERROR_CONFLICT, "snapshot '%s' is %s", reference,
                                dol_snapshot_phase_words[snapshot->phase]);
        if (!(pool = dol_pools_find(engine, volume->spec.pool, error)) ||
            !apply(engine, volume, snapshot, change, txn, error))
                return false;
        dol_txn_put_snapshot(engine, txn, snapshot);
        if (!dol_commit_snapshots(engine, txn, 1, only, snapshot, error) ||
            !dol_pool_snapshot_describe(pool, call, snapshot, error))
                return false;
        dol_snapshot_fill(engine, call, snapshot, true);
        *ret_snapshot = g_steal_pointer(&snapshot);
        return true;
}

/* ---- deleting ---- */

bool dol_snapshot_remove_data(dol_engine *engine, const dol_call *call,
                              const dol_snapshot *snapshot, GError **error)
{
        g_autoptr(dol_held_volume) volume = dol_index_by_uid(engine->index, snapshot->volume);
        dol_pool *pool;

        if (!volume) /* it went with its volume */
                return true;
        pool = dol_pools_find(engine, volume->spec.pool, error);
        return pool &&
               dol_pool_snapshot_destroy(pool, call, snapshot->volume, snapshot->uid, error);
}

bool dol_snapshot_delete_finish(dol_engine *engine, const dol_call *call,
                                running_operation *operation, dol_snapshot *snapshot,
                                GError **error)
{
        g_autoptr(dol_txn) txn = dol_txn_new();
        g_autofree char *key = g_strconcat("snapshots/", snapshot->uid, NULL);

        if (!dol_snapshot_remove_data(engine, call, snapshot, error))
                return false;
        dol_txn_delete_snapshot(txn, snapshot);
        if (operation)
                dol_operation_end(operation, txn, NULL);
        if (!dol_commit_surely(engine, txn, key, NULL, NULL, error))
                return false;
        dol_snapshot_index_remove(engine->snapshots, snapshot->uid);
        return true;
}

static bool begin_delete(dol_engine *engine, const dol_call *call, const dol_volume *volume,
                         dol_snapshot *snapshot, running_operation **ret_operation, GError **error)
{
        g_autoptr(dol_txn) txn = dol_txn_new();
        char *uids[] = {snapshot->uid, NULL};
        g_autoptr(running_operation) operation = dol_operation_begin_about(
                engine, call, DOL_OPERATION_SNAPSHOT_DELETE, volume, uids, txn);

        dol_txn_free_snapshot_name(txn, snapshot);
        snapshot->phase = DOL_SNAPSHOT_DELETING;
        dol_txn_put_snapshot(engine, txn, snapshot);
        dol_event_put(engine, txn, call, DOL_EVENT_NORMAL, "SnapshotDeleted", volume,
                      "snapshot '%s@%s' is being removed", volume->name, snapshot->name);
        if (!dol_commit_snapshots(engine, txn, 1, only, snapshot, error))
                return false;
        dol_operation_recorded(operation, call);
        *ret_operation = g_steal_pointer(&operation);
        return true;
}

bool dol_engine_snapshot_delete(dol_engine *engine, const dol_call *call, const char *reference,
                                GError **error)
{
        g_autoptr(dol_snapshot) snapshot = NULL;
        g_autoptr(dol_volume) volume = NULL;
        g_autoptr(dol_lock) lock =
                dol_snapshot_take(engine, call, reference, &snapshot, &volume, error);
        g_autoptr(running_operation) operation = NULL;

        if (!lock)
                return false;
        if (snapshot->protect)
                return dol_fail(error, DOL_ERROR_CONFLICT,
                                "snapshot '%s@%s' is protected: clear that first", volume->name,
                                snapshot->name);
        if (snapshot->attachment) {
                g_autofree char *text = dol_consumers_text(snapshot->attachment);

                return dol_fail(error, DOL_ERROR_BUSY, "snapshot '%s@%s' is mounted by %s",
                                volume->name, snapshot->name, text);
        }
        if (snapshot->phase != DOL_SNAPSHOT_DELETING &&
            !begin_delete(engine, call, volume, snapshot, &operation, error))
                return false;
        return dol_snapshot_delete_finish(engine, call, operation, snapshot, error) ||
               dol_fail_while(error, "snapshot '%s@%s'", volume->name, snapshot->name);
}
