/* SPDX-License-Identifier: Apache-2.0 */
/* Snapshots mounted read-only beside their volume, and what differs between images. */
#include "engine/private.h"

#include "base/clock.h"
#include "base/log.h"
#include "host/mount.h"
#include "policy/consumer.h"

/* A snapshot's device is read-only, so a journal cannot be replayed; its file system may have the
 * UUID of one that is mounted. */
static const char *mount_options(const dol_snapshot *snapshot)
{
        if (snapshot->fs == DOL_FS_XFS)
                return "ro,nouuid,norecovery";
        return snapshot->consistency == DOL_CONSISTENCY_CRASH ? "ro,noload" : "ro";
}

static dol_snapshot *only(void *from, unsigned i)
{
        return from;
}

static bool make_mount(dol_engine *engine, const dol_call *call, dol_pool *pool,
                       dol_snapshot *snapshot, GError **error)
{
        dol_attachment *attachment = snapshot->attachment;
        dol_driver_attachment place = {0};
        g_autofree char *path = dol_mount_path(engine, snapshot->uid);
        dol_autofd hold = -1;

        if (!dol_pool_snapshot_attach(pool, call, snapshot->volume, snapshot->uid, &place, &hold,
                                      error))
                return false;
        if (snapshot->fs != DOL_FS_NONE &&
            !dol_mount_device(call, place.device, dol_fs_words[snapshot->fs], path,
                              mount_options(snapshot), error))
                return false;
        g_free(attachment->device);
        attachment->device = g_strdup(place.device);
        g_free(attachment->path);
        attachment->path = snapshot->fs == DOL_FS_NONE ? NULL : g_steal_pointer(&path);
        attachment->since = dol_now_usec();
        return true;
}

/* The mount of a snapshot looks like a volume's to the functions that ask the kernel. */
static dol_volume as_volume(const dol_snapshot *snapshot)
{
        return (dol_volume){
                .uid = snapshot->uid,
                .name = snapshot->name,
                .spec.fs = snapshot->fs,
                .status.attachment = snapshot->attachment,
        };
}

static bool undo_mount(dol_engine *engine, const dol_call *call, dol_pool *pool,
                       dol_snapshot *snapshot, bool force, GError **error)
{
        dol_volume seen = as_volume(snapshot);
        g_autofree char *path = dol_mount_path(engine, snapshot->uid);
        g_autofree char *users = force ? NULL : dol_volume_users(&seen);

        if (users)
                return dol_fail(error, DOL_ERROR_BUSY, "it is still mounted by %s", users);
        if (snapshot->fs != DOL_FS_NONE &&
            !(force ? dol_unmount_lazy(path, error) : dol_unmount(call, path, error)))
                return false;
        return dol_pool_snapshot_detach(pool, call, snapshot->volume, snapshot->uid, error) &&
               dol_mountpoint_remove(path, error);
}

static bool commit(dol_engine *engine, const dol_call *call, const dol_volume *volume,
                   dol_snapshot *snapshot, const char *reason, const char *what, GError **error)
{
        g_autoptr(dol_txn) txn = dol_txn_new();

        dol_txn_put_snapshot(engine, txn, snapshot);
        dol_event_put(engine, txn, call, DOL_EVENT_NORMAL, reason, volume, "snapshot '%s@%s' %s",
                      volume->name, snapshot->name, what);
        return dol_commit_snapshots(engine, txn, 1, only, snapshot, error);
}

bool dol_engine_snapshot_mount(dol_engine *engine, const dol_call *call, const char *reference,
                               const dol_consumer_request *consumer, dol_snapshot **ret_snapshot,
                               GError **error)
{
        g_autoptr(dol_snapshot) snapshot = NULL;
        g_autoptr(dol_volume) volume = NULL;
        g_autoptr(dol_lock) lock =
                dol_snapshot_take(engine, call, reference, &snapshot, &volume, error);
        dol_volume seen;
        dol_pool *pool;

        if (!lock || !(pool = dol_pools_find(engine, volume->spec.pool, error)))
                return false;
        if (snapshot->phase != DOL_SNAPSHOT_READY)
                return dol_fail(error, DOL_ERROR_CONFLICT, "snapshot '%s' is %s", reference,
                                dol_snapshot_phase_words[snapshot->phase]);
        seen = as_volume(snapshot);
        if (!snapshot->attachment) {
                snapshot->attachment = g_new0(dol_attachment, 1);
                snapshot->attachment->node = g_strdup(engine->node);
                snapshot->attachment->boot_id = g_strdup(engine->boot_id);
        }
        if (!dol_mount_is_there(&seen) && !make_mount(engine, call, pool, snapshot, error))
                return dol_fail_while(error, "snapshot '%s'", reference);
        dol_consumer_add(snapshot->attachment, consumer->client, consumer->id, consumer->generation,
                         consumer->counted, dol_now_usec());
        if (!commit(engine, call, volume, snapshot, "SnapshotMounted", "was mounted", error))
                return false;
        dol_snapshot_fill(engine, call, snapshot, false);
        *ret_snapshot = g_steal_pointer(&snapshot);
        return true;
}

