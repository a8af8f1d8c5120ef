/* SPDX-License-Identifier: Apache-2.0 */
/* Making and undoing a volume's mount on this node: pool, loop device, mount table. The records
 * about it are in consumer.c. */
#include "engine/unclean.h"

#include "base/clock.h"
#include "base/log.h"
#include "host/loop.h"
#include "host/mount.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

char *dol_mount_path(const dol_engine *engine, const char *uid)
{
        return g_build_filename(engine->mount_dir, uid, NULL);
}

/* Asks for the one path instead of reading the whole mount table. */
static bool is_mount_root(const char *path, dev_t *ret_device)
{
        struct statx info;

        if (statx(AT_FDCWD, path, AT_NO_AUTOMOUNT | AT_SYMLINK_NOFOLLOW | AT_STATX_DONT_SYNC,
                  STATX_TYPE, &info) < 0 ||
            !(info.stx_attributes & STATX_ATTR_MOUNT_ROOT))
                return false;
        *ret_device = makedev(info.stx_dev_major, info.stx_dev_minor);
        return true;
}

static bool device_number(const char *device, dev_t *ret_number)
{
        struct stat info;

        if (stat(device, &info) < 0 || !S_ISBLK(info.st_mode))
                return false;
        *ret_number = info.st_rdev;
        return true;
}

/* Is the attachment's loop device still this volume's? A device that was given up may have got the
 * image of another one since. */
static bool owns_device(const dol_volume *volume)
{
        const char *device = volume->status.attachment->device;
        g_autofree char *sys = NULL, *backing = NULL, *directory = NULL, *uid = NULL;

        if (!device || !g_str_has_prefix(device, "/dev/"))
                return false;
        sys = g_strdup_printf("/sys/block/%s/loop/backing_file", device + strlen("/dev/"));
        if (!g_file_get_contents(sys, &backing, NULL, NULL))
                return false;
        directory = g_path_get_dirname(backing);
        uid = g_path_get_basename(directory);
        return strcmp(uid, volume->uid) == 0;
}

bool dol_mount_is_there(const dol_volume *volume)
{
        const dol_attachment *attachment = volume->status.attachment;
        dev_t mounted, device;

        if (!attachment)
                return false;
        if (!attachment->path) /* a block volume */
                return owns_device(volume);
        if (!is_mount_root(attachment->path, &mounted))
                return false;
        return !attachment->device ||
               (device_number(attachment->device, &device) && device == mounted);
}

/* ---- making ---- */

static bool mount_device(dol_engine *engine, const dol_call *call, dol_volume *volume,
                         const char *device, GError **error)
{
        g_autofree char *path = dol_mount_path(engine, volume->uid);

        return dol_unclean_check(engine, call, volume, device, error) &&
               dol_mount_device(call, device, dol_fs_words[volume->spec.fs], path,
                                volume->spec.mountopts, error);
}

static bool mount_directory(dol_engine *engine, const dol_call *call, dol_volume *volume,
                            const char *directory, GError **error)
{
        g_autofree char *path = dol_mount_path(engine, volume->uid);

        return dol_mount_bind(call, directory, path, volume->spec.mountopts, error);
}

/* The mount works without; the reconciler tries again. */
static void hold_limits(const dol_engine *engine, const dol_volume *volume)
{
        g_autoptr(GError) error = NULL;

        if (!dol_io_limits_are_none(&volume->spec.limits) &&
            !dol_limits_hold(engine, volume, &error))
                dol_log(DOL_LOG_WARNING, "volume '%s': %s", volume->name, error->message);
}

