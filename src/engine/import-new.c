/* SPDX-License-Identifier: Apache-2.0 */
/* Imports that make a volume. */
#include "engine/private.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"

static dol_volume *make_volume(const dol_incoming *in, const char *name, const char *pool)
{
        dol_volume *volume = g_new0(dol_volume, 1);

        dol_volume_spec_init(&volume->spec);
        volume->name = g_strdup(name);
        volume->uid = dol_uid_new();
        volume->spec.size = in->header->size;
        volume->spec.fs = in->header->fs;
        volume->spec.pool = g_strdup(pool);
        volume->status.phase = DOL_VOLUME_CREATING;
        volume->status.created = volume->status.changed = dol_now_usec();
        volume->status.size = in->header->size;
        volume->status.size_enforced = true;
        return volume;
}

/* Only pools of images can take one. */
static bool reserve(dol_incoming *in, GError **error)
{
        dol_volume_spec *spec = &in->volume->spec;

        if (!dol_pools_reserve(in->engine, in->call, spec, error))
                return false;
        in->pool = dol_pools_find(in->engine, spec->pool, error);
        if (in->pool && dol_pool_has_snapshots(in->pool))
                return true;
        if (in->pool)
                dol_fail(error, DOL_ERROR_UNSUPPORTED,
                         "pool '%s' (driver %s) has no images, which a stream is made of",
                         spec->pool, dol_pool_driver(in->pool)->name);
        dol_pools_unreserve(in->engine, spec->pool, spec->size);
        return false;
}

static bool begin(dol_incoming *in, GError **error)
{
        g_autoptr(dol_txn) txn = dol_txn_new();
        char *uids[] = {in->snapshot->uid, NULL};

        in->operation = dol_operation_begin_about(in->engine, in->call, DOL_OPERATION_IMPORT,
                                                  in->volume, uids, txn);
        dol_txn_put_volume(in->engine, txn, in->volume);
        dol_txn_put_name(txn, in->volume->name, in->volume->uid);
        dol_txn_put_snapshot(in->engine, txn, in->snapshot);
        if (!dol_incoming_commit(in, txn, error))
                return false;
        dol_operation_recorded(in->operation, in->call);
        return true;
}

static bool make(dol_incoming *in, GError **error)
{
        dol_volume described = *in->volume;
        g_autofree char *fs_uuid = NULL;

        if (!dol_incoming_receive(in, NULL, error))
                return false;
        described.status.phase = DOL_VOLUME_AVAILABLE;
        described.revision = 0;
        if (!dol_pool_clone(in->pool, in->call, in->volume->uid, in->snapshot->uid, &described,
                            &fs_uuid, error))
                return false;
        in->volume->status.phase = DOL_VOLUME_AVAILABLE;
        in->volume->status.fs_uuid = g_steal_pointer(&fs_uuid);
        return dol_incoming_finish(in, error);
}

static bool remove_data(const dol_incoming *in, const dol_call *call, GError **error)
{
        return (!in->snapshot || dol_pool_snapshot_destroy(in->pool, call, in->volume->uid,
                                                           in->snapshot->uid, error)) &&
               dol_pool_destroy(in->pool, call, in->volume->uid, error);
}

static bool remove_records(dol_incoming *in, const GError *why, GError **error)
{
        g_autoptr(dol_txn) txn = dol_txn_new();
        g_autofree char *key = dol_volume_key(in->volume->uid);
        g_autofree char *name_key = dol_name_key(in->volume->name);

        dol_txn_require(txn, key, in->volume->revision);
        dol_txn_delete(txn, key);
        dol_txn_delete(txn, name_key);
        if (in->snapshot) {
                dol_txn_delete_snapshot(txn, in->snapshot);
                dol_txn_free_snapshot_name(txn, in->snapshot);
        }
        dol_event_put(in->engine, txn, in->call, DOL_EVENT_WARNING, "ImportFailed", in->volume,
                      "volume '%s' was not imported: %s", in->volume->name, why->message);
        dol_operation_end(in->operation, txn, why);
        return dol_commit_surely(in->engine, txn, key, NULL, NULL, error);
}

void dol_import_new_undo(dol_incoming *in, const GError *why)
{
        dol_call calm = dol_call_within(in->call->actor, 30 * DOL_USEC_PER_SEC);
        g_autoptr(GError) error = NULL;

        if (!remove_data(in, &calm, &error) || !remove_records(in, why, &error)) {
                dol_log(DOL_LOG_WARNING, "the import of '%s' (%s) is cleaned up later: %s",
                        in->volume->name, in->volume->uid, error->message);
                return;
        }
        if (in->snapshot)
                dol_snapshot_index_remove(in->engine->snapshots, in->snapshot->uid);
        dol_index_remove(in->engine->index, in->volume->uid);
        dol_pools_unreserve(in->engine, in->volume->spec.pool, in->volume->spec.size);
}

/* The name is taken from here on; others wait for the volume. */
static bool take_name(dol_incoming *in, const char *name, GError **error)
{
        g_autofree char *name_key = dol_name_key(name);
        g_autoptr(dol_lock) lock = NULL;
        g_autoptr(dol_held_volume) existing = NULL;

        dol_doubts_settle(in->engine);
        lock = dol_locks_take(in->engine->locks, in->call, name_key, error);
        if (!lock)
                return false;
        existing = dol_index_by_name(in->engine->index, name);
        if (existing)
                return dol_fail(error, DOL_ERROR_EXISTS, "volume '%s' exists already", name);
        if (!reserve(in, error))
                return false;
        in->snapshot = dol_incoming_snapshot_new(in);
        if (begin(in, error))
                return true;
        dol_pools_unreserve(in->engine, in->volume->spec.pool, in->volume->spec.size);
        return false;
}

bool dol_import_new(dol_incoming *in, const char *name, const char *pool, GError **error)
{
        g_autoptr(dol_lock) lock = NULL;
        g_autofree char *key = NULL;
        g_autoptr(GError) why = NULL;

        in->volume = make_volume(in, name, pool);
        key = dol_volume_key(in->volume->uid);
        lock = dol_locks_take(in->engine->locks, in->call, in->volume->uid, error);
        if (!lock || !take_name(in, name, error))
                return false;
        if (make(in, &why))
                return true;
        in->volume->status.phase = DOL_VOLUME_CREATING;
        if (!dol_is_doubtful(in->engine, key))
                dol_import_new_undo(in, why);
        g_propagate_error(error, g_steal_pointer(&why));
        return false;
}
