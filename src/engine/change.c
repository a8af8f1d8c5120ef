/* SPDX-License-Identifier: Apache-2.0 */
/* Changing what may be changed on a volume: its name, labels and settings. */
#include "engine/private.h"

#include "base/clock.h"

#include <string.h>

static bool check_revision(const dol_volume *volume, int64_t wanted, GError **error)
{
        return wanted == 0 || wanted == volume->revision ||
               dol_fail(error, DOL_ERROR_STALE,
                        "volume '%s' has revision %" G_GINT64_FORMAT ", not %" G_GINT64_FORMAT
                        ": read it again",
                        volume->name, volume->revision, wanted);
}

/* Applies the change to the copy; says in `what` what changed. */
static void apply(dol_volume *volume, const dol_volume_change *change, GString *what)
{
        if (change->name && strcmp(change->name, volume->name) != 0) {
                g_string_append_printf(what, " name (was '%s')", volume->name);
                g_free(volume->name);
                volume->name = g_strdup(change->name);
        }
        if (change->labels && !dol_map_equal(change->labels, volume->labels)) {
                g_string_append(what, " labels");
                g_clear_pointer(&volume->labels, g_hash_table_unref);
                volume->labels = dol_map_copy(change->labels);
        }
        if (change->protect && *change->protect != volume->spec.protect) {
                g_string_append(what, " protect");
                volume->spec.protect = *change->protect;
        }
        if (change->trash && *change->trash != volume->spec.trash) {
                g_string_append(what, " trash");
                volume->spec.trash = *change->trash;
        }
        if (change->mountopts &&
            strcmp(change->mountopts, volume->spec.mountopts ? volume->spec.mountopts : "") != 0) {
                g_string_append(what, " mountopts");
                g_free(volume->spec.mountopts);
                volume->spec.mountopts = *change->mountopts ? g_strdup(change->mountopts) : NULL;
        }
        if (change->limits && !dol_io_limits_equal(change->limits, &volume->spec.limits)) {
                g_string_append(what, " limits");
                volume->spec.limits = *change->limits;
        }
}

static bool check(const dol_volume *volume, GError **error)
{
        dol_volume_spec spec = volume->spec;

        return dol_volume_name_check(volume->name, error) &&
               dol_labels_check(volume->labels, error) && dol_volume_spec_check(&spec, error);
}

bool dol_change_finish(dol_engine *engine, const dol_call *call, running_operation *operation,
                       dol_volume *volume, GError **error)
{
        g_autoptr(dol_txn) txn = dol_txn_new();

        if (!dol_limits_hold(engine, volume, error) ||
            !dol_volume_describe(engine, call, volume, error))
                return false;
        dol_operation_end(operation, txn, NULL);
        return dol_store_commit(engine->store, txn, NULL, error);
}

/* The new name's lock, so that two who want it are told properly; NULL with *error set when it is
 * taken. */
static dol_lock *take_name(dol_engine *engine, const dol_call *call, const char *name,
                           GError **error)
{
        g_autofree char *key = dol_name_key(name);
        g_autoptr(dol_lock) lock = dol_locks_take(engine->locks, call, key, error);
        g_autoptr(dol_held_volume) other = dol_index_by_name(engine->index, name);

        if (!lock) {
                dol_fail_while(error, "name '%s'", name);
                return NULL;
        }
        if (other) {
                dol_fail(error, DOL_ERROR_EXISTS, "volume '%s' exists already", name);
                return NULL;
        }
        return g_steal_pointer(&lock);
}

