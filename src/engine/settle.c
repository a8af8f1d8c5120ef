/* SPDX-License-Identifier: Apache-2.0 */
/* What is recorded about mounts against what the kernel says. */
#include "engine/private.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "host/mount.h"
#include "policy/consumer.h"

#include <string.h>

static const int64_t dead_client_grace_usec = 30 * DOL_USEC_PER_SEC;

/* true when the process of a generation "<pid>.<start time>" has gone. */
static bool generation_is_over(const char *generation)
{
        g_auto(GStrv) parts = g_strsplit(generation ? generation : "", ".", 2);
        g_autofree char *path = NULL, *stat = NULL;
        g_auto(GStrv) fields = NULL;
        const char *after_name;

        if (!parts[0] || !parts[1])
                return false;
        path = g_strdup_printf("/proc/%s/stat", parts[0]);
        if (!dol_file_read(path, 65536, &stat, NULL, NULL))
                return true;
        after_name = strrchr(stat, ')'); /* proc_pid_stat(5): the start time is field 22 */
        fields = g_strsplit(after_name ? after_name + 2 : "", " ", -1);
        return g_strv_length(fields) < 20 || strcmp(fields[0], "Z") == 0 ||
               strcmp(fields[19], parts[1]) != 0;
}

/* Takes away consumers that no mount table shows. */
static unsigned drop_stale(dol_engine *engine, dol_volume *volume)
{
        dol_attachment *attachment = volume->status.attachment;
        int64_t now = dol_now_usec();
        unsigned dropped = 0;

        for (unsigned i = dol_attachment_count(attachment); i > 0; i--) {
                dol_consumer *consumer = attachment->consumers->pdata[i - 1];
                int64_t grace = engine->consumer_grace_usec;

                if (generation_is_over(consumer->generation))
                        grace = MIN(grace, dead_client_grace_usec);
                if (!dol_consumer_is_stale(consumer, false, now, grace))
                        continue;
                consumer->count = 1;
                dol_consumer_remove(attachment, consumer->client, consumer->id);
                dropped++;
        }
        return dropped;
}

static bool commit_event(dol_engine *engine, const dol_call *call, dol_volume *volume,
                         const char *reason, const char *what, GError **error)
{
        g_autoptr(dol_txn) txn = dol_txn_new();

        dol_txn_put_volume(engine, txn, volume);
        dol_event_put(engine, txn, call, DOL_EVENT_WARNING, reason, volume, "volume '%s': %s",
                      volume->name, what);
        return dol_commit_volume(engine, txn, volume, error);
}

static bool settle(dol_engine *engine, const dol_call *call, dol_volume *volume, GError **error)
{
        bool there = dol_mount_is_there(volume);
        g_autofree char *users = dol_volume_users(volume);
        dol_attachment *attachment = volume->status.attachment;
        unsigned dropped = dol_files_drop_ended(engine, attachment);

        if (!users)
                dropped += drop_stale(engine, volume);
        if (dropped > 0 && !commit_event(engine, call, volume, "ConsumersForgotten",
                                         "mounts of users that are gone were given up", error))
                return false;
        if (dol_attachment_count(attachment) > 0 && !there)
                return dol_mount_make(engine, call, volume, error) &&
                       commit_event(engine, call, volume, "MountRestored",
                                    "its mount had been taken away and was made again", error);
        if (dol_attachment_count(attachment) == 0 && !users)
                return dol_unmount_finish(engine, call, volume, false, error);
        return true;
}

void dol_engine_settle(dol_engine *engine, const dol_call *call, const char *uid)
{
        g_autofree char *reference = g_strconcat("uid:", uid, NULL);
        g_autoptr(dol_volume) volume = NULL;
        g_autoptr(dol_lock) lock = dol_volume_take(engine, call, reference, false, &volume, NULL);
        g_autoptr(GError) error = NULL;

        if (lock && volume->status.attachment && !settle(engine, call, volume, &error))
                dol_log(DOL_LOG_DEBUG, "volume '%s': %s", volume->name, error->message);
}

/* ---- what no record explains ---- */

/* A mount below mnt/ without an attachment: after the store was lost, or a crash. Containers that
 * still use it make it an attachment without consumers; otherwise it goes. */
