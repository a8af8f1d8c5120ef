/* SPDX-License-Identifier: Apache-2.0 */
/* Checking and repairing: what is clean, damage made on purpose, journals that wait. */
#include "base/guard.h"
#include "host/freeze.h"
#include "host/grow.h"
#include "host/image-mounted.h"
#include "host/loop.h"
#include "host/test-volume-fixture.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

enum { SEED = 8, REPORT_MAX = 65536, LIMIT_USEC = 10000000 };

static char *disk;

static bool check(const char *image, dol_fs_kind fs, bool repair)
{
        dol_call call = dol_call_forever("test");
        g_autofree char *report = NULL;
        g_autoptr(GError) error = NULL;
        bool clean = false;

        dol_assert_done(dol_image_check(&call, fs, image, repair, &clean, &report, &error), error);
        g_assert_nonnull(report);
        g_assert_cmpuint(strlen(report), >, 0);
        g_assert_cmpuint(strlen(report), <=, REPORT_MAX);
        if (!clean)
                g_test_message("%.300s", report);
        return clean;
}

static char *filled(dol_fs_kind fs)
{
        char *image = dol_fixture_image(disk, fs, 320 * MIB);
        g_autofree char *at = dol_fixture_mount(image, fs);

        dol_fixture_fill(at, SEED);
        dol_fixture_unmount(at);
        return image;
}

static void overwrite(const char *image, uint64_t offset, uint64_t length)
{
        dol_autofd fd = open(image, O_RDWR | O_CLOEXEC);
        g_autofree char *bytes = g_malloc(length);

        memset(bytes, 0x5a, length);
        g_assert_cmpint(pwrite(fd, bytes, length, (off_t)offset), ==, (ssize_t)length);
}

static void test_clean(void)
{
        static const dol_fs_kind kinds[] = {DOL_FS_EXT4, DOL_FS_XFS};

        for (unsigned i = 0; i < G_N_ELEMENTS(kinds); i++) {
                g_autofree char *image = filled(kinds[i]);

                g_assert_true(check(image, kinds[i], false));
                g_assert_true(check(image, kinds[i], true));
                dol_fixture_check_image(image, kinds[i], SEED);
        }
}

/* Found, left alone without --repair, mended with it. */
static void check_mending(const char *image, dol_fs_kind fs)
{
        g_autofree char *at = NULL;

        g_assert_false(check(image, fs, false));
        g_assert_false(check(image, fs, false));
        g_assert_true(check(image, fs, true));
        g_assert_true(check(image, fs, false));
        at = dol_fixture_mount(image, fs);
        dol_fixture_unmount(at);
}

static void check_damage(dol_fs_kind fs, uint64_t offset, uint64_t length)
{
        g_autofree char *image = filled(fs);

        overwrite(image, offset, length);
        check_mending(image, fs);
}

static void test_damaged_ext4(void)
{
        g_autofree char *image = filled(DOL_FS_EXT4);
        const char *const clear[] = {"debugfs", "-w", "-R", "clri /directory-3", image, NULL};

        g_assert_true(dol_ground_run(clear));
        check_mending(image, DOL_FS_EXT4);
        check_damage(DOL_FS_EXT4, 4096, 64);      /* group descriptors */
        check_damage(DOL_FS_EXT4, 1024 + 4, 100); /* superblock */
        check_damage(DOL_FS_EXT4, 0, 8192);       /* both */
}

static void test_damaged_xfs(void)
{
        check_damage(DOL_FS_XFS, 0, 512);         /* superblock */
        check_damage(DOL_FS_XFS, 4096, 4096);     /* free space of the first group */
        check_damage(DOL_FS_XFS, 2 * 4096, 4096); /* its inodes */
        check_damage(DOL_FS_XFS, 80 * MIB, MIB);  /* the second group */
}

static void test_lost_for_good(void)
{
        g_autofree char *nothing = dol_ground_file(disk, "nothing", 64 * MIB);

        g_assert_false(check(nothing, DOL_FS_EXT4, false));
        g_assert_false(check(nothing, DOL_FS_EXT4, true));
}

/* A clone of what is in use, after the writer was frozen or not. */
static char *clone_in_use(dol_fs_kind fs, bool frozen)
{
        g_autofree char *image = dol_fixture_image(disk, fs, 320 * MIB);
        g_autofree char *at = dol_fixture_mount(image, fs);
        const char *const paths[] = {at, NULL};
        dol_call call = dol_call_forever("test");
        g_autoptr(GError) error = NULL;
        dol_freeze *freeze = NULL;
        char *copy;

        dol_fixture_fill(at, SEED);
        sync();
        if (frozen)
                freeze = dol_freeze_begin(&call, paths, LIMIT_USEC, &error);
        g_assert_no_error(error);
        copy = dol_fixture_clone(image);
        if (freeze)
                dol_assert_done(dol_freeze_end(freeze, NULL, &error), error);
        dol_fixture_unmount(at);
        return copy;
}

/* After the journal's replay, a crash-consistent clone is clean. A frozen one is at once, but for
 * xfs, which leaves something in its log also then. */
