/* SPDX-License-Identifier: Apache-2.0 */
/* Volumes of the embedded pool when things are not as they should be: damaged descriptions,
 * files that came or went. */
#include "driver/test-suite.h"

#include "base/file.h"
#include "base/guard.h"
#include "host/image.h"
#include "host/loop.h"
#include "host/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define MIB (UINT64_C(1) << 20)

static char *xfs;

static const char *on_xfs(void)
{
        return xfs;
}

static const suite_host plain = {
        .name = "image", .driver = "image", .ground = on_xfs, .mounts = true, .durable = true};
static void put(const char *path, const char *text)
{
        g_autoptr(GError) error = NULL;

        dol_assert_done(dol_file_replace(path, text, strlen(text), 0600, &error), error);
}

/* Each is reported with a reason, and nothing touches the data beside it. */
static void test_damaged_descriptions(void)
{
        static const char *const texts[] = {
                "",
                "{",
                "[]",
                "{}",
                "not json",
                "{\"name\":\"a\"}",
                "{\"name\":\"a\",\"uid\":\"../../etc\"}",
                "{\"name\":\"a\",\"uid\":\"11111111-2222-3333-4444-555555555555\"}",
        };
        g_auto(suite_pool) suite = {0};
        g_autoptr(dol_volume) volume = suite_volume(&plain, "a");
        g_autofree char *file = NULL, *fs_uuid = NULL, *again = NULL, *last = NULL;
        g_autoptr(GError) error = NULL;

        suite_pool_init(&suite, &plain);
        suite_pool_open(&suite);
        fs_uuid = suite_create(&suite, volume);
        file = suite_path(&suite, volume->uid, "volume.json");
        for (unsigned i = 0; i < G_N_ELEMENTS(texts); i++) {
                g_autofree char *reason = NULL;

                put(file, texts[i]);
                g_assert_cmpuint(suite_count(&suite, &reason), ==, 1);
                g_assert_cmpstr(reason, !=, "a");
                suite_assert_failed(dol_pool_create(suite.pool, &suite.call, volume, NULL, &error),
                                    error, DOL_ERROR_CONFLICT, "pool 'fast': ");
                suite_assert_failed(
                        dol_pool_attach(suite.pool, &suite.call, volume->uid, NULL, NULL, &error),
                        error, DOL_ERROR_CONFLICT, "pool 'fast': ");
                g_assert_false(suite_is_attached(&suite, volume->uid));
                suite_assert_sound(&suite, volume->uid);
        }
        /* whoever knows better may describe it again, and all is well */
        dol_assert_done(dol_pool_describe(suite.pool, &suite.call, volume, &error), error);
        g_assert_cmpuint(suite_count(&suite, &last), ==, 1);
        g_assert_cmpstr(last, ==, "a");
        again = suite_create(&suite, volume);
        g_assert_cmpstr(again, ==, fs_uuid);
        suite_destroy(&suite, volume->uid);
}

static void test_foreign_entries(void)
{
        g_auto(suite_pool) suite = {0};
        g_autofree char *file = NULL, *empty = NULL;

        suite_pool_init(&suite, &plain);
        suite_pool_open(&suite);
        file = suite_path(&suite, "notes \xff.txt", NULL);
        empty = suite_path(&suite, "some-directory", NULL);
        put(file, "mine");
        g_assert_cmpint(mkdir(empty, 0700), ==, 0);
        g_assert_cmpuint(suite_count(&suite, NULL), ==, 2);
        g_assert_cmpint(access(file, F_OK), ==, 0);
}

