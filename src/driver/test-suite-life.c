/* SPDX-License-Identifier: Apache-2.0 */
/* The conformance suite, without faults. */
#include "driver/test-suite.h"

#include "base/random.h"

#include <pthread.h>
#include <string.h>
#include <unistd.h>

static void test_row(const void *row)
{
        const suite_host *host = row;
        g_autoptr(GError) error = NULL;
        const dol_driver *driver;

        if (strcmp(host->driver, "fake") == 0)
                dol_driver_allow_fake();
        driver = dol_driver_find(host->driver, &error);
        g_assert_no_error(error);
        g_assert_cmpstr(driver->name, ==, host->driver);
        g_assert_nonnull(driver->title);
        g_assert_true(driver->open && driver->close && driver->create && driver->destroy);
        g_assert_true(driver->inspect && driver->list && driver->describe && driver->space);
        g_assert_true(driver->attach && driver->detach);
        driver->close(NULL);
}

static void test_open(const void *row)
{
        g_auto(suite_pool) suite = {0};
        g_autoptr(dol_pool) second = NULL;
        g_autoptr(GError) error = NULL;

        suite_pool_init(&suite, row);
        suite.request.create = false;
        second = dol_pool_open(&suite.call, &suite.request, &error);
        suite_assert_failed(second, error, DOL_ERROR_NOT_FOUND, "pool 'fast': ");
        suite.request.create = true;
        suite_pool_open(&suite);
        g_assert_cmpstr(dol_pool_name(suite.pool), ==, "fast");
        g_assert_cmpstr(dol_pool_driver(suite.pool)->name, ==, suite.host->driver);
        suite_pool_open(&suite);
        suite.request.create = false;
        suite_pool_open(&suite);
        g_assert_cmpuint(suite_count(&suite, NULL), ==, 0);
}

static void test_open_as_another(const void *row)
{
        g_auto(suite_pool) suite = {0};
        g_autoptr(dol_pool) other = NULL;
        g_autoptr(GError) error = NULL;
        g_autofree char *uid = dol_uid_new();
        dol_pool_request request;

        suite_pool_init(&suite, row);
        suite_pool_open(&suite);
        if (!suite.host->durable)
                return;
        request = suite.request;
        request.uid = uid;
        request.name = "other";
        other = dol_pool_open(&suite.call, &request, &error);
        suite_assert_failed(other, error, DOL_ERROR_CONFLICT, "pool 'other': ");
}

static void test_life(const void *row)
{
        g_auto(suite_pool) suite = {0};
        g_autoptr(dol_volume) volume = suite_volume(row, "a");
        g_autofree char *first = NULL, *again = NULL, *name = NULL;
        g_autoptr(GError) error = NULL;
        dol_volume_info info;

        suite_pool_init(&suite, row);
        suite_pool_open(&suite);
        first = suite_create(&suite, volume);
        again = suite_create(&suite, volume);
        g_assert_cmpstr(first, ==, again);
        dol_assert_done(dol_pool_inspect(suite.pool, &suite.call, volume->uid, &info, &error),
                        error);
        g_assert_false(info.attached);
        if (dol_pool_has(suite.pool, DOL_TRAIT_SIZE_ENFORCED)) {
                g_assert_cmpuint(info.size, ==, volume->spec.size);
                g_assert_cmpuint(info.allocated, <, volume->spec.size);
        }
        g_free(volume->name);
        volume->name = g_strdup("b");
        dol_assert_done(dol_pool_describe(suite.pool, &suite.call, volume, &error), error);
        g_assert_cmpuint(suite_count(&suite, &name), ==, 1);
        g_assert_cmpstr(name, ==, "b");
        suite_destroy(&suite, volume->uid);
        g_assert_cmpuint(suite_count(&suite, NULL), ==, 0);
        suite_destroy(&suite, volume->uid);
}

static void test_unknown_volume(const void *row)
{
        g_auto(suite_pool) suite = {0};
        g_autoptr(dol_volume) volume = suite_volume(row, "a");
        dol_driver_attachment attachment;
        g_autoptr(GError) error = NULL;
        dol_volume_info info;
        int hold = -1;

        suite_pool_init(&suite, row);
        suite_pool_open(&suite);
        suite_assert_failed(dol_pool_inspect(suite.pool, &suite.call, volume->uid, &info, &error),
                            error, DOL_ERROR_NOT_FOUND, "pool 'fast': ");
        suite_assert_failed(
                dol_pool_attach(suite.pool, &suite.call, volume->uid, &attachment, &hold, &error),
                error, DOL_ERROR_NOT_FOUND, "pool 'fast': ");
        suite_assert_failed(dol_pool_describe(suite.pool, &suite.call, volume, &error), error,
                            DOL_ERROR_NOT_FOUND, "pool 'fast': ");
        dol_assert_done(dol_pool_detach(suite.pool, &suite.call, volume->uid, &error), error);
        suite_destroy(&suite, volume->uid);
        g_assert_cmpuint(suite_count(&suite, NULL), ==, 0);
}

