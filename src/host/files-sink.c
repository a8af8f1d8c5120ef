/* SPDX-License-Identifier: Apache-2.0 */
/* Making files beneath a directory. What is on the way is opened strictly each time, so a link that
 * was made a moment ago leads nowhere. */
#include "base/guard.h"
#include "host/files-private.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>

struct dol_file_sink {
        int root; /* borrowed */
        bool lenient;
        dol_file_counts counts;
        char *parent_path; /* of the file that was made last */
        int parent;
        int fd;                 /* the regular file being written; -1 = none */
        dol_file *file;         /* that file */
        GPtrArray *directories; /* of dol_file: to get their attributes at the end */
};

static dol_file *keep(const dol_file *file)
{
        dol_file *kept = g_memdup2(file, sizeof(*file));

        kept->path = g_strdup(file->path);
        kept->target = NULL;
        kept->link_to = NULL;
        kept->xattrs = file->xattrs ? g_ptr_array_ref(file->xattrs) : NULL;
        return kept;
}

static void forget(void *data)
{
        dol_file *kept = data;

        if (!kept)
                return;
        if (kept->xattrs)
                g_ptr_array_unref(kept->xattrs);
        g_free((char *)kept->path);
        g_free(kept);
}

dol_file_sink *dol_file_sink_new(int root, bool lenient)
{
        dol_file_sink *sink = g_new0(dol_file_sink, 1);

        sink->root = root;
        sink->lenient = lenient;
        sink->parent = sink->fd = -1;
        sink->directories = g_ptr_array_new_with_free_func(forget);
        return sink;
}

void dol_file_sink_free(dol_file_sink *sink)
{
        if (!sink)
                return;
        dol_close_fd(&sink->fd);
        dol_close_fd(&sink->parent);
        forget(sink->file);
        g_ptr_array_unref(sink->directories);
        g_free(sink->parent_path);
        g_free(sink);
}

dol_file_counts dol_file_sink_counts(const dol_file_sink *sink)
{
        return sink->counts;
}

/* ---- where ---- */

static bool open_parent(dol_file_sink *sink, const char *path, const char **ret_name,
                        GError **error)
{
        const char *slash = strrchr(path, '/');
        g_autofree char *parent = g_strndup(path, slash ? (size_t)(slash - path) : 0);
        g_autoptr(GError) why = NULL;

        *ret_name = slash ? slash + 1 : path;
        if (sink->parent >= 0 && g_strcmp0(sink->parent_path, parent) == 0)
                return true;
        dol_close_fd(&sink->parent);
        g_clear_pointer(&sink->parent_path, g_free);
        sink->parent = dol_files_open_parent(sink->root, path, ret_name, &why);
        if (sink->parent < 0 && dol_error_is(why, DOL_ERROR_NOT_FOUND))
                sink->parent = dol_files_make_parents(-1, sink->root, path, error)
                                       ? dol_files_open_parent(sink->root, path, ret_name, error)
                                       : -1;
        else if (sink->parent < 0)
                g_propagate_error(error, g_steal_pointer(&why));
        if (sink->parent < 0)
                return false;
        sink->parent_path = g_steal_pointer(&parent);
        return true;
}

/* After EEXIST: takes away what is in the way, so that it can be tried once more. */
static bool make_way(const dol_file_sink *sink, const dol_file *file, const char *name,
                     GError **error)
{
        if (errno != EEXIST)
                return dol_fail_errno(error, errno, "make '/%s'", file->path);
        if (unlinkat(sink->parent, name, 0) == 0 || errno == ENOENT)
                return true;
        if (errno == EISDIR)
                return dol_fail(error, DOL_ERROR_CONFLICT,
                                "'/%s' is a directory, and would become a %s", file->path,
                                dol_file_type_words[file->type]);
        return dol_fail_errno(error, errno, "replace '/%s'", file->path);
}

/* ---- each kind ---- */

