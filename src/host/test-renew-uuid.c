/* SPDX-License-Identifier: Apache-2.0 */
/* Copies of file systems beside their originals: another UUID, the same content. */
#include "base/clock.h"
#include "base/fault.h"
#include "base/guard.h"
#include "host/extents.h"
#include "host/freeze.h"
#include "host/grow.h"
#include "host/loop.h"
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

enum {
        SEED = 5,
        LATER_SEED = 6,
        KILLS = 15,
        LIMIT_USEC = 10000000,
        MEASURED = 20,
        TOUCHED = 8000,
        WRAPS = 8
};

static char *disk;

static char *uuid_of(const char *image)
{
        g_autofree char *type = NULL;
        g_autoptr(GError) error = NULL;
        char *uuid = NULL;

        dol_assert_done(dol_image_probe(image, &type, &uuid, &error), error);
        return uuid;
}

static void renew(const char *image, dol_fs_kind fs)
{
        g_autofree char *before = uuid_of(image);
        g_autofree char *after = NULL;
        g_autofree char *told = NULL;
        dol_call call = dol_call_forever("test");
        g_autoptr(GError) error = NULL;

        dol_assert_done(dol_image_renew_uuid(&call, fs, image, &told, &error), error);
        after = uuid_of(image);
        g_assert_cmpstr(after, ==, told);
        g_assert_cmpstr(after, !=, before);
        g_assert_true(g_uuid_string_is_valid(after));
        g_assert_true(dol_fixture_is_clean(image, fs));
}

/* Both at once, each with its own content. */
static void check_both(const char *original, const char *copy, dol_fs_kind fs)
{
        g_autofree char *first = dol_fixture_mount(original, fs);
        g_autofree char *second = dol_fixture_mount(copy, fs);

        g_assert_true(dol_fixture_is_whole(first, SEED));
        g_assert_true(dol_fixture_is_whole(second, SEED));
        dol_fixture_fill(first, LATER_SEED);
        g_assert_true(dol_fixture_is_whole(second, SEED));
        dol_fixture_unmount(first);
        dol_fixture_unmount(second);
        g_assert_true(dol_fixture_is_clean(original, fs));
        dol_fixture_check_image(copy, fs, SEED);
}

static char *filled(dol_fs_kind fs)
{
        char *image = dol_fixture_image(disk, fs, 320 * MIB);
        g_autofree char *at = dol_fixture_mount(image, fs);

        dol_fixture_fill(at, SEED);
        dol_fixture_unmount(at);
        return image;
}

static void check_at_rest(dol_fs_kind fs)
{
        g_autofree char *image = filled(fs);
        g_autofree char *copy = dol_fixture_clone(image);
        g_autofree char *copy_of_copy = NULL;
        g_autofree char *third = NULL;

        renew(copy, fs);
        copy_of_copy = dol_fixture_clone(copy);
        renew(copy_of_copy, fs);
        renew(copy_of_copy, fs);
        third = dol_fixture_mount(copy_of_copy, fs);
        check_both(image, copy, fs);
        g_assert_true(dol_fixture_is_whole(third, SEED));
        dol_fixture_unmount(third);
}

static void test_at_rest(void)
{
        check_at_rest(DOL_FS_EXT4);
        check_at_rest(DOL_FS_XFS);
}

/* Cloned while it is in use: frozen, or as after a power cut, with a journal to replay. */
static void check_in_use(dol_fs_kind fs, bool frozen)
{
        g_autofree char *image = dol_fixture_image(disk, fs, 320 * MIB);
        g_autofree char *at = dol_fixture_mount(image, fs);
        const char *const paths[] = {at, NULL};
        dol_call call = dol_call_forever("test");
        g_autoptr(GError) error = NULL;
        g_autofree char *copy = NULL;
        dol_freeze *freeze = NULL;
        dol_autofd root = open(at, O_RDONLY | O_CLOEXEC);

        dol_fixture_fill(at, SEED);
        g_assert_cmpint(syncfs(root), ==, 0);
        dol_close_fd(&root);
        if (frozen)
                freeze = dol_freeze_begin(&call, paths, LIMIT_USEC, &error);
        g_assert_no_error(error);
        copy = dol_fixture_clone(image);
        if (freeze)
                dol_assert_done(dol_freeze_end(freeze, NULL, &error), error);
        dol_fixture_fill(at, LATER_SEED);
        renew(copy, fs);
        dol_fixture_check_image(copy, fs, SEED); /* beside the mounted original */
        dol_fixture_unmount(at);
}

static void test_in_use(void)
{
        for (unsigned i = 0; i < 2; i++) {
                check_in_use(DOL_FS_EXT4, i == 0);
                check_in_use(DOL_FS_XFS, i == 0);
        }
}

