/* SPDX-License-Identifier: Apache-2.0 */
/* Which control groups use which loop device, as the mount tables of processes tell. */
#include "base/file.h"
#include "host/cgroup.h"
#include "host/loop-private.h"
#include "host/mount-private.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

typedef struct {
        const dol_cgroup_tree *tree;
        const char *except; /* ends with '/' */
        const char *own;    /* our own mount namespace */
        GHashTable *views;  /* (namespace, root directory) as text -> GArray of dev_t */
        GHashTable *seen;   /* "<device> <group>" as text: found already */
        GPtrArray *found;   /* of dol_group_limits */
} user_search;

/* One process's mount table being read. */
typedef struct {
        const char *except;
        GArray *devices; /* of dev_t */
} device_look;

static bool add_device(const dol_mount_entry *entry, void *user)
{
        device_look *look = user;

        if (major(entry->device) != DOL_LOOP_MAJOR || strstr(entry->path, look->except))
                return true;
        for (unsigned i = 0; i < look->devices->len; i++)
                if (g_array_index(look->devices, dev_t, i) == entry->device)
                        return true;
        g_array_append_val(look->devices, entry->device);
        return true;
}

static char *link_of(int proc, const char *pid, const char *name)
{
        char path[64], target[PATH_MAX];
        ssize_t size;

        snprintf(path, sizeof(path), "%s/%s", pid, name);
        size = readlinkat(proc, path, target, sizeof(target));
        return size < 0 ? NULL : g_strndup(target, (size_t)size);
}

/* The loop devices that the process sees mounted; most processes share one view with others. */
static const GArray *devices_of(user_search *search, int proc, const char *pid)
{
        g_autofree char *space = link_of(proc, pid, "ns/mnt");
        g_autofree char *root = link_of(proc, pid, "root");
        g_autofree char *path = NULL, *text = NULL;
        g_autofree char *view = NULL;
        device_look look = {search->except, NULL};

        if (!space || !root || strcmp(space, search->own) == 0)
                return NULL;
        view = g_strconcat(space, root, NULL);
        if ((look.devices = g_hash_table_lookup(search->views, view)))
                return look.devices;
        path = g_strdup_printf("/proc/%s/mountinfo", pid);
        if (!dol_mountinfo_text(path, &text, NULL))
                return NULL;
        look.devices = g_array_new(false, false, sizeof(dev_t));
        dol_mountinfo_each(text, add_device, &look);
        g_hash_table_insert(search->views, g_steal_pointer(&view), look.devices);
        return look.devices;
}

/* "7:blkio:/docker/3f2a" of the first version, "0::/docker/3f2a" of the second. */
static char *group_of_line(const dol_cgroup_tree *tree, const char *line)
{
        g_auto(GStrv) parts = g_strsplit(line, ":", 3);
        g_auto(GStrv) names = NULL;
        size_t top = strcmp(tree->top, "/") == 0 ? 0 : strlen(tree->top);

        if (g_strv_length(parts) != 3)
                return NULL;
        names = g_strsplit(parts[1], ",", -1);
        if (tree->version == DOL_CGROUP_V1 ? !g_strv_contains((const char *const *)names, "blkio")
                                           : *parts[1] != '\0')
                return NULL;
        if (strncmp(parts[2], tree->top, top) != 0)
                return NULL; /* outside of what is mounted here */
        return g_strdup(parts[2][top] ? parts[2] + top : "/");
}

static char *group_of(const dol_cgroup_tree *tree, const char *pid)
{
        g_autofree char *path = g_strdup_printf("/proc/%s/cgroup", pid);
        g_autofree char *text = NULL;
        g_auto(GStrv) lines = NULL;
        char *group = NULL;

        if (!dol_file_read(path, 65536, &text, NULL, NULL))
                return NULL;
        lines = g_strsplit(text, "\n", -1);
        for (unsigned i = 0; lines[i] && !group; i++)
                group = group_of_line(tree, lines[i]);
        return group;
}

static void look_at_process(user_search *search, int proc, const char *pid)
{
        static const dol_io_limits none;
        const GArray *devices = devices_of(search, proc, pid);
        g_autofree char *group = devices && devices->len ? group_of(search->tree, pid) : NULL;

        for (unsigned i = 0; group && i < devices->len; i++) {
                dev_t device = g_array_index(devices, dev_t, i);
                char *key = g_strdup_printf("%u %s", minor(device), group);

                if (g_hash_table_add(search->seen, key))
                        dol_group_limits_add(search->found, device, group, &none);
        }
}

static void free_devices(void *data)
{
        g_array_free(data, true);
}

GPtrArray *dol_cgroup_users(const dol_cgroup_tree *tree, const char *except, GError **error)
{
        g_autoptr(GHashTable) views =
                g_hash_table_new_full(g_str_hash, g_str_equal, g_free, free_devices);
        g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        g_autoptr(GPtrArray) found = dol_group_limits_list();
        g_autofree char *own = g_file_read_link("/proc/thread-self/ns/mnt", NULL);
        g_autofree char *below = g_strconcat(except, "/", NULL);
        user_search search = {tree, below, own ? own : "", views, seen, found};
        DIR *proc = opendir("/proc");
        const struct dirent *entry;

        if (!proc) {
                dol_fail_errno(error, errno, "open '/proc'");
                return NULL;
        }
        while ((entry = readdir(proc)))
                if (g_ascii_isdigit(entry->d_name[0]))
                        look_at_process(&search, dirfd(proc), entry->d_name);
        closedir(proc);
        return g_steal_pointer(&found);
}