static void test_in_use(void)
{
        static const dol_fs_kind kinds[] = {DOL_FS_EXT4, DOL_FS_XFS};
        dol_call call = dol_call_forever("test");
        g_autoptr(GError) error = NULL;

        for (unsigned i = 0; i < G_N_ELEMENTS(kinds); i++) {
                g_autofree char *frozen = clone_in_use(kinds[i], true);
                g_autofree char *torn = clone_in_use(kinds[i], false);
                g_autofree char *repaired = dol_fixture_clone(torn);

                if (kinds[i] == DOL_FS_XFS)
                        dol_assert_done(dol_image_replay(&call, kinds[i], frozen, &error), error);
                g_assert_true(check(frozen, kinds[i], false));
                dol_assert_done(dol_image_replay(&call, kinds[i], torn, &error), error);
                g_assert_true(check(torn, kinds[i], false));
                dol_assert_done(dol_image_replay(&call, kinds[i], torn, &error), error);
                g_assert_true(check(repaired, kinds[i], true));
                dol_fixture_check_image(torn, kinds[i], SEED);
                dol_fixture_check_image(repaired, kinds[i], SEED);
        }
}

/* A log that cannot be replayed is thrown away, and the report says so. */
static void test_damaged_log(void)
{
        g_autofree char *copy = clone_in_use(DOL_FS_XFS, false);
        dol_call call = dol_call_forever("test");
        g_autoptr(GError) error = NULL;

        overwrite(copy, 4096, 4096);
        g_assert_false(dol_image_replay(&call, DOL_FS_XFS, copy, &error));
        g_assert_error(error, DOL_ERROR, DOL_ERROR_INTERNAL);
        g_assert_true(check(copy, DOL_FS_XFS, true));
        g_assert_true(check(copy, DOL_FS_XFS, false));
}

static void check_busy(const char *path, dol_fs_kind fs)
{
        dol_call call = dol_call_forever("test");
        g_autoptr(GError) error = NULL;
        char *report = NULL;
        bool clean;

        g_assert_false(dol_image_check(&call, fs, path, true, &clean, &report, &error));
        g_assert_error(error, DOL_ERROR, DOL_ERROR_BUSY);
        g_assert_null(report);
}

static void test_in_the_way(void)
{
        static const dol_fs_kind kinds[] = {DOL_FS_EXT4, DOL_FS_XFS};

        for (unsigned i = 0; i < G_N_ELEMENTS(kinds); i++) {
                g_autofree char *image = filled(kinds[i]);
                g_autofree char *at = dol_fixture_mount(image, kinds[i]);
                g_auto(dol_loop) loop = DOL_LOOP_INIT;
                g_autoptr(GError) error = NULL;

                check_busy(image, kinds[i]);
                g_assert_true(dol_loop_find(image, &loop, &error));
                check_busy(loop.device, kinds[i]);
                dol_fixture_unmount(at);
                g_assert_true(check(loop.device, kinds[i], true));
                g_assert_true(check(loop.device, kinds[i], false));
        }
}

static void test_refused(void)
{
        dol_call call = dol_call_forever("test");
        dol_call late = dol_call_within("test", -1);
        g_autoptr(GError) error = NULL;
        char *report = NULL;
        bool clean;

        g_assert_false(dol_image_check(&call, DOL_FS_NONE, disk, false, &clean, &report, &error));
        g_assert_error(error, DOL_ERROR, DOL_ERROR_UNSUPPORTED);
        g_clear_error(&error);
        g_assert_false(dol_image_check(&call, DOL_FS_XFS, "/no/such/image", false, &clean, &report,
                                       &error));
        g_assert_error(error, DOL_ERROR, DOL_ERROR_NOT_FOUND);
        g_clear_error(&error);
        g_assert_false(dol_image_check(&late, DOL_FS_XFS, disk, false, &clean, &report, &error));
        g_assert_error(error, DOL_ERROR, DOL_ERROR_TIMEOUT);
        g_assert_null(report);
}

/* A device that is only just going away is no reason to refuse. */
static void *hold_open(void *user)
{
        g_usleep(100000);
        dol_loop_clear(user);
        return NULL;
}

static void test_going_away(void)
{
        g_autofree char *image = filled(DOL_FS_EXT4);
        const dol_loop_options options = {.autoclear = true};
        dol_call call = dol_call_forever("test");
        dol_loop loop = DOL_LOOP_INIT;
        g_autoptr(GError) error = NULL;
        pthread_t thread;

        dol_assert_done(dol_loop_attach(&call, image, &options, &loop, &error), error);
        g_assert_cmpint(pthread_create(&thread, NULL, hold_open, &loop), ==, 0);
        dol_assert_done(dol_image_is_free(image, &error), error);
        pthread_join(thread, NULL);
}

static void add_tests(void)
{
        disk = dol_ground_disk("xfs", 8 * GIB);
        g_test_add_func("/check/clean", test_clean);
        g_test_add_func("/check/damaged-ext4", test_damaged_ext4);
        g_test_add_func("/check/damaged-xfs", test_damaged_xfs);
        g_test_add_func("/check/lost-for-good", test_lost_for_good);
        g_test_add_func("/check/in-use", test_in_use);
        g_test_add_func("/check/damaged-log", test_damaged_log);
        g_test_add_func("/check/in-the-way", test_in_the_way);
        g_test_add_func("/check/refused", test_refused);
        g_test_add_func("/check/going-away", test_going_away);
}

int main(int argc, char **argv)
{
        int status = dol_ground_main(argc, argv, add_tests);

        g_free(disk);
        return status;
}
