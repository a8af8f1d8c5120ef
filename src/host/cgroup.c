/* SPDX-License-Identifier: Apache-2.0 */
/* The files of control groups that limit I/O; who is in which group is in cgroup-users.c. */
#include "host/cgroup.h"

#include "base/file.h"
#include "base/guard.h"
#include "host/loop-private.h"
#include "host/mount-private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/sysmacros.h>

enum { LIMIT_COUNT = 4, FILE_MAX = 1 << 20 };

/* The files of the first version and the words of io.max, in the order of dol_io_limits. */
static const struct {
        const char *file, *word;
        size_t offset;
} limit_rows[LIMIT_COUNT] = {
        {"blkio.throttle.read_iops_device", "riops", offsetof(dol_io_limits, read_iops)},
        {"blkio.throttle.write_iops_device", "wiops", offsetof(dol_io_limits, write_iops)},
        {"blkio.throttle.read_bps_device", "rbps", offsetof(dol_io_limits, read_bps)},
        {"blkio.throttle.write_bps_device", "wbps", offsetof(dol_io_limits, write_bps)},
};

static uint64_t limit_get(const dol_io_limits *limits, unsigned row)
{
        const void *at = (const char *)limits + limit_rows[row].offset;

        return *(const uint64_t *)at;
}

static void limit_put(dol_io_limits *limits, unsigned row, uint64_t value)
{
        void *at = (char *)limits + limit_rows[row].offset;

        *(uint64_t *)at = value;
}

/* ---- which hierarchy ---- */

static bool find_mount(const dol_mount_entry *entry, void *user)
{
        dol_cgroup_tree *tree = user;
        g_auto(GStrv) words = g_strsplit(entry->super_options, ",", -1);
        bool first = strcmp(entry->fs_type, "cgroup") == 0 &&
                     g_strv_contains((const char *const *)words, "blkio");

        if (!first && (strcmp(entry->fs_type, "cgroup2") != 0 || tree->directory))
                return true;
        dol_cgroup_clear(tree);
        *tree = (dol_cgroup_tree){first ? DOL_CGROUP_V1 : DOL_CGROUP_V2, g_strdup(entry->path),
                                  g_strdup(entry->root)};
        return !first; /* a controller is in one of the two; the first version is looked for */
}

static bool has_word(const char *directory, const char *file, const char *word)
{
        g_autofree char *path = g_build_filename(directory, file, NULL);
        g_autofree char *line = dol_file_read_line(path, NULL);
        g_auto(GStrv) words = g_strsplit(line ? line : "", " ", -1);

        return g_strv_contains((const char *const *)words, word);
}

static bool check_v1(const dol_cgroup_tree *tree, GError **error)
{
        g_autofree char *path = g_build_filename(tree->directory, limit_rows[0].file, NULL);

        if (access(path, F_OK) < 0)
                return dol_fail(error, DOL_ERROR_UNSUPPORTED,
                                "this kernel's blkio controller cannot throttle "
                                "(CONFIG_BLK_DEV_THROTTLING)");
        return access(path, W_OK) == 0 ||
               dol_fail(error, DOL_ERROR_UNSUPPORTED, "'%s' cannot be written: %s", path,
                        g_strerror(errno));
}

static bool check_v2(const dol_cgroup_tree *tree, GError **error)
{
        g_autofree char *path = g_build_filename(tree->directory, "cgroup.subtree_control", NULL);

        if (!has_word(tree->directory, "cgroup.controllers", "io"))
                return dol_fail(error, DOL_ERROR_UNSUPPORTED,
                                "control groups at '%s' have no io controller", tree->directory);
        return access(path, W_OK) == 0 ||
               dol_fail(error, DOL_ERROR_UNSUPPORTED, "'%s' cannot be written: %s", path,
                        g_strerror(errno));
}

bool dol_cgroup_find(const char *mountinfo, dol_cgroup_tree *ret, GError **error)
{
        g_auto(dol_cgroup_tree) tree = {0};
        g_autofree char *text = NULL;

        if (!dol_mountinfo_text(mountinfo, &text, error))
                return false;
        dol_mountinfo_each(text, find_mount, &tree);
        if (!tree.directory)
                return dol_fail(error, DOL_ERROR_UNSUPPORTED,
                                "no control groups are mounted that limit I/O (cgroup2, or blkio "
                                "of the first version)");
        if (!(tree.version == DOL_CGROUP_V1 ? check_v1(&tree, error) : check_v2(&tree, error)))
                return false;
        *ret = tree;
        tree = (dol_cgroup_tree){0};
        return true;
}

void dol_cgroup_clear(dol_cgroup_tree *tree)
{
        g_clear_pointer(&tree->directory, g_free);
        g_clear_pointer(&tree->top, g_free);
}

/* ---- reading ---- */

typedef struct {
        const dol_cgroup_tree *tree;
        GPtrArray *found;
} limit_walk;

/* The entry of this device and group; made when it is not there. */
static dol_io_limits *limits_of(GPtrArray *found, dev_t device, const char *group)
{
        static const dol_io_limits none;

        for (unsigned i = found->len; i > 0; i--) {
                dol_group_limits *one = found->pdata[i - 1];

                if (strcmp(one->group, group) != 0)
                        break; /* those of one group follow each other */
                if (one->device == device)
                        return &one->limits;
        }
        dol_group_limits_add(found, device, group, &none);
        return &((dol_group_limits *)found->pdata[found->len - 1])->limits;
}

/* "7:3 1000" of the first version. */
static void read_v1_line(limit_walk *walk, const char *group, unsigned row, const char *line)
{
        unsigned major_number, minor_number;
        int length = 0;
        uint64_t value;

        if (sscanf(line, "%u:%u %n", &major_number, &minor_number, &length) == 2 &&
            major_number == DOL_LOOP_MAJOR && (value = g_ascii_strtoull(line + length, NULL, 10)))
                limit_put(limits_of(walk->found, makedev(major_number, minor_number), group), row,
                          value);
}