/* A file that no volume has stops the destroy before anything is removed. */
static void test_extra_file(void)
{
        g_auto(suite_pool) suite = {0};
        g_autoptr(dol_volume) volume = suite_volume(&plain, "a");
        g_autofree char *extra = NULL;
        g_autoptr(GError) error = NULL;

        suite_pool_init(&suite, &plain);
        suite_pool_open(&suite);
        g_free(suite_create(&suite, volume));
        extra = suite_path(&suite, volume->uid, "disk.bak");
        put(extra, "mine");
        suite_assert_failed(dol_pool_destroy(suite.pool, &suite.call, volume->uid, &error), error,
                            DOL_ERROR_CONFLICT, "'disk.bak'");
        suite_assert_sound(&suite, volume->uid);
        g_assert_cmpint(access(extra, F_OK), ==, 0);
        g_assert_cmpint(unlink(extra), ==, 0);
        suite_destroy(&suite, volume->uid);
        g_assert_cmpuint(suite_count(&suite, NULL), ==, 0);
}

/* A snapshot, too, stops the destroy before anything is removed. */
static void test_has_snapshot(void)
{
        g_auto(suite_pool) suite = {0};
        g_autoptr(dol_volume) volume = suite_volume(&plain, "a");
        g_autofree char *snapshots = NULL, *snapshot = NULL;
        g_autoptr(GError) error = NULL;

        suite_pool_init(&suite, &plain);
        suite_pool_open(&suite);
        g_free(suite_create(&suite, volume));
        snapshots = suite_path(&suite, volume->uid, "snapshots");
        snapshot = g_build_filename(snapshots, "x", NULL);
        g_assert_cmpint(mkdir(snapshots, 0700), ==, 0);
        g_assert_cmpint(mkdir(snapshot, 0700), ==, 0);
        suite_assert_failed(dol_pool_destroy(suite.pool, &suite.call, volume->uid, &error), error,
                            DOL_ERROR_CONFLICT, "snapshots");
        suite_assert_sound(&suite, volume->uid);
        g_assert_cmpuint(suite_count(&suite, NULL), ==, 1);
        g_assert_cmpint(rmdir(snapshot), ==, 0);
        suite_destroy(&suite, volume->uid);
        g_assert_cmpuint(suite_count(&suite, NULL), ==, 0);
}

static void test_deleted_image(void)
{
        g_auto(suite_pool) suite = {0};
        g_autoptr(dol_volume) volume = suite_volume(&plain, "a");
        g_autofree char *disk = NULL, *reason = NULL;
        g_autoptr(GError) error = NULL;

        suite_pool_init(&suite, &plain);
        suite_pool_open(&suite);
        g_free(suite_create(&suite, volume));
        disk = suite_path(&suite, volume->uid, "disk");
        g_assert_cmpint(unlink(disk), ==, 0);
        suite_assert_failed(dol_pool_inspect(suite.pool, &suite.call, volume->uid, NULL, &error),
                            error, DOL_ERROR_NOT_FOUND, disk);
        suite_assert_failed(
                dol_pool_attach(suite.pool, &suite.call, volume->uid, NULL, NULL, &error), error,
                DOL_ERROR_NOT_FOUND, disk);
        suite_assert_failed(dol_pool_describe(suite.pool, &suite.call, volume, &error), error,
                            DOL_ERROR_NOT_FOUND, disk);
        suite_assert_failed(dol_pool_create(suite.pool, &suite.call, volume, NULL, &error), error,
                            DOL_ERROR_CONFLICT, "missing");
        g_assert_cmpuint(suite_count(&suite, &reason), ==, 1);
        g_assert_nonnull(strstr(reason, "missing"));
        suite_destroy(&suite, volume->uid);
        g_assert_cmpuint(suite_count(&suite, NULL), ==, 0);
}

