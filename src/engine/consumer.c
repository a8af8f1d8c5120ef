/* SPDX-License-Identifier: Apache-2.0 */
/* Mounting and unmounting for consumers: the records about who uses a volume. */
#include "engine/private.h"

#include "base/clock.h"
#include "base/log.h"
#include "policy/consumer.h"

static dol_attachment *attachment_new(const dol_engine *engine)
{
        dol_attachment *attachment = g_new0(dol_attachment, 1);

        attachment->node = g_strdup(engine->node);
        attachment->boot_id = g_strdup(engine->boot_id);
        return attachment;
}

static void add_consumer(dol_volume *volume, const dol_consumer_request *consumer)
{
        dol_consumer *added;

        dol_consumer_add(volume->status.attachment, consumer->client, consumer->id,
                         consumer->generation, consumer->counted, dol_now_usec());
        added = dol_consumer_find(volume->status.attachment, consumer->client, consumer->id);
        g_free(added->terms);
        added->terms = g_strdup(consumer->terms);
        added->exclusive = consumer->exclusive;
}

static bool check_mountable(const dol_volume *volume, const dol_consumer_request *consumer,
                            GError **error)
{
        if (volume->status.phase == DOL_VOLUME_LOST)
                return dol_fail(error, DOL_ERROR_UNAVAILABLE, "volume '%s' is lost: %s",
                                volume->name, volume->status.reason);
        if (volume->status.phase != DOL_VOLUME_AVAILABLE)
                return dol_fail(error, DOL_ERROR_CONFLICT, "volume '%s' is %s", volume->name,
                                dol_volume_phase_words[volume->status.phase]);
        if (consumer->directory_only && volume->spec.fs == DOL_FS_NONE)
                return dol_fail(error, DOL_ERROR_UNSUPPORTED,
                                "volume '%s' is a block volume (fs=none): it has no directory to "
                                "mount",
                                volume->name);
        return true;
}

/* Others may keep the volume for themselves, and an id has the terms it came with. */
static bool check_company(const dol_volume *volume, const dol_consumer_request *consumer,
                          GError **error)
{
        const dol_attachment *attachment = volume->status.attachment;
        const dol_consumer *rival =
                dol_consumer_rival(attachment, consumer->client, consumer->exclusive);
        const dol_consumer *same = dol_consumer_find(attachment, consumer->client, consumer->id);

        if (rival) {
                g_autofree char *text = dol_consumer_text(rival);

                return dol_fail(error, DOL_ERROR_BUSY, "volume '%s' is in use by %s%s",
                                volume->name, text,
                                rival->exclusive ? ", which keeps it for itself"
                                                 : ", and cannot be kept by one alone");
        }
        if (same && g_strcmp0(same->terms, consumer->terms) != 0)
                return dol_fail(error, DOL_ERROR_EXISTS, "volume '%s': '%s' has it as %s, not %s",
                                volume->name, same->id, same->terms ? same->terms : "nothing said",
                                consumer->terms ? consumer->terms : "nothing said");
        return true;
}

/* It is mounted: one commit adds the consumer. */
static bool join(dol_engine *engine, const dol_call *call, dol_volume *volume,
                 const dol_consumer_request *consumer, GError **error)
{
        g_autoptr(dol_txn) txn = dol_txn_new();

        add_consumer(volume, consumer);
        dol_txn_put_volume(engine, txn, volume);
        dol_event_put(engine, txn, call, DOL_EVENT_NORMAL, "VolumeMounted", volume,
                      "volume '%s' was mounted by %s %.*s", volume->name,
                      dol_client_words[consumer->client], dol_consumer_id_shown(consumer->client),
                      consumer->id);
        return dol_commit_volume(engine, txn, volume, error);
}

