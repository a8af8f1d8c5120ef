/* SPDX-License-Identifier: Apache-2.0 */
/* Holding volumes to their limits: what the kernel has against what it should have. Containers'
 * groups appear after the mount and go without a word, so this is done again and again. */
#include "engine/private.h"

#include "base/log.h"
#include "host/cgroup.h"
#include "policy/io-limits.h"

#include <sys/stat.h>

/* What the kernel says, for all devices. */
typedef struct {
        dol_cgroup_tree tree;
        GPtrArray *users, *present;
} limits_view;

static void view_clear(limits_view *view)
{
        dol_cgroup_clear(&view->tree);
        g_clear_pointer(&view->users, g_ptr_array_unref);
        g_clear_pointer(&view->present, g_ptr_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(limits_view, view_clear)

static bool view_read(const dol_engine *engine, limits_view *view, GError **error)
{
        return dol_cgroup_find(DOL_CGROUP_MOUNTS, &view->tree, error) &&
               (view->users = dol_cgroup_users(&view->tree, engine->mount_dir, error)) &&
               (view->present = dol_cgroup_limits(&view->tree, error));
}

static bool device_of(const dol_volume *volume, dev_t *ret_device)
{
        const dol_attachment *attachment = volume->status.attachment;
        struct stat info;

        if (!attachment || !attachment->device || !dol_mount_is_there(volume) ||
            stat(attachment->device, &info) < 0 || !S_ISBLK(info.st_mode))
                return false;
        *ret_device = info.st_rdev;
        return true;
}

static bool is_limited(const dol_volume *volume, void *user)
{
        return volume->status.attachment && !dol_io_limits_are_none(&volume->spec.limits);
}

static bool settle_device(const limits_view *view, const dol_io_limits *limits, dev_t device,
                          GError **error)
{
        g_autoptr(GPtrArray) wanted =
                dol_limits_place(limits, device, view->tree.version == DOL_CGROUP_V2, view->users);
        g_autoptr(GPtrArray) steps = NULL;

        if (dol_io_limits_are_none(limits))
                g_ptr_array_set_size(wanted, 0);
        steps = dol_limits_steps(wanted, device, view->present);
        for (unsigned i = 0; i < steps->len; i++)
                if (!dol_cgroup_limit(&view->tree, steps->pdata[i], error))
                        return dol_fail_while(error, "limits");
        return true;
}

bool dol_limits_check(const dol_volume *volume, GError **error)
{
        g_auto(dol_cgroup_tree) tree = {0};

        return dol_io_limits_are_none(&volume->spec.limits) ||
               dol_cgroup_find(DOL_CGROUP_MOUNTS, &tree, error) ||
               dol_fail_while(error, "limits: this host cannot hold them");
}

bool dol_limits_hold(const dol_engine *engine, const dol_volume *volume, GError **error)
{
        g_auto(limits_view) view = {0};
        g_autoptr(GError) why = NULL;
        dev_t device;

        if (!device_of(volume, &device))
                return true;
        if (view_read(engine, &view, &why))
                return settle_device(&view, &volume->spec.limits, device, error);
        if (dol_error_is(why, DOL_ERROR_UNSUPPORTED))
                return true; /* there is nothing to lift; setting them was refused */
        g_propagate_error(error, g_steal_pointer(&why));
        return false;
}

void dol_limits_watch(const dol_engine *engine, const dol_volume *volume)
{
        if (is_limited(volume, NULL) && engine->on_unsettled)
                engine->on_unsettled(volume->uid, engine->on_unsettled_user);
}

void dol_limits_lift(const dol_engine *engine, const dol_volume *volume)
{
        static const dol_io_limits none;
        g_auto(limits_view) view = {0};
        g_autoptr(GError) error = NULL;
        dev_t device;

        if (!dol_io_limits_are_none(&volume->spec.limits) && device_of(volume, &device) &&
            !(view_read(engine, &view, &error) && settle_device(&view, &none, device, &error)))
                dol_log(DOL_LOG_WARNING, "volume '%s': %s", volume->name, error->message);
}

/* ---- again and again ---- */

/* A volume that somebody works on is looked at the next time. */
static void hold_one(dol_engine *engine, const limits_view *view, const char *uid)
{
        g_autoptr(dol_lock) lock = dol_locks_try(engine->locks, uid);
        g_autoptr(dol_held_volume) volume = lock ? dol_index_by_uid(engine->index, uid) : NULL;
        g_autoptr(GError) error = NULL;
        dev_t device;

        if (volume && is_limited(volume, NULL) && device_of(volume, &device) &&
            !settle_device(view, &volume->spec.limits, device, &error))
                dol_log(DOL_LOG_WARNING, "volume '%s': %s", volume->name, error->message);
}

bool dol_engine_hold_limits(dol_engine *engine)
{
        g_autoptr(GPtrArray) limited = dol_index_list(engine->index, NULL, 0, is_limited, NULL);
        g_auto(limits_view) view = {0};
        g_autoptr(GError) error = NULL;

        if (limited->len == 0)
                return false;
        if (!view_read(engine, &view, &error)) {
                dol_log(DOL_LOG_WARNING, "limits are not held: %s", error->message);
                return true;
        }
        for (unsigned i = 0; i < limited->len; i++)
                hold_one(engine, &view, ((const dol_volume *)limited->pdata[i])->uid);
        return true;
}
