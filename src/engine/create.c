/* SPDX-License-Identifier: Apache-2.0 */
/* Creating volumes. */
#include "engine/private.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"

#include <string.h>

/* ---- the same name again ---- */

/* What was said (differs from an untouched spec) and is not so: "size is 10G, not 20G; ...". */
static char *differences_of(const dol_volume *want, const dol_volume *is)
{
        g_autoptr(GString) found = g_string_new(NULL);
        dol_volume_spec nothing;

        dol_volume_spec_init(&nothing);
        for (const dol_field *field = dol_volume_spec_schema.fields; field->key; field++) {
                g_autofree char *unsaid = dol_field_text(field, &nothing);
                g_autofree char *said = dol_field_text(field, &want->spec);
                g_autofree char *now = dol_field_text(field, &is->spec);

                if (strcmp(said, unsaid) != 0 && strcmp(said, now) != 0)
                        g_string_append_printf(found, "%s%s is %s, not %s", found->len ? "; " : "",
                                               field->key, now, said);
        }
        if (want->labels && g_hash_table_size(want->labels) &&
            !dol_map_equal(want->labels, is->labels))
                g_string_append_printf(found, "%sits labels are others", found->len ? "; " : "");
        return found->len ? g_strdup(found->str) : NULL;
}

static bool agree(const dol_volume *want, const dol_volume *is, GError **error)
{
        g_autofree char *differences = differences_of(want, is);

        return !differences ||
               dol_fail(error, DOL_ERROR_EXISTS, "volume '%s' exists and differs: %s", want->name,
                        differences);
}

/* A volume of that name exists: waits until nobody works on it, finishes it when its creation was
 * interrupted, and compares. */
static bool use_existing(dol_engine *engine, const dol_call *call, const dol_volume *want,
                         dol_volume **ret_volume, GError **error)
{
        g_autoptr(dol_volume) volume = NULL;
        g_autoptr(dol_lock) lock = dol_volume_take(engine, call, want->name, false, &volume, error);

        if (!lock || !agree(want, volume, error))
                return false;
        if (volume->status.phase == DOL_VOLUME_CREATING &&
            !dol_create_finish(engine, call, NULL, volume, error))
                return false;
        dol_volume_fill(engine, call, volume);
        *ret_volume = g_steal_pointer(&volume);
        return true;
}

/* ---- a new one ---- */

static dol_volume *make_volume(const dol_volume *want)
{
        dol_volume *volume = dol_volume_copy(want);

        if (volume->spec.mountopts && *volume->spec.mountopts == '\0')
                g_clear_pointer(&volume->spec.mountopts, g_free);
        g_free(volume->uid);
        volume->uid = dol_uid_new();
        volume->revision = 0;
        volume->status.phase = DOL_VOLUME_CREATING;
        volume->status.created = volume->status.changed = dol_now_usec();
        return volume;
}

/* Takes the half-made volume away again. What cannot be removed now, the reconciler removes. */
static void undo(dol_engine *engine, const dol_call *call, running_operation *operation,
                 dol_volume *volume, const GError *why)
{
        dol_call calm = dol_call_within(call->actor, 30 * DOL_USEC_PER_SEC);
        dol_pool *pool = dol_pools_find(engine, volume->spec.pool, NULL);
        g_autoptr(dol_txn) txn = dol_txn_new();
        g_autofree char *key = dol_volume_key(volume->uid);
        g_autofree char *name_key = dol_name_key(volume->name);
        g_autoptr(GError) error = NULL;

        dol_txn_require(txn, key, volume->revision);
        dol_txn_delete(txn, key);
        dol_txn_delete(txn, name_key);
        dol_event_put(engine, txn, call, DOL_EVENT_WARNING, "CreateFailed", volume,
                      "volume '%s' was not created: %s", volume->name, why->message);
        if (operation)
                dol_operation_end(operation, txn, why);
        if (!pool || !dol_pool_destroy(pool, &calm, volume->uid, &error) ||
            !dol_commit_surely(engine, txn, key, NULL, NULL, &error)) {
                dol_log(DOL_LOG_WARNING, "volume '%s' (%s) is cleaned up later: %s", volume->name,
                        volume->uid, error ? error->message : "its pool is unavailable");
                return;
        }
        dol_index_remove(engine->index, volume->uid);
        dol_pools_unreserve(engine, volume->spec.pool, volume->spec.size);
}

/* Makes the data: empty, or as a clone of its origin. */
static bool make_data(dol_engine *engine, const dol_call *call, dol_pool *pool,
                      const dol_volume *described, char **ret_fs_uuid, GError **error)
{
        if (!described->status.origin)
                return dol_pool_create(pool, call, described, ret_fs_uuid, error);
        return dol_clone_data(engine, call, pool, described, ret_fs_uuid, error);
}

