/* SPDX-License-Identifier: Apache-2.0 */
/* Who has a file system mounted, in all mount namespaces of this host. */
#include "base/file.h"
#include "base/guard.h"
#include "host/mount-private.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <string.h>

typedef struct {
        dev_t device;
        const char *root, *except;
        unsigned max;
        GHashTable *views;  /* (namespace, root directory) as text: read already */
        GHashTable *mounts; /* ids counted already: two views may show the same mount */
        GPtrArray *holders; /* of text, at most max */
        const char *pid;    /* whose view is being read */
} holder_search;

static bool is_beneath(const char *path, const char *top)
{
        size_t length = strlen(top);

        if (strcmp(top, "/") == 0)
                return true;
        return strncmp(path, top, length) == 0 && (path[length] == '\0' || path[length] == '/');
}

static void add_holder(holder_search *search, const char *path)
{
        g_autofree char *comm = g_strdup_printf("/proc/%s/comm", search->pid);
        g_autofree char *name = dol_file_read_line(comm, NULL);

        g_ptr_array_add(search->holders, g_strdup_printf("pid %s (%s) at %s", search->pid,
                                                         name ? name : "unknown", path));
}

static bool look_at_mount(const dol_mount_entry *entry, void *user)
{
        holder_search *search = user;

        if (entry->device != search->device || !is_beneath(entry->root, search->root) ||
            (search->except && strcmp(entry->path, search->except) == 0))
                return true;
        if (g_hash_table_add(search->mounts, g_memdup2(&entry->id, sizeof(entry->id))) &&
            search->holders->len < search->max)
                add_holder(search, entry->path);
        return true;
}

/* Appends what a link of /proc says. false: the process has gone, or is a zombie. */
static bool append_link(int proc, const char *pid, const char *name, GString *text)
{
        char path[64], target[PATH_MAX];
        ssize_t size;

        snprintf(path, sizeof(path), "%s/%s", pid, name);
        size = readlinkat(proc, path, target, sizeof(target));
        if (size < 0)
                return false;
        g_string_append_len(text, target, size);
        return true;
}

/* A process sees the mounts of its namespace that are beneath its root directory. Most processes,
 * kernel threads among them, share one view, which is read for the first of them. Where the
 * namespace's whole has been seen, its chroots have nothing to add: the namespace is then a view by
 * itself. */
static void look_at_process(int proc, const char *pid, GString *view, holder_search *search)
{
        g_autofree char *path = NULL;
        g_autofree char *text = NULL;
        size_t namespace_end;

        g_string_truncate(view, 0);
        if (!append_link(proc, pid, "ns/mnt", view) ||
            g_hash_table_contains(search->views, view->str))
                return;
        namespace_end = view->len;
        if (!append_link(proc, pid, "root", view) ||
            g_hash_table_contains(search->views, view->str))
                return;
        path = g_strdup_printf("/proc/%s/mountinfo", pid);
        if (!dol_mountinfo_text(path, &text, NULL))
                return;
        g_hash_table_add(search->views, g_strdup(view->str));
        if (strcmp(view->str + namespace_end, "/") == 0)
                g_hash_table_add(search->views, g_strndup(view->str, namespace_end));
        search->pid = pid;
        dol_mountinfo_each(text, look_at_mount, search);
}

static bool look_everywhere(holder_search *search, GError **error)
{
        g_autoptr(GString) view = g_string_new(NULL);
        DIR *proc = opendir("/proc");
        const struct dirent *entry;

        if (!proc)
                return dol_fail_errno(error, errno, "open '/proc'");
        while ((entry = readdir(proc)))
                if (g_ascii_isdigit(entry->d_name[0]))
                        look_at_process(dirfd(proc), entry->d_name, view, search);
        closedir(proc);
        return true;
}

bool dol_mount_holders(dev_t device, const char *root, const char *except, unsigned max,
                       unsigned *ret_count, char ***ret_holders, GError **error)
{
        g_autoptr(GHashTable) views = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        g_autoptr(GHashTable) mounts =
                g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
        g_autoptr(GPtrArray) holders = g_ptr_array_new_with_free_func(g_free);
        holder_search search = {device, root, except, max, views, mounts, holders, NULL};

        if (!look_everywhere(&search, error))
                return false;
        *ret_count = g_hash_table_size(mounts);
        if (ret_holders) {
                g_ptr_array_set_free_func(holders, NULL);
                g_ptr_array_add(holders, NULL);
                *ret_holders = (char **)g_ptr_array_free(g_steal_pointer(&holders), false);
        }
        return true;
}
