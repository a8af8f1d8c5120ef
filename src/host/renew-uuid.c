/* SPDX-License-Identifier: Apache-2.0 */
/* A new identity for a file system that was copied. */
#include "base/fault.h"
#include "base/guard.h"
#include "base/random.h"
#include "base/run.h"
#include "host/grow.h"
#include "host/image-mounted.h"
#include "host/image-private.h"

#include <errno.h>
#include <fcntl.h>

/* Checksums of file systems that were made elsewhere may all depend on the UUID. */
static bool run_tune2fs(const dol_call *call, const char *image, const char *uuid, GError **error)
{
        const char *const check[] = {"e2fsck", "-fp", image, NULL};
        const char *const set[] = {"tune2fs", "-U", uuid, image, NULL};
        int status;

        if (!dol_run_status(call, check, &status, NULL, error))
                return false;
        if (status > 1)
                return dol_fail(error, DOL_ERROR_INTERNAL, "the file system is damaged");
        return dol_run(call, set, NULL, error);
}

static bool renew_ext4(const dol_call *call, const char *image, const char *uuid, GError **error)
{
        dol_autofd fd = open(image, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
        dol_ext4_info info;

        if (fd < 0)
                return dol_fail_errno(error, errno, "open");
        if (!dol_ext4_inspect(fd, &info, error))
                return false;
        if (info.needs_replay && (!dol_image_replay(call, DOL_FS_EXT4, image, error) ||
                                  !dol_ext4_inspect(fd, &info, error)))
                return false;
        if (!(info.plain ? dol_ext4_set_uuid(fd, uuid, error)
                         : run_tune2fs(call, image, uuid, error)))
                return false;
        return fsync(fd) == 0 || dol_fail_errno(error, errno, "fsync");
}

/* It exits with 0 even when it refuses, so that the outcome is looked at. */
static bool run_xfs_db(const dol_call *call, const char *image, const char *uuid, GError **error)
{
        g_autofree char *command = g_strdup_printf("uuid %s", uuid);
        const char *const argv[] = {"xfs_db", "-x", "-c", command, image, NULL};
        g_autofree char *output = NULL;
        g_autofree char *type = NULL;
        g_autofree char *found = NULL;

        if (!dol_run(call, argv, &output, error) || !dol_image_probe(image, &type, &found, error))
                return false;
        return g_strcmp0(found, uuid) == 0 ||
               dol_fail(error, DOL_ERROR_INTERNAL, "xfs_db: %s", g_strstrip(output));
}

static bool renew_xfs(const dol_call *call, const char *image, const char *uuid, GError **error)
{
        dol_autofd fd = -1;
        bool done;

        if (!dol_image_replay(call, DOL_FS_XFS, image, error))
                return false;
        fd = open(image, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return dol_fail_errno(error, errno, "open");
        if (!dol_xfs_set_uuid(fd, uuid, &done, error) ||
            (!done && !run_xfs_db(call, image, uuid, error)))
                return false;
        return fsync(fd) == 0 || dol_fail_errno(error, errno, "fsync");
}

bool dol_image_renew_uuid(const dol_call *call, dol_fs_kind fs, const char *image, char **ret_uuid,
                          GError **error)
{
        bool has_uuid = fs == DOL_FS_EXT4 || fs == DOL_FS_XFS;
        g_autofree char *uuid = has_uuid ? dol_uid_new() : NULL;

        if (!dol_call_check(call, error) || !dol_fault_point("host.uuid.before", error) ||
            (has_uuid && (!dol_image_is_free(image, error) ||
                          !(fs == DOL_FS_XFS ? renew_xfs(call, image, uuid, error)
                                             : renew_ext4(call, image, uuid, error)))))
                return dol_fail_while(error, "new UUID in '%s'", image);
        if (!dol_fault_point("host.uuid.after", error))
                return false;
        *ret_uuid = g_steal_pointer(&uuid);
        return true;
}