static void test_bad_uids(const void *row)
{
        static const char *const uids[] = {"", ".", "..", "../x", "a/b", "/", "-x", "a b", "\xff"};
        g_auto(suite_pool) suite = {0};
        g_autoptr(GError) error = NULL;

        suite_pool_init(&suite, row);
        suite_pool_open(&suite);
        for (unsigned i = 0; i < G_N_ELEMENTS(uids); i++) {
                g_autoptr(dol_volume) volume = suite_volume(row, "a");

                g_free(volume->uid);
                volume->uid = g_strdup(uids[i]);
                suite_assert_failed(dol_pool_create(suite.pool, &suite.call, volume, NULL, &error),
                                    error, DOL_ERROR_INVALID, "uid");
                suite_assert_failed(dol_pool_destroy(suite.pool, &suite.call, uids[i], &error),
                                    error, DOL_ERROR_INVALID, "uid");
        }
        g_assert_cmpuint(suite_count(&suite, NULL), ==, 0);
}

static void test_attach(const void *row)
{
        g_auto(suite_pool) suite = {0};
        g_autoptr(dol_volume) volume = suite_volume(row, "a");
        g_autoptr(GError) error = NULL;
        dol_driver_attachment one, two;
        int hold = -1, second = -1;

        suite_pool_init(&suite, row);
        suite_pool_open(&suite);
        g_free(suite_create(&suite, volume));
        dol_assert_done(dol_pool_attach(suite.pool, &suite.call, volume->uid, &one, &hold, &error),
                        error);
        dol_assert_done(
                dol_pool_attach(suite.pool, &suite.call, volume->uid, &two, &second, &error),
                error);
        g_assert_cmpstr(one.device, ==, two.device);
        g_assert_cmpstr(one.directory, ==, two.directory);
        g_assert_true((*one.device != '\0') != (one.directory != NULL));
        if (hold >= 0)
                close(hold);
        if (second >= 0)
                close(second);
        if (*one.device)
                suite_wait_detached(&suite, volume->uid);
        dol_assert_done(dol_pool_detach(suite.pool, &suite.call, volume->uid, &error), error);
        dol_assert_done(dol_pool_detach(suite.pool, &suite.call, volume->uid, &error), error);
        g_assert_false(suite_is_attached(&suite, volume->uid));
        suite_destroy(&suite, volume->uid);
        g_free(one.directory);
        g_free(two.directory);
}

/* A hold that is closed without a mount leaves nothing attached; a block volume stays. */
static void test_block(const void *row)
{
        g_auto(suite_pool) suite = {0};
        g_autoptr(dol_volume) volume = suite_volume(row, "a");
        g_autofree char *fs_uuid = NULL;
        g_autoptr(GError) error = NULL;
        dol_driver_attachment attachment = {0};

        suite_pool_init(&suite, row);
        suite_pool_open(&suite);
        volume->spec.fs = DOL_FS_NONE;
        if (!dol_pool_has(suite.pool, DOL_TRAIT_BLOCK)) {
                suite_assert_failed(dol_pool_create(suite.pool, &suite.call, volume, NULL, &error),
                                    error, DOL_ERROR_UNSUPPORTED, "fs: ");
                return;
        }
        fs_uuid = suite_create(&suite, volume);
        g_assert_null(fs_uuid);
        dol_assert_done(
                dol_pool_attach(suite.pool, &suite.call, volume->uid, &attachment, NULL, &error),
                error);
        g_assert_true(suite_is_attached(&suite, volume->uid));
        suite_pool_open(&suite);
        g_assert_true(suite_is_attached(&suite, volume->uid));
        dol_assert_done(dol_pool_detach(suite.pool, &suite.call, volume->uid, &error), error);
        g_assert_false(suite_is_attached(&suite, volume->uid));
        suite_destroy(&suite, volume->uid);
}

