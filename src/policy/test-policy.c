/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/capacity.h"
#include "policy/consumer.h"
#include "policy/placement.h"
#include "policy/trash.h"

#define GIB (UINT64_C(1) << 30)

static dol_pool_spec spec(void)
{
        return (dol_pool_spec){.overcommit = 2, .warn = 0.8, .full = 0.95};
}

static void test_allocatable(void)
{
        dol_pool_spec rules = spec();

        g_assert_cmpuint(dol_capacity_allocatable(&rules, &(dol_capacity){.capacity = 10 * GIB}),
                         ==, 20 * GIB);
        g_assert_cmpuint(dol_capacity_allocatable(&rules, &(dol_capacity){.capacity = 10 * GIB,
                                                                          .allocated = 25 * GIB}),
                         ==, 0);
        rules.overcommit = 1000;
        g_assert_cmpuint(
                dol_capacity_allocatable(&rules, &(dol_capacity){.capacity = UINT64_C(1) << 62}),
                ==, (uint64_t)INT64_MAX);
}

static void test_level(void)
{
        dol_pool_spec rules = spec();
        dol_capacity now = {.capacity = 100 * GIB, .used = 10 * GIB, .available = 90 * GIB};

        g_assert_cmpint(dol_capacity_level(&rules, &now), ==, DOL_LEVEL_FINE);
        now.used = 80 * GIB;
        g_assert_cmpint(dol_capacity_level(&rules, &now), ==, DOL_LEVEL_WARN);
        now.used = 95 * GIB;
        g_assert_cmpint(dol_capacity_level(&rules, &now), ==, DOL_LEVEL_FULL);
        now.used = 10 * GIB;
        now.available = GIB - 1; /* below the reserve of 1% */
        g_assert_cmpint(dol_capacity_level(&rules, &now), ==, DOL_LEVEL_FULL);
}

static void check_refused(const dol_capacity *now, uint64_t size, bool thick, const char *word)
{
        dol_pool_spec rules = spec();
        g_autoptr(GError) error = NULL;

        g_assert_false(dol_capacity_check(&rules, now, size, thick, &error));
        g_assert_true(dol_error_is(error, DOL_ERROR_NO_SPACE));
        g_assert_nonnull(g_strstr_len(error->message, -1, word));
}

static void test_check(void)
{
        dol_pool_spec rules = spec();
        dol_capacity now = {.capacity = 100 * GIB, .used = 50 * GIB, .available = 50 * GIB};

        g_assert_true(dol_capacity_check(&rules, &now, 200 * GIB, false, NULL));
        check_refused(&now, 200 * GIB + 1, false, "promised");
        g_assert_true(dol_capacity_check(&rules, &now, 49 * GIB, true, NULL));
        check_refused(&now, 50 * GIB, true, "thick");
        now.used = 96 * GIB;
        check_refused(&now, 1, false, "full");
}

static void test_placement(void)
{
        dol_candidate pools[] = {
                {"a", true, true, 5},
                {"b", true, true, 9},
                {"c", false, true, 100},
                {"default", true, true, 1},
        };

        g_assert_cmpint(dol_placement_choose(pools, 4), ==, 3);
        pools[3].fits = false;
        g_assert_cmpint(dol_placement_choose(pools, 4), ==, 1);
        g_assert_cmpint(dol_placement_choose(pools, 0), ==, -1);
        pools[0].ready = pools[1].ready = false;
        g_assert_cmpint(dol_placement_choose(pools, 4), ==, -1);
}

static const dol_consumer *first(const dol_attachment *attachment)
{
        return attachment->consumers->pdata[0];
}