/* Changes the times of many files, again and again, so that the log gets long. */
static bool use_xfs(const char *image, unsigned rounds)
{
        g_autofree char *at = dol_fixture_mount(image, DOL_FS_XFS);
        dol_autofd root = open(at, O_RDONLY | O_CLOEXEC);
        bool done = true;

        for (unsigned i = 0; i < rounds; i++) {
                for (unsigned f = 0; f < TOUCHED; f++) {
                        g_autofree char *name = g_strdup_printf("touched-%u", f);
                        const struct timespec times[] = {{.tv_sec = i}, {.tv_sec = f}};

                        close(openat(root, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
                        done = done && utimensat(root, name, times, 0) == 0;
                }
                done = done && syncfs(root) == 0;
        }
        dol_close_fd(&root);
        dol_fixture_unmount(at);
        return done;
}

/* How often the log was begun, by the superblock's last record number. */
static unsigned log_cycle(const char *image)
{
        dol_autofd fd = open(image, O_RDONLY | O_CLOEXEC);
        uint32_t cycle;

        g_assert_cmpint(pread(fd, &cycle, sizeof(cycle), 240), ==, sizeof(cycle));
        return GUINT32_FROM_BE(cycle);
}

static uint64_t exclusive(const char *image)
{
        dol_call call = dol_call_forever("test");
        g_autoptr(GError) error = NULL;
        dol_extent_usage usage = {0};

        dol_assert_done(dol_extents_usage(&call, image, &usage, &error), error);
        return usage.allocated - usage.shared;
}

/* A clone with its original's UUID is what xfs does not mount: the test would see it. */
static void test_without(void)
{
        g_autofree char *image = filled(DOL_FS_XFS);
        g_autofree char *copy = dol_fixture_clone(image);
        g_autofree char *at = dol_fixture_mount(image, DOL_FS_XFS);
        g_autofree char *other = g_strdup_printf("%s/other", dol_ground_directory());
        const dol_loop_options options = {.autoclear = true};
        g_auto(dol_loop) loop = DOL_LOOP_INIT;
        dol_call call = dol_call_forever("test");
        g_autoptr(GError) error = NULL;

        dol_assert_done(dol_loop_attach(&call, copy, &options, &loop, &error), error);
        g_assert_cmpint(mkdir(other, 0755), ==, 0);
        g_assert_cmpint(mount(loop.device, other, "xfs", 0, NULL), ==, -1);
        dol_fixture_unmount(at);
}

/* Made with features that are not the templates': its checksums all depend on the UUID. */
static void test_foreign_ext4(void)
{
        g_autofree char *image = dol_ground_file(disk, "foreign", 64 * MIB);
        const char *const format[] = {
                "mkfs.ext4", "-q",   "-F",  "-O", "metadata_csum,^metadata_csum_seed",
                "-b",        "1024", image, NULL};

        g_assert_true(dol_ground_run(format));
        renew(image, DOL_FS_EXT4);
}

/* Made in other ways than the images here: with a log in stripes, with other features. */
static void test_foreign_xfs(void)
{
        static const char *const options[][2] = {
                {"-s", "size=4096"}, {"-l", "su=64k"}, {"-l", "su=256k"}, {"-m", "rmapbt=1"}};

        for (unsigned i = 0; i < G_N_ELEMENTS(options); i++) {
                g_autofree char *image = dol_ground_file(disk, "foreign-xfs", 400 * MIB);
                const char *const format[] = {"mkfs.xfs",    "-q",  "-f", options[i][0],
                                              options[i][1], image, NULL};

                g_assert_true(dol_ground_run(format));
                renew(image, DOL_FS_XFS);
                g_assert_true(use_xfs(image, 1));
                renew(image, DOL_FS_XFS);
                g_assert_true(dol_fixture_is_clean(image, DOL_FS_XFS));
        }
}

/* The log begins anew at its end, several times; what is written into the copy is little. */
static void test_log_wraps(void)
{
        g_autofree char *image = dol_fixture_image(disk, DOL_FS_XFS, 320 * MIB);

        for (unsigned i = 0; i < WRAPS; i++) {
                g_autofree char *copy = NULL;
                uint64_t before;

                g_assert_true(use_xfs(image, 6));
                copy = dol_fixture_clone(image);
                before = exclusive(copy);
                g_assert_cmpuint(before, ==, 0);
                renew(copy, DOL_FS_XFS);
                g_assert_cmpuint(exclusive(copy), <, 16 * MIB);
                g_assert_true(use_xfs(copy, 1));
                g_assert_true(dol_fixture_is_clean(copy, DOL_FS_XFS));
                g_assert_cmpint(unlink(copy), ==, 0);
        }
        g_assert_cmpuint(log_cycle(image), >, 1);
}

static void check_refused(dol_fs_kind fs, const char *image, dol_error_kind kind)
{
        dol_call call = dol_call_forever("test");
        g_autoptr(GError) error = NULL;
        char *uuid = NULL;

        g_assert_false(dol_image_renew_uuid(&call, fs, image, &uuid, &error));
        g_assert_error(error, DOL_ERROR, (int)kind);
        g_assert_null(uuid);
        g_test_message("%s", error ? error->message : "");
}

static void test_refused(void)
{
        g_autofree char *ext4 = filled(DOL_FS_EXT4);
        g_autofree char *xfs = filled(DOL_FS_XFS);
        g_autofree char *empty = dol_ground_file(disk, "empty", 64 * MIB);
        g_autofree char *before = uuid_of(ext4);
        g_autofree char *after = NULL;
        g_autofree char *at = dol_fixture_mount(ext4, DOL_FS_EXT4);
        g_autofree char *at_xfs = dol_fixture_mount(xfs, DOL_FS_XFS);
        dol_call call = dol_call_forever("test");
        g_autoptr(GError) error = NULL;
        char *none = NULL;

        check_refused(DOL_FS_EXT4, ext4, DOL_ERROR_BUSY);
        check_refused(DOL_FS_XFS, xfs, DOL_ERROR_BUSY);
        dol_fixture_unmount(at);
        dol_fixture_unmount(at_xfs);
        after = uuid_of(ext4);
        g_assert_cmpstr(before, ==, after);
        check_refused(DOL_FS_EXT4, xfs, DOL_ERROR_INTERNAL);
        check_refused(DOL_FS_XFS, ext4, DOL_ERROR_INTERNAL);
        check_refused(DOL_FS_EXT4, empty, DOL_ERROR_INTERNAL);
        check_refused(DOL_FS_XFS, empty, DOL_ERROR_INTERNAL);
        check_refused(DOL_FS_XFS, "/no/such/image", DOL_ERROR_NOT_FOUND);
        dol_assert_done(dol_image_renew_uuid(&call, DOL_FS_NONE, empty, &none, &error), error);
        g_assert_null(none);
}

static void renew_and_die(void *user)
{
        dol_call call = dol_call_forever("test");
        char *uuid = NULL;

        dol_image_renew_uuid(&call, DOL_FS_XFS, user, &uuid, NULL);
}

static void test_killed(void)
{
        g_autofree char *image = filled(DOL_FS_XFS);

        prctl(PR_SET_CHILD_SUBREAPER, 1);
        for (unsigned i = 0; i < KILLS; i++) {
                g_autofree char *copy = dol_fixture_clone(image);
                pid_t pid = dol_ground_fork();

                if (pid == 0) {
                        renew_and_die(copy);
                        _exit(0);
                }
                g_usleep((gulong)g_random_int_range(0, 150000));
                kill(pid, SIGKILL);
                g_assert_cmpint(waitpid(pid, NULL, 0), ==, pid);
                dol_fixture_kill_orphans();
                renew(copy, DOL_FS_XFS);
                dol_fixture_check_image(copy, DOL_FS_XFS, SEED);
                g_assert_cmpint(unlink(copy), ==, 0);
        }
}

static void measure(dol_fs_kind fs)
{
        g_autofree char *image = filled(fs);
        dol_call call = dol_call_forever("test");
        int64_t shortest = INT64_MAX, all = 0;

        for (unsigned i = 0; i < MEASURED; i++) {
                g_autofree char *copy = dol_fixture_clone(image);
                g_autofree char *uuid = NULL;
                g_autoptr(GError) error = NULL;
                int64_t begin = dol_monotonic_usec(), took;

                dol_assert_done(dol_image_renew_uuid(&call, fs, copy, &uuid, &error), error);
                took = dol_monotonic_usec() - begin;
                shortest = MIN(shortest, took);
                all += took;
                g_assert_cmpint(unlink(copy), ==, 0);
        }
        g_test_message("%s: mean %" G_GINT64_FORMAT " us, shortest %" G_GINT64_FORMAT " us",
                       fs == DOL_FS_XFS ? "xfs" : "ext4", all / MEASURED, shortest);
}

static void test_cost(void)
{
        measure(DOL_FS_EXT4);
        measure(DOL_FS_XFS);
}

static void add_tests(void)
{
        disk = dol_ground_disk("xfs", 8 * GIB);
        g_test_add_func("/renew-uuid/at-rest", test_at_rest);
        g_test_add_func("/renew-uuid/in-use", test_in_use);
        g_test_add_func("/renew-uuid/without", test_without);
        g_test_add_func("/renew-uuid/foreign-ext4", test_foreign_ext4);
        g_test_add_func("/renew-uuid/foreign-xfs", test_foreign_xfs);
        g_test_add_func("/renew-uuid/log-wraps", test_log_wraps);
        g_test_add_func("/renew-uuid/refused", test_refused);
        g_test_add_func("/renew-uuid/killed", test_killed);
        g_test_add_func("/renew-uuid/cost", test_cost);
}

int main(int argc, char **argv)
{
        int status = dol_ground_main(argc, argv, add_tests);

        g_free(disk);
        return status;
}