/* What a killed create leaves is replaced, and what a killed destroy leaves is removed. */
static void test_half_made(void)
{
        g_auto(suite_pool) suite = {0};
        g_autoptr(dol_volume) volume = suite_volume(&plain, "a");
        g_autofree char *directory = NULL, *disk = NULL, *temporary = NULL, *half = NULL;

        suite_pool_init(&suite, &plain);
        suite_pool_open(&suite);
        directory = suite_path(&suite, volume->uid, NULL);
        disk = suite_path(&suite, volume->uid, "disk");
        temporary = suite_path(&suite, volume->uid, "disk.tmp");
        half = suite_path(&suite, volume->uid, "volume.json.tmp");
        g_assert_cmpint(mkdir(directory, 0700), ==, 0);
        put(disk, "half");
        put(temporary, "half");
        put(half, "{");
        g_assert_cmpuint(suite_count(&suite, NULL), ==, 1);
        g_free(suite_create(&suite, volume));
        suite_assert_sound(&suite, volume->uid);
        put(temporary, "half");
        put(half, "{");
        suite_destroy(&suite, volume->uid);
        g_assert_cmpint(access(directory, F_OK), ==, -1);
}

/* The image, or what is left of a half-made one, is somebody else's block device. */
static void test_used_elsewhere(void)
{
        static const dol_loop_options options = {0};
        g_auto(suite_pool) suite = {0};
        g_autoptr(dol_volume) volume = suite_volume(&plain, "a");
        g_autofree char *disk = NULL, *at = NULL, *file = NULL;
        g_auto(dol_loop) loop = DOL_LOOP_INIT;
        g_autoptr(GError) error = NULL;

        suite_pool_init(&suite, &plain);
        suite_pool_open(&suite);
        g_free(suite_create(&suite, volume));
        disk = suite_path(&suite, volume->uid, "disk");
        file = suite_path(&suite, volume->uid, "volume.json");
        at = g_build_filename(dol_ground_directory(), "elsewhere", NULL);
        dol_assert_done(dol_loop_attach(&suite.call, disk, &options, &loop, &error), error);
        dol_assert_done(dol_mount_device(&suite.call, loop.device, "ext4", at, NULL, &error),
                        error);
        suite_assert_failed(dol_pool_destroy(suite.pool, &suite.call, volume->uid, &error), error,
                            DOL_ERROR_BUSY, at);
        g_assert_cmpint(unlink(file), ==, 0);
        suite_assert_failed(dol_pool_create(suite.pool, &suite.call, volume, NULL, &error), error,
                            DOL_ERROR_BUSY, at);
        g_assert_cmpint(access(disk, F_OK), ==, 0);
        suite_unmount(&suite, at);
        suite_assert_failed(dol_pool_destroy(suite.pool, &suite.call, volume->uid, &error), error,
                            DOL_ERROR_BUSY, loop.device);
        dol_loop_clear(&loop);
        suite_destroy(&suite, volume->uid);
}

/* Templates are only a cache. */
static void test_templates_lost(void)
{
        g_auto(suite_pool) suite = {0};
        g_autoptr(dol_volume) one = suite_volume(&plain, "a");
        g_autoptr(dol_volume) two = suite_volume(&plain, "b");
        g_autofree char *templates = NULL;
        const char *argv[] = {"rm", "-r", NULL, NULL};

        suite_pool_init(&suite, &plain);
        suite_pool_open(&suite);
        g_free(suite_create(&suite, one));
        templates = g_build_filename(suite.spec.path, "templates", NULL);
        argv[2] = templates;
        g_assert_true(dol_ground_run(argv));
        g_free(suite_create(&suite, two));
        suite_assert_sound(&suite, two->uid);
        suite_destroy(&suite, one->uid);
        suite_destroy(&suite, two->uid);
}

static void add_tests(void)
{
        xfs = dol_ground_disk("xfs", 512 * MIB);
        g_test_add_func("/image/damaged-descriptions", test_damaged_descriptions);
        g_test_add_func("/image/foreign-entries", test_foreign_entries);
        g_test_add_func("/image/extra-file", test_extra_file);
        g_test_add_func("/image/has-snapshot", test_has_snapshot);
        g_test_add_func("/image/deleted-image", test_deleted_image);
        g_test_add_func("/image/half-made", test_half_made);
        g_test_add_func("/image/used-elsewhere", test_used_elsewhere);
        g_test_add_func("/image/templates-lost", test_templates_lost);
}

int main(int argc, char **argv)
{
        return dol_ground_main(argc, argv, add_tests);
}
