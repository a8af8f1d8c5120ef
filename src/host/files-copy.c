/* SPDX-License-Identifier: Apache-2.0 */
/* From one directory tree into another. */
#include "base/guard.h"
#include "host/files-private.h"

#include <fcntl.h>
#include <string.h>

struct dol_file_copier {
        int from; /* borrowed */
        dol_file_sink *sink;
        GHashTable *linked; /* inode -> path of its copy */
        const dol_call *call;
        size_t skip;    /* bytes of each path that `as` stands for */
        const char *as; /* of the tree being copied */
};

dol_file_copier *dol_file_copier_new(int from, dol_file_sink *sink)
{
        dol_file_copier *copier = g_new0(dol_file_copier, 1);

        copier->from = from;
        copier->sink = sink;
        copier->linked = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, g_free);
        return copier;
}

void dol_file_copier_free(dol_file_copier *copier)
{
        if (!copier)
                return;
        g_hash_table_unref(copier->linked);
        g_free(copier);
}

static bool write_bytes(uint64_t offset, const void *bytes, size_t size, void *user, GError **error)
{
        return dol_file_sink_write(user, offset, bytes, size, error);
}

static bool copy_content(const dol_file_copier *copier, const dol_file *file, int fd,
                         GError **error)
{
        dol_autofd opened = dol_files_reopen(fd, O_RDONLY | O_NOATIME, file->path, error);
        uint64_t size;

        return opened >= 0 &&
               dol_files_content(copier->call, opened, file->path, write_bytes, copier->sink, &size,
                                 error) &&
               dol_file_sink_end_file(copier->sink, size, error);
}

/* The path of the copy that has this inode already; remembers the first one. */
static char *linked_copy(const dol_file_copier *copier, const dol_file *file, const char *path)
{
        int64_t inode = (int64_t)file->inode;
        char *first;

        if (file->links < 2 || file->type == DOL_FILE_DIRECTORY)
                return NULL;
        first = g_hash_table_lookup(copier->linked, &inode);
        if (!first)
                g_hash_table_insert(copier->linked, g_memdup2(&inode, sizeof(inode)),
                                    g_strdup(path));
        return first;
}

static char *copy_path(const dol_file_copier *copier, const dol_file *file)
{
        const char *rest = file->path + copier->skip;

        rest += *rest == '/';
        if (!*rest)
                return g_strdup(copier->as);
        return *copier->as ? g_strconcat(copier->as, "/", rest, NULL) : g_strdup(rest);
}

static bool copy_one(const dol_file *file, int fd, void *user, GError **error)
{
        const dol_file_copier *copier = user;
        g_autofree char *path = copy_path(copier, file);
        g_autoptr(GPtrArray) xattrs = NULL;
        g_autoptr(GError) why = NULL;
        dol_file copy = *file;

        copy.path = path;
        copy.link_to = linked_copy(copier, file, path);
        if (!copy.link_to)
                copy.xattrs = xattrs = dol_files_xattrs(fd, file->path, &why);
        if (why) {
                g_propagate_error(error, g_steal_pointer(&why));
                return false;
        }
        return dol_file_sink_put(copier->sink, &copy, error) &&
               (copy.link_to || file->type != DOL_FILE_REGULAR ||
                copy_content(copier, file, fd, error));
}

bool dol_file_copier_add(dol_file_copier *copier, const dol_call *call, const char *path,
                         const char *as, GError **error)
{
        copier->call = call;
        copier->as = as;
        copier->skip = strlen(path);
        return dol_files_walk(call, copier->from, path, UINT_MAX, copy_one, copier, error);
}
