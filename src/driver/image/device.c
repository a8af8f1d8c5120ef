/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pool on a block device that the user gave. It is formatted only when nothing at all is found on
 * it, and then carries the pool's uid as the UUID of its file system: names of devices change from
 * boot to boot, so a device counts as the pool's only by that.
 */
#include "base/fault.h"
#include "base/guard.h"
#include "driver/image/image.h"
#include "host/image.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_block_device(const char *path, GError **error)
{
        struct stat st;

        if (stat(path, &st) < 0)
                return dol_fail_errno(error, errno, "device '%s'", path);
        if (!S_ISBLK(st.st_mode))
                return dol_fail(error, DOL_ERROR_INVALID, "device: '%s' is not a block device",
                                path);
        return true;
}

/* *ret_empty: nothing is on it; *ret_ours: this pool's file system is. */
static bool look(const image_pool *pool, const char *device, bool *ret_empty, bool *ret_ours,
                 char **ret_type, GError **error)
{
        g_autofree char *uuid = NULL;

        if (!is_block_device(device, error) || !dol_image_probe(device, ret_type, &uuid, error))
                return false;
        *ret_empty = !*ret_type && !uuid;
        *ret_ours = g_strcmp0(*ret_type, "xfs") == 0 && g_strcmp0(uuid, pool->uid) == 0;
        return true;
}

/* An exclusive open fails while the device is mounted or belongs to md, dm or swap. */
static bool check_unused(const char *device, GError **error)
{
        dol_autofd fd = open(device, O_RDWR | O_EXCL | O_CLOEXEC);

        if (fd < 0 && errno == EBUSY)
                return dol_fail(error, DOL_ERROR_BUSY, "device '%s' is in use", device);
        if (fd < 0)
                return dol_fail_errno(error, errno, "device '%s'", device);
        return true;
}

static bool mount_ours(const image_pool *pool, const dol_call *call, const char *device,
                       GError **error)
{
        return image_ground_mount(pool, call, device, IMAGE_MOUNT_OPTIONS, error);
}

/* The device has another name now, perhaps: udev keeps a link by UUID. */
static bool mount_by_uuid(const image_pool *pool, const dol_call *call, const char *given,
                          GError **error)
{
        g_autofree char *link = g_build_filename("/dev/disk/by-uuid", pool->uid, NULL);
        g_autofree char *type = NULL;
        bool empty = false, ours = false;

        if (look(pool, link, &empty, &ours, &type, NULL) && ours)
                return mount_ours(pool, call, link, error);
        return dol_fail(error, DOL_ERROR_NOT_FOUND,
                        "the pool's file system (UUID %s) is neither on '%s' nor on another device",
                        pool->uid, given);
}

bool image_device_mount(const image_pool *pool, const dol_call *call,
                        const dol_pool_request *request, GError **error)
{
        const char *device = request->spec->device;
        g_autofree char *type = NULL;
        bool empty = false, ours = false;

        if (!request->create) {
                if (look(pool, device, &empty, &ours, &type, NULL) && ours)
                        return mount_ours(pool, call, device, error);
                return mount_by_uuid(pool, call, device, error);
        }
        if (!look(pool, device, &empty, &ours, &type, error))
                return false;
        if (ours)
                return mount_ours(pool, call, device, error);
        if (!empty)
                return dol_fail(
                        error, DOL_ERROR_CONFLICT,
                        "device '%s' is not empty: it holds %s; nothing was changed (wipefs "
                        "-a clears it)",
                        device, type ? type : "something");
        return image_ground_is_bare(pool, error) && check_unused(device, error) &&
               image_ground_format(pool, call, device, false, error) &&
               dol_fault_point("image.open.formatted", error) &&
               mount_ours(pool, call, device, error);
}
