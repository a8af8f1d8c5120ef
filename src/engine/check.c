/* SPDX-License-Identifier: Apache-2.0 */
/* Checking and repairing file systems. A check looks at a copy of the moment, which goes with the
 * process that has it: the volume may be used meanwhile, and a crash leaves nothing. */
#include "base/clock.h"
#include "base/log.h"
#include "engine/private.h"
#include "host/freeze.h"
#include "host/grow.h"

#include <unistd.h>

static const int64_t freeze_limit_usec = 10 * DOL_USEC_PER_SEC;

/* ---- looking ---- */

static bool copy_frozen(dol_engine *engine, const dol_call *call, dol_pool *pool,
                        const dol_volume *volume, int *ret_fd, GError **error)
{
        const char *paths[] = {NULL, NULL};
        dol_freeze *freeze;
        dol_autofd fd = -1;
        bool copied;

        if (!dol_mount_is_there(volume))
                return dol_pool_copy(pool, call, volume->uid, ret_fd, error);
        paths[0] = volume->status.attachment->path;
        freeze = dol_freeze_begin(call, paths, freeze_limit_usec, error);
        if (!freeze)
                return false;
        copied = dol_pool_copy(pool, call, volume->uid, &fd, error);
        if (!dol_freeze_end(freeze, NULL, copied ? error : NULL))
                return false;
        *ret_fd = dol_steal_fd(&fd);
        return copied;
}

/* What freezing has to write first must not wait for the volume's limits. */
static bool copy_unlimited(dol_engine *engine, const dol_call *call, dol_pool *pool,
                           const dol_volume *volume, int *ret_fd, GError **error)
{
        bool copied;

        if (dol_io_limits_are_none(&volume->spec.limits))
                return copy_frozen(engine, call, pool, volume, ret_fd, error);
        dol_limits_lift(engine, volume);
        copied = copy_frozen(engine, call, pool, volume, ret_fd, error);
        dol_limits_hold(engine, volume, NULL); /* else the reconciler does */
        return copied;
}

/* A journal that has to be replayed first is no error; one that cannot be is. */
static bool replay(const dol_call *call, dol_fs_kind fs, const char *path, char **ret_damage,
                   GError **error)
{
        g_autoptr(GError) why = NULL;

        if (dol_image_replay(call, fs, path, &why))
                return true;
        if (!dol_error_is(why, DOL_ERROR_INTERNAL)) {
                g_propagate_error(error, g_steal_pointer(&why));
                return false;
        }
        *ret_damage = g_strdup(why->message);
        return true;
}

static bool check_copy(const dol_call *call, int fd, dol_volume_check *check, GError **error)
{
        /* other programs open it through this process */
        g_autofree char *path = g_strdup_printf("/proc/%d/fd/%d", (int)getpid(), fd);
        g_autofree char *damage = NULL, *report = NULL;

        if (!replay(call, check->fs, path, &damage, error) ||
            !dol_image_check(call, check->fs, path, false, &check->clean, &report, error))
                return false;
        check->clean &= damage == NULL;
        check->report = damage ? g_strconcat(damage, "\n", report, NULL) : g_strdup(report);
        return true;
}

/* ---- repairing ---- */

static bool repair_device(dol_engine *engine, const dol_call *call, dol_pool *pool,
                          const dol_volume *volume, dol_volume_check *check, GError **error)
{
        dol_driver_attachment place = {0};
        dol_autofd hold = -1;
        bool done;

        if (!dol_pool_attach(pool, call, volume->uid, &place, &hold, error))
                return false;
        done = dol_image_check(call, check->fs, place.device, true, &check->clean, &check->report,
                               error);
        dol_close_fd(&hold);
        return dol_pool_detach(pool, call, volume->uid, done ? error : NULL) && done;
}

static bool check_unused(const dol_volume *volume, GError **error)
{
        g_autofree char *by = NULL;

        if (!volume->status.attachment)
                return true;
        by = dol_consumers_text(volume->status.attachment);
        return dol_fail(error, DOL_ERROR_BUSY,
                        "volume '%s' is in use by %s: it is repaired only while nobody uses it",
                        volume->name, by);
}

/* ---- both ---- */

