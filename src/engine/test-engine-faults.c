/* SPDX-License-Identifier: Apache-2.0 */
/* Two of everything at once, and what is left when the store or the driver fails in the middle. */
#include "engine/test-fixture.h"

#include "base/fault.h"
#include "base/log.h"

/* ---- two of everything at once ---- */

typedef struct {
        test_fixture *f;
        char *uid;
} racer;

static void *race_create(void *data)
{
        racer *me = data;
        g_autoptr(GError) error = NULL;
        g_autoptr(dol_volume) made = test_make(me->f, "same", NULL, 0, NULL, &error);

        g_assert_no_error(error);
        me->uid = g_strdup(made->uid);
        return NULL;
}

static void test_create_race(test_fixture *f, const void *unused)
{
        racer racers[8];
        pthread_t threads[8];

        for (unsigned i = 0; i < G_N_ELEMENTS(racers); i++) {
                racers[i] = (racer){f, NULL};
                g_assert_cmpint(pthread_create(&threads[i], NULL, race_create, &racers[i]), ==, 0);
        }
        for (unsigned i = 0; i < G_N_ELEMENTS(racers); i++) {
                pthread_join(threads[i], NULL);
                g_assert_cmpstr(racers[i].uid, ==, racers[0].uid);
        }
        for (unsigned i = 0; i < G_N_ELEMENTS(racers); i++)
                g_free(racers[i].uid);
        g_assert_cmpuint(dol_index_size(f->engine->index), ==, 1);
        g_assert_cmpuint(test_allocated(f, "default"), ==, DOL_VOLUME_SIZE_DEFAULT);
}

/* ---- failures in the middle ---- */

/* Fails each step of a create in turn: the name is free afterwards or the volume is whole, nothing
 * stays promised, and the same request succeeds. */
static void test_create_with_faults(test_fixture *f, const void *unused)
{
        static const char *const points[] = {"store.commit.before", "store.commit.after",
                                             "driver.create.before", "driver.create.after"};

        for (unsigned i = 0; i < G_N_ELEMENTS(points); i++)
                for (unsigned after = 0; after < 2; after++) {
                        g_autofree char *plan =
                                g_strdup_printf("%s=error:no-space,after=%u", points[i], after);
                        g_autofree char *name = g_strdup_printf("v%u-%u", i, after);
                        g_autoptr(dol_volume) failed = NULL;
                        g_autoptr(GError) error = NULL;

                        g_assert_true(dol_fault_arm(plan, NULL));
                        failed = test_make(f, name, NULL, 0, NULL, &error);
                        g_assert_true(dol_fault_arm(NULL, NULL));
                        dol_engine_resume(f->engine, &f->call);
                        test_must_make(f, name);
                        g_assert_true(test_delete(f, name, true, NULL));
                        g_assert_cmpuint(test_allocated(f, "default"), ==, 0);
                        g_assert_cmpuint(test_running(f), ==, 0);
                }
}

static void test_delete_with_faults(test_fixture *f, const void *unused)
{
        static const char *const points[] = {"store.commit.before", "store.commit.after",
                                             "driver.destroy.before", "driver.destroy.after"};

        for (unsigned i = 0; i < G_N_ELEMENTS(points); i++)
                for (unsigned after = 0; after < 2; after++) {
                        g_autofree char *plan =
                                g_strdup_printf("%s=error:internal,after=%u", points[i], after);

                        test_must_make(f, "v");
                        g_assert_true(dol_fault_arm(plan, NULL));
                        test_delete(f, "v", true, NULL);
                        g_assert_true(dol_fault_arm(NULL, NULL));
                        dol_engine_resume(f->engine, &f->call);
                        test_delete(f, "v", true, NULL);
                        g_assert_cmpuint(dol_index_size(f->engine->index), ==, 0);
                        g_assert_cmpuint(test_allocated(f, "default"), ==, 0);
                        g_assert_cmpuint(test_running(f), ==, 0);
                }
}

int main(int argc, char **argv)
{
        static const struct {
                const char *path;
                void (*test)(test_fixture *f, const void *unused);
        } rows[] = {
                {"/engine/create/race", test_create_race},
                {"/engine/create/faults", test_create_with_faults},
                {"/engine/delete/faults", test_delete_with_faults},
        };

        dol_log_set_level(DOL_LOG_ERROR);
        g_test_init(&argc, &argv, NULL);
        for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++)
                g_test_add(rows[i].path, test_fixture, NULL, test_set_up, rows[i].test,
                           test_tear_down);
        return g_test_run();
}