bool dol_mount_make(dol_engine *engine, const dol_call *call, dol_volume *volume, GError **error)
{
        dol_pool *pool = dol_pools_find(engine, volume->spec.pool, error);
        dol_attachment *attachment = volume->status.attachment;
        dol_driver_attachment place = {0};
        g_autofree char *directory = NULL;
        dol_autofd hold = -1;
        bool block = volume->spec.fs == DOL_FS_NONE;

        if (!pool || !dol_pool_attach(pool, call, volume->uid, &place, &hold, error))
                return false;
        directory = place.directory;
        if (!block && !(directory ? mount_directory(engine, call, volume, directory, error)
                                  : mount_device(engine, call, volume, place.device, error)))
                return false;
        g_free(attachment->device);
        attachment->device = directory ? NULL : g_strdup(place.device);
        g_free(attachment->path);
        attachment->path = block ? NULL : dol_mount_path(engine, volume->uid);
        attachment->since = dol_now_usec();
        g_clear_pointer(&volume->status.received, g_free); /* who mounts it may change it */
        hold_limits(engine, volume);
        return true;
}

/* ---- undoing ---- */

/* Device and directory of the volume's mount, as the mount table has them. */
static bool mounted_identity(const dol_volume *volume, dev_t *ret_device, char **ret_root)
{
        const dol_attachment *attachment = volume->status.attachment;
        g_autoptr(dol_mount_entry) entry = NULL;

        if (!attachment)
                return false;
        entry = attachment->path ? dol_mount_find(attachment->path, NULL) : NULL;
        if (entry) {
                *ret_device = entry->device;
                *ret_root = g_strdup(entry->root);
                return true;
        }
        /* torn away: containers may still have their own binds of it */
        if (attachment->path && owns_device(volume) &&
            device_number(attachment->device, ret_device)) {
                *ret_root = g_strdup("/");
                return true;
        }
        return false;
}

char *dol_volume_users(const dol_volume *volume)
{
        g_auto(GStrv) holders = NULL;
        g_autofree char *root = NULL;
        unsigned count = 0;
        dev_t device;

        if (!mounted_identity(volume, &device, &root) ||
            !dol_mount_holders(device, root, volume->status.attachment->path, 3, &count, &holders,
                               NULL) ||
            count == 0)
                return NULL;
        return g_strjoinv(", ", holders);
}

bool dol_mount_undo(dol_engine *engine, const dol_call *call, dol_volume *volume, bool force,
                    GError **error)
{
        dol_pool *pool = dol_pools_find(engine, volume->spec.pool, error);
        g_autofree char *path = dol_mount_path(engine, volume->uid);
        g_autofree char *users = force ? NULL : dol_volume_users(volume);

        if (!pool)
                return false;
        if (users)
                return dol_fail(error, DOL_ERROR_BUSY, "it is still mounted by %s", users);
        dol_limits_lift(engine, volume);
        if (volume->spec.fs != DOL_FS_NONE &&
            !(force ? dol_unmount_lazy(path, error) : dol_unmount(call, path, error)))
                return false;
        if (!dol_pool_detach(pool, call, volume->uid, force ? NULL : error) && !force)
                return false;
        return dol_mountpoint_remove(path, error);
}

/* ---- for messages ---- */

/* Ids of containers are long and random; those of CSI say where. */
int dol_consumer_id_shown(dol_client_kind client)
{
        return client == DOL_CLIENT_CSI ? 256 : 12;
}

char *dol_consumer_text(const dol_consumer *consumer)
{
        g_autofree char *since =
                dol_time_format(consumer->since / DOL_USEC_PER_SEC * DOL_USEC_PER_SEC);

        return g_strdup_printf("%s %.*s since %s", dol_client_words[consumer->client],
                               dol_consumer_id_shown(consumer->client),
                               *consumer->id ? consumer->id : "(no id)", since);
}

char *dol_consumers_text(const dol_attachment *attachment)
{
        GString *text = g_string_new(NULL);
        unsigned count = dol_attachment_count(attachment);

        for (unsigned i = 0; i < MIN(count, 3); i++) {
                g_autofree char *one = dol_consumer_text(attachment->consumers->pdata[i]);

                g_string_append_printf(text, "%s%s", i ? ", " : "", one);
        }
        if (count > 3)
                g_string_append_printf(text, " and %u more", count - 3);
        return g_string_free(text, false);
}
