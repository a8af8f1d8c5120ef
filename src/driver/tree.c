/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Depth is in the hands of the directory's users, so neither the stack nor the number of open
 * descriptors may grow with it: what lies deeper than DEPTH_MAX is moved up to the top, under a
 * name of its own, and removed in the next round.
 */
#include "driver/tree.h"

#include "base/guard.h"
#include "base/random.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { DEPTH_MAX = 40 };

typedef struct {
        const dol_call *call;
        int top;    /* the directory that is removed */
        bool again; /* something was moved up: another round is needed */
} tree_walk;

typedef DIR dir_stream;
static void dir_stream_close(dir_stream *stream)
{
        closedir(stream);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(dir_stream, dir_stream_close)

static bool remove_entries(tree_walk *walk, int fd, unsigned depth, GError **error);

/* Opens a directory without leaving its mount or following a link. */
static int open_inside(int parent, const char *name)
{
        struct open_how how = {
                .flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW,
                .resolve = RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
        };

        return (int)syscall(SYS_openat2, parent, name, &how, sizeof(how));
}

static bool move_up(tree_walk *walk, int parent, const char *name, GError **error)
{
        g_autofree char *unique = dol_uid_new();

        if (renameat(parent, name, walk->top, unique) < 0)
                return dol_fail_errno(error, errno, "move '%s' up", name);
        walk->again = true;
        return true;
}

static bool remove_directory(tree_walk *walk, int parent, const char *name, unsigned depth,
                             GError **error)
{
        dol_autofd fd = -1;

        if (unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
                return true;
        if (errno != ENOTEMPTY && errno != EEXIST)
                return dol_fail_errno(error, errno, "remove directory '%s'", name);
        if (depth >= DEPTH_MAX)
                return move_up(walk, parent, name, error);
        fd = open_inside(parent, name);
        if (fd < 0 && errno == EXDEV)
                return dol_fail(error, DOL_ERROR_BUSY, "something is mounted on '%s'", name);
        if (fd < 0)
                return dol_fail_errno(error, errno, "open directory '%s'", name);
        if (!remove_entries(walk, fd, depth + 1, error))
                return dol_fail_while(error, "%s", name);
        if (unlinkat(parent, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
                return dol_fail_errno(error, errno, "remove directory '%s'", name);
        return true;
}

static bool remove_entry(tree_walk *walk, int parent, const char *name, unsigned depth,
                         GError **error)
{
        if (unlinkat(parent, name, 0) == 0 || errno == ENOENT)
                return true;
        if (errno != EISDIR)
                return dol_fail_errno(error, errno, "remove '%s'", name);
        return remove_directory(walk, parent, name, depth, error);
}

static bool remove_entries(tree_walk *walk, int fd, unsigned depth, GError **error)
{
        int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
        g_autoptr(dir_stream) stream = own < 0 ? NULL : fdopendir(own);
        struct dirent *entry;

        if (!stream)
                return dol_fail_errno(error, errno, "read directory");
        while ((entry = readdir(stream))) {
                if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
                        continue;
                if (!dol_call_check(walk->call, error) ||
                    !remove_entry(walk, fd, entry->d_name, depth, error))
                        return false;
        }
        return true;
}

bool dol_tree_remove(const dol_call *call, const char *path, GError **error)
{
        dol_autofd fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        tree_walk walk = {.call = call, .top = fd};

        if (fd < 0 && errno == ENOENT)
                return true;
        if (fd < 0)
                return dol_fail_errno(error, errno, "open directory '%s'", path);
        do {
                walk.again = false;
                if (lseek(fd, 0, SEEK_SET) < 0 || !remove_entries(&walk, fd, 0, error))
                        return dol_fail_while(error, "remove '%s'", path);
        } while (walk.again);
        if (rmdir(path) < 0 && errno != ENOENT)
                return dol_fail_errno(error, errno, "remove directory '%s'", path);
        return true;
}
