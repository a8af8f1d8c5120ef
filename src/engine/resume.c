/* SPDX-License-Identifier: Apache-2.0 */
/* Operations that a crash, or a failed commit, left running: finished or undone. */
#include "engine/revert.h"

#include "base/log.h"
#include "host/freeze.h"

static bool end(dol_engine *engine, running_operation *operation, const char *why, GError **error)
{
        g_autoptr(dol_txn) txn = dol_txn_new();
        g_autoptr(GError) reason = NULL;

        if (why)
                dol_fail(&reason, DOL_ERROR_UNAVAILABLE, "%s", why);
        dol_operation_end(operation, txn, reason);
        return dol_store_commit(engine->store, txn, NULL, error);
}

static bool resume_create(dol_engine *engine, const dol_call *call, running_operation *operation,
                          dol_volume *volume, GError **error)
{
        if (volume->status.phase != DOL_VOLUME_CREATING)
                return end(engine, operation, NULL, error);
        return dol_create_finish(engine, call, operation, volume, error);
}

static bool resume_change(dol_engine *engine, const dol_call *call, running_operation *operation,
                          dol_volume *volume, GError **error)
{
        if (volume->status.phase == DOL_VOLUME_DELETING)
                return dol_delete_finish(engine, call, operation, volume, error);
        return dol_change_finish(engine, call, operation, volume, error);
}

/* Nobody was told of the mount, so it goes, unless others use the volume. */
static bool resume_mount(dol_engine *engine, const dol_call *call, running_operation *operation,
                         dol_volume *volume, GError **error)
{
        if (dol_attachment_count(volume->status.attachment) == 0 &&
            !dol_mount_undo(engine, call, volume, false, error))
                return false;
        return end(engine, operation, "interrupted", error);
}

/* Settling the attachment does what is left to do. */
static bool resume_unmount(dol_engine *engine, const dol_call *call, running_operation *operation,
                           dol_volume *volume, GError **error)
{
        return end(engine, operation, "interrupted", error);
}

/* Removes the operation's snapshots: those that were not finished, or with `ready` all of them. */
static bool drop_snapshots(dol_engine *engine, const dol_call *call, running_operation *operation,
                           bool ready, GError **error)
{
        g_autoptr(dol_txn) txn = dol_txn_new();
        g_autoptr(GPtrArray) dropped = g_ptr_array_new();
        char **uids = operation->record.snapshots;
        g_autoptr(GError) reason = NULL;

        dol_fail(&reason, DOL_ERROR_UNAVAILABLE, "interrupted");
        for (unsigned i = 0; uids && uids[i]; i++) {
                g_autoptr(dol_snapshot) snapshot =
                        dol_snapshot_index_by_uid(engine->snapshots, uids[i]);

                if (!snapshot || snapshot->phase == DOL_SNAPSHOT_DELETING ||
                    (snapshot->phase == DOL_SNAPSHOT_READY && !ready))
                        continue;
                g_ptr_array_add(dropped, uids[i]);
                if (!dol_snapshot_remove_data(engine, call, snapshot, error))
                        return false;
                dol_txn_delete_snapshot(txn, snapshot);
                dol_txn_free_snapshot_name(txn, snapshot);
        }
        dol_operation_end(operation, txn, reason);
        if (!dol_store_commit(engine->store, txn, NULL, error))
                return false;
        for (unsigned i = 0; i < dropped->len; i++)
                dol_snapshot_index_remove(engine->snapshots, dropped->pdata[i]);
        return true;
}

/* A snapshot that was not finished may not be consistent: it goes. Thawing comes first. */
static bool resume_snapshot(dol_engine *engine, const dol_call *call, running_operation *operation,
                            dol_volume *volume, GError **error)
{
        return drop_snapshots(engine, call, operation, false, error);
}

/* Its reader has gone, and so does what was taken for it. */
static bool resume_export(dol_engine *engine, const dol_call *call, running_operation *operation,
                          dol_volume *volume, GError **error)
{
        return drop_snapshots(engine, call, operation, true, error);
}

/* Once the stream was read to its end, the import is finished; before, nothing is left of it. */
static bool resume_import(dol_engine *engine, const dol_call *call, running_operation *operation,
                          dol_volume *volume, GError **error)
{
        char **uids = operation->record.snapshots;
        g_autoptr(dol_snapshot) snapshot =
                uids ? dol_snapshot_index_by_uid(engine->snapshots, uids[0]) : NULL;
        dol_incoming in = {.engine = engine,
                           .call = call,
                           .pool = dol_pools_find(engine, volume->spec.pool, error),
                           .volume = volume,
                           .snapshot = snapshot,
                           .operation = operation};
        g_autoptr(GError) why = NULL;

        if (!in.pool)
                return false;
        if (volume->status.phase == DOL_VOLUME_CREATING) {
                dol_fail(&why, DOL_ERROR_UNAVAILABLE, "interrupted");
                dol_import_new_undo(&in, why);
                return true;
        }
        if (snapshot && snapshot->phase == DOL_SNAPSHOT_READY && !volume->status.attachment)
                return dol_volume_keep_unkept(engine, call, volume, "before-import-", error) &&
                       dol_import_onto_finish(&in, error);
        return drop_snapshots(engine, call, operation, true, error);
}

static bool resume_snapshot_delete(dol_engine *engine, const dol_call *call,
                                   running_operation *operation, dol_volume *volume, GError **error)
{
        char **uids = operation->record.snapshots;
        g_autoptr(dol_snapshot) snapshot =
                uids ? dol_snapshot_index_by_uid(engine->snapshots, uids[0]) : NULL;

        if (!snapshot)
                return end(engine, operation, NULL, error);
        return dol_snapshot_delete_finish(engine, call, operation, snapshot, error);
}

