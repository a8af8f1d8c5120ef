/* SPDX-License-Identifier: Apache-2.0 */
/* Mount points: empty, of mode 0000, and immutable where the file system knows that. */
#include "base/file.h"
#include "base/guard.h"
#include "host/mount-private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

enum { PARENT_MODE = 0711 };

/* Best effort: tmpfs and overlay may not know the flag, and a container may not have the right. */
static void set_immutable(int fd, bool immutable)
{
        int flags = 0;
        int wanted;

        if (ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0)
                return;
        wanted = immutable ? flags | FS_IMMUTABLE_FL : flags & ~FS_IMMUTABLE_FL;
        if (wanted != flags)
                ioctl(fd, FS_IOC_SETFLAGS, &wanted);
}

static bool is_immutable(int fd)
{
        int flags = 0;

        return ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0 && (flags & FS_IMMUTABLE_FL);
}

static bool is_empty(const char *path, bool *ret, GError **error)
{
        DIR *directory = opendir(path);
        const struct dirent *entry;

        if (!directory)
                return dol_fail_errno(error, errno, "open directory '%s'", path);
        *ret = true;
        while (*ret && (entry = readdir(directory)))
                *ret = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
        closedir(directory);
        return true;
}

static bool open_point(const char *path, int *ret, GError **error)
{
        *ret = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (*ret >= 0)
                return true;
        if (errno == ENOTDIR || errno == ELOOP)
                return dol_fail(error, DOL_ERROR_CONFLICT, "'%s' is not a directory", path);
        return dol_fail_errno(error, errno, "open mount point '%s'", path);
}

/* One that was there already; a crash may have left it without its mode or flag. */
static bool check_existing(const char *path, GError **error)
{
        dol_autofd fd = -1;
        bool is_root, empty;
        uint64_t id;

        if (!dol_mount_is_root(path, &is_root, &id, error))
                return false;
        if (is_root)
                return true;
        if (!open_point(path, &fd, error) || !is_empty(path, &empty, error))
                return false;
        if (!empty)
                return dol_fail(error, DOL_ERROR_CONFLICT,
                                "mount point '%s' is not empty; a mount would hide what is in it",
                                path);
        if (is_immutable(fd))
                return true;
        if (fchmod(fd, 0) < 0)
                return dol_fail_errno(error, errno, "chmod '%s'", path);
        set_immutable(fd, true);
        return true;
}

bool dol_mountpoint_ensure(const char *path, GError **error)
{
        g_autofree char *parent = g_path_get_dirname(path);
        dol_autofd fd = -1;

        if (!dol_directory_ensure(parent, PARENT_MODE, error))
                return false;
        if (mkdir(path, 0) < 0)
                return errno == EEXIST
                               ? check_existing(path, error)
                               : dol_fail_errno(error, errno, "create mount point '%s'", path);
        if (!open_point(path, &fd, error))
                return false;
        set_immutable(fd, true);
        return true;
}

static bool remove_empty(const char *path, int fd, GError **error)
{
        set_immutable(fd, false);
        if (rmdir(path) == 0 || errno == ENOENT)
                return true;
        dol_fail(error, errno == ENOTEMPTY || errno == EBUSY ? DOL_ERROR_BUSY : DOL_ERROR_INTERNAL,
                 "remove mount point '%s': %s", path, g_strerror(errno));
        set_immutable(fd, true);
        return false;
}

bool dol_mountpoint_remove(const char *path, GError **error)
{
        g_autoptr(GError) failed = NULL;
        dol_autofd fd = -1;
        bool is_root, empty;
        uint64_t id;

        if (!dol_mount_is_root(path, &is_root, &id, &failed)) {
                if (dol_error_is(failed, DOL_ERROR_NOT_FOUND))
                        return true;
                g_propagate_error(error, g_steal_pointer(&failed));
                return false;
        }
        if (is_root)
                return dol_fail(error, DOL_ERROR_BUSY, "something is mounted at '%s'", path);
        if (!open_point(path, &fd, error) || !is_empty(path, &empty, error))
                return false;
        if (!empty)
                return dol_fail(error, DOL_ERROR_BUSY, "mount point '%s' is not empty", path);
        return remove_empty(path, fd, error);
}