static bool finish(dol_engine *engine, const dol_call *call, running_operation *operation,
                   dol_volume *volume, GError **error)
{
        dol_pool *pool = dol_pools_find(engine, volume->spec.pool, error);
        g_autoptr(dol_txn) txn = dol_txn_new();
        g_autofree char *fs_uuid = NULL;
        dol_volume described = *volume;

        if (!pool)
                return false;
        described.status.phase = DOL_VOLUME_AVAILABLE;
        described.revision = 0;
        if (!make_data(engine, call, pool, &described, &fs_uuid, error))
                return false;
        volume->status.phase = DOL_VOLUME_AVAILABLE;
        g_free(volume->status.fs_uuid);
        volume->status.fs_uuid = g_steal_pointer(&fs_uuid);
        dol_txn_put_volume(engine, txn, volume);
        if (operation)
                dol_operation_end(operation, txn, NULL);
        dol_event_put(engine, txn, call, DOL_EVENT_NORMAL, "VolumeCreated", volume,
                      "volume '%s' was created in pool '%s'", volume->name, volume->spec.pool);
        return dol_commit_volume(engine, txn, volume, error);
}

bool dol_create_finish(dol_engine *engine, const dol_call *call, running_operation *operation,
                       dol_volume *volume, GError **error)
{
        g_autoptr(GError) why = NULL;

        if (finish(engine, call, operation, volume, &why))
                return true;
        volume->status.phase = DOL_VOLUME_CREATING;
        undo(engine, call, operation, volume, why);
        g_propagate_error(error, g_steal_pointer(&why));
        return dol_fail_while(error, "volume '%s'", volume->name);
}

static bool begin(dol_engine *engine, const dol_call *call, dol_volume *volume,
                  running_operation **ret_operation, GError **error)
{
        g_autoptr(dol_txn) txn = dol_txn_new();
        g_autoptr(running_operation) operation =
                dol_operation_begin(engine, call, DOL_OPERATION_CREATE, volume, txn);

        dol_txn_put_volume(engine, txn, volume);
        dol_txn_put_name(txn, volume->name, volume->uid);
        if (!dol_commit_volume(engine, txn, volume, error))
                return false;
        dol_operation_recorded(operation, call);
        *ret_operation = g_steal_pointer(&operation);
        return true;
}

static bool create_new(dol_engine *engine, const dol_call *call, const dol_volume *want,
                       dol_lock **name_lock, dol_volume **ret_volume, GError **error)
{
        g_autoptr(dol_volume) volume = make_volume(want);
        g_autoptr(running_operation) operation = NULL;
        g_autoptr(dol_lock) lock = NULL;

        lock = dol_locks_take(engine->locks, call, volume->uid, error);
        if (!lock || !dol_limits_check(volume, error) ||
            !dol_clone_resolve(engine, volume, error) ||
            !dol_pools_reserve(engine, call, &volume->spec, error))
                return false;
        volume->status.size_enforced = volume->spec.size > 0;
        volume->status.size = volume->spec.size;
        if (!begin(engine, call, volume, &operation, error)) {
                dol_pools_unreserve(engine, volume->spec.pool, volume->spec.size);
                return dol_fail_while(error, "volume '%s'", want->name);
        }
        /* from here on the name is taken in the index; others wait for the volume, not for it */
        g_clear_pointer(name_lock, dol_lock_release);
        if (!dol_create_finish(engine, call, operation, volume, error))
                return false;
        dol_volume_fill(engine, call, volume);
        *ret_volume = g_steal_pointer(&volume);
        return true;
}

bool dol_engine_create(dol_engine *engine, const dol_call *call, const dol_volume *want,
                       dol_volume **ret_volume, bool *ret_existed, GError **error)
{
        g_autofree char *name_key = NULL;
        g_autoptr(dol_lock) name_lock = NULL;
        g_autoptr(dol_held_volume) existing = NULL;

        if (!dol_volume_name_check(want->name, error) || !dol_labels_check(want->labels, error))
                return false;
        dol_doubts_settle(engine);
        name_key = dol_name_key(want->name);
        name_lock = dol_locks_take(engine->locks, call, name_key, error);
        if (!name_lock)
                return dol_fail_while(error, "volume '%s'", want->name);
        existing = dol_index_by_name(engine->index, want->name);
        *ret_existed = existing != NULL;
        if (!existing)
                return create_new(engine, call, want, &name_lock, ret_volume, error);
        g_clear_pointer(&name_lock, dol_lock_release);
        return use_existing(engine, call, want, ret_volume, error);
}