bool dol_engine_snapshot_unmount(dol_engine *engine, const dol_call *call, const char *reference,
                                 const dol_consumer_request *consumer, dol_unmount_mode mode,
                                 dol_snapshot **ret_snapshot, GError **error)
{
        g_autoptr(dol_snapshot) snapshot = NULL;
        g_autoptr(dol_volume) volume = NULL;
        g_autoptr(dol_lock) lock =
                dol_snapshot_take(engine, call, reference, &snapshot, &volume, error);
        dol_pool *pool;

        if (!lock || !(pool = dol_pools_find(engine, volume->spec.pool, error)))
                return false;
        if (snapshot->attachment) {
                if (mode == DOL_UNMOUNT_FORCE)
                        dol_consumer_clear(snapshot->attachment);
                else
                        dol_consumer_remove(snapshot->attachment, consumer->client, consumer->id);
                if (dol_attachment_count(snapshot->attachment) == 0) {
                        if (!undo_mount(engine, call, pool, snapshot, mode == DOL_UNMOUNT_FORCE,
                                        error))
                                return dol_fail_while(error, "snapshot '%s'", reference);
                        dol_schema_free(&dol_attachment_schema, snapshot->attachment);
                        snapshot->attachment = NULL;
                }
                if (!commit(engine, call, volume, snapshot, "SnapshotReleased",
                            snapshot->attachment ? "has one user less" : "was unmounted", error))
                        return false;
        }
        dol_snapshot_fill(engine, call, snapshot, false);
        *ret_snapshot = g_steal_pointer(&snapshot);
        return true;
}

static void end_attachment(dol_snapshot *snapshot)
{
        dol_schema_free(&dol_attachment_schema, snapshot->attachment);
        snapshot->attachment = NULL;
}

static bool settle(dol_engine *engine, const dol_call *call, dol_pool *pool,
                   const dol_volume *volume, dol_snapshot *snapshot, GError **error)
{
        dol_volume seen = as_volume(snapshot);
        unsigned dropped = dol_files_drop_ended(engine, snapshot->attachment);

        if (dol_attachment_count(snapshot->attachment) == 0) {
                if (!undo_mount(engine, call, pool, snapshot, false, error))
                        return false;
                end_attachment(snapshot);
                return commit(engine, call, volume, snapshot, "SnapshotReleased", "was unmounted",
                              error);
        }
        if (dropped > 0 && !commit(engine, call, volume, snapshot, "ConsumersForgotten",
                                   "has one user less: work on its files was cut off", error))
                return false;
        if (dol_mount_is_there(&seen))
                return true;
        /* mounts of another boot were forgotten at the start; this one was torn away */
        return make_mount(engine, call, pool, snapshot, error) &&
               commit(engine, call, volume, snapshot, "MountRestored", "was mounted again", error);
}

void dol_snapshot_settle(dol_engine *engine, const dol_call *call, const char *uid)
{
        g_autofree char *reference = g_strconcat("uid:", uid, NULL);
        g_autoptr(dol_snapshot) snapshot = NULL;
        g_autoptr(dol_volume) volume = NULL;
        g_autoptr(dol_lock) lock =
                dol_snapshot_take(engine, call, reference, &snapshot, &volume, NULL);
        dol_pool *pool = lock ? dol_pools_find(engine, volume->spec.pool, NULL) : NULL;
        g_autoptr(GError) error = NULL;

        if (pool && snapshot->attachment && !settle(engine, call, pool, volume, snapshot, &error))
                dol_log(DOL_LOG_WARNING, "snapshot '%s@%s': %s", volume->name, snapshot->name,
                        error->message);
}

void dol_snapshot_explain_mount(dol_engine *engine, const dol_call *call, const char *uid)
{
        g_autofree char *reference = g_strconcat("uid:", uid, NULL);
        g_autoptr(dol_snapshot) snapshot = NULL;
        g_autoptr(dol_volume) volume = NULL;
        g_autoptr(dol_lock) lock =
                dol_snapshot_take(engine, call, reference, &snapshot, &volume, NULL);
        dol_pool *pool = lock ? dol_pools_find(engine, volume->spec.pool, NULL) : NULL;
        g_autoptr(GError) error = NULL;

        if (pool && !snapshot->attachment &&
            !undo_mount(engine, call, pool, snapshot, false, &error))
                dol_log(DOL_LOG_WARNING, "snapshot '%s@%s': %s", volume->name, snapshot->name,
                        error->message);
}

/* ---- what differs ---- */

bool dol_engine_diff(dol_engine *engine, const dol_call *call, const char *base, const char *target,
                     dol_changed_range_fn fn, void *user, GError **error)
{
        g_autoptr(dol_snapshot) first = NULL, second = NULL;
        g_autoptr(dol_volume) volume = NULL;
        g_autoptr(dol_lock) lock = NULL;
        dol_pool *pool;

        if (!base && !target)
                return dol_fail(error, DOL_ERROR_INVALID, "expected a snapshot to compare");
        lock = dol_snapshot_take(engine, call, base ? base : target, &first, &volume, error);
        if (!lock || (base && target && !(second = dol_snapshot_find(engine, target, error))))
                return false;
        if (second && g_strcmp0(first->volume, second->volume) != 0)
                return dol_fail(error, DOL_ERROR_INVALID,
                                "'%s' and '%s' are snapshots of different volumes", base, target);
        pool = dol_pools_find(engine, volume->spec.pool, error);
        return pool &&
               dol_pool_diff(pool, call, volume->uid, base ? first->uid : NULL,
                             second ? second->uid : (base ? NULL : first->uid), fn, user, error);
}