static bool resume_resize(dol_engine *engine, const dol_call *call, running_operation *operation,
                          dol_volume *volume, GError **error)
{
        if (volume->status.size == volume->spec.size)
                return end(engine, operation, NULL, error);
        return dol_resize_finish(engine, call, operation, volume, error);
}

static bool resume_revert(dol_engine *engine, const dol_call *call, running_operation *operation,
                          dol_volume *volume, GError **error)
{
        if (volume->status.attachment) /* it was done, and the volume is in use again */
                return end(engine, operation, "interrupted", error);
        return dol_volume_keep_unkept(engine, call, volume, "before-restore-", error) &&
               dol_revert_finish(engine, call, operation, volume, error);
}

/* What it looked at went with the process; a repair may be asked for again. */
static bool resume_check(dol_engine *engine, const dol_call *call, running_operation *operation,
                         dol_volume *volume, GError **error)
{
        return end(engine, operation, "interrupted", error);
}

static bool (*const resume_by_kind[])(dol_engine *engine, const dol_call *call,
                                      running_operation *operation, dol_volume *volume,
                                      GError **error) = {
        [DOL_OPERATION_CREATE] = resume_create,
        [DOL_OPERATION_CHANGE] = resume_change,
        [DOL_OPERATION_DELETE] = resume_change,
        [DOL_OPERATION_RESTORE] = resume_change,
        [DOL_OPERATION_MOUNT] = resume_mount,
        [DOL_OPERATION_UNMOUNT] = resume_unmount,
        [DOL_OPERATION_ADOPT] = resume_change,
        [DOL_OPERATION_RESIZE] = resume_resize,
        [DOL_OPERATION_SNAPSHOT] = resume_snapshot,
        [DOL_OPERATION_SNAPSHOT_DELETE] = resume_snapshot_delete,
        [DOL_OPERATION_REVERT] = resume_revert,
        [DOL_OPERATION_EXPORT] = resume_export,
        [DOL_OPERATION_IMPORT] = resume_import,
        [DOL_OPERATION_CHECK] = resume_check,
};

/* A guard thaws when doliumd dies; should it have died too, nothing else may wait for this. */
static void thaw(dol_engine *engine, const dol_call *call, const char *uid)
{
        g_autofree char *path = dol_mount_path(engine, uid);
        g_autoptr(GError) error = NULL;
        bool thawed = false;

        if (!dol_freeze_recover(path, &thawed, &error))
                dol_log(DOL_LOG_ERROR, "'%s': %s", path, error->message);
        if (thawed)
                dol_event_write(engine, call, DOL_EVENT_WARNING, "VolumeThawed", "volume", NULL,
                                uid, "'%s' was left frozen and is thawed", path);
}

static void thaw_all(dol_engine *engine, const dol_call *call, const dol_operation *record)
{
        char **uids = record->snapshots;

        if (record->operation == DOL_OPERATION_CHECK)
                thaw(engine, call, record->volume);
        if (record->operation != DOL_OPERATION_SNAPSHOT &&
            record->operation != DOL_OPERATION_CREATE)
                return;
        for (unsigned i = 0; uids && uids[i]; i++) {
                g_autoptr(dol_snapshot) snapshot =
                        dol_snapshot_index_by_uid(engine->snapshots, uids[i]);

                if (snapshot)
                        thaw(engine, call, snapshot->volume);
        }
        if (record->operation == DOL_OPERATION_CREATE) { /* perhaps a clone of a mounted volume */
                g_autoptr(dol_held_volume) clone = dol_index_by_uid(engine->index, record->volume);
                g_auto(GStrv) origin = clone && clone->status.origin
                                               ? g_strsplit(clone->status.origin, "/", 2)
                                               : NULL;

                if (origin && !origin[1])
                        thaw(engine, call, origin[0]);
        }
}

static bool resume(dol_engine *engine, const dol_call *call, const dol_operation *record,
                   GError **error)
{
        g_autoptr(running_operation) operation = dol_operation_take_over(engine, record);
        g_autofree char *reference = g_strconcat("uid:", record->volume, NULL);
        g_autoptr(dol_volume) volume = NULL;
        g_autoptr(dol_lock) lock = NULL;
        g_autoptr(GError) why = NULL;

        if (!operation)
                return true;
        if (record->operation == DOL_OPERATION_FILES_RESTORE) /* it takes no lock while it works */
                return dol_files_restore_give_up(engine, call, operation, error);
        thaw_all(engine, call, record);
        lock = dol_volume_take(engine, call, reference, false, &volume, &why);
        if (lock)
                return resume_by_kind[record->operation](engine, call, operation, volume, error);
        if (dol_error_is(why, DOL_ERROR_NOT_FOUND)) /* it went with its last step */
                return end(engine, operation,
                           record->operation == DOL_OPERATION_DELETE ? NULL : "interrupted", error);
        g_propagate_error(error, g_steal_pointer(&why));
        return false;
}

void dol_engine_resume(dol_engine *engine, const dol_call *call)
{
        g_autoptr(GError) error = NULL;
        g_autoptr(GPtrArray) running = NULL;

        dol_doubts_settle(engine);
        running = dol_engine_operation_list(engine, NULL, DOL_OPERATION_RUNNING, 0, &error);
        if (!running) {
                dol_log(DOL_LOG_ERROR, "%s", error->message);
                return;
        }
        for (unsigned i = running->len; i > 0; i--) { /* oldest first */
                const dol_operation *record = running->pdata[i - 1];
                g_autoptr(GError) why = NULL;

                if (!resume(engine, call, record, &why))
                        dol_log(DOL_LOG_WARNING,
                                "operation %s (%s of volume '%s') goes on later: %s", record->uid,
                                dol_operation_words[record->operation], record->volume_name,
                                why->message);
        }
}
