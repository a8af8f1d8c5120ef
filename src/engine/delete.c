/* SPDX-License-Identifier: Apache-2.0 */
/* Deleting volumes: to the trash first, then for good. Nothing here needs space in the pool. */
#include "engine/private.h"

#include "base/clock.h"
#include "base/log.h"

/* Snapshots go with their volume, and come back with it from the trash. */
static bool check_snapshots(dol_engine *engine, const dol_volume *volume, bool for_good,
                            GError **error)
{
        g_autoptr(GPtrArray) snapshots = dol_snapshot_index_list(engine->snapshots, volume->uid);

        for (unsigned i = 0; i < snapshots->len; i++) {
                const dol_snapshot *snapshot = snapshots->pdata[i];

                if (snapshot->attachment)
                        return dol_fail(error, DOL_ERROR_BUSY,
                                        "volume '%s': its snapshot '%s' is mounted", volume->name,
                                        snapshot->name);
                if (for_good && snapshot->protect)
                        return dol_fail(error, DOL_ERROR_CONFLICT,
                                        "volume '%s': its snapshot '%s' is protected", volume->name,
                                        snapshot->name);
        }
        return true;
}

static bool check_deletable(dol_engine *engine, const dol_call *call, dol_volume *volume,
                            bool for_good, GError **error)
{
        if (volume->spec.protect)
                return dol_fail(error, DOL_ERROR_CONFLICT,
                                "volume '%s' is protected: clear it with 'dolium volume set %s "
                                "--protect=false'",
                                volume->name, volume->name);
        if (!check_snapshots(engine, volume, for_good, error))
                return false;
        if (dol_attachment_count(volume->status.attachment) > 0) {
                g_autofree char *text = dol_consumers_text(volume->status.attachment);

                return dol_fail(error, DOL_ERROR_BUSY, "volume '%s' is in use by %s", volume->name,
                                text);
        }
        /* nobody is recorded any more, but it is mounted still: perhaps it can go now */
        return !volume->status.attachment || dol_unmount_finish(engine, call, volume, false, error);
}

static bool commit_phase(dol_engine *engine, const dol_call *call, dol_volume *volume,
                         bool had_name, const char *reason, running_operation **ret_operation,
                         GError **error)
{
        g_autoptr(dol_txn) txn = dol_txn_new();
        g_autoptr(running_operation) operation = NULL;

        volume->status.changed = dol_now_usec();
        operation = dol_operation_begin(engine, call, DOL_OPERATION_DELETE, volume, txn);
        dol_txn_put_volume(engine, txn, volume);
        if (had_name) {
                g_autofree char *key = dol_name_key(volume->name);

                dol_txn_delete(txn, key);
        }
        dol_event_put(engine, txn, call, DOL_EVENT_NORMAL, reason, volume,
                      volume->status.phase == DOL_VOLUME_TRASHED
                              ? "volume '%s' was moved to the trash"
                              : "volume '%s' is being removed for good",
                      volume->name);
        if (!dol_commit_volume(engine, txn, volume, error))
                return false;
        dol_operation_recorded(operation, call);
        *ret_operation = g_steal_pointer(&operation);
        return true;
}

static bool move_to_trash(dol_engine *engine, const dol_call *call, dol_volume *volume,
                          GError **error)
{
        g_autoptr(running_operation) operation = NULL;
        g_autoptr(GError) why = NULL;

        if (!dol_volume_move(volume, DOL_VOLUME_TRASHED, error))
                return false;
        dol_volume_fill(engine, call, volume); /* what the trash holds is told from this */
        volume->status.trashed = dol_now_usec();
        volume->status.expires = volume->status.trashed + volume->spec.trash;
        if (!commit_phase(engine, call, volume, true, "VolumeTrashed", &operation, error))
                return false;
        if (!dol_change_finish(engine, call, operation, volume, &why))
                dol_log(DOL_LOG_WARNING, "volume '%s': its description is written later: %s",
                        volume->name, why->message);
        return true;
}

bool dol_delete_finish(dol_engine *engine, const dol_call *call, running_operation *operation,
                       dol_volume *volume, GError **error)
{
        dol_pool *pool = dol_pools_find(engine, volume->spec.pool, error);
        g_autoptr(dol_txn) txn = dol_txn_new();
        g_autofree char *key = dol_volume_key(volume->uid);
        g_autoptr(GPtrArray) snapshots = dol_snapshot_index_list(engine->snapshots, volume->uid);

        if (!pool)
                return false;
        for (unsigned i = 0; i < snapshots->len; i++) {
                if (!dol_snapshot_remove_data(engine, call, snapshots->pdata[i], error))
                        return false;
                dol_txn_delete_snapshot(txn, snapshots->pdata[i]);
                dol_txn_free_snapshot_name(txn, snapshots->pdata[i]);
        }
        if (!dol_pool_destroy(pool, call, volume->uid, error))
                return false;
        dol_txn_delete(txn, key);
        if (operation)
                dol_operation_end(operation, txn, NULL);
        if (!dol_commit_surely(engine, txn, key, NULL, NULL, error))
                return false;
        for (unsigned i = 0; i < snapshots->len; i++)
                dol_snapshot_index_remove(engine->snapshots,
                                          ((const dol_snapshot *)snapshots->pdata[i])->uid);
        dol_index_remove(engine->index, volume->uid);
        dol_pools_unreserve(engine, volume->spec.pool, volume->spec.size);
        return true;
}

static bool remove_for_good(dol_engine *engine, const dol_call *call, dol_volume *volume,
                            GError **error)
{
        bool had_name = dol_volume_owns_name(volume);
        g_autoptr(running_operation) operation = NULL;

        /* a volume in phase deleting was left by a failed attempt: this is the next one */
        if (volume->status.phase != DOL_VOLUME_DELETING) {
                if (!dol_volume_move(volume, DOL_VOLUME_DELETING, error) ||
                    !commit_phase(engine, call, volume, had_name, "VolumeRemoved", &operation,
                                  error))
                        return false;
        }
        return dol_delete_finish(engine, call, operation, volume, error);
}

bool dol_engine_delete(dol_engine *engine, const dol_call *call, const char *reference, bool purge,
                       int64_t if_revision, dol_volume **ret_volume, GError **error)
{
        g_autoptr(dol_volume) volume = NULL;
        g_autoptr(dol_lock) lock = dol_volume_take(engine, call, reference, false, &volume, error);
        bool for_good;

        if (!lock)
                return false;
        if (if_revision && if_revision != volume->revision)
                return dol_fail(error, DOL_ERROR_STALE,
                                "volume '%s' has revision %" G_GINT64_FORMAT ": read it again",
                                volume->name, volume->revision);
        for_good = purge || volume->spec.trash == 0 || volume->status.phase != DOL_VOLUME_AVAILABLE;
        if (!check_deletable(engine, call, volume, for_good, error))
                return false;
        if (!(for_good ? remove_for_good(engine, call, volume, error)
                       : move_to_trash(engine, call, volume, error)))
                return dol_fail_while(error, "volume '%s'", volume->name);
        *ret_volume = g_steal_pointer(&volume);
        return true;
}