static void test_consumer_counts(void)
{
        dol_attachment attachment = {0};

        /* docker cp on a running container: the id again, and one unmount for it */
        dol_consumer_add(&attachment, DOL_CLIENT_DOCKER, "a", "1.1", true, 10);
        dol_consumer_add(&attachment, DOL_CLIENT_DOCKER, "a", "1.1", true, 20);
        g_assert_cmpuint(first(&attachment)->count, ==, 2);
        g_assert_true(dol_consumer_remove(&attachment, DOL_CLIENT_DOCKER, "a"));
        g_assert_cmpuint(dol_attachment_count(&attachment), ==, 1);
        /* dockerd crashed: the same id from its next life counts once */
        dol_consumer_add(&attachment, DOL_CLIENT_DOCKER, "a", "1.1", true, 30);
        dol_consumer_add(&attachment, DOL_CLIENT_DOCKER, "a", "2.9", true, 40);
        g_assert_cmpuint(first(&attachment)->count, ==, 1);
        g_assert_true(dol_consumer_remove(&attachment, DOL_CLIENT_DOCKER, "a"));
        g_assert_cmpuint(dol_attachment_count(&attachment), ==, 0);
        g_assert_false(dol_consumer_remove(&attachment, DOL_CLIENT_DOCKER, "a"));
        /* Podman's one id is a set; the same id of another client is another consumer */
        dol_consumer_add(&attachment, DOL_CLIENT_PODMAN, "a", "", false, 50);
        dol_consumer_add(&attachment, DOL_CLIENT_PODMAN, "a", "", false, 60);
        dol_consumer_add(&attachment, DOL_CLIENT_DOCKER, "a", "2.9", true, 70);
        g_assert_cmpuint(dol_attachment_count(&attachment), ==, 2);
        g_assert_true(dol_consumer_remove(&attachment, DOL_CLIENT_PODMAN, "a"));
        g_assert_cmpint(first(&attachment)->client, ==, DOL_CLIENT_DOCKER);
        dol_schema_clear(&dol_attachment_schema, &attachment);
}

static void test_consumer_stale(void)
{
        dol_consumer docker = {.client = DOL_CLIENT_DOCKER, .since = 1000};
        dol_consumer person = {.client = DOL_CLIENT_REST, .since = 1000};
        dol_consumer staged = {.client = DOL_CLIENT_CSI, .since = 1000};

        g_assert_false(dol_consumer_is_stale(&docker, true, 9000, 100));
        g_assert_false(dol_consumer_is_stale(&docker, false, 1050, 100));
        g_assert_true(dol_consumer_is_stale(&docker, false, 1100, 100));
        g_assert_false(dol_consumer_is_stale(&person, false, 9000, 100));
        g_assert_false(dol_consumer_is_stale(&staged, false, 9000, 100));
}

static void test_consumer_rivals(void)
{
        dol_attachment attachment = {0};

        g_assert_null(dol_consumer_rival(NULL, DOL_CLIENT_DOCKER, true));
        dol_consumer_add(&attachment, DOL_CLIENT_CSI, "a", "", false, 10);
        g_assert_null(dol_consumer_rival(&attachment, DOL_CLIENT_DOCKER, false));
        g_assert_null(dol_consumer_rival(&attachment, DOL_CLIENT_CSI, true));
        g_assert_nonnull(dol_consumer_rival(&attachment, DOL_CLIENT_DOCKER, true));
        dol_consumer_find(&attachment, DOL_CLIENT_CSI, "a")->exclusive = true;
        g_assert_nonnull(dol_consumer_rival(&attachment, DOL_CLIENT_DOCKER, false));
        g_assert_null(dol_consumer_rival(&attachment, DOL_CLIENT_CSI, false));
        g_assert_null(dol_consumer_rival(&attachment, DOL_CLIENT_FILES, false));
        g_assert_null(dol_consumer_find(&attachment, DOL_CLIENT_REST, "a"));
        dol_schema_clear(&dol_attachment_schema, &attachment);
}

static void test_trash(void)
{
        dol_volume old = {.status = {.phase = DOL_VOLUME_TRASHED, .trashed = 5, .expires = 50}};
        dol_volume young = {.status = {.phase = DOL_VOLUME_TRASHED, .trashed = 9, .expires = 20}};
        dol_volume alive = {.status = {.phase = DOL_VOLUME_AVAILABLE}};
        const dol_volume *all[] = {&young, &old};

        g_assert_true(dol_trash_is_over(&young, 20));
        g_assert_false(dol_trash_is_over(&young, 19));
        g_assert_false(dol_trash_is_over(&alive, 1000));
        g_assert_cmpint(dol_trash_choose(all, 2), ==, 1);
        g_assert_cmpint(dol_trash_choose(all, 0), ==, -1);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/capacity/allocatable", test_allocatable);
        g_test_add_func("/capacity/level", test_level);
        g_test_add_func("/capacity/check", test_check);
        g_test_add_func("/placement/choose", test_placement);
        g_test_add_func("/consumer/counts", test_consumer_counts);
        g_test_add_func("/consumer/stale", test_consumer_stale);
        g_test_add_func("/consumer/rivals", test_consumer_rivals);
        g_test_add_func("/trash", test_trash);
        return g_test_run();
}
