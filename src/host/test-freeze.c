/* SPDX-License-Identifier: Apache-2.0 */
/* Freezing: what is frozen, for how long, and what is said when it cannot be. */
#include "host/freeze.h"

#include "base/clock.h"
#include "base/guard.h"
#include "host/freeze-private.h"
#include "host/loop.h"
#include "host/test-ground.h"
#include "host/test-watchdog.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#define MIB (UINT64_C(1) << 20)

enum { LIMIT_USEC = 10000000, WATCHDOG_SECONDS = 20 };

static char *ext4, *xfs, *outer, *inner;

static dol_freeze *begin(const char *const *paths, int64_t limit_usec, GError **error)
{
        dol_call call = dol_call_forever("test");

        return dol_freeze_begin(&call, paths, limit_usec, error);
}

static void check_begin_fails(const char *const *paths, int64_t limit_usec, dol_error_kind kind)
{
        g_autoptr(GError) error = NULL;

        g_assert_null(begin(paths, limit_usec, &error));
        g_assert_error(error, DOL_ERROR, (int)kind);
        g_test_message("%s", error ? error->message : "");
}

static void hold_still(const char *path)
{
        dol_autofd fd = open(path, O_RDONLY | O_CLOEXEC);

        g_assert_cmpint(ioctl(fd, FIFREEZE, 0), ==, 0);
}

static bool let_go(const char *path)
{
        dol_autofd fd = open(path, O_RDONLY | O_CLOEXEC);

        return ioctl(fd, FITHAW, 0) == 0;
}

static void test_deadline(void)
{
        const char *const paths[] = {ext4, xfs, NULL};
        g_autoptr(GError) error = NULL;
        int64_t before = dol_monotonic_usec(), usec = 0;
        dol_freeze *freeze = begin(paths, 300000, &error);

        g_assert_no_error(error);
        g_assert_true(dol_is_frozen(ext4));
        g_assert_true(dol_is_frozen(xfs));
        g_assert_true(dol_is_thawed_within(ext4, 5000));
        g_assert_true(dol_is_thawed_within(xfs, 5000));
        g_assert_cmpint(dol_monotonic_usec() - before, >=, 300000);
        g_assert_cmpint(dol_monotonic_usec() - before, <, 1500000);
        g_assert_false(dol_freeze_end(freeze, &usec, &error));
        g_assert_error(error, DOL_ERROR, DOL_ERROR_TIMEOUT);
        g_assert_cmpint(usec, >, 100000);
        g_assert_cmpint(usec, <, 1500000);
}

static void test_no_time(void)
{
        const char *const paths[] = {ext4, NULL};

        check_begin_fails(paths, 0, DOL_ERROR_TIMEOUT);
        check_begin_fails(paths, -5, DOL_ERROR_TIMEOUT);
        g_assert_false(dol_is_frozen(ext4));
}

static void test_busy(void)
{
        const char *const paths[] = {ext4, NULL};
        g_autoptr(GError) error = NULL;
        dol_freeze *freeze;

        hold_still(ext4);
        check_begin_fails(paths, LIMIT_USEC, DOL_ERROR_BUSY);
        g_assert_true(dol_is_frozen(ext4)); /* theirs, not ours to thaw */
        g_assert_true(let_go(ext4));
        freeze = begin(paths, LIMIT_USEC, &error);
        g_assert_no_error(error);
        check_begin_fails(paths, LIMIT_USEC, DOL_ERROR_BUSY);
        g_assert_true(dol_is_frozen(ext4));
        dol_assert_done(dol_freeze_end(freeze, NULL, &error), error);
        g_assert_false(dol_is_frozen(ext4));
}

/* Somebody else thawed it: what was done meanwhile cannot be relied on. */
static void test_thawed_by_another(void)
{
        const char *const paths[] = {xfs, ext4, NULL};
        g_autoptr(GError) error = NULL;
        dol_freeze *freeze = begin(paths, LIMIT_USEC, &error);

        g_assert_no_error(error);
        g_assert_true(let_go(xfs));
        g_assert_false(dol_freeze_end(freeze, NULL, &error));
        g_assert_error(error, DOL_ERROR, DOL_ERROR_TIMEOUT);
        g_assert_false(dol_is_frozen(ext4));
}