static bool put_directory(dol_file_sink *sink, const dol_file *file, const char *name,
                          GError **error)
{
        dol_autofd fd = -1;

        if (*name && mkdirat(sink->parent, name, 0700) < 0 && errno != EEXIST)
                return dol_fail_errno(error, errno, "make directory '/%s'", file->path);
        fd = dol_files_openat2(sink->parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW,
                               RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
        if (fd < 0)
                return dol_fail(error, DOL_ERROR_CONFLICT,
                                "'/%s' is there and is no directory, but would become one",
                                file->path);
        g_ptr_array_add(sink->directories, keep(file));
        return true;
}

static int create(const dol_file_sink *sink, const char *name)
{
        return openat(sink->parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                      0600);
}

static bool put_regular(dol_file_sink *sink, const dol_file *file, const char *name, GError **error)
{
        sink->fd = create(sink, name);
        if (sink->fd < 0) {
                if (!make_way(sink, file, name, error))
                        return false;
                sink->fd = create(sink, name);
                if (sink->fd < 0)
                        return dol_fail_errno(error, errno, "make '/%s'", file->path);
        }
        sink->file = keep(file);
        return true;
}

static bool put_link(dol_file_sink *sink, const dol_file *file, const char *name, GError **error)
{
        const char *from_name;
        g_autoptr(GError) why = NULL;
        dol_autofd from = dol_files_open_parent(sink->root, file->link_to, &from_name, &why);

        for (int attempt = 0; from >= 0; attempt++) {
                if (linkat(from, from_name, sink->parent, name, 0) == 0)
                        return true;
                if (attempt > 0 || errno != EEXIST)
                        break;
                if (!make_way(sink, file, name, error))
                        return false;
        }
        return dol_fail(error, DOL_ERROR_INVALID, "'/%s' is a link to '/%s', which %s", file->path,
                        file->link_to,
                        from < 0 || errno == ENOENT ? "is not there" : "cannot be linked");
}

static int make_other(const dol_file_sink *sink, const dol_file *file, const char *name)
{
        if (file->type == DOL_FILE_SYMLINK)
                return symlinkat(file->target, sink->parent, name);
        return mknodat(sink->parent, name, dol_file_type_bits(file->type) | 0600, file->device);
}

static bool put_other(dol_file_sink *sink, const dol_file *file, const char *name, GError **error)
{
        dol_autofd fd = -1;
        int done = make_other(sink, file, name);

        if (done < 0 && errno == EPERM && sink->lenient) {
                sink->counts.kept_back++;
                return true;
        }
        if (done < 0) {
                if (!make_way(sink, file, name, error))
                        return false;
                if (make_other(sink, file, name) < 0)
                        return dol_fail_errno(error, errno, "make '/%s'", file->path);
        }
        fd = dol_files_openat2(sink->parent, name, O_PATH | O_NOFOLLOW,
                               RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
        if (fd < 0)
                return dol_fail_errno(error, errno, "open '/%s'", file->path);
        return dol_files_set_attributes(fd, file, sink->lenient, &sink->counts.kept_back, error) &&
               dol_files_set_time(fd, file, error);
}

bool dol_file_sink_put(dol_file_sink *sink, const dol_file *file, GError **error)
{
        const char *name;

        if (strlen(file->path) > DOL_FILES_PATH_MAX)
                return dol_fail(error, DOL_ERROR_INVALID,
                                "'/%.100s...' is a path of more than %d bytes", file->path,
                                DOL_FILES_PATH_MAX);
        if (!*file->path && file->type != DOL_FILE_DIRECTORY)
                return dol_fail(error, DOL_ERROR_INVALID, "the root would become a %s",
                                dol_file_type_words[file->type]);
        if (!open_parent(sink, file->path, &name, error))
                return false;
        sink->counts.files++;
        if (file->link_to)
                return put_link(sink, file, name, error);
        if (file->type == DOL_FILE_DIRECTORY)
                return put_directory(sink, file, name, error);
        if (file->type == DOL_FILE_REGULAR)
                return put_regular(sink, file, name, error);
        return put_other(sink, file, name, error);
}

/* ---- content ---- */

bool dol_file_sink_write(dol_file_sink *sink, uint64_t offset, const void *bytes, size_t size,
                         GError **error)
{
        const char *at = bytes;

        while (size > 0) {
                ssize_t written = pwrite(sink->fd, at, size, (off_t)offset);

                if (written < 0 && errno == EINTR)
                        continue;
                if (written < 0)
                        return dol_fail_errno(error, errno, "write '/%s'", sink->file->path);
                at += written;
                offset += (uint64_t)written;
                size -= (size_t)written;
                sink->counts.bytes += (uint64_t)written;
        }
        return true;
}

bool dol_file_sink_end_file(dol_file_sink *sink, uint64_t size, GError **error)
{
        bool ok;

        if (sink->fd < 0)
                return true;
        ok = ftruncate(sink->fd, (off_t)size) == 0 ||
             dol_fail_errno(error, errno, "make '/%s' %" G_GUINT64_FORMAT " bytes large",
                            sink->file->path, size);
        ok = ok &&
             dol_files_set_attributes(sink->fd, sink->file, sink->lenient, &sink->counts.kept_back,
                                      error) &&
             dol_files_set_time(sink->fd, sink->file, error);
        dol_close_fd(&sink->fd);
        forget(g_steal_pointer(&sink->file));
        return ok;
}

/* Innermost first: setting a directory's time after what it holds. */
bool dol_file_sink_finish(dol_file_sink *sink, GError **error)
{
        for (unsigned i = sink->directories->len; i > 0; i--) {
                const dol_file *file = sink->directories->pdata[i - 1];
                dol_autofd fd = dol_files_open_strictly(sink->root, file->path, error);

                if (fd < 0 ||
                    !dol_files_set_attributes(fd, file, sink->lenient, &sink->counts.kept_back,
                                              error) ||
                    !dol_files_set_time(fd, file, error))
                        return false;
        }
        g_ptr_array_set_size(sink->directories, 0);
        return true;
}
