/* SPDX-License-Identifier: Apache-2.0 */
/* The driver of plain directories when things are not as they should be. */
#include "driver/test-suite.h"

#include "base/file.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const suite_host host = {.name = "dir",
                                .driver = "dir",
                                .ground = suite_unit_directory,
                                .durable = true,
                                .directories = true};

static void put(const char *path, const char *text)
{
        g_autoptr(GError) error = NULL;

        dol_assert_done(dol_file_replace(path, text, strlen(text), 0600, &error), error);
}

static void assert_text(const char *path, const char *text)
{
        g_autoptr(GError) error = NULL;
        g_autofree char *got = NULL;

        dol_assert_done(dol_file_read(path, 1000, &got, NULL, &error), error);
        g_assert_cmpstr(got, ==, text);
}

/* A description that was lost or damaged costs nobody the data. */
static void test_no_description(void)
{
        g_auto(suite_pool) suite = {0};
        g_autoptr(dol_volume) volume = suite_volume(&host, "a");
        g_autofree char *description = NULL, *file = NULL, *reason = NULL;
        g_autoptr(GError) error = NULL;

        suite_pool_init(&suite, &host);
        suite_pool_open(&suite);
        g_free(suite_create(&suite, volume));
        description = suite_path(&suite, volume->uid, "volume.json");
        file = suite_path(&suite, volume->uid, "data/file");
        put(file, "mine");
        put(description, "{");
        suite_assert_failed(dol_pool_create(suite.pool, &suite.call, volume, NULL, &error), error,
                            DOL_ERROR_CONFLICT, "damaged");
        g_assert_cmpint(unlink(description), ==, 0);
        suite_assert_failed(dol_pool_create(suite.pool, &suite.call, volume, NULL, &error), error,
                            DOL_ERROR_CONFLICT, "holds data ('file')");
        g_assert_cmpuint(suite_count(&suite, &reason), ==, 1);
        g_assert_cmpstr(reason, !=, "a");
        assert_text(file, "mine");
        dol_assert_done(dol_pool_describe(suite.pool, &suite.call, volume, &error), error);
        g_free(suite_create(&suite, volume));
        assert_text(file, "mine");
        suite_destroy(&suite, volume->uid);
}

static void test_data_gone(void)
{
        g_auto(suite_pool) suite = {0};
        g_autoptr(dol_volume) volume = suite_volume(&host, "a");
        g_autofree char *data = NULL, *reason = NULL;
        g_autoptr(GError) error = NULL;

        suite_pool_init(&suite, &host);
        suite_pool_open(&suite);
        g_free(suite_create(&suite, volume));
        data = suite_path(&suite, volume->uid, "data");
        g_assert_cmpint(rmdir(data), ==, 0);
        suite_assert_failed(dol_pool_inspect(suite.pool, &suite.call, volume->uid, NULL, &error),
                            error, DOL_ERROR_NOT_FOUND, data);
        suite_assert_failed(
                dol_pool_attach(suite.pool, &suite.call, volume->uid, NULL, NULL, &error), error,
                DOL_ERROR_NOT_FOUND, data);
        g_assert_cmpuint(suite_count(&suite, &reason), ==, 1);
        g_assert_nonnull(strstr(reason, "missing"));
        suite_destroy(&suite, volume->uid);
}

static void test_extra_file(void)
{
        g_auto(suite_pool) suite = {0};
        g_autoptr(dol_volume) volume = suite_volume(&host, "a");
        g_autofree char *extra = NULL, *file = NULL;
        g_autoptr(GError) error = NULL;

        suite_pool_init(&suite, &host);
        suite_pool_open(&suite);
        g_free(suite_create(&suite, volume));
        extra = suite_path(&suite, volume->uid, "notes");
        file = suite_path(&suite, volume->uid, "data/file");
        put(extra, "mine");
        put(file, "mine, too");
        suite_assert_failed(dol_pool_destroy(suite.pool, &suite.call, volume->uid, &error), error,
                            DOL_ERROR_CONFLICT, "'notes'");
        assert_text(extra, "mine");
        assert_text(file, "mine, too");
        g_assert_cmpint(unlink(extra), ==, 0);
        suite_destroy(&suite, volume->uid);
        g_assert_cmpuint(suite_count(&suite, NULL), ==, 0);
}

/* What such a pool cannot keep, it does not promise. */
static void test_honest(void)
{
        g_auto(suite_pool) suite = {0};
        g_autoptr(dol_volume) volume = suite_volume(&host, "a");
        g_autoptr(GError) error = NULL;

        suite_pool_init(&suite, &host);
        suite_pool_open(&suite);
        g_assert_false(dol_pool_has(suite.pool, DOL_TRAIT_SIZE_ENFORCED));
        g_assert_false(dol_pool_has(suite.pool, DOL_TRAIT_THICK));
        g_assert_false(dol_pool_has(suite.pool, DOL_TRAIT_BLOCK));
        volume->spec.size = 1 << 30;
        suite_assert_failed(dol_pool_create(suite.pool, &suite.call, volume, NULL, &error), error,
                            DOL_ERROR_UNSUPPORTED, "size: ");
        volume->spec.size = 0;
        volume->spec.fs = DOL_FS_EXT4;
        suite_assert_failed(dol_pool_create(suite.pool, &suite.call, volume, NULL, &error), error,
                            DOL_ERROR_UNSUPPORTED, "fs: ");
        suite_assert_failed(dol_pool_relieve(suite.pool, &suite.call, NULL, &error), error,
                            DOL_ERROR_UNSUPPORTED, "pool 'fast': driver 'dir'");
        g_assert_cmpuint(suite_count(&suite, NULL), ==, 0);
}

static void add_tests(void)
{
        g_test_add_func("/dir/no-description", test_no_description);
        g_test_add_func("/dir/data-gone", test_data_gone);
        g_test_add_func("/dir/extra-file", test_extra_file);
        g_test_add_func("/dir/honest", test_honest);
}

int main(int argc, char **argv)
{
        return suite_unit_main(argc, argv, add_tests);
}
