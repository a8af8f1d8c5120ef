/* SPDX-License-Identifier: Apache-2.0 */
#include "driver/tree.h"

#include "base/guard.h"
#include "driver/test-suite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DEPTH = 3000 };

static dol_call forever;

static char *new_directory(void)
{
        char *path = g_dir_make_tmp("dolium-tree-XXXXXX", NULL);

        g_assert_nonnull(path);
        return path;
}

static void touch(const char *directory, const char *name)
{
        g_autofree char *path = g_build_filename(directory, name, NULL);
        dol_autofd fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

        g_assert_cmpint(fd, >=, 0);
}

static bool exists(const char *path)
{
        struct stat st;

        return lstat(path, &st) == 0;
}

static void test_absent(void)
{
        g_autoptr(GError) error = NULL;

        dol_assert_done(dol_tree_remove(&forever, "/nowhere/at/all", &error), error);
}

/* Links out of the tree, dangling ones, odd names: what they point to stays. */
static void test_links(void)
{
        g_autofree char *kept = new_directory();
        g_autofree char *tree = new_directory();
        g_autofree char *link = g_build_filename(tree, "out", NULL);
        g_autofree char *dangling = g_build_filename(tree, "dangling", NULL);
        g_autofree char *file = g_build_filename(kept, "file", NULL);
        g_autoptr(GError) error = NULL;

        touch(kept, "file");
        touch(tree, "line\nbreak");
        touch(tree, "\xff\xfe");
        touch(tree, "-rf");
        g_assert_cmpint(symlink(kept, link), ==, 0);
        g_assert_cmpint(symlink("/nowhere", dangling), ==, 0);
        dol_assert_done(dol_tree_remove(&forever, tree, &error), error);
        g_assert_false(exists(tree));
        g_assert_true(exists(file));
        dol_assert_done(dol_tree_remove(&forever, kept, &error), error);
}

/* The root itself may not be a link either: nothing is touched. */
static void test_root_is_link(void)
{
        g_autofree char *kept = new_directory();
        g_autofree char *link = g_strconcat(kept, ".link", NULL);
        g_autoptr(GError) error = NULL;

        touch(kept, "file");
        g_assert_cmpint(symlink(kept, link), ==, 0);
        g_assert_false(dol_tree_remove(&forever, link, &error));
        g_assert_nonnull(error);
        g_assert_true(exists(link));
        g_clear_error(&error);
        unlink(link);
        dol_assert_done(dol_tree_remove(&forever, kept, &error), error);
}

/* Deeper than any path may be long, and than descriptors may be open. */
static void test_deep(void)
{
        g_autofree char *tree = new_directory();
        struct rlimit few;
        int fd = open(tree, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        g_autoptr(GError) error = NULL;

        g_assert_cmpint(getrlimit(RLIMIT_NOFILE, &few), ==, 0);
        few.rlim_cur = 128; /* valgrind refuses another hard limit */
        g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &few), ==, 0);
        for (unsigned i = 0; i < DEPTH; i++) {
                int next;

                g_assert_cmpint(mkdirat(fd, "directory", 0700), ==, 0);
                next = openat(fd, "directory", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                g_assert_cmpint(next, >=, 0);
                close(fd);
                fd = next;
        }
        close(openat(fd, "file", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
        close(fd);
        dol_assert_done(dol_tree_remove(&forever, tree, &error), error);
        g_assert_false(exists(tree));
}

static void test_wide(void)
{
        g_autofree char *tree = new_directory();
        g_autoptr(GError) error = NULL;

        for (unsigned i = 0; i < 3000; i++) {
                g_autofree char *name = g_strdup_printf("file-%u", i);

                touch(tree, name);
        }
        dol_assert_done(dol_tree_remove(&forever, tree, &error), error);
        g_assert_false(exists(tree));
}

static void test_deadline(void)
{
        g_autofree char *tree = new_directory();
        dol_call late = dol_call_within("test", -1);
        g_autoptr(GError) error = NULL;

        touch(tree, "file");
        g_assert_false(dol_tree_remove(&late, tree, &error));
        g_assert_error(error, DOL_ERROR, DOL_ERROR_TIMEOUT);
        g_clear_error(&error);
        dol_assert_done(dol_tree_remove(&forever, tree, &error), error);
}

static void add_tests(void)
{
        forever = dol_call_forever("test");
        g_test_add_func("/tree/absent", test_absent);
        g_test_add_func("/tree/links", test_links);
        g_test_add_func("/tree/root-is-link", test_root_is_link);
        g_test_add_func("/tree/wide", test_wide);
        g_test_add_func("/tree/deadline", test_deadline);
        g_test_add_func("/tree/deep", test_deep);
}

int main(int argc, char **argv)
{
        return suite_unit_main(argc, argv, add_tests);
}