/* Ends a mount operation that failed: the mount is undone, and the record says why. */
static void give_up(dol_engine *engine, const dol_call *call, running_operation *operation,
                    dol_volume *volume, const GError *why)
{
        dol_call calm = dol_call_within(call->actor, 10 * DOL_USEC_PER_SEC);
        g_autoptr(dol_txn) txn = dol_txn_new();
        g_autoptr(GError) error = NULL;

        if (dol_attachment_count(volume->status.attachment) == 0 &&
            !dol_mount_undo(engine, &calm, volume, false, &error)) {
                dol_log(DOL_LOG_WARNING, "volume '%s' is unmounted later: %s", volume->name,
                        error->message);
                return;
        }
        dol_operation_end(operation, txn, why);
        dol_event_put(engine, txn, call, DOL_EVENT_WARNING, "MountFailed", volume,
                      "volume '%s' was not mounted: %s", volume->name, why->message);
        if (!dol_store_commit(engine->store, txn, NULL, &error))
                dol_log(DOL_LOG_WARNING, "volume '%s': %s", volume->name, error->message);
}

static bool mount_and_record(dol_engine *engine, const dol_call *call, running_operation *operation,
                             dol_volume *volume, const dol_consumer_request *consumer,
                             GError **error)
{
        g_autoptr(dol_txn) txn = dol_txn_new();

        if (!dol_mount_make(engine, call, volume, error))
                return false;
        add_consumer(volume, consumer);
        dol_txn_put_volume(engine, txn, volume);
        dol_operation_end(operation, txn, NULL);
        dol_event_put(engine, txn, call, DOL_EVENT_NORMAL, "VolumeMounted", volume,
                      "volume '%s' was mounted by %s %.*s", volume->name,
                      dol_client_words[consumer->client], dol_consumer_id_shown(consumer->client),
                      consumer->id);
        if (dol_commit_volume(engine, txn, volume, error))
                return true;
        dol_consumer_remove(volume->status.attachment, consumer->client, consumer->id);
        return false;
}

static bool mount_first(dol_engine *engine, const dol_call *call, dol_volume *volume,
                        const dol_consumer_request *consumer, GError **error)
{
        g_autoptr(dol_txn) txn = dol_txn_new();
        g_autoptr(running_operation) operation =
                dol_operation_begin(engine, call, DOL_OPERATION_MOUNT, volume, txn);
        g_autoptr(GError) why = NULL;

        if (!dol_store_commit(engine->store, txn, NULL, error))
                return false;
        dol_operation_recorded(operation, call);
        if (!volume->status.attachment)
                volume->status.attachment = attachment_new(engine);
        if (mount_and_record(engine, call, operation, volume, consumer, &why))
                return true;
        give_up(engine, call, operation, volume, why);
        g_propagate_error(error, g_steal_pointer(&why));
        return false;
}

bool dol_engine_mount(dol_engine *engine, const dol_call *call, const char *reference,
                      const dol_consumer_request *consumer, dol_volume **ret_volume, GError **error)
{
        g_autoptr(dol_volume) volume = NULL;
        g_autoptr(dol_lock) lock = dol_volume_take(engine, call, reference, false, &volume, error);

        if (!lock || !check_mountable(volume, consumer, error) ||
            !check_company(volume, consumer, error))
                return false;
        if (!(dol_mount_is_there(volume) ? join(engine, call, volume, consumer, error)
                                         : mount_first(engine, call, volume, consumer, error)))
                return dol_fail_while(error, "volume '%s'", volume->name);
        dol_limits_watch(engine, volume);
        dol_volume_fill(engine, call, volume);
        *ret_volume = g_steal_pointer(&volume);
        return true;
}

/* ---- unmounting ---- */

static bool record_change(dol_engine *engine, const dol_call *call, dol_volume *volume,
                          const char *what, GError **error)
{
        g_autoptr(dol_txn) txn = dol_txn_new();

        dol_txn_put_volume(engine, txn, volume);
        dol_event_put(engine, txn, call, DOL_EVENT_NORMAL, "VolumeReleased", volume,
                      "volume '%s': %s", volume->name, what);
        return dol_commit_volume(engine, txn, volume, error);
}

