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
 * asked for again, or given up by asking for what is. Giving up that failed changes nothing. */
static void record_failure(dol_engine *engine, running_operation *operation, dol_volume *volume,
                           uint64_t promised, const GError *why)
{
        g_autoptr(dol_txn) txn = dol_txn_new();
        g_autoptr(GError) error = NULL;
        bool gives_up = volume->spec.size < promised;

        dol_operation_end(operation, txn, why);
        if (gives_up) {
                volume->spec.size = promised;
                dol_txn_put_volume(engine, txn, volume);
        }
        if (!(gives_up ? dol_commit_volume(engine, txn, volume, &error)
                       : dol_store_commit(engine->store, txn, NULL, &error)))
                dol_log(DOL_LOG_WARNING, "%s", error->message);
}

/* From `promised` to spec.size. */
static bool resize(dol_engine *engine, const dol_call *call, dol_volume *volume, uint64_t promised,
                   GError **error)
{
        g_autoptr(running_operation) operation = NULL;
        g_autoptr(GError) why = NULL;
        uint64_t size = volume->spec.size;

        if (!begin(engine, call, volume, &operation, error)) {
                if (size > promised)
                        dol_pools_unreserve(engine, volume->spec.pool, size - promised);
                return false;
        }
        if (!dol_resize_finish(engine, call, operation, volume, &why)) {
                record_failure(engine, operation, volume, promised, why);
                g_propagate_error(error, g_steal_pointer(&why));
                return false;
        }
        if (size < promised)
                dol_pools_unreserve(engine, volume->spec.pool, promised - size);
        return true;
}

/* What is refused here has changed nothing. */
static bool check_now(dol_engine *engine, const dol_call *call, const dol_volume *volume,
                      uint64_t size, GError **error)
{
        uint64_t promised = volume->spec.size;
        g_autofree char *by = NULL;

        if (size > volume->status.size && dol_mount_is_there(volume) &&
            !dol_grow_mounted_allowed(volume->spec.fs, error))
                return false;
        if (size < promised && volume->status.attachment) {
                by = dol_consumers_text(volume->status.attachment);
                return dol_fail(error, DOL_ERROR_BUSY,
                                "the larger size cannot be given up while it is in use by %s", by);
        }
        return size <= promised ||
               dol_pools_promise_more(engine, call, volume->spec.pool, size - promised,
                                      volume->spec.thick, error);
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
        if (!check_now(engine, call, volume, wanted.size, error))
                return dol_fail_while(error, "volume '%s'", volume->name);
        promised = volume->spec.size;
        volume->spec.size = wanted.size;
        if ((wanted.size != promised || wanted.size != volume->status.size) &&
            !resize(engine, call, volume, promised, error))
                return dol_fail_while(error, "volume '%s'", volume->name);
        dol_volume_fill(engine, call, volume);
        *ret_volume = g_steal_pointer(&volume);
        return true;
}
