/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A volume's loop device. A volume with a file system has one only while it is mounted: the device
 * clears itself with its last user. A block volume keeps its device until detach.
 */
#include "base/fault.h"
#include "base/guard.h"
#include "driver/description.h"
#include "driver/image/image.h"
#include "host/loop.h"
#include "host/mount.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

enum { RELEASE_TRIES = 20, RELEASE_PAUSE_USEC = 10000 };

static bool check_disk(const char *disk, GError **error)
{
        struct stat st;

        if (lstat(disk, &st) < 0)
                return dol_fail_errno(error, errno, "the volume's image '%s'", disk);
        if (!S_ISREG(st.st_mode))
                return dol_fail(error, DOL_ERROR_CONFLICT, "'%s' is not a file", disk);
        return true;
}

bool image_attach(void *data, const dol_call *call, const char *uid, dol_driver_attachment *ret,
                  int *ret_hold, GError **error)
{
        const image_pool *pool = data;
        g_autofree char *disk = dol_description_path(pool->path, uid, IMAGE_DISK);
        g_autoptr(dol_volume) volume = NULL;
        g_auto(dol_loop) loop = DOL_LOOP_INIT;
        dol_loop_options options = {0};

        if (!dol_place_still(pool->path, &pool->id, error) || !check_disk(disk, error))
                return false;
        volume = dol_description_read(pool->path, uid, error);
        if (!volume)
                return false;
        options.autoclear = volume->spec.fs != DOL_FS_NONE;
        if (!dol_loop_attach(call, disk, &options, &loop, error) ||
            !dol_fault_point("image.attach.attached", error))
                return false;
        *ret = (dol_driver_attachment){0};
        g_strlcpy(ret->device, loop.device, sizeof(ret->device));
        *ret_hold = dol_steal_fd(&loop.fd);
        return true;
}

static bool check_unmounted(const dol_loop *loop, GError **error)
{
        g_auto(GStrv) names = NULL;
        g_autofree char *list = NULL;
        unsigned count = 0;

        if (!dol_mount_holders(loop->number, "/", NULL, 3, &count, &names, error))
                return false;
        list = names ? g_strjoinv(", ", names) : g_strdup("");
        if (count > 0)
                return dol_fail(error, DOL_ERROR_BUSY, "the volume is still mounted from %s: %s",
                                loop->device, list);
        return true;
}

/* One look: *ret_gone when no device has the image. A device that nobody has mounted is told to
 * go, and goes when whoever has it open (udev, for a moment) closes it. */
static bool try_release(const char *disk, bool *ret_gone, char **ret_device, GError **error)
{
        g_auto(dol_loop) loop = DOL_LOOP_INIT;
        GError *local = NULL;

        *ret_gone = !dol_loop_find(disk, &loop, &local);
        if (local) {
                g_propagate_error(error, local);
                return false;
        }
        if (*ret_gone)
                return true;
        g_free(*ret_device);
        *ret_device = g_strdup(loop.device);
        if (loop.fd >= 0)
                dol_close_fd(&loop.fd);
        return check_unmounted(&loop, error) && dol_loop_detach(loop.device, error);
}

bool image_release(const char *disk, GError **error)
{
        g_autofree char *device = NULL;

        for (unsigned i = 0; i < RELEASE_TRIES; i++) {
                bool gone = false;

                if (i > 0)
                        g_usleep(RELEASE_PAUSE_USEC);
                if (!try_release(disk, &gone, &device, error))
                        return false;
                if (gone)
                        return true;
        }
        return dol_fail(error, DOL_ERROR_BUSY, "the volume's device %s is still open", device);
}

bool image_detach(void *data, const dol_call *call, const char *uid, GError **error)
{
        const image_pool *pool = data;
        g_autofree char *disk = dol_description_path(pool->path, uid, IMAGE_DISK);
        struct stat st;

        if (!dol_place_still(pool->path, &pool->id, error))
                return false;
        if (lstat(disk, &st) < 0 && errno == ENOENT)
                return true;
        return image_release(disk, error);
}