/* The last figures of the file system are kept for the time it is not mounted. */
static bool unmount_and_record(dol_engine *engine, const dol_call *call,
                               running_operation *operation, dol_volume *volume, bool force,
                               GError **error)
{
        g_autoptr(dol_txn) txn = dol_txn_new();

        dol_volume_fill(engine, call, volume);
        if (!dol_mount_undo(engine, call, volume, force, error))
                return false;
        dol_schema_free(&dol_attachment_schema, volume->status.attachment);
        volume->status.attachment = NULL;
        dol_txn_put_volume(engine, txn, volume);
        dol_operation_end(operation, txn, NULL);
        dol_event_put(engine, txn, call, DOL_EVENT_NORMAL, "VolumeUnmounted", volume,
                      "volume '%s' was unmounted", volume->name);
        return dol_commit_volume(engine, txn, volume, error);
}

static void end_failed(dol_engine *engine, running_operation *operation, const GError *why)
{
        g_autoptr(dol_txn) txn = dol_txn_new();
        g_autoptr(GError) error = NULL;

        dol_operation_end(operation, txn, why);
        if (!dol_store_commit(engine->store, txn, NULL, &error))
                dol_log(DOL_LOG_WARNING, "operation %s: %s", operation->record.uid, error->message);
}

bool dol_unmount_finish(dol_engine *engine, const dol_call *call, dol_volume *volume, bool force,
                        GError **error)
{
        g_autoptr(dol_txn) txn = dol_txn_new();
        g_autoptr(running_operation) operation = NULL;
        g_autoptr(GError) why = NULL;

        operation = dol_operation_begin(engine, call, DOL_OPERATION_UNMOUNT, volume, txn);
        if (!dol_store_commit(engine->store, txn, NULL, error))
                return false;
        dol_operation_recorded(operation, call);
        if (unmount_and_record(engine, call, operation, volume, force, &why))
                return true;
        end_failed(engine, operation, why);
        g_propagate_error(error, g_steal_pointer(&why));
        return false;
}

/* The consumer is gone whatever happens; the mount goes now or when it is free. */
static bool leave_lingering(dol_engine *engine, const dol_call *call, dol_volume *volume,
                            GError **error)
{
        g_autoptr(GError) why = NULL;
        g_autofree char *users = dol_volume_users(volume);

        if (!users && dol_unmount_finish(engine, call, volume, false, &why))
                return true;
        if (volume->status.attachment &&
            !record_change(engine, call, volume, "its last user is gone, its mount is held still",
                           error))
                return false;
        if (engine->on_unsettled)
                engine->on_unsettled(volume->uid, engine->on_unsettled_user);
        return true;
}

static bool unmount(dol_engine *engine, const dol_call *call, dol_volume *volume,
                    const dol_consumer_request *consumer, dol_unmount_mode mode, GError **error)
{
        dol_attachment *attachment = volume->status.attachment;

        if (!attachment)
                return true;
        if (mode == DOL_UNMOUNT_FORCE)
                dol_consumer_clear(attachment);
        else if (!dol_consumer_remove(attachment, consumer->client, consumer->id) &&
                 dol_attachment_count(attachment) > 0)
                return true;
        if (dol_attachment_count(attachment) > 0)
                return record_change(engine, call, volume, "one user less", error);
        if (mode == DOL_UNMOUNT_LINGER)
                return leave_lingering(engine, call, volume, error);
        return dol_unmount_finish(engine, call, volume, mode == DOL_UNMOUNT_FORCE, error);
}

bool dol_engine_unmount(dol_engine *engine, const dol_call *call, const char *reference,
                        const dol_consumer_request *consumer, dol_unmount_mode mode,
                        dol_volume **ret_volume, GError **error)
{
        g_autoptr(dol_volume) volume = NULL;
        g_autoptr(dol_lock) lock = dol_volume_take(engine, call, reference, false, &volume, error);

        if (!lock)
                return false;
        if (!unmount(engine, call, volume, consumer, mode, error))
                return dol_fail_while(error, "volume '%s'", volume->name);
        *ret_volume = g_steal_pointer(&volume);
        return true;
}