static void test_all_or_none(void)
{
        g_autofree char *tmpfs = dol_ground_disk("tmpfs", 16 * MIB);
        const char *const unsupported[] = {ext4, xfs, tmpfs, NULL};
        const char *const busy[] = {ext4, inner, xfs, NULL};
        const char *const all[] = {ext4, inner, xfs, NULL};
        g_autoptr(GError) error = NULL;
        dol_freeze *freeze;

        check_begin_fails(unsupported, LIMIT_USEC, DOL_ERROR_UNSUPPORTED);
        g_assert_false(dol_is_frozen(ext4) || dol_is_frozen(xfs));
        hold_still(xfs);
        check_begin_fails(busy, LIMIT_USEC, DOL_ERROR_BUSY);
        g_assert_false(dol_is_frozen(ext4) || dol_is_frozen(inner));
        g_assert_true(let_go(xfs));
        freeze = begin(all, LIMIT_USEC, &error);
        g_assert_no_error(error);
        g_assert_true(dol_is_frozen(ext4) && dol_is_frozen(inner) && dol_is_frozen(xfs));
        dol_assert_done(dol_freeze_end(freeze, NULL, &error), error);
        g_assert_false(dol_is_frozen(ext4) || dol_is_frozen(inner) || dol_is_frozen(xfs));
        umount(tmpfs);
}

static void test_mounted_twice(void)
{
        g_autofree char *twice = g_strdup_printf("%s/twice", dol_ground_directory());
        const char *const paths[] = {ext4, twice, ext4, xfs, NULL};
        g_autoptr(GError) error = NULL;
        dol_freeze *freeze;

        g_assert_cmpint(mkdir(twice, 0755), ==, 0);
        g_assert_cmpint(mount(ext4, twice, NULL, MS_BIND, NULL), ==, 0);
        freeze = begin(paths, LIMIT_USEC, &error);
        g_assert_no_error(error);
        g_assert_true(dol_is_frozen(twice) && dol_is_frozen(xfs));
        dol_assert_done(dol_freeze_end(freeze, NULL, &error), error);
        g_assert_false(dol_is_frozen(twice) || dol_is_frozen(xfs));
        g_assert_cmpint(umount(twice), ==, 0); /* and nothing holds it */
}

/* What is not a whole file system of its own is never frozen. */
static void test_wrong_paths(void)
{
        g_autofree char *part = g_build_filename(ext4, "part", NULL);
        const char *const nothing[] = {NULL};
        const char *const missing[] = {ext4, "/no/such/path", NULL};
        const char *const directory[] = {part, NULL};
        const char *many[DOL_FREEZE_MAX + 2] = {NULL};

        g_assert_cmpint(mkdir(part, 0755), ==, 0);
        check_begin_fails(nothing, LIMIT_USEC, DOL_ERROR_INVALID);
        check_begin_fails(missing, LIMIT_USEC, DOL_ERROR_NOT_FOUND);
        check_begin_fails(directory, LIMIT_USEC, DOL_ERROR_NOT_FOUND);
        g_assert_cmpint(mount(part, part, NULL, MS_BIND, NULL), ==, 0);
        check_begin_fails(directory, LIMIT_USEC, DOL_ERROR_UNSUPPORTED);
        for (unsigned i = 0; i <= DOL_FREEZE_MAX; i++)
                many[i] = ext4;
        check_begin_fails(many, LIMIT_USEC, DOL_ERROR_INVALID);
        g_assert_false(dol_is_frozen(ext4));
        g_assert_cmpint(umount(part), ==, 0);
}

/* The file system beneath stands still, so that this one cannot be synced in time. */
static void test_slow_sync(void)
{
        const char *const paths[] = {ext4, inner, NULL};
        g_autofree char *file = g_build_filename(inner, "dirty", NULL);
        int64_t before;

        dol_watchdog_alive();
        g_assert_true(g_file_set_contents(file, "unwritten", -1, NULL));
        hold_still(outer);
        before = dol_monotonic_usec();
        check_begin_fails(paths, 300000, DOL_ERROR_TIMEOUT);
        g_assert_cmpint(dol_monotonic_usec() - before, <, 4000000);
        g_assert_true(dol_is_thawed_within(ext4, 0)); /* not held by the one that is stuck */
        g_assert_true(let_go(outer));
        g_assert_true(dol_is_thawed_within(inner, 5000));
        g_usleep(100000);
        g_assert_false(dol_is_frozen(inner) || dol_is_frozen(ext4));
}

static void *cancel_soon(void *user)
{
        g_usleep(100000);
        atomic_store((atomic_bool *)user, true);
        return NULL;
}

