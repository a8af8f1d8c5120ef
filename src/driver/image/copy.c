/* SPDX-License-Identifier: Apache-2.0 */
/* Copies for the moment: files without a name, which the kernel removes with their last user. */
#include "base/guard.h"
#include "driver/description.h"
#include "driver/image/image.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

bool image_copy(void *data, const dol_call *call, const char *uid, int *ret_fd, GError **error)
{
        const image_pool *pool = data;
        g_autofree char *directory = dol_description_directory(pool->path, uid);
        g_autofree char *disk = dol_description_path(pool->path, uid, IMAGE_DISK);
        dol_autofd from = -1, to = -1;

        if (!dol_place_still(pool->path, &pool->id, error))
                return false;
        from = open(disk, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (from < 0)
                return dol_fail_errno(error, errno, "open '%s'", disk);
        to = open(directory, O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
        if (to < 0)
                return dol_fail_errno(error, errno, "make a file without a name in '%s'",
                                      directory);
        if (ioctl(to, FICLONE, from) < 0)
                return dol_fail_errno(error, errno, "clone '%s'", disk);
        *ret_fd = dol_steal_fd(&to);
        return true;
}
