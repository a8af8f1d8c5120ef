/* SPDX-License-Identifier: Apache-2.0 */
/* Walking a tree. Its depth is in the hands of its users, so neither the stack nor the number of
 * open descriptors grows with it: the way back up is "..", and what is found there is compared. */
#include "base/guard.h"
#include "host/files-private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>

typedef DIR dir_stream;
static void dir_stream_close(dir_stream *stream)
{
        closedir(stream);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(dir_stream, dir_stream_close)

/* One directory on the way down. */
typedef struct {
        dev_t device;
        ino_t inode;
        GPtrArray *names; /* in order */
        unsigned next;
        size_t length; /* of its path */
} level;

struct dol_file_walk {
        const dol_call *call;
        GString *path;
        GPtrArray *levels; /* of level */
        int at;            /* the directory of the last level */
        unsigned depth;
        int fd;        /* the file shown last; -1 = none */
        dol_file file; /* the same */
};

static void level_free(void *data)
{
        level *one = data;

        g_ptr_array_unref(one->names);
        g_free(one);
}

static int compare_names(const void *a, const void *b)
{
        return strcmp(*(const char *const *)a, *(const char *const *)b);
}

GPtrArray *dol_files_names(int fd, const char *path, GError **error)
{
        g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
        int own = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        g_autoptr(dir_stream) stream = own < 0 ? NULL : fdopendir(own);
        const struct dirent *entry;

        if (!stream) {
                dol_fail_errno(error, errno, "read directory '/%s'", path);
                return NULL;
        }
        do {
                errno = 0;
                entry = readdir(stream);
                if (entry && strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
                        g_ptr_array_add(names, g_strdup(entry->d_name));
        } while (entry);
        if (errno) {
                dol_fail_errno(error, errno, "read directory '/%s'", path);
                return NULL;
        }
        g_ptr_array_sort(names, compare_names);
        return g_steal_pointer(&names);
}

static bool is_own(const dol_file_walk *walk, const char *name)
{
        return walk->path->len == 0 && g_str_has_prefix(name, DOL_FILES_STAGE_PREFIX);
}

/* Goes into the directory that was shown last. */
static bool descend(dol_file_walk *walk, GError **error)
{
        GPtrArray *names;
        struct stat info;
        level *next;

        if (fstat(walk->fd, &info) < 0)
                return dol_fail_errno(error, errno, "stat '/%s'", walk->path->str);
        dol_close_fd(&walk->at);
        walk->at = dol_steal_fd(&walk->fd);
        if (!(names = dol_files_names(walk->at, walk->path->str, error)))
                return false;
        next = g_new0(level, 1);
        *next = (level){info.st_dev, info.st_ino, names, 0, walk->path->len};
        g_ptr_array_add(walk->levels, next);
        return true;
}

static bool ascend(dol_file_walk *walk, GError **error)
{
        const level *above;
        struct stat info;
        int fd;

        g_ptr_array_set_size(walk->levels, (int)walk->levels->len - 1);
        if (walk->levels->len == 0)
                return true;
        above = walk->levels->pdata[walk->levels->len - 1];
        fd = openat(walk->at, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
        dol_close_fd(&walk->at);
        walk->at = fd;
        if (fd < 0 || fstat(fd, &info) < 0)
                return dol_fail_errno(error, errno, "go back up from '/%s'", walk->path->str);
        if (info.st_dev != above->device || info.st_ino != above->inode)
                return dol_fail(error, DOL_ERROR_BUSY, "'/%s' was moved while it was read",
                                walk->path->str);
        return true;
}

/* Opens the next name of the last level; leaves walk->fd at -1 when it is not to be shown. */
static bool step(dol_file_walk *walk, GError **error)
{
        level *here = walk->levels->pdata[walk->levels->len - 1];
        const char *name;

        g_string_truncate(walk->path, here->length);
        if (here->next == here->names->len)
                return ascend(walk, error);
        name = here->names->pdata[here->next++];
        if (is_own(walk, name))
                return true;
        g_string_append_printf(walk->path, "%s%s", here->length ? "/" : "", name);
        if (walk->path->len > DOL_FILES_PATH_MAX)
                return dol_fail(error, DOL_ERROR_INVALID,
                                "'/%.100s...' holds paths of more than %d bytes", walk->path->str,
                                DOL_FILES_PATH_MAX);
        walk->fd = dol_files_openat2(walk->at, name, O_PATH | O_NOFOLLOW,
                                     RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
        return walk->fd >= 0 || errno == ENOENT || errno == EXDEV ||
               dol_fail_errno(error, errno, "open '/%s'", walk->path->str);
}

static bool show(dol_file_walk *walk, const dol_file **ret_file, int *ret_fd, GError **error)
{
        g_clear_pointer(&walk->file.target, g_free);
        if (!dol_files_stat(walk->fd, walk->path->str, &walk->file, error))
                return false;
        *ret_file = &walk->file;
        *ret_fd = walk->fd;
        return true;
}

bool dol_file_walk_next(dol_file_walk *walk, const dol_file **ret_file, int *ret_fd, GError **error)
{
        bool is_first = !walk->file.path;

        *ret_file = NULL;
        *ret_fd = -1;
        if (!dol_call_check(walk->call, error))
                return false;
        if (is_first)
                return show(walk, ret_file, ret_fd, error);
        if (walk->fd >= 0 && walk->file.type == DOL_FILE_DIRECTORY &&
            walk->levels->len < walk->depth && !descend(walk, error))
                return false;
        dol_close_fd(&walk->fd);
        while (walk->fd < 0 && walk->levels->len > 0)
                if (!step(walk, error))
                        return false;
        return walk->fd < 0 || show(walk, ret_file, ret_fd, error);
}

dol_file_walk *dol_file_walk_new(const dol_call *call, int root, const char *path, unsigned depth,
                                 GError **error)
{
        int fd = dol_files_open(root, path, false, error);
        dol_file_walk *walk;

        if (fd < 0)
                return NULL;
        walk = g_new0(dol_file_walk, 1);
        walk->call = call;
        walk->path = g_string_new(path);
        walk->levels = g_ptr_array_new_with_free_func(level_free);
        walk->at = -1;
        walk->depth = depth;
        walk->fd = fd;
        return walk;
}

void dol_file_walk_free(dol_file_walk *walk)
{
        if (!walk)
                return;
        dol_close_fd(&walk->fd);
        dol_close_fd(&walk->at);
        g_free(walk->file.target);
        g_ptr_array_unref(walk->levels);
        g_string_free(walk->path, true);
        g_free(walk);
}

bool dol_files_walk(const dol_call *call, int root, const char *path, unsigned depth,
                    dol_file_fn fn, void *user, GError **error)
{
        g_autoptr(dol_file_walk) walk = dol_file_walk_new(call, root, path, depth, error);
        const dol_file *file;
        int fd;

        if (!walk)
                return false;
        do {
                if (!dol_file_walk_next(walk, &file, &fd, error) ||
                    (file && !fn(file, fd, user, error)))
                        return false;
        } while (file);
        return true;
}
