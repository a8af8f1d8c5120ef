/* SPDX-License-Identifier: Apache-2.0 */
#include "host/image.h"

#include "base/fault.h"
#include "base/guard.h"
#include "base/random.h"
#include "base/run.h"
#include "host/image-private.h"
#include "host/space.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

enum { IMAGE_MODE = 0600 };

bool dol_image_mkfs(const dol_call *call, const char *const argv[], const char *path,
                    GError **error)
{
        g_autoptr(GError) failed = NULL;
        dol_space space;

        if (dol_run(call, argv, NULL, &failed))
                return true;
        if (dol_error_is(failed, DOL_ERROR_INTERNAL) &&
            (strstr(failed->message, g_strerror(ENOSPC)) ||
             (dol_space_of(path, &space, NULL) && space.available == 0)))
                return dol_fail(error, DOL_ERROR_NO_SPACE, "%s", failed->message);
        g_propagate_error(error, g_steal_pointer(&failed));
        return false;
}

/* On btrfs space that was set aside stays set aside only without copy on write. Other file systems
 * do not know the flag. */
static void keep_in_place(int fd)
{
        int flags = 0;

        if (ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0) {
                flags |= FS_NOCOW_FL;
                ioctl(fd, FS_IOC_SETFLAGS, &flags);
        }
}

/* Shares the template's blocks; a thick image has its own. */
static bool copy_template(int from, int to, bool thick, GError **error)
{
        g_autoptr(GError) failed = NULL;

        if (thick)
                return dol_image_copy(from, to, error);
        if (dol_image_clone(from, to, &failed))
                return true;
        if (dol_error_is(failed, DOL_ERROR_UNSUPPORTED))
                return dol_image_copy(from, to, error);
        g_propagate_error(error, g_steal_pointer(&failed));
        return false;
}

typedef struct {
        const dol_call *call;
        const char *template_dir;
        const char *path; /* of the temporary file */
        int fd;           /* open on it, empty */
        const dol_image_spec *spec;
        const char *uuid;
} making;

static bool fill_ext4(const making *m, GError **error)
{
        dol_autofd from = dol_image_template(m->call, m->template_dir, m->spec->size, error);

        return from >= 0 && copy_template(from, m->fd, m->spec->thick, error) &&
               dol_fault_point("host.image.cloned", error) &&
               dol_ext4_personalise(from, m->fd, m->uuid, m->spec, error);
}

static bool fill(const making *m, GError **error)
{
        if (m->spec->fs == DOL_FS_EXT4)
                return fill_ext4(m, error);
        if (ftruncate(m->fd, (off_t)m->spec->size) < 0)
                return dol_fail_errno(error, errno, "set the size of '%s'", m->path);
        if (m->spec->fs == DOL_FS_XFS)
                return dol_xfs_format(m->call, m->path, m->uuid, m->spec, error);
        return true;
}

static bool make(const making *m, GError **error)
{
        if (m->spec->thick)
                keep_in_place(m->fd);
        if (!fill(m, error))
                return false;
        if (m->spec->thick && !dol_space_preallocate(m->path, m->spec->size, error))
                return false;
        if (fsync(m->fd) < 0)
                return dol_fail_errno(error, errno, "fsync '%s'", m->path);
        return true;
}

static bool put_in_place(const char *temporary, const char *path, GError **error)
{
        if (!dol_fault_point("host.image.rename.before", error))
                return false;
        return rename(temporary, path) == 0 ||
               dol_fail_errno(error, errno, "rename '%s'", temporary);
}

static bool check_spec(const dol_image_spec *spec, GError **error)
{
        if (spec->size == 0 || spec->size % DOL_SIZE_GRAIN != 0 || spec->size > INT64_MAX)
                return dol_fail(error, DOL_ERROR_INVALID,
                                "size: %" PRIu64 " is not a multiple of %d bytes", spec->size,
                                DOL_SIZE_GRAIN);
        if (spec->fs != DOL_FS_EXT4 && spec->fs != DOL_FS_XFS && spec->fs != DOL_FS_NONE)
                return dol_fail(error, DOL_ERROR_INVALID, "fs: an image holds ext4, xfs or none");
        if (spec->uid >= UINT32_MAX || spec->gid >= UINT32_MAX)
                return dol_fail(error, DOL_ERROR_INVALID, "uid, gid: at most %u", UINT32_MAX - 1);
        return true;
}

bool dol_image_create(const dol_call *call, const char *template_dir, const char *path,
                      const dol_image_spec *spec, char **ret_fs_uuid, GError **error)
{
        g_autofree char *temporary = g_strconcat(path, ".tmp", NULL);
        g_autofree char *uuid = spec->fs == DOL_FS_NONE ? NULL : dol_uid_new();
        dol_autofd fd = -1;
        making m = {call, template_dir, temporary, -1, spec, uuid};

        if (!check_spec(spec, error) || !dol_call_check(call, error) ||
            !dol_fault_point("host.image.create.before", error))
                return dol_fail_while(error, "image '%s'", path);
        unlink(temporary);
        fd = open(temporary, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, IMAGE_MODE);
        if (fd < 0)
                return dol_fail_errno(error, errno, "create '%s'", temporary);
        m.fd = fd;
        if (!make(&m, error) || !put_in_place(temporary, path, error)) {
                unlink(temporary);
                return dol_fail_while(error, "image '%s'", path);
        }
        if (!dol_fault_point("host.image.create.after", error))
                return false;
        *ret_fs_uuid = g_steal_pointer(&uuid);
        return true;
}
