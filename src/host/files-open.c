/* SPDX-License-Identifier: Apache-2.0 */
/* Opening beneath a root: see openat2(2). */
#include "base/guard.h"
#include "host/files-private.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* Longer paths are opened in pieces of at most this many bytes. */
enum { PIECE_MAX = 4000 };

int dol_files_openat2(int parent, const char *path, uint64_t flags, uint64_t resolve)
{
        struct open_how how = {.flags = flags | O_CLOEXEC,
                               .resolve = resolve | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV};

        return (int)syscall(SYS_openat2, parent, *path ? path : ".", &how, sizeof(how));
}

static int fail_open(int err, const char *path, GError **error)
{
        if (err == ENOENT || err == ENOTDIR)
                dol_fail(error, DOL_ERROR_NOT_FOUND, "there is no file '/%s'", path);
        else if (err == ELOOP)
                dol_fail(error, DOL_ERROR_CONFLICT,
                         "'/%s' leads through a symbolic link: say the path it points to", path);
        else if (err == EXDEV)
                dol_fail(error, DOL_ERROR_CONFLICT, "'/%s' lies on another mount", path);
        else
                dol_fail_errno(error, err, "open '/%s'", path);
        return -1;
}

int dol_files_open(int root, const char *path, bool follow, GError **error)
{
        int fd = dol_files_openat2(root, path, O_PATH | (follow ? 0 : O_NOFOLLOW), RESOLVE_IN_ROOT);

        return fd >= 0 ? fd : fail_open(errno, path, error);
}

/* The length of the longest whole part of the path that may be opened at once. */
static size_t piece_of(const char *path)
{
        size_t length = strlen(path);

        if (length <= PIECE_MAX)
                return length;
        for (length = PIECE_MAX; length > 0; length--)
                if (path[length] == '/')
                        return length;
        return strcspn(path, "/");
}

int dol_files_open_strictly(int root, const char *path, GError **error)
{
        const uint64_t resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
        const char *left = path;
        dol_autofd at = -1;
        size_t length;
        int found;

        while ((length = piece_of(left)) < strlen(left)) {
                g_autofree char *piece = g_strndup(left, length);
                int fd =
                        dol_files_openat2(at < 0 ? root : at, piece, O_PATH | O_DIRECTORY, resolve);

                if (fd < 0)
                        return fail_open(errno, path, error);
                dol_close_fd(&at);
                at = fd;
                left += length + 1;
        }
        found = dol_files_openat2(at < 0 ? root : at, left, O_PATH | O_NOFOLLOW, resolve);
        return found >= 0 ? found : fail_open(errno, path, error);
}

int dol_files_open_parent(int root, const char *path, const char **ret_name, GError **error)
{
        const char *slash = strrchr(path, '/');
        g_autofree char *parent = g_strndup(path, slash ? (size_t)(slash - path) : 0);
        dol_autofd fd = dol_files_open_strictly(root, parent, error);
        struct stat info;

        *ret_name = slash ? slash + 1 : path;
        if (fd < 0)
                return -1;
        if (fstat(fd, &info) < 0 || !S_ISDIR(info.st_mode)) {
                dol_fail(error, DOL_ERROR_CONFLICT, "'/%s' is not a directory%s", parent,
                         S_ISLNK(info.st_mode) ? " but a symbolic link" : "");
                return -1;
        }
        return dol_steal_fd(&fd);
}

char *dol_files_proc_path(int fd)
{
        return g_strdup_printf("/proc/self/fd/%d", fd);
}

int dol_files_reopen(int fd, int flags, const char *path, GError **error)
{
        g_autofree char *self = dol_files_proc_path(fd);
        struct stat info;
        int opened;

        if (fstat(fd, &info) < 0) {
                dol_fail_errno(error, errno, "stat '/%s'", path);
                return -1;
        }
        if (!S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode)) {
                dol_fail(error, DOL_ERROR_INVALID, "'/%s' is a %s: it has no content to read", path,
                         dol_file_type_words[dol_file_type_of(info.st_mode)]);
                return -1;
        }
        opened = open(self, flags | O_CLOEXEC | O_NOCTTY);
        if (opened < 0)
                dol_fail_errno(error, errno, "open '/%s'", path);
        return opened;
}
