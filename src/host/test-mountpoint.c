/* SPDX-License-Identifier: Apache-2.0 */
#include "base/guard.h"
#include "host/test-mount-fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

static bool is_immutable(const char *path)
{
        dol_autofd fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int flags = 0;

        return fd >= 0 && ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0 && (flags & FS_IMMUTABLE_FL);
}

static void test_mount_point(fixture *f, const void *data)
{
        g_autofree char *inside = g_build_filename(f->path, "inside", NULL);
        g_autofree char *parent = g_path_get_dirname(f->path);
        g_autoptr(GError) error = NULL;
        struct stat st;

        dol_assert_done(dol_mountpoint_ensure(f->path, &error), error);
        dol_assert_done(dol_mountpoint_ensure(f->path, &error), error);
        g_assert_cmpint(stat(f->path, &st), ==, 0);
        g_assert_cmphex(st.st_mode & 07777, ==, 0);
        g_assert_true(is_immutable(f->path));
        g_assert_cmpint(stat(parent, &st), ==, 0);
        g_assert_cmphex(st.st_mode & 07777, ==, 0711);
        g_assert_cmpint(mkdir(inside, 0755), ==, -1); /* not even for root */
        g_assert_true(mount_ext4(f, NULL));
        g_assert_cmpint(mkdir(inside, 0755), ==, 0);
        dol_assert_done(dol_mountpoint_ensure(f->path, &error), error);
        g_assert_false(dol_mountpoint_remove(f->path, &error));
        g_assert_error(error, DOL_ERROR, DOL_ERROR_BUSY);
        g_clear_error(&error);
        dol_assert_done(dol_unmount(&f->call, f->path, &error), error);
        g_assert_true(is_immutable(f->path));
        dol_assert_done(dol_mountpoint_remove(f->path, &error), error);
        dol_assert_done(dol_mountpoint_remove(f->path, &error), error);
        g_assert_cmpint(stat(f->path, &st), ==, -1);
}

/* What somebody put into a bare mount point is neither hidden by a mount nor removed. */
static void test_mount_point_with_content(fixture *f, const void *data)
{
        g_autofree char *bare = g_strdup_printf("%s/bare-%08x", disk, g_random_int());
        g_autofree char *file = NULL;
        g_autoptr(GError) error = NULL;

        g_assert_cmpint(mkdir(bare, 0755), ==, 0);
        file = dol_ground_file(bare, "precious", 0);
        g_assert_false(dol_mount_device(&f->call, f->loop.device, "ext4", bare, NULL, &error));
        g_assert_error(error, DOL_ERROR, DOL_ERROR_CONFLICT);
        g_clear_error(&error);
        g_assert_false(dol_mountpoint_remove(bare, &error));
        g_assert_error(error, DOL_ERROR, DOL_ERROR_BUSY);
        g_assert_true(g_file_test(file, G_FILE_TEST_EXISTS));
}

/* A crash between making and marking leaves an ordinary directory. */
static void test_mount_point_half_made(fixture *f, const void *data)
{
        g_autofree char *half = g_strdup_printf("%s/half-%08x", disk, g_random_int());
        g_autofree char *link_path = g_strdup_printf("%s/link-%08x", disk, g_random_int());
        g_autoptr(GError) error = NULL;
        struct stat st;

        g_assert_cmpint(mkdir(half, 0755), ==, 0);
        dol_assert_done(dol_mountpoint_ensure(half, &error), error);
        g_assert_cmpint(stat(half, &st), ==, 0);
        g_assert_cmphex(st.st_mode & 07777, ==, 0);
        g_assert_true(is_immutable(half));
        g_assert_cmpint(symlink(half, link_path), ==, 0);
        g_assert_false(dol_mountpoint_ensure(link_path, &error));
        g_assert_error(error, DOL_ERROR, DOL_ERROR_CONFLICT);
        g_clear_error(&error);
        dol_assert_done(dol_mountpoint_remove(half, &error), error);
}

static void add_tests(void)
{
        fixture_test("/mountpoint/life", test_mount_point);
        fixture_test("/mountpoint/with-content", test_mount_point_with_content);
        fixture_test("/mountpoint/half-made", test_mount_point_half_made);
}

int main(int argc, char **argv)
{
        return fixture_main(argc, argv, add_tests);
}