/* "7:3 rbps=max wbps=1048576 riops=max wiops=max" of the second. */
static void read_v2_line(limit_walk *walk, const char *group, const char *line)
{
        g_auto(GStrv) words = g_strsplit(line, " ", -1);
        unsigned major_number, minor_number;

        if (!words[0] || sscanf(words[0], "%u:%u", &major_number, &minor_number) != 2 ||
            major_number != DOL_LOOP_MAJOR)
                return;
        for (unsigned i = 1; words[i]; i++)
                for (unsigned row = 0; row < LIMIT_COUNT; row++) {
                        size_t length = strlen(limit_rows[row].word);
                        uint64_t value;

                        if (strncmp(words[i], limit_rows[row].word, length) == 0 &&
                            words[i][length] == '=' &&
                            (value = g_ascii_strtoull(words[i] + length + 1, NULL, 10)))
                                limit_put(limits_of(walk->found,
                                                    makedev(major_number, minor_number), group),
                                          row, value);
                }
}

static void read_file(limit_walk *walk, const char *directory, const char *group, const char *file,
                      unsigned row)
{
        g_autofree char *path = g_build_filename(directory, file, NULL);
        g_autofree char *text = NULL;
        g_auto(GStrv) lines = NULL;

        if (!dol_file_read(path, FILE_MAX, &text, NULL, NULL) || *text == '\0')
                return; /* the group has gone, has no controller, or is the root of version 2 */
        lines = g_strsplit(text, "\n", -1);
        for (unsigned i = 0; lines[i]; i++)
                if (walk->tree->version == DOL_CGROUP_V1)
                        read_v1_line(walk, group, row, lines[i]);
                else
                        read_v2_line(walk, group, lines[i]);
}

static void read_group(limit_walk *walk, const char *directory, const char *group)
{
        if (walk->tree->version == DOL_CGROUP_V2) {
                read_file(walk, directory, group, "io.max", 0);
                return;
        }
        for (unsigned row = 0; row < LIMIT_COUNT; row++)
                read_file(walk, directory, group, limit_rows[row].file, row);
}

/* Groups may come and go meanwhile; one that cannot be opened has gone. */
static void walk_below(limit_walk *walk, const char *group)
{
        g_autofree char *directory = g_build_filename(walk->tree->directory, group, NULL);
        DIR *groups = opendir(directory);
        const struct dirent *entry;

        if (!groups)
                return;
        read_group(walk, directory, group);
        while ((entry = readdir(groups))) {
                g_autofree char *below = NULL;

                if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
                        continue;
                below = g_build_filename(group, entry->d_name, NULL);
                walk_below(walk, below);
        }
        closedir(groups);
}

GPtrArray *dol_cgroup_limits(const dol_cgroup_tree *tree, GError **error)
{
        g_autoptr(GPtrArray) found = dol_group_limits_list();
        limit_walk walk = {tree, found};

        if (access(tree->directory, R_OK | X_OK) < 0) {
                dol_fail_errno(error, errno, "read '%s'", tree->directory);
                return NULL;
        }
        walk_below(&walk, "/");
        return g_steal_pointer(&found);
}

/* ---- writing ---- */

/* One write(2), as the kernel wants it. A group that has gone has no limits: true. */
static bool write_word(const dol_cgroup_tree *tree, const char *group, const char *file,
                       const char *text, GError **error)
{
        g_autofree char *path = g_build_filename(tree->directory, group, file, NULL);
        dol_autofd fd = open(path, O_WRONLY | O_CLOEXEC);

        if (fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text))
                return true;
        if (errno == ENOENT || errno == ENODEV)
                return true;
        return dol_fail_errno(error, errno, "write '%s' to '%s'", text, path);
}

static bool write_v1(const dol_cgroup_tree *tree, const dol_group_limits *wanted, GError **error)
{
        for (unsigned row = 0; row < LIMIT_COUNT; row++) {
                g_autofree char *text =
                        g_strdup_printf("%u:%u %" G_GUINT64_FORMAT, major(wanted->device),
                                        minor(wanted->device), limit_get(&wanted->limits, row));

                if (!write_word(tree, wanted->group, limit_rows[row].file, text, error))
                        return false;
        }
        return true;
}

/* A group has io.max only when the one above it hands the controller down. */
static bool enable_v2(const dol_cgroup_tree *tree, GError **error)
{
        return has_word(tree->directory, "cgroup.subtree_control", "io") ||
               write_word(tree, "/", "cgroup.subtree_control", "+io", error);
}

static bool write_v2(const dol_cgroup_tree *tree, const dol_group_limits *wanted, GError **error)
{
        g_autoptr(GString) text = g_string_new(NULL);

        g_string_printf(text, "%u:%u", major(wanted->device), minor(wanted->device));
        for (unsigned row = 0; row < LIMIT_COUNT; row++) {
                uint64_t value = limit_get(&wanted->limits, row);

                g_string_append_printf(text, " %s=", limit_rows[row].word);
                if (value)
                        g_string_append_printf(text, "%" G_GUINT64_FORMAT, value);
                else
                        g_string_append(text, "max");
        }
        return enable_v2(tree, error) &&
               write_word(tree, wanted->group, "io.max", text->str, error);
}

bool dol_cgroup_limit(const dol_cgroup_tree *tree, const dol_group_limits *wanted, GError **error)
{
        return tree->version == DOL_CGROUP_V1 ? write_v1(tree, wanted, error)
                                              : write_v2(tree, wanted, error);
}