static void explain_mount(dol_engine *engine, const dol_call *call, const char *uid)
{
        g_autofree char *reference = g_strconcat("uid:", uid, NULL);
        g_autoptr(dol_volume) volume = NULL;
        g_autoptr(dol_lock) lock = dol_volume_take(engine, call, reference, false, &volume, NULL);
        g_autoptr(dol_mount_entry) entry = NULL;
        g_autoptr(GError) error = NULL;
        dol_attachment *attachment;

        if (!lock || volume->status.attachment)
                return;
        attachment = volume->status.attachment = g_new0(dol_attachment, 1);
        attachment->node = g_strdup(engine->node);
        attachment->boot_id = g_strdup(engine->boot_id);
        attachment->path = dol_mount_path(engine, uid);
        attachment->since = dol_now_usec();
        entry = dol_mount_find(attachment->path, NULL);
        if (!entry)
                return;
        if (volume->spec.fs != DOL_FS_DIRECTORY)
                attachment->device = g_strdup(entry->source);
        if (!settle(engine, call, volume, &error) ||
            (volume->status.attachment &&
             !commit_event(engine, call, volume, "MountFound",
                           "it is mounted and in use, though nothing was recorded", &error)))
                dol_log(DOL_LOG_WARNING, "volume '%s': %s", volume->name, error->message);
}

static void explain_mounts(dol_engine *engine, const dol_call *call)
{
        g_autoptr(GPtrArray) mounts = dol_mountinfo_read("/proc/self/mountinfo", NULL);
        g_autofree char *prefix = g_strconcat(engine->mount_dir, "/", NULL);

        for (unsigned i = 0; mounts && i < mounts->len; i++) {
                const dol_mount_entry *entry = mounts->pdata[i];
                const char *uid = entry->path + strlen(prefix);

                if (!g_str_has_prefix(entry->path, prefix) || strchr(uid, '/'))
                        continue;
                explain_mount(engine, call, uid);
                dol_snapshot_explain_mount(engine, call, uid);
        }
}

/* Block volumes stay attached without a mount; one without an attachment record goes. */
static void detach_unexplained(dol_engine *engine, const dol_call *call, const dol_volume *block)
{
        g_autofree char *reference = g_strconcat("uid:", block->uid, NULL);
        dol_pool *pool = dol_pools_find(engine, block->spec.pool, NULL);
        g_autoptr(dol_volume) volume = NULL;
        g_autoptr(dol_lock) lock = dol_volume_take(engine, call, reference, false, &volume, NULL);
        g_autoptr(GError) error = NULL;

        if (lock && pool && !volume->status.attachment &&
            !dol_pool_detach(pool, call, volume->uid, &error))
                dol_log(DOL_LOG_DEBUG, "volume '%s': %s", volume->name, error->message);
}

static void remove_empty_mountpoints(dol_engine *engine)
{
        g_autoptr(GDir) dir = g_dir_open(engine->mount_dir, 0, NULL);
        const char *uid;

        while (dir && (uid = g_dir_read_name(dir))) {
                g_autoptr(dol_held_volume) volume = dol_index_by_uid(engine->index, uid);
                g_autoptr(dol_snapshot) known = dol_snapshot_index_by_uid(engine->snapshots, uid);
                g_autoptr(dol_lock) lock =
                        dol_locks_try(engine->locks, known ? known->volume : uid);
                g_autoptr(dol_snapshot) snapshot =
                        dol_snapshot_index_by_uid(engine->snapshots, uid);
                g_autofree char *path = dol_mount_path(engine, uid);

                /* busy ones are somebody's work; what is not empty is not ours to touch */
                if (lock && !(volume && volume->status.attachment) &&
                    !(snapshot && snapshot->attachment))
                        dol_mountpoint_remove(path, NULL);
        }
}

static void settle_snapshots(dol_engine *engine, const dol_call *call)
{
        g_autoptr(GPtrArray) snapshots = dol_snapshot_index_list(engine->snapshots, NULL);

        for (unsigned i = 0; i < snapshots->len; i++) {
                const dol_snapshot *snapshot = snapshots->pdata[i];

                if (snapshot->attachment)
                        dol_snapshot_settle(engine, call, snapshot->uid);
        }
}

static bool is_attached_or_block(const dol_volume *volume, void *user)
{
        return volume->status.attachment || volume->spec.fs == DOL_FS_NONE;
}

void dol_engine_settle_all(dol_engine *engine, const dol_call *call)
{
        g_autoptr(GPtrArray) volumes =
                dol_index_list(engine->index, NULL, 0, is_attached_or_block, NULL);

        for (unsigned i = 0; i < volumes->len; i++) {
                const dol_volume *volume = volumes->pdata[i];

                if (volume->status.attachment)
                        dol_engine_settle(engine, call, volume->uid);
                else
                        detach_unexplained(engine, call, volume);
        }
        settle_snapshots(engine, call);
        explain_mounts(engine, call);
        remove_empty_mountpoints(engine);
}
