/* SPDX-License-Identifier: Apache-2.0 */
/* The conformance suite where volumes can be mounted. */
#include "driver/test-suite.h"

#include "base/file.h"
#include "driver/tree.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILL_MAX = 128 << 20 };

static void write_marker(const char *at)
{
        g_autofree char *file = g_build_filename(at, "marker", NULL);
        g_autoptr(GError) error = NULL;

        dol_assert_done(dol_file_replace(file, "here", 4, 0600, &error), error);
}

static void check_marker(const char *at)
{
        g_autofree char *file = g_build_filename(at, "marker", NULL);
        g_autofree char *text = NULL;
        g_autoptr(GError) error = NULL;

        dol_assert_done(dol_file_read(file, 100, &text, NULL, &error), error);
        g_assert_cmpstr(text, ==, "here");
}

/* While it is mounted nothing takes it away; its root is as asked; data outlives all of it. */
static void test_mounted(const void *row)
{
        g_auto(suite_pool) suite = {0};
        g_autoptr(dol_volume) volume = suite_volume(row, "a");
        g_autofree char *at = NULL, *then = NULL;
        g_autoptr(GError) error = NULL;
        struct stat st;

        suite_pool_init(&suite, row);
        suite_pool_open(&suite);
        volume->spec.uid = 1234;
        volume->spec.gid = 4321;
        volume->spec.mode = 01775;
        g_free(suite_create(&suite, volume));
        at = suite_mount(&suite, volume);
        g_assert_cmpint(stat(at, &st), ==, 0);
        g_assert_cmpuint(st.st_uid, ==, 1234);
        g_assert_cmpuint(st.st_gid, ==, 4321);
        g_assert_cmpuint(st.st_mode & 07777, ==, 01775);
        write_marker(at);
        suite_assert_failed(dol_pool_detach(suite.pool, &suite.call, volume->uid, &error), error,
                            DOL_ERROR_BUSY, "mounted");
        suite_assert_failed(dol_pool_destroy(suite.pool, &suite.call, volume->uid, &error), error,
                            DOL_ERROR_BUSY, "mounted");
        check_marker(at);
        suite_pool_open(&suite);
        g_assert_true(suite_is_attached(&suite, volume->uid));
        suite_unmount(&suite, at);
        suite_wait_detached(&suite, volume->uid);
        dol_assert_done(dol_pool_detach(suite.pool, &suite.call, volume->uid, &error), error);
        g_assert_false(suite_is_attached(&suite, volume->uid));
        then = suite_mount(&suite, volume);
        check_marker(then);
        suite_unmount(&suite, then);
        suite_destroy(&suite, volume->uid);
}

/* Writes until no more goes in; returns how much that was. */
static uint64_t fill(const char *at, uint64_t max)
{
        g_autofree char *file = g_build_filename(at, "fill", NULL);
        g_autofree char *chunk = g_malloc0(1 << 20);
        int fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        uint64_t written = 0;
        ssize_t n;

        g_assert_cmpint(fd, >=, 0);
        memset(chunk, 'x', 1 << 20);
        while (written < max && (n = write(fd, chunk, 1 << 20)) > 0)
                written += (uint64_t)n;
        close(fd);
        return written;
}

static void test_size(const void *row)
{
        g_auto(suite_pool) suite = {0};
        g_autoptr(dol_volume) volume = suite_volume(row, "a");
        g_autofree char *at = NULL;
        uint64_t written;

        suite_pool_init(&suite, row);
        suite_pool_open(&suite);
        g_free(suite_create(&suite, volume));
        at = suite_mount(&suite, volume);
        written = fill(at, FILL_MAX);
        if (dol_pool_has(suite.pool, DOL_TRAIT_SIZE_ENFORCED))
                g_assert_cmpuint(written, <, volume->spec.size);
        else
                g_assert_cmpuint(written, ==, FILL_MAX);
        suite_unmount(&suite, at);
        suite_destroy(&suite, volume->uid);
}

/* Something is mounted inside a volume's directory, on the host: it survives, and so does all. */
static void test_mount_inside(const void *row)
{
        g_auto(suite_pool) suite = {0};
        g_autoptr(dol_volume) volume = suite_volume(row, "a");
        g_autofree char *data = NULL, *inside = NULL;
        g_autoptr(GError) error = NULL;

        suite_pool_init(&suite, row);
        suite_pool_open(&suite);
        g_free(suite_create(&suite, volume));
        data = suite_path(&suite, volume->uid, "data");
        inside = g_build_filename(data, "inside", NULL);
        g_assert_cmpint(mkdir(inside, 0700), ==, 0);
        g_assert_cmpint(mount("tmpfs", inside, "tmpfs", 0, NULL), ==, 0);
        write_marker(inside);
        suite_assert_failed(dol_pool_destroy(suite.pool, &suite.call, volume->uid, &error), error,
                            DOL_ERROR_BUSY, inside);
        suite_assert_failed(dol_tree_remove(&suite.call, data, &error), error, DOL_ERROR_BUSY,
                            "inside");
        check_marker(inside);
        g_assert_cmpint(umount(inside), ==, 0);
        suite_destroy(&suite, volume->uid);
}

void suite_add_mounted(const suite_host *host)
{
        g_autofree char *mounted = g_strdup_printf("/%s/mounted", host->name);
        g_autofree char *size = g_strdup_printf("/%s/size", host->name);

        g_test_add_data_func(mounted, host, test_mounted);
        g_test_add_data_func(size, host, test_size);
        if (host->directories)
                g_test_add_data_func("/dir/mount-inside", host, test_mount_inside);
}