static running_operation *begin(dol_engine *engine, const dol_call *call, const dol_volume *volume,
                                GError **error)
{
        g_autoptr(dol_txn) txn = dol_txn_new();
        g_autoptr(running_operation) operation =
                dol_operation_begin(engine, call, DOL_OPERATION_CHECK, volume, txn);

        if (!dol_store_commit(engine->store, txn, NULL, error))
                return NULL;
        dol_operation_recorded(operation, call);
        return g_steal_pointer(&operation);
}

static void end(dol_engine *engine, const dol_call *call, running_operation *operation,
                dol_volume *volume, const dol_volume_check *check, const GError *why)
{
        g_autoptr(dol_txn) txn = dol_txn_new();
        g_autoptr(GError) error = NULL;
        bool mended;

        dol_operation_end(operation, txn, why);
        if (!why && check->clean)
                dol_event_put(engine, txn, call, DOL_EVENT_NORMAL,
                              check->repair ? "VolumeRepaired" : "VolumeChecked", volume,
                              "the file system of volume '%s' has no errors%s", volume->name,
                              check->repair ? " any more" : "");
        else if (!why)
                dol_event_put(engine, txn, call, DOL_EVENT_WARNING, "VolumeDamaged", volume,
                              check->repair ? "the file system of volume '%s' has errors that "
                                              "cannot be repaired"
                                            : "the file system of volume '%s' has errors: unmount "
                                              "it, then 'dolium volume check --repair'",
                              volume->name);
        mended = !why && check->clean && check->repair && volume->status.unclean;
        if (mended) {
                volume->status.unclean = false;
                dol_txn_put_volume(engine, txn, volume);
        }
        if (!(mended ? dol_commit_volume(engine, txn, volume, &error)
                     : dol_store_commit(engine->store, txn, NULL, &error)))
                dol_log(DOL_LOG_WARNING, "%s", error->message); /* ended as interrupted later */
}

static bool check_kind(const dol_volume *volume, GError **error)
{
        if (volume->status.phase != DOL_VOLUME_AVAILABLE)
                return dol_fail(error, DOL_ERROR_CONFLICT, "volume '%s' is %s", volume->name,
                                dol_volume_phase_words[volume->status.phase]);
        return volume->spec.fs == DOL_FS_EXT4 || volume->spec.fs == DOL_FS_XFS ||
               dol_fail(error, DOL_ERROR_UNSUPPORTED,
                        "volume '%s' has no file system of its own to check (fs=%s)", volume->name,
                        dol_fs_words[volume->spec.fs]);
}

/* While it is only looked at, the lock is given back as soon as there is a copy. */
static bool look(dol_engine *engine, const dol_call *call, dol_pool *pool, dol_lock **lock,
                 const dol_volume *volume, dol_volume_check *check, GError **error)
{
        dol_autofd fd = -1;

        if (!copy_unlimited(engine, call, pool, volume, &fd, error))
                return false;
        g_clear_pointer(lock, dol_lock_release);
        return check_copy(call, fd, check, error);
}

bool dol_engine_check(dol_engine *engine, const dol_call *call, const char *reference, bool repair,
                      dol_volume_check **ret_check, GError **error)
{
        g_autoptr(dol_volume) volume = NULL;
        g_autoptr(dol_lock) lock = dol_volume_take(engine, call, reference, false, &volume, error);
        g_autoptr(dol_volume_check) check = g_new0(dol_volume_check, 1);
        g_autoptr(running_operation) operation = NULL;
        g_autoptr(GError) why = NULL;
        dol_pool *pool;
        bool done;

        if (!lock || !check_kind(volume, error) || (repair && !check_unused(volume, error)) ||
            !(pool = dol_pools_find(engine, volume->spec.pool, error)) ||
            !(operation = begin(engine, call, volume, error)))
                return false;
        *check = (dol_volume_check){
                .volume = g_strdup(volume->name), .fs = volume->spec.fs, .repair = repair};
        done = repair ? repair_device(engine, call, pool, volume, check, &why)
                      : look(engine, call, pool, &lock, volume, check, &why);
        end(engine, call, operation, volume, check, why);
        if (!done) {
                g_propagate_error(error, g_steal_pointer(&why));
                return dol_fail_while(error, "volume '%s'", volume->name);
        }
        *ret_check = g_steal_pointer(&check);
        return true;
}