static void test_thick(const void *row)
{
        g_auto(suite_pool) suite = {0};
        g_autoptr(dol_volume) volume = suite_volume(row, "a");
        g_autoptr(GError) error = NULL;
        dol_pool_space space;
        dol_volume_info info;

        suite_pool_init(&suite, row);
        suite_pool_open(&suite);
        volume->spec.thick = true;
        if (!dol_pool_has(suite.pool, DOL_TRAIT_THICK)) {
                suite_assert_failed(dol_pool_create(suite.pool, &suite.call, volume, NULL, &error),
                                    error, DOL_ERROR_UNSUPPORTED, "thick: ");
                return;
        }
        g_free(suite_create(&suite, volume));
        dol_assert_done(dol_pool_inspect(suite.pool, &suite.call, volume->uid, &info, &error),
                        error);
        g_assert_cmpuint(info.allocated, >=, volume->spec.size);
        suite_destroy(&suite, volume->uid);
        dol_assert_done(dol_pool_space_of(suite.pool, &suite.call, &space, &error), error);
        volume->spec.size = (space.available + (UINT64_C(1) << 30)) / 4096 * 4096;
        suite_assert_failed(dol_pool_create(suite.pool, &suite.call, volume, NULL, &error), error,
                            DOL_ERROR_NO_SPACE, "thick");
        g_assert_cmpuint(suite_count(&suite, NULL), ==, 0);
}

static void test_deadline(const void *row)
{
        g_auto(suite_pool) suite = {0};
        g_autoptr(dol_volume) volume = suite_volume(row, "a");
        dol_call late = dol_call_within("test", -1);
        atomic_bool gone = true;
        dol_call cancelled = {.cancelled = &gone};
        g_autoptr(GError) error = NULL;

        suite_pool_init(&suite, row);
        suite_pool_open(&suite);
        suite_assert_failed(dol_pool_create(suite.pool, &late, volume, NULL, &error), error,
                            DOL_ERROR_TIMEOUT, "pool 'fast': ");
        suite_assert_failed(dol_pool_create(suite.pool, &cancelled, volume, NULL, &error), error,
                            DOL_ERROR_UNAVAILABLE, "pool 'fast': ");
        g_assert_cmpuint(suite_count(&suite, NULL), ==, 0);
}

static void *live(void *user)
{
        suite_pool *suite = user;

        for (unsigned i = 0; i < 6; i++) {
                g_autoptr(dol_volume) volume = suite_volume(suite->host, "a");
                dol_driver_attachment attachment;
                g_autoptr(GError) error = NULL;
                int hold = -1;

                g_free(suite_create(suite, volume));
                dol_assert_done(dol_pool_attach(suite->pool, &suite->call, volume->uid, &attachment,
                                                &hold, &error),
                                error);
                g_free(attachment.directory);
                if (hold >= 0)
                        close(hold);
                dol_assert_done(dol_pool_detach(suite->pool, &suite->call, volume->uid, &error),
                                error);
                suite_destroy(suite, volume->uid);
        }
        return NULL;
}

static void test_threads(const void *row)
{
        g_auto(suite_pool) suite = {0};
        pthread_t threads[4];

        suite_pool_init(&suite, row);
        suite_pool_open(&suite);
        for (unsigned i = 0; i < G_N_ELEMENTS(threads); i++)
                g_assert_cmpint(pthread_create(&threads[i], NULL, live, &suite), ==, 0);
        for (unsigned i = 0; i < G_N_ELEMENTS(threads); i++)
                pthread_join(threads[i], NULL);
        g_assert_cmpuint(suite_count(&suite, NULL), ==, 0);
}

static bool stop_at_once(const char *uid, const dol_volume *description, const char *reason,
                         void *user)
{
        (*(unsigned *)user)++;
        return false;
}

static void test_list_stops(const void *row)
{
        g_auto(suite_pool) suite = {0};
        g_autoptr(dol_volume) one = suite_volume(row, "a");
        g_autoptr(dol_volume) two = suite_volume(row, "b");
        g_autoptr(GError) error = NULL;
        unsigned seen = 0;

        suite_pool_init(&suite, row);
        suite_pool_open(&suite);
        g_free(suite_create(&suite, one));
        g_free(suite_create(&suite, two));
        dol_assert_done(dol_pool_list(suite.pool, &suite.call, stop_at_once, &seen, &error), error);
        g_assert_cmpuint(seen, ==, 1);
        suite_destroy(&suite, one->uid);
        suite_destroy(&suite, two->uid);
}

void suite_add(const suite_host *host)
{
        static const struct {
                const char *name;
                GTestDataFunc test;
        } tests[] = {
                {"row", test_row},
                {"open", test_open},
                {"open-as-another", test_open_as_another},
                {"life", test_life},
                {"unknown-volume", test_unknown_volume},
                {"bad-uids", test_bad_uids},
                {"attach", test_attach},
                {"block", test_block},
                {"thick", test_thick},
                {"deadline", test_deadline},
                {"threads", test_threads},
                {"list-stops", test_list_stops},
        };

        for (unsigned i = 0; i < G_N_ELEMENTS(tests); i++) {
                g_autofree char *path = g_strdup_printf("/%s/%s", host->name, tests[i].name);

                g_test_add_data_func(path, host, tests[i].test);
        }
}
