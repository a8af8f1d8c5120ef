/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"

#include "base/guard.h"
#include "base/test.h"

#include <errno.h>
#include <string.h>

static char *read_text(const char *path)
{
        g_autoptr(GError) error = NULL;
        char *text = NULL;

        g_assert_true(dol_file_read(path, 1 << 20, &text, NULL, &error));
        g_assert_no_error(error);
        return text;
}

static unsigned count_entries(const char *path)
{
        g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
        unsigned count = 0;

        while (dir && g_dir_read_name(dir))
                count++;
        return count;
}

static void test_replace(void)
{
        dol_test_directory base = dol_test_directory_new();
        g_autofree char *path = g_build_filename(base, "volume.json", NULL);
        g_autofree char *first = NULL, *second = NULL;
        struct stat st;

        g_assert_true(dol_file_replace(path, "old", 3, 0600, NULL));
        first = read_text(path);
        g_assert_cmpstr(first, ==, "old");
        g_assert_true(dol_file_replace(path, "newer", 5, 0640, NULL));
        second = read_text(path);
        g_assert_cmpstr(second, ==, "newer");
        g_assert_cmpint(stat(path, &st), ==, 0);
        g_assert_cmpint(st.st_mode & 07777 & ~(unsigned)0640, ==, 0);
        g_assert_cmpuint(count_entries(base), ==, 1);
}

static void test_replace_after_a_crash(void)
{
        dol_test_directory base = dol_test_directory_new();
        g_autofree char *path = g_build_filename(base, "file", NULL);
        g_autofree char *left = g_build_filename(base, "file.tmp", NULL);
        g_autofree char *victim = g_build_filename(base, "victim", NULL);
        g_autofree char *text = NULL, *untouched = NULL;

        g_assert_true(dol_file_replace(victim, "mine", 4, 0600, NULL));
        g_assert_cmpint(symlink(victim, left), ==, 0);
        g_assert_true(dol_file_replace(path, "new", 3, 0600, NULL));
        text = read_text(path);
        g_assert_cmpstr(text, ==, "new");
        untouched = read_text(victim);
        g_assert_cmpstr(untouched, ==, "mine");
        g_assert_false(g_file_test(path, G_FILE_TEST_IS_SYMLINK));
}

static void test_failed_replace_leaves_the_old(void)
{
        dol_test_directory base = dol_test_directory_new();
        g_autofree char *path = g_build_filename(base, "directory", NULL);
        g_autofree char *lost = g_build_filename(base, "none", "file", NULL);
        g_autofree char *wanted = g_strdup_printf("create '%s.tmp': %s", lost, g_strerror(ENOENT));
        GError *error = NULL;

        g_assert_cmpint(mkdir(path, 0700), ==, 0);
        g_assert_false(dol_file_replace(path, "x", 1, 0600, &error));
        g_assert_true(dol_error_is(error, DOL_ERROR_CONFLICT));
        g_clear_error(&error);
        g_assert_cmpuint(count_entries(base), ==, 1);
        g_assert_false(dol_file_replace(lost, "x", 1, 0600, &error));
        dol_assert_failed(error, DOL_ERROR_NOT_FOUND, wanted);
}

static void test_full_disk(void)
{
        dol_autofd full = open("/dev/full", O_WRONLY | O_CLOEXEC);
        GError *error = NULL;

        g_assert_false(dol_write_all(full, "x", 1, &error));
        g_assert_true(dol_error_is(error, DOL_ERROR_NO_SPACE));
        g_clear_error(&error);
        g_assert_true(dol_write_all(full, "", 0, &error));
}

static void test_read_limits(void)
{
        dol_test_directory base = dol_test_directory_new();
        g_autofree char *path = g_build_filename(base, "file", NULL);
        g_autofree char *wanted = g_strdup_printf("'%s' is larger than 2 bytes", path);
        g_autofree char *text = NULL;
        char *untouched = NULL;
        GError *error = NULL;
        size_t size = 0;

        g_assert_true(dol_file_replace(path, "a\0c", 3, 0600, NULL));
        g_assert_true(dol_file_read(path, 3, &text, &size, NULL));
        g_assert_cmpmem(text, size, "a\0c", 3);
        g_assert_cmpint(text[3], ==, '\0');
        g_assert_false(dol_file_read(path, 2, &untouched, NULL, &error));
        dol_assert_failed(error, DOL_ERROR_INVALID, wanted);
        g_assert_null(untouched);
        g_assert_false(dol_file_read("/dev/zero", 1 << 20, &untouched, NULL, NULL));
}

