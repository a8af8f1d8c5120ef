/* SPDX-License-Identifier: Apache-2.0 */
/* Putting a volume back to one of its snapshots. What it was is kept as a snapshot first, so that a
 * rollback can be rolled back. */
#include "engine/revert.h"

#include "base/clock.h"
#include "policy/consumer.h"

bool dol_revert_finish(dol_engine *engine, const dol_call *call, running_operation *operation,
                       dol_volume *volume, GError **error)
{
        const char *uid = operation->record.snapshots ? operation->record.snapshots[0] : "";
        g_autoptr(dol_snapshot) snapshot = dol_snapshot_index_by_uid(engine->snapshots, uid);
        dol_pool *pool = dol_pools_find(engine, volume->spec.pool, error);
        g_autoptr(dol_txn) txn = dol_txn_new();
        uint64_t before = volume->spec.size;
        g_autofree char *fs_uuid = NULL;

        if (!pool)
                return false;
        if (!snapshot)
                return dol_fail(error, DOL_ERROR_NOT_FOUND, "snapshot '%s' is gone", uid);
        /* an imported snapshot has the UUID of a volume that is elsewhere */
        if (!dol_pool_revert(pool, call, volume->uid, snapshot->uid,
                             snapshot->source ? &fs_uuid : NULL, error))
                return false;
        volume->spec.size = volume->status.size = snapshot->size;
        g_free(volume->status.fs_uuid);
        volume->status.fs_uuid =
                snapshot->source ? g_steal_pointer(&fs_uuid) : g_strdup(snapshot->fs_uuid);
        if (!dol_volume_describe(engine, call, volume, error))
                return false;
        dol_txn_put_volume(engine, txn, volume);
        dol_operation_end(operation, txn, NULL);
        dol_event_put(engine, txn, call, DOL_EVENT_NORMAL, "VolumeReverted", volume,
                      "volume '%s' was put back to its snapshot '%s'", volume->name,
                      snapshot->name);
        if (!dol_commit_volume(engine, txn, volume, error))
                return false;
        if (before > snapshot->size)
                dol_pools_unreserve(engine, volume->spec.pool, before - snapshot->size);
        return true;
}

bool dol_volume_keep_state(dol_engine *engine, const dol_call *call, const dol_volume *volume,
                           const char *prefix, GError **error)
{
        g_autofree char *time = dol_time_format(dol_now_usec());
        g_autofree char *name = g_strconcat(prefix, time, NULL);

        return dol_snapshot_locked(engine, call, volume, name, NULL, error);
}

static bool stop_at_first(uint64_t offset, uint64_t length, bool data, void *user)
{
        *(bool *)user = true;
        return false;
}

/* Is what the volume holds now in one of its snapshots? */
static bool is_kept(dol_engine *engine, const dol_call *call, dol_pool *pool,
                    const dol_volume *volume, bool *ret, GError **error)
{
        g_autoptr(GPtrArray) snapshots = dol_snapshot_index_list(engine->snapshots, volume->uid);
        bool differs = true;

        for (unsigned i = 0; differs && i < snapshots->len; i++) {
                const dol_snapshot *snapshot = snapshots->pdata[i];

                if (snapshot->phase != DOL_SNAPSHOT_READY)
                        continue;
                differs = false;
                if (!dol_pool_diff(pool, call, volume->uid, snapshot->uid, NULL, stop_at_first,
                                   &differs, error))
                        return false;
        }
        *ret = !differs;
        return true;
}

bool dol_volume_keep_unkept(dol_engine *engine, const dol_call *call, const dol_volume *volume,
                            const char *prefix, GError **error)
{
        dol_pool *pool = dol_pools_find(engine, volume->spec.pool, error);
        bool kept;

        return pool && is_kept(engine, call, pool, volume, &kept, error) &&
               (kept || dol_volume_keep_state(engine, call, volume, prefix, error));
}

bool dol_volume_free_from_users(dol_engine *engine, const dol_call *call, dol_volume *volume,
                                bool force, GError **error)
{
        if (dol_attachment_count(volume->status.attachment) > 0) {
                g_autofree char *text = dol_consumers_text(volume->status.attachment);

                if (!force)
                        return dol_fail(error, DOL_ERROR_BUSY, "it is in use by %s", text);
                dol_consumer_clear(volume->status.attachment);
        }
        return !volume->status.attachment || dol_unmount_finish(engine, call, volume, force, error);
}

static bool revert(dol_engine *engine, const dol_call *call, dol_volume *volume,
                   const dol_snapshot *snapshot, GError **error)
{
        g_autoptr(dol_txn) txn = dol_txn_new();
        char *uids[] = {snapshot->uid, NULL};
        g_autoptr(running_operation) operation =
                dol_operation_begin_about(engine, call, DOL_OPERATION_REVERT, volume, uids, txn);

        volume->status.changed = dol_now_usec();
        dol_txn_put_volume(engine, txn, volume);
        if (!dol_commit_volume(engine, txn, volume, error))
                return false;
        dol_operation_recorded(operation, call);
        return dol_revert_finish(engine, call, operation, volume, error);
}

bool dol_engine_revert(dol_engine *engine, const dol_call *call, const char *reference, bool force,
                       dol_volume **ret_volume, GError **error)
{
        g_autoptr(dol_snapshot) snapshot = NULL;
        g_autoptr(dol_volume) volume = NULL;
        g_autoptr(dol_lock) lock =
                dol_snapshot_take(engine, call, reference, &snapshot, &volume, error);

        if (!lock)
                return false;
        if (volume->status.phase != DOL_VOLUME_AVAILABLE || snapshot->phase != DOL_SNAPSHOT_READY)
                return dol_fail(error, DOL_ERROR_CONFLICT, "volume '%s' is %s, its snapshot %s",
                                volume->name, dol_volume_phase_words[volume->status.phase],
                                dol_snapshot_phase_words[snapshot->phase]);
        if (!dol_volume_free_from_users(engine, call, volume, force, error) ||
            !dol_volume_keep_state(engine, call, volume, "before-restore-", error) ||
            !revert(engine, call, volume, snapshot, error))
                return dol_fail_while(error, "volume '%s'", volume->name);
        dol_volume_fill(engine, call, volume);
        *ret_volume = g_steal_pointer(&volume);
        return true;
}
