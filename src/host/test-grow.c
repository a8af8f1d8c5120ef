/* SPDX-License-Identifier: Apache-2.0 */
/* Growing: image, device, file system; each step repeated, none ever shrinks. */
#include "codec/units.h"
#include "host/grow.h"

#include "base/fault.h"
#include "base/guard.h"
#include "host/extents.h"
#include "host/loop.h"
#include "host/space.h"
#include "host/test-volume-fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

enum { SEED = 3, CAP_SYS_RESOURCE_BIT = 24, KILLS = 12 };

static char *disk;

static void grow_image(const char *image, uint64_t size, bool thick)
{
        dol_call call = dol_call_forever("test");
        g_autoptr(GError) error = NULL;
        struct stat st;

        dol_assert_done(dol_grow_image(&call, image, size, thick, &error), error);
        g_assert_cmpint(stat(image, &st), ==, 0);
        g_assert_cmpuint((uint64_t)st.st_size, ==, size);
}

static void check_refused(const char *image, uint64_t size, dol_error_kind kind)
{
        dol_call call = dol_call_forever("test");
        g_autoptr(GError) error = NULL;

        g_assert_false(dol_grow_image(&call, image, size, false, &error));
        g_assert_error(error, DOL_ERROR, (int)kind);
        g_test_message("%s", error->message);
}

static void test_image(void)
{
        g_autofree char *image = dol_ground_file(disk, "file", 64 * MIB);
        uint64_t allocated = 1;

        grow_image(image, 64 * MIB, false);
        grow_image(image, 10 * GIB, false);
        grow_image(image, 10 * GIB, false);
        g_assert_true(dol_space_allocated(image, &allocated, NULL));
        g_assert_cmpuint(allocated, ==, 0);
        check_refused(image, 10 * GIB - 4096, DOL_ERROR_INVALID);
        check_refused(image, 0, DOL_ERROR_INVALID);
        check_refused(image, 10 * GIB + 1, DOL_ERROR_INVALID);
        check_refused(image, UINT64_MAX - 4095, DOL_ERROR_INVALID);
        check_refused("/no/such/image", GIB, DOL_ERROR_NOT_FOUND);
        check_refused("/dev/null", GIB, DOL_ERROR_INVALID);
        check_refused(disk, GIB, DOL_ERROR_CONFLICT);
}

static void check_thick(const char *on)
{
        g_autofree char *image = dol_ground_file(on, "thick", 16 * MIB);
        dol_call call = dol_call_forever("test");
        g_autoptr(GError) error = NULL;
        uint64_t allocated = 0, before = 0;
        struct stat st;

        grow_image(image, 64 * MIB, true);
        grow_image(image, 64 * MIB, true);
        g_assert_true(dol_space_allocated(image, &allocated, NULL));
        g_assert_cmpuint(allocated, >=, 64 * MIB);
        /* more than there is: nothing of it is taken */
        g_assert_true(dol_space_allocated(image, &before, NULL));
        g_assert_false(dol_grow_image(&call, image, 64 * GIB, true, &error));
        g_assert_error(error, DOL_ERROR, DOL_ERROR_NO_SPACE);
        g_assert_cmpint(stat(image, &st), ==, 0);
        g_assert_cmpuint((uint64_t)st.st_size, ==, 64 * MIB);
        g_assert_true(dol_space_allocated(image, &allocated, NULL));
        g_assert_cmpuint(allocated, ==, before);
        g_assert_cmpint(unlink(image), ==, 0);
}

static void test_thick(void)
{
        g_autofree char *btrfs = dol_ground_disk("btrfs", 512 * MIB);

        check_thick(disk);
        check_thick(btrfs);
}

static bool may_grow_ext4(void)
{
        g_autofree char *status = NULL;
        const char *line;

        g_assert_true(g_file_get_contents("/proc/self/status", &status, NULL, NULL));
        line = strstr(status, "CapEff:");
        return g_ascii_strtoull(line + strlen("CapEff:"), NULL, 16) >> CAP_SYS_RESOURCE_BIT & 1;
}

static void resize_device(const char *image)
{
        g_auto(dol_loop) loop = DOL_LOOP_INIT;
        g_autoptr(GError) error = NULL;

        g_assert_true(dol_loop_find(image, &loop, &error));
        dol_assert_done(dol_loop_resize(loop.device, &error), error);
}

