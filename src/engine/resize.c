/* SPDX-License-Identifier: Apache-2.0 */
/* Growing volumes: promise, image and device, file system; each step may be repeated. */
#include "engine/private.h"

#include "base/clock.h"
#include "base/log.h"
#include "codec/units.h"
#include "host/grow.h"

/* The driver has grown the file system of a volume that is not attached. */
static bool grow_fs(dol_engine *engine, const dol_call *call, const dol_volume *volume,
                    GError **error)
{
        g_autofree char *path = dol_mount_path(engine, volume->uid);

        return !dol_mount_is_there(volume) || dol_grow_mounted(call, volume->spec.fs, path, error);
}

bool dol_resize_finish(dol_engine *engine, const dol_call *call, running_operation *operation,
                       dol_volume *volume, GError **error)
{
        dol_pool *pool = dol_pools_find(engine, volume->spec.pool, error);
        g_autoptr(dol_txn) txn = dol_txn_new();
        g_autofree char *size = dol_size_format(volume->spec.size);

        if (!pool || !dol_pool_resize(pool, call, volume->uid, volume->spec.size, error) ||
            !grow_fs(engine, call, volume, error))
                return false;
        volume->status.size = volume->spec.size;
        if (!dol_volume_describe(engine, call, volume, error))
                return false;
        dol_txn_put_volume(engine, txn, volume);
        dol_operation_end(operation, txn, NULL);
        dol_event_put(engine, txn, call, DOL_EVENT_NORMAL, "VolumeGrown", volume,
                      "volume '%s' has %s now", volume->name, size);
        return dol_commit_volume(engine, txn, volume, error);
}

static bool check_size(const dol_volume *volume, dol_volume_spec *wanted, GError **error)
{
        g_autofree char *has = dol_size_format(volume->status.size);
        g_autofree char *asked = dol_size_format(wanted->size);

        if (volume->status.phase != DOL_VOLUME_AVAILABLE)
                return dol_fail(error, DOL_ERROR_CONFLICT, "volume '%s' is %s", volume->name,
                                dol_volume_phase_words[volume->status.phase]);
        if (!volume->status.size_enforced)
                return dol_fail(error, DOL_ERROR_UNSUPPORTED,
                                "volume '%s' lives in a pool that cannot enforce a size",
                                volume->name);
        if (wanted->size < volume->status.size)
                return dol_fail(error, DOL_ERROR_INVALID,
                                "size: volume '%s' has %s and never shrinks, got %s", volume->name,
                                has, asked);
        return dol_volume_spec_check(wanted, error);
}

static bool begin(dol_engine *engine, const dol_call *call, dol_volume *volume,
                  running_operation **ret_operation, GError **error)
{
        g_autoptr(dol_txn) txn = dol_txn_new();
        g_autoptr(running_operation) operation = NULL;

        volume->status.changed = dol_now_usec();
        operation = dol_operation_begin(engine, call, DOL_OPERATION_RESIZE, volume, txn);
        dol_txn_put_volume(engine, txn, volume);
        if (!dol_commit_volume(engine, txn, volume, error))
                return false;
        dol_operation_recorded(operation, call);
        *ret_operation = g_steal_pointer(&operation);
        return true;
}

/* A grow that failed keeps what was asked for (spec.size) and what is (status.size); it may be
 * asked for again, or given up by asking for what is. */
static void record_failure(dol_engine *engine, running_operation *operation, const GError *why)
{
        g_autoptr(dol_txn) txn = dol_txn_new();
        g_autoptr(GError) error = NULL;

        dol_operation_end(operation, txn, why);
        if (!dol_store_commit(engine->store, txn, NULL, &error))
                dol_log(DOL_LOG_WARNING, "%s", error->message);
}

static bool grow(dol_engine *engine, const dol_call *call, dol_volume *volume, uint64_t before,
                 GError **error)
{
        g_autoptr(running_operation) operation = NULL;
        g_autoptr(GError) why = NULL;

        if (!begin(engine, call, volume, &operation, error)) {
                dol_pools_unreserve(engine, volume->spec.pool, volume->spec.size - before);
                return false;
        }
        if (dol_resize_finish(engine, call, operation, volume, &why))
                return true;
        record_failure(engine, operation, why);
        g_propagate_error(error, g_steal_pointer(&why));
        return false;
}

bool dol_engine_resize(dol_engine *engine, const dol_call *call, const char *reference,
                       uint64_t size, dol_volume **ret_volume, GError **error)
{
        g_autoptr(dol_volume) volume = NULL;
        g_autoptr(dol_lock) lock = dol_volume_take(engine, call, reference, false, &volume, error);
        dol_volume_spec wanted;
        uint64_t promised;

        if (!lock)
                return false;
        wanted = volume->spec;
        wanted.size = size;
        if (!check_size(volume, &wanted, error))
                return false;
        promised = volume->spec.size;
        if (wanted.size > promised &&
            !dol_pools_promise_more(engine, call, volume->spec.pool, wanted.size - promised,
                                    volume->spec.thick, error))
                return dol_fail_while(error, "volume '%s'", volume->name);
        if (wanted.size < promised) /* a failed grow is given up, or wanted smaller */
                dol_pools_unreserve(engine, volume->spec.pool, promised - wanted.size);
        volume->spec.size = wanted.size;
        if ((wanted.size != promised || wanted.size != volume->status.size) &&
            !grow(engine, call, volume, MIN(promised, wanted.size), error))
                return dol_fail_while(error, "volume '%s'", volume->name);
        dol_volume_fill(engine, call, volume);
        *ret_volume = g_steal_pointer(&volume);
        return true;
}