static void test_cancelled(void)
{
        const char *const paths[] = {inner, NULL};
        g_autofree char *file = g_build_filename(inner, "dirty", NULL);
        atomic_bool cancelled = false;
        dol_call call = {.cancelled = &cancelled};
        g_autoptr(GError) error = NULL;
        pthread_t thread;

        dol_watchdog_alive();
        g_assert_true(g_file_set_contents(file, "more", -1, NULL));
        hold_still(outer);
        g_assert_cmpint(pthread_create(&thread, NULL, cancel_soon, &cancelled), ==, 0);
        g_assert_null(dol_freeze_begin(&call, paths, LIMIT_USEC, &error));
        g_assert_error(error, DOL_ERROR, DOL_ERROR_UNAVAILABLE);
        pthread_join(thread, NULL);
        g_assert_true(let_go(outer));
        g_assert_true(dol_is_thawed_within(inner, 5000));
        g_clear_error(&error);
        g_assert_null(dol_freeze_begin(&call, paths, LIMIT_USEC, &error));
        g_assert_error(error, DOL_ERROR, DOL_ERROR_UNAVAILABLE);
}

static void test_recover(void)
{
        g_autofree char *absent = g_build_filename(ext4, "absent", NULL);
        g_autofree char *directory = g_build_filename(ext4, "directory", NULL);
        const char *const idle[] = {absent, directory, ext4, "/proc", absent};
        g_autoptr(GError) error = NULL;
        bool thawed = false;

        g_assert_cmpint(mkdir(directory, 0755), ==, 0);
        hold_still(ext4);
        dol_assert_done(dol_freeze_recover(directory, &thawed, &error), error);
        g_assert_false(thawed); /* nothing is mounted there */
        dol_assert_done(dol_freeze_recover(ext4, &thawed, &error), error);
        g_assert_true(thawed);
        g_assert_false(dol_is_frozen(ext4));
        for (unsigned i = 0; i < G_N_ELEMENTS(idle); i++) {
                dol_assert_done(dol_freeze_recover(idle[i], &thawed, &error), error);
                g_assert_false(thawed);
        }
}

/* A file system in an image on another one: frozen, that one makes this one slow. */
static char *mount_inner(void)
{
        g_autofree char *image = dol_ground_file(outer, "image", 64 * MIB);
        char *at = g_strdup_printf("%s/inner", dol_ground_directory());
        const char *const format[] = {"mkfs.ext4", "-q", "-F", "-b", "4096", image, NULL};
        const dol_loop_options options = {.autoclear = true};
        g_auto(dol_loop) loop = DOL_LOOP_INIT;
        dol_call call = dol_call_forever("test");
        g_autoptr(GError) error = NULL;

        g_assert_true(dol_ground_run(format));
        dol_assert_done(dol_loop_attach(&call, image, &options, &loop, &error), error);
        g_assert_cmpint(mkdir(at, 0755), ==, 0);
        g_assert_cmpint(mount(loop.device, at, "ext4", 0, NULL), ==, 0);
        return at;
}

static void add_tests(void)
{
        ext4 = dol_ground_disk("ext4", 256 * MIB);
        xfs = dol_ground_disk("xfs", 512 * MIB);
        outer = dol_ground_disk("xfs", 512 * MIB);
        inner = mount_inner();
        dol_watchdog_start((const char *const[]){ext4, xfs, outer, inner, NULL}, WATCHDOG_SECONDS);
        g_test_add_func("/freeze/deadline", test_deadline);
        g_test_add_func("/freeze/no-time", test_no_time);
        g_test_add_func("/freeze/busy", test_busy);
        g_test_add_func("/freeze/thawed-by-another", test_thawed_by_another);
        g_test_add_func("/freeze/all-or-none", test_all_or_none);
        g_test_add_func("/freeze/mounted-twice", test_mounted_twice);
        g_test_add_func("/freeze/wrong-paths", test_wrong_paths);
        g_test_add_func("/freeze/slow-sync", test_slow_sync);
        g_test_add_func("/freeze/cancelled", test_cancelled);
        g_test_add_func("/freeze/recover", test_recover);
}

int main(int argc, char **argv)
{
        int status = dol_ground_main(argc, argv, add_tests);

        if (inner)
                umount2(inner, MNT_DETACH);
        g_free(ext4);
        g_free(xfs);
        g_free(outer);
        g_free(inner);
        return status;
}