/* Where the kernel refuses, it says why, and nothing has changed. */
static void grow_at(const char *at, dol_fs_kind fs, uint64_t size)
{
        dol_call call = dol_call_forever("test");
        uint64_t before = dol_fixture_size(at);
        g_autoptr(GError) error = NULL;

        if (fs == DOL_FS_EXT4 && !may_grow_ext4()) {
                g_assert_false(dol_grow_mounted(&call, fs, at, &error));
                g_assert_error(error, DOL_ERROR, DOL_ERROR_DENIED);
                g_assert_nonnull(strstr(error->message, "CAP_SYS_RESOURCE"));
                g_assert_cmpuint(dol_fixture_size(at), ==, before);
                return;
        }
        for (unsigned i = 0; i < 2; i++) {
                dol_assert_done(dol_grow_mounted(&call, fs, at, &error), error);
                g_assert_cmpuint(dol_fixture_size(at), >, size / 4 * 3);
                g_assert_cmpuint(dol_fixture_size(at), <=, size);
        }
}

static void check_mounted(dol_fs_kind fs, uint64_t first, const uint64_t *sizes, unsigned count)
{
        g_autofree char *image = dol_fixture_image(disk, fs, first);
        g_autofree char *at = dol_fixture_mount(image, fs);
        dol_call call = dol_call_forever("test");
        g_autoptr(GError) error = NULL;

        dol_fixture_fill(at, SEED);
        /* nothing to grow into: true, with or without the capability */
        dol_assert_done(dol_grow_mounted(&call, fs, at, &error), error);
        for (unsigned i = 0; i < count; i++) {
                grow_image(image, sizes[i], false);
                resize_device(image);
                grow_at(at, fs, sizes[i]);
                g_assert_true(dol_fixture_is_whole(at, SEED));
        }
        dol_fixture_unmount(at);
        dol_fixture_check_image(image, fs, SEED);
        g_assert_cmpint(unlink(image), ==, 0);
}

/* Far beyond the room that a template reserves for group descriptors. */
static void test_mounted_ext4(void)
{
        static const uint64_t sizes[] = {65 * MIB, 10 * GIB, 100 * GIB};

        check_mounted(DOL_FS_EXT4, 64 * MIB, sizes, G_N_ELEMENTS(sizes));
}

static void test_mounted_xfs(void)
{
        static const uint64_t sizes[] = {301 * MIB, 10 * GIB, 100 * GIB};

        check_mounted(DOL_FS_XFS, 300 * MIB, sizes, G_N_ELEMENTS(sizes));
}

static void check_not_grown(dol_fs_kind fs, const char *path, dol_error_kind kind)
{
        dol_call call = dol_call_forever("test");
        g_autoptr(GError) error = NULL;

        g_assert_false(dol_grow_mounted(&call, fs, path, &error));
        g_assert_error(error, DOL_ERROR, (int)kind);
}

static void test_wrong_mounts(void)
{
        g_autofree char *directory = g_build_filename(disk, "directory", NULL);

        g_assert_cmpint(mkdir(directory, 0755), ==, 0);
        check_not_grown(DOL_FS_EXT4, disk, DOL_ERROR_CONFLICT);
        check_not_grown(DOL_FS_NONE, disk, DOL_ERROR_UNSUPPORTED);
        check_not_grown(DOL_FS_XFS, directory, DOL_ERROR_NOT_FOUND);
        check_not_grown(DOL_FS_XFS, "/no/such/path", DOL_ERROR_NOT_FOUND);
}

static bool grow_at_rest(const char *image, dol_fs_kind fs, GError **error)
{
        dol_call call = dol_call_forever("test");

        return dol_grow_image_fs(&call, fs, image, error);
}

static char *filled(dol_fs_kind fs)
{
        char *image = dol_fixture_image(disk, fs, 300 * MIB);
        g_autofree char *at = dol_fixture_mount(image, fs);

        dol_fixture_fill(at, SEED);
        dol_fixture_unmount(at);
        return image;
}

static void check_size_at_rest(const char *image, dol_fs_kind fs, uint64_t size)
{
        g_autofree char *at = dol_fixture_mount(image, fs);

        g_assert_cmpuint(dol_fixture_size(at), >, size / 4 * 3);
        dol_fixture_unmount(at);
        dol_fixture_check_image(image, fs, SEED);
}