static void test_read_what_is_no_file(void)
{
        dol_test_directory base = dol_test_directory_new();
        g_autofree char *fifo = g_build_filename(base, "fifo", NULL);
        g_autofree char *text = NULL;
        char *untouched = NULL;
        GError *error = NULL;

        g_assert_cmpint(mkfifo(fifo, 0600), ==, 0);
        g_assert_true(dol_file_read(fifo, 100, &text, NULL, NULL));
        g_assert_cmpstr(text, ==, "");
        g_assert_false(dol_file_read(base, 100, &untouched, NULL, &error));
        g_assert_true(dol_error_is(error, DOL_ERROR_CONFLICT));
        g_clear_error(&error);
        g_assert_false(dol_file_read("/nonexistent", 100, &untouched, NULL, &error));
        dol_assert_failed(error, DOL_ERROR_NOT_FOUND,
                          "open '/nonexistent': No such file or directory");
}

static void test_read_line(void)
{
        g_autofree char *boot_id = dol_file_read_line("/proc/sys/kernel/random/boot_id", NULL);
        g_autofree char *empty = dol_file_read_line("/dev/null", NULL);

        g_assert_cmpuint(strlen(boot_id), ==, 36);
        g_assert_cmpstr(empty, ==, "");
        g_assert_null(dol_file_read_line("/nonexistent", NULL));
}

static void test_directory(void)
{
        dol_test_directory base = dol_test_directory_new();
        g_autofree char *deep = g_build_filename(base, "a", "b", "c", NULL);
        g_autofree char *slash = g_strconcat(base, "/x//y/", NULL);
        struct stat st;

        g_assert_true(dol_directory_ensure(deep, 0700, NULL));
        g_assert_true(dol_directory_ensure(deep, 0755, NULL));
        g_assert_true(dol_directory_ensure(slash, 0700, NULL));
        g_assert_true(dol_directory_ensure("/", 0700, NULL));
        g_assert_true(dol_directory_ensure(".", 0700, NULL));
        g_assert_cmpint(stat(deep, &st), ==, 0);
        g_assert_cmpint(st.st_mode & 07777, ==, 0700);
        g_assert_true(dol_directory_sync(deep, NULL));
}

static void test_directory_in_the_way(void)
{
        dol_test_directory base = dol_test_directory_new();
        g_autofree char *file = g_build_filename(base, "file", NULL);
        g_autofree char *below = g_build_filename(file, "x", "y", NULL);
        g_autofree char *wanted = g_strdup_printf("'%s' exists and is not a directory", file);
        GError *error = NULL;

        g_assert_true(dol_file_replace(file, "", 0, 0600, NULL));
        g_assert_false(dol_directory_ensure(file, 0700, &error));
        dol_assert_failed(error, DOL_ERROR_CONFLICT, wanted);
        g_assert_false(dol_directory_ensure(below, 0700, &error));
        g_assert_true(dol_error_is(error, DOL_ERROR_CONFLICT));
        g_clear_error(&error);
        g_assert_false(dol_directory_ensure("", 0700, NULL));
        g_assert_false(dol_directory_sync(file, NULL));
        g_assert_false(dol_directory_sync("/nonexistent", NULL));
}

static void test_fd_guard(void)
{
        int copy;

        {
                dol_autofd fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

                copy = fd;
                g_assert_cmpint(fcntl(copy, F_GETFD), >=, 0);
        }
        g_assert_cmpint(fcntl(copy, F_GETFD), ==, -1);
        {
                dol_autofd fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

                copy = dol_steal_fd(&fd);
                g_assert_cmpint(fd, ==, -1);
        }
        g_assert_cmpint(fcntl(copy, F_GETFD), >=, 0);
        dol_close_fd(&copy);
        g_assert_cmpint(copy, ==, -1);
}

int main(int argc, char **argv)
{
        dol_test_init(&argc, &argv);
        g_test_add_func("/file/replace", test_replace);
        g_test_add_func("/file/replace-after-crash", test_replace_after_a_crash);
        g_test_add_func("/file/replace-failed", test_failed_replace_leaves_the_old);
        g_test_add_func("/file/full-disk", test_full_disk);
        g_test_add_func("/file/read-limits", test_read_limits);
        g_test_add_func("/file/read-no-file", test_read_what_is_no_file);
        g_test_add_func("/file/read-line", test_read_line);
        g_test_add_func("/file/directory", test_directory);
        g_test_add_func("/file/directory-in-the-way", test_directory_in_the_way);
        g_test_add_func("/file/fd-guard", test_fd_guard);
        return g_test_run();
}