static bool commit_change(dol_engine *engine, const dol_call *call, const char *old_name,
                          dol_volume *volume, const char *what, GError **error)
{
        g_autoptr(dol_txn) txn = dol_txn_new();
        g_autoptr(running_operation) operation = NULL;

        volume->status.changed = dol_now_usec();
        operation = dol_operation_begin(engine, call, DOL_OPERATION_CHANGE, volume, txn);
        dol_txn_put_volume(engine, txn, volume);
        if (strcmp(old_name, volume->name) != 0) {
                g_autofree char *old_key = dol_name_key(old_name);

                dol_txn_delete(txn, old_key);
                dol_txn_put_name(txn, volume->name, volume->uid);
        }
        dol_event_put(engine, txn, call, DOL_EVENT_NORMAL, "VolumeChanged", volume,
                      "volume '%s' changed:%s", volume->name, what);
        if (!dol_commit_volume(engine, txn, volume, error))
                return false;
        dol_operation_recorded(operation, call);
        return dol_change_finish(engine, call, operation, volume, error);
}

bool dol_engine_change(dol_engine *engine, const dol_call *call, const char *reference,
                       const dol_volume_change *change, dol_volume **ret_volume, GError **error)
{
        g_autoptr(dol_volume) volume = NULL;
        g_autoptr(dol_lock) lock = dol_volume_take(engine, call, reference, false, &volume, error);
        g_autoptr(dol_lock) name_lock = NULL;
        g_autoptr(GString) what = g_string_new(NULL);
        g_autofree char *old_name = NULL;
        dol_io_limits old_limits;

        if (!lock || !check_revision(volume, change->if_revision, error))
                return false;
        if (volume->status.phase != DOL_VOLUME_AVAILABLE)
                return dol_fail(error, DOL_ERROR_CONFLICT, "volume '%s' is %s", volume->name,
                                dol_volume_phase_words[volume->status.phase]);
        old_name = g_strdup(volume->name);
        old_limits = volume->spec.limits;
        apply(volume, change, what);
        if (!check(volume, error) || (!dol_io_limits_equal(&old_limits, &volume->spec.limits) &&
                                      !dol_limits_check(volume, error)))
                return false;
        if (strcmp(old_name, volume->name) != 0 &&
            !(name_lock = take_name(engine, call, volume->name, error)))
                return false;
        if (what->len && !commit_change(engine, call, old_name, volume, what->str, error))
                return dol_fail_while(error, "volume '%s'", old_name);
        dol_limits_watch(engine, volume);
        dol_volume_fill(engine, call, volume);
        *ret_volume = g_steal_pointer(&volume);
        return true;
}

/* ---- back from the trash ---- */

bool dol_engine_restore(dol_engine *engine, const dol_call *call, const char *reference,
                        const char *name, dol_volume **ret_volume, GError **error)
{
        g_autoptr(dol_volume) volume = NULL;
        g_autoptr(dol_lock) lock = dol_volume_take(engine, call, reference, true, &volume, error);
        g_autoptr(dol_lock) name_lock = NULL;
        g_autoptr(dol_txn) txn = dol_txn_new();
        g_autoptr(running_operation) operation = NULL;

        if (!lock)
                return false;
        if (volume->status.phase != DOL_VOLUME_TRASHED)
                return dol_fail(error, DOL_ERROR_CONFLICT, "volume '%s' is not in the trash",
                                volume->name);
        if (name) {
                g_free(volume->name);
                volume->name = g_strdup(name);
        }
        if (!check(volume, error) || !(name_lock = take_name(engine, call, volume->name, error)) ||
            !dol_volume_move(volume, DOL_VOLUME_AVAILABLE, error))
                return false;
        volume->status.trashed = volume->status.expires = 0;
        volume->status.changed = dol_now_usec();
        operation = dol_operation_begin(engine, call, DOL_OPERATION_RESTORE, volume, txn);
        dol_txn_put_volume(engine, txn, volume);
        dol_txn_put_name(txn, volume->name, volume->uid);
        dol_event_put(engine, txn, call, DOL_EVENT_NORMAL, "VolumeRestored", volume,
                      "volume '%s' is back from the trash", volume->name);
        if (!dol_commit_volume(engine, txn, volume, error))
                return dol_fail_while(error, "volume '%s'", volume->name);
        dol_operation_recorded(operation, call);
        if (!dol_change_finish(engine, call, operation, volume, error))
                return false;
        dol_volume_fill(engine, call, volume);
        *ret_volume = g_steal_pointer(&volume);
        return true;
}