static void check_at_rest(dol_fs_kind fs)
{
        g_autofree char *image = filled(fs);
        g_autofree char *at = NULL;
        g_autoptr(GError) error = NULL;

        dol_assert_done(grow_at_rest(image, fs, &error), error);
        grow_image(image, 20 * GIB, false);
        dol_assert_done(grow_at_rest(image, fs, &error), error);
        dol_assert_done(grow_at_rest(image, fs, &error), error);
        check_size_at_rest(image, fs, 20 * GIB);
        at = dol_fixture_mount(image, fs);
        g_assert_false(grow_at_rest(image, fs, &error));
        g_assert_error(error, DOL_ERROR, DOL_ERROR_BUSY);
        dol_fixture_unmount(at);
        g_assert_cmpint(unlink(image), ==, 0);
}

static void test_at_rest(void)
{
        g_autoptr(GError) error = NULL;
        g_autofree char *empty = dol_ground_file(disk, "empty", 64 * MIB);

        check_at_rest(DOL_FS_EXT4);
        check_at_rest(DOL_FS_XFS);
        dol_assert_done(grow_at_rest("/no/such/image", DOL_FS_NONE, &error), error);
        g_assert_false(grow_at_rest(empty, DOL_FS_EXT4, &error));
        g_assert_error(error, DOL_ERROR, DOL_ERROR_INTERNAL);
}

/* e2fsck or resize2fs becomes this process' child then, and dies too. */
static void kill_grow(const char *image, unsigned usec)
{
        pid_t pid = dol_ground_fork();

        if (pid == 0) {
                grow_at_rest(image, DOL_FS_EXT4, NULL);
                _exit(0);
        }
        g_usleep(usec);
        kill(pid, SIGKILL);
        g_assert_cmpint(waitpid(pid, NULL, 0), ==, pid);
        dol_fixture_kill_orphans();
}

/* Whenever it dies, the next try finishes, and nothing is lost. */
static void test_killed_at_rest(void)
{
        g_autofree char *original = filled(DOL_FS_EXT4);

        prctl(PR_SET_CHILD_SUBREAPER, 1);
        for (unsigned i = 0; i < KILLS; i++) {
                g_autofree char *image = dol_fixture_clone(original);
                g_autoptr(GError) error = NULL;

                grow_image(image, 60 * GIB, false);
                kill_grow(image, (unsigned)g_random_int_range(1000, 120000));
                dol_assert_done(grow_at_rest(image, DOL_FS_EXT4, &error), error);
                check_size_at_rest(image, DOL_FS_EXT4, 60 * GIB);
                g_assert_cmpint(unlink(image), ==, 0);
        }
}

static void test_injected_errors(void)
{
        static const char *const points[] = {"host.grow.image.before", "host.grow.image.allocated",
                                             "host.grow.image.after"};
        g_autofree char *image = dol_ground_file(disk, "faulty", 16 * MIB);
        dol_call call = dol_call_forever("test");
        g_autoptr(GError) error = NULL;

        for (unsigned i = 0; i < G_N_ELEMENTS(points); i++) {
                g_autofree char *plan = g_strdup_printf("%s=error:denied", points[i]);

                dol_fault_arm(plan, NULL);
                g_assert_false(dol_grow_image(&call, image, 32 * MIB, true, &error));
                g_assert_error(error, DOL_ERROR, DOL_ERROR_DENIED);
                g_clear_error(&error);
        }
        dol_fault_arm(NULL, NULL);
        grow_image(image, 32 * MIB, true);
}

static void add_tests(void)
{
        disk = dol_ground_disk("xfs", 8 * GIB);
        g_test_add_func("/grow/image", test_image);
        g_test_add_func("/grow/thick", test_thick);
        g_test_add_func("/grow/mounted-ext4", test_mounted_ext4);
        g_test_add_func("/grow/mounted-xfs", test_mounted_xfs);
        g_test_add_func("/grow/wrong-mounts", test_wrong_mounts);
        g_test_add_func("/grow/at-rest", test_at_rest);
        g_test_add_func("/grow/killed-at-rest", test_killed_at_rest);
        g_test_add_func("/grow/injected-errors", test_injected_errors);
}

int main(int argc, char **argv)
{
        int status = dol_ground_main(argc, argv, add_tests);

        g_free(disk);
        return status;
}
