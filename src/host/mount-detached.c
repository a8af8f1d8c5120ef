/* SPDX-License-Identifier: Apache-2.0 */
/* Mounts that only this process can see: fsopen(2), fsmount(2). */
#include "base/fault.h"
#include "base/guard.h"
#include "host/mount.h"

#include <errno.h>
#include <sys/mount.h>

bool dol_mount_detached(const dol_call *call, const char *device, const char *fs_type, int *ret_fd,
                        GError **error)
{
        dol_autofd context = fsopen(fs_type, FSOPEN_CLOEXEC);
        dol_autofd fd = -1;

        if (!dol_call_check(call, error) || !dol_fault_point("host.mount.before", error))
                return false;
        if (context < 0 || fsconfig(context, FSCONFIG_SET_STRING, "source", device, 0) < 0 ||
            fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
                return dol_fail_errno(error, errno, "mount '%s' (%s)", device, fs_type);
        fd = fsmount(context, FSMOUNT_CLOEXEC, MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID);
        if (fd < 0)
                return dol_fail_errno(error, errno, "mount '%s' (%s)", device, fs_type);
        if (!dol_fault_point("host.mount.after", error))
                return false;
        *ret_fd = dol_steal_fd(&fd);
        return true;
}
