/* SPDX-License-Identifier: Apache-2.0 */
/* Who keeps a mount busy: processes with a directory, file, program or mapping on it, and mounts
 * beneath it. Only looked for when an unmount has failed. */
#include "base/file.h"
#include "base/guard.h"
#include "host/mount-private.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>

typedef struct {
        const char *path;
        GPtrArray *found; /* of text */
        unsigned max;
} user_search;

static bool is_beneath(const char *path, const char *top)
{
        size_t length = strlen(top);

        return strncmp(path, top, length) == 0 && (path[length] == '\0' || path[length] == '/');
}

static bool link_is_beneath(int directory, const char *name, const char *top)
{
        char target[PATH_MAX];
        ssize_t size = readlinkat(directory, name, target, sizeof(target) - 1);

        if (size < 0)
                return false;
        target[size] = '\0';
        return is_beneath(target, top);
}

/* Whether one of the links in /proc/<pid>/fd or map_files leads there. */
static bool any_link_is_beneath(int process, const char *name, const char *top)
{
        int fd = openat(process, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *directory = fd < 0 ? NULL : fdopendir(fd);
        const struct dirent *entry;
        bool found = false;

        if (!directory)
                return false;
        while (!found && (entry = readdir(directory)))
                found = link_is_beneath(fd, entry->d_name, top);
        closedir(directory);
        return found;
}

static void look_at_process(int proc, const char *pid, user_search *search)
{
        dol_autofd process = openat(proc, pid, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        g_autofree char *comm = g_strdup_printf("/proc/%s/comm", pid);
        g_autofree char *name = NULL;

        if (process < 0)
                return;
        if (!link_is_beneath(process, "cwd", search->path) &&
            !link_is_beneath(process, "root", search->path) &&
            !link_is_beneath(process, "exe", search->path) &&
            !any_link_is_beneath(process, "fd", search->path) &&
            !any_link_is_beneath(process, "map_files", search->path))
                return;
        name = dol_file_read_line(comm, NULL);
        g_ptr_array_add(search->found,
                        g_strdup_printf("pid %s (%s)", pid, name ? name : "unknown"));
}

static void find_processes(user_search *search)
{
        DIR *proc = opendir("/proc");
        const struct dirent *entry;

        if (!proc)
                return;
        while (search->found->len < search->max && (entry = readdir(proc)))
                if (g_ascii_isdigit(entry->d_name[0]))
                        look_at_process(dirfd(proc), entry->d_name, search);
        closedir(proc);
}

static bool add_mount(const dol_mount_entry *entry, void *user)
{
        user_search *search = user;

        if (strcmp(entry->path, search->path) != 0 && is_beneath(entry->path, search->path))
                g_ptr_array_add(search->found, g_strdup_printf("mount %s", entry->path));
        return search->found->len < search->max;
}

char *dol_mount_users(const char *path, unsigned max)
{
        g_autoptr(GPtrArray) found = g_ptr_array_new_with_free_func(g_free);
        g_autofree char *real = realpath(path, NULL);
        g_autofree char *text = NULL;
        user_search search = {real ? real : path, found, max};

        if (dol_mountinfo_text("/proc/thread-self/mountinfo", &text, NULL))
                dol_mountinfo_each(text, add_mount, &search);
        find_processes(&search);
        if (found->len == 0)
                return NULL;
        g_ptr_array_add(found, NULL);
        return g_strjoinv(", ", (char **)found->pdata);
}
