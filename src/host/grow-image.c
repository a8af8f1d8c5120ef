/* SPDX-License-Identifier: Apache-2.0 */
/* Growing the file system in an image at rest. */
#include "base/fault.h"
#include "base/guard.h"
#include "base/run.h"
#include "host/grow.h"
#include "host/image-mounted.h"
#include "host/image-private.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

/* What is left over when nothing can be made of it. */
enum { BLOCK = 4096, XFS_GROUP_MIN = 64 * BLOCK };

static bool run_e2fsck(const dol_call *call, const char *image, GError **error)
{
        const char *const argv[] = {"e2fsck", "-fp", image, NULL};
        g_autofree char *output = NULL;
        int status;

        if (!dol_run_status(call, argv, &status, &output, error))
                return false;
        return status <= 1 ||
               dol_fail(error, DOL_ERROR_INTERNAL,
                        "the file system is damaged beyond what e2fsck mends by itself: %s",
                        g_strstrip(output));
}

/* resize2fs marks a file system as damaged while it works on it. */
static bool grow_ext4(const dol_call *call, int fd, uint64_t size, const char *image,
                      GError **error)
{
        const char *const argv[] = {"resize2fs", image, NULL};
        dol_ext4_info info;

        if (!dol_ext4_inspect(fd, &info, error))
                return false;
        if (size - info.size < BLOCK && !info.errors)
                return true;
        return run_e2fsck(call, image, error) && dol_run(call, argv, NULL, error);
}

static bool grow_xfs(const dol_call *call, int fd, uint64_t size, const char *image, GError **error)
{
        uint64_t now;

        if (!dol_xfs_inspect(fd, &now, error))
                return false;
        return size - now < XFS_GROUP_MIN ||
               dol_image_mounted(call, DOL_FS_XFS, image, dol_xfs_grow, error);
}

static bool grow(const dol_call *call, dol_fs_kind fs, const char *image, GError **error)
{
        dol_autofd fd = open(image, O_RDONLY | O_CLOEXEC);
        struct stat st;

        if (fd < 0 || fstat(fd, &st) < 0)
                return dol_fail_errno(error, errno, "open");
        if (!(fs == DOL_FS_EXT4 ? grow_ext4(call, fd, (uint64_t)st.st_size, image, error)
                                : grow_xfs(call, fd, (uint64_t)st.st_size, image, error)))
                return false;
        return fsync(fd) == 0 || dol_fail_errno(error, errno, "fsync");
}

bool dol_grow_image_fs(const dol_call *call, dol_fs_kind fs, const char *image, GError **error)
{
        if (fs != DOL_FS_EXT4 && fs != DOL_FS_XFS)
                return true;
        if (!dol_call_check(call, error) || !dol_fault_point("host.grow.fs.before", error) ||
            !dol_image_is_free(image, error) || !grow(call, fs, image, error))
                return dol_fail_while(error, "grow the file system in '%s'", image);
        return dol_fault_point("host.grow.fs.after", error);
}
