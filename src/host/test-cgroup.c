/* SPDX-License-Identifier: Apache-2.0 */
#include "host/cgroup.h"

#include "base/file.h"
#include "base/test.h"

#include <sys/sysmacros.h>

#define DEVICE makedev(7, 3)

static const dol_io_limits some = {.read_iops = 100, .write_bps = 1 << 20};

static void put(const char *directory, const char *file, const char *text)
{
        g_autofree char *path = g_build_filename(directory, file, NULL);
        g_autofree char *parent = g_path_get_dirname(path);
        g_autoptr(GError) error = NULL;

        g_mkdir_with_parents(parent, 0755);
        g_file_set_contents(path, text, -1, &error);
        g_assert_no_error(error);
}

static char *get(const char *directory, const char *file)
{
        g_autofree char *path = g_build_filename(directory, file, NULL);
        char *text = NULL;

        dol_file_read(path, 4096, &text, NULL, NULL);
        return text;
}

/* A group's four files of version 1. */
static void put_v1(const char *directory, const char *group, const char *read_iops,
                   const char *write_bps)
{
        g_autofree char *path = g_build_filename(directory, group, NULL);

        put(path, "blkio.throttle.read_iops_device", read_iops);
        put(path, "blkio.throttle.write_iops_device", "");
        put(path, "blkio.throttle.read_bps_device", "");
        put(path, "blkio.throttle.write_bps_device", write_bps);
}

/* Finds the hierarchy in a mount table of this one line. */
static bool find(const char *directory, const char *type, const char *options,
                 dol_cgroup_tree *tree, GError **error)
{
        g_autofree char *table = g_build_filename(directory, "mountinfo", NULL);
        g_autofree char *line = g_strdup_printf(
                "31 1 0:2 / /sys rw - sysfs sysfs rw\n38 31 0:35 /top %s/tree rw - %s x %s\n",
                directory, type, options);

        put(directory, "mountinfo", line);
        return dol_cgroup_find(table, tree, error);
}

static void test_version_1(void)
{
        dol_test_directory directory = dol_test_directory_new();
        g_auto(dol_cgroup_tree) tree = {0};
        g_autoptr(GPtrArray) found = NULL;
        g_autoptr(GError) error = NULL;
        const dol_group_limits *first;

        put_v1(directory, "tree", "", "");
        put_v1(directory, "tree/a", "8:0 50\n7:3 100\n7:4 7\n", "7:3 1048576\n");
        put_v1(directory, "tree/a/b", "8:0 50\n", "");
        g_assert_true(find(directory, "cgroup", "rw,blkio", &tree, &error));
        g_assert_no_error(error);
        g_assert_cmpint(tree.version, ==, DOL_CGROUP_V1);
        g_assert_cmpstr(tree.top, ==, "/top");
        found = dol_cgroup_limits(&tree, &error);
        g_assert_cmpuint(found->len, ==, 2); /* not those of disks */
        first = found->pdata[0];
        g_assert_cmpstr(first->group, ==, "/a");
        g_assert_true(first->device == DEVICE && dol_io_limits_equal(&first->limits, &some));
}

static void test_version_1_writes(void)
{
        dol_test_directory directory = dol_test_directory_new();
        g_auto(dol_cgroup_tree) tree = {0};
        g_autofree char *iops = NULL, *bps = NULL, *none = NULL;
        dol_group_limits wanted = {DEVICE, (char *)"/a", some};

        put_v1(directory, "tree", "", "");
        put_v1(directory, "tree/a", "", "");
        g_assert_true(find(directory, "cgroup", "rw,blkio", &tree, NULL));
        g_assert_true(dol_cgroup_limit(&tree, &wanted, NULL));
        iops = get(directory, "tree/a/blkio.throttle.read_iops_device");
        bps = get(directory, "tree/a/blkio.throttle.write_bps_device");
        none = get(directory, "tree/a/blkio.throttle.read_bps_device");
        g_assert_cmpstr(iops, ==, "7:3 100");
        g_assert_cmpstr(bps, ==, "7:3 1048576");
        g_assert_cmpstr(none, ==, "7:3 0");
        wanted.group = (char *)"/gone";
        g_assert_true(dol_cgroup_limit(&tree, &wanted, NULL));
}

static void test_version_2(void)
{
        dol_test_directory directory = dol_test_directory_new();
        g_auto(dol_cgroup_tree) tree = {0};
        g_autoptr(GPtrArray) found = NULL;
        g_autofree char *handed_down = NULL, *limits = NULL;
        const dol_group_limits wanted = {DEVICE, (char *)"/b", some};
        const dol_group_limits *first;

        put(directory, "tree/cgroup.controllers", "cpu io memory\n");
        put(directory, "tree/cgroup.subtree_control", "cpu\n");
        put(directory, "tree/a/io.max",
            "8:0 rbps=5 wbps=max riops=max wiops=max\n"
            "7:3 rbps=max wbps=1048576 riops=100 wiops=max\n");
        put(directory, "tree/b/io.max", "");
        g_assert_true(find(directory, "cgroup2", "rw,nsdelegate", &tree, NULL));
        g_assert_cmpint(tree.version, ==, DOL_CGROUP_V2);
        found = dol_cgroup_limits(&tree, NULL);
        g_assert_cmpuint(found->len, ==, 1);
        first = found->pdata[0];
        g_assert_cmpstr(first->group, ==, "/a");
        g_assert_true(first->device == DEVICE && dol_io_limits_equal(&first->limits, &some));
        g_assert_true(dol_cgroup_limit(&tree, &wanted, NULL));
        handed_down = get(directory, "tree/cgroup.subtree_control");
        limits = get(directory, "tree/b/io.max");
        g_assert_cmpstr(handed_down, ==, "+io\n"); /* written over the beginning of a plain file */
        g_assert_cmpstr(limits, ==, "7:3 riops=100 wiops=max rbps=max wbps=1048576");
}

static void test_hosts_that_cannot(void)
{
        dol_test_directory directory = dol_test_directory_new();
        g_auto(dol_cgroup_tree) tree = {0};
        g_autofree char *no_io = NULL;
        g_autoptr(GError) error = NULL;

        g_assert_false(find(directory, "tmpfs", "rw,blkio", &tree, &error));
        dol_assert_failed(error, DOL_ERROR_UNSUPPORTED,
                          "no control groups are mounted that limit I/O (cgroup2, or blkio of the "
                          "first version)");
        put(directory, "tree/cgroup.controllers", "cpu memory\n");
        no_io = g_strdup_printf("control groups at '%s/tree' have no io controller", directory);
        g_assert_false(find(directory, "cgroup2", "rw", &tree, &error));
        dol_assert_failed(error, DOL_ERROR_UNSUPPORTED, no_io);
        g_assert_false(find(directory, "cgroup", "rw,blkio", &tree, &error));
        dol_assert_failed(error, DOL_ERROR_UNSUPPORTED,
                          "this kernel's blkio controller cannot throttle "
                          "(CONFIG_BLK_DEV_THROTTLING)");
        g_assert_null(tree.directory);
}

int main(int argc, char **argv)
{
        dol_test_init(&argc, &argv);
        g_test_add_func("/cgroup/version-1", test_version_1);
        g_test_add_func("/cgroup/version-1/writes", test_version_1_writes);
        g_test_add_func("/cgroup/version-2", test_version_2);
        g_test_add_func("/cgroup/hosts-that-cannot", test_hosts_that_cannot);
        return g_test_run();
}
