/* SPDX-License-Identifier: Apache-2.0 */
/* The use-cases over the memory store and the fake driver: names, states, records. Mounting needs
 * root: tests/api. */
#include "engine/test-fixture.h"

#include "base/log.h"

#include <string.h>

/* ---- create ---- */

static void test_create(test_fixture *f, const void *unused)
{
        g_autoptr(GError) error = NULL;
        bool existed;
        g_autoptr(dol_volume) first = test_make(f, "db", NULL, 0, &existed, &error);
        g_autoptr(dol_volume) again = NULL, other = NULL;

        g_assert_no_error(error);
        g_assert_false(existed);
        g_assert_cmpstr(first->spec.pool, ==, "default");
        g_assert_cmpuint(first->spec.size, ==, DOL_VOLUME_SIZE_DEFAULT);
        again = test_make(f, "db", "default", DOL_VOLUME_SIZE_DEFAULT, &existed, &error);
        g_assert_no_error(error);
        g_assert_true(existed);
        g_assert_cmpstr(again->uid, ==, first->uid);
        other = test_make(f, "db", "other", DOL_VOLUME_SIZE_DEFAULT * 2, &existed, &error);
        g_assert_null(other);
        g_assert_error(error, DOL_ERROR, DOL_ERROR_EXISTS);
        g_assert_nonnull(strstr(error->message, "size is 10G, not 20G"));
        g_assert_nonnull(strstr(error->message, "pool is default, not other"));
        g_assert_cmpuint(test_allocated(f, "default"), ==, DOL_VOLUME_SIZE_DEFAULT);
}

static void test_create_refused(test_fixture *f, const void *unused)
{
        static const struct {
                const char *name, *pool;
                uint64_t size;
                dol_error_kind kind;
        } rows[] = {
                {"a/b", NULL, 0, DOL_ERROR_INVALID},
                {"ok", "nowhere", 0, DOL_ERROR_NOT_FOUND},
                {"ok", NULL, 1, DOL_ERROR_INVALID},
                {"ok", NULL, DOL_VOLUME_SIZE_MAX + 4096, DOL_ERROR_INVALID},
        };

        for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
                g_autoptr(GError) error = NULL;
                g_autoptr(dol_volume) made =
                        test_make(f, rows[i].name, rows[i].pool, rows[i].size, NULL, &error);

                g_assert_null(made);
                g_assert_error(error, DOL_ERROR, (int)rows[i].kind);
        }
        g_assert_cmpuint(dol_index_size(f->engine->index), ==, 0);
        g_assert_cmpuint(test_allocated(f, "default"), ==, 0);
}

/* ---- change, delete, restore ---- */

static void test_rename(test_fixture *f, const void *unused)
{
        g_autoptr(GError) error = NULL;
        g_autoptr(dol_volume) gone = NULL, found = NULL;

        test_must_make(f, "a");
        test_must_make(f, "b");
        test_rename_to(f, "a", "b", &error);
        g_assert_error(error, DOL_ERROR, DOL_ERROR_EXISTS);
        g_clear_error(&error);
        test_rename_to(f, "a", "c", &error);
        g_assert_no_error(error);
        gone = dol_engine_peek(f->engine, "a", NULL);
        found = dol_engine_peek(f->engine, "c", NULL);
        g_assert_null(gone);
        g_assert_nonnull(found);
        test_must_make(f, "a"); /* the old name is free at once */
}

static void test_stale_change(test_fixture *f, const void *unused)
{
        bool yes = true;
        dol_volume_change change = {.if_revision = 1, .protect = &yes};
        g_autoptr(dol_volume) changed = NULL;
        g_autoptr(GError) error = NULL;

        test_must_make(f, "a");
        g_assert_false(dol_engine_change(f->engine, &f->call, "a", &change, &changed, &error));
        g_assert_error(error, DOL_ERROR, DOL_ERROR_STALE);
}

static void test_protected(test_fixture *f, const void *unused)
{
        bool yes = true, no = false;
        dol_volume_change protect = {.protect = &yes}, release = {.protect = &no};
        g_autoptr(dol_volume) first = NULL, second = NULL;
        g_autoptr(GError) error = NULL;

        test_must_make(f, "a");
        g_assert_true(dol_engine_change(f->engine, &f->call, "a", &protect, &first, &error));
        g_assert_false(test_delete(f, "a", true, &error));
        g_assert_error(error, DOL_ERROR, DOL_ERROR_CONFLICT);
        g_clear_error(&error);
        g_assert_true(dol_engine_change(f->engine, &f->call, "a", &release, &second, &error));
        g_assert_true(test_delete(f, "a", true, &error));
        g_assert_cmpuint(test_allocated(f, "default"), ==, 0);
}

static void test_trash(test_fixture *f, const void *unused)
{
        g_autoptr(dol_volume) back = NULL, twice = NULL;
        g_autoptr(GError) error = NULL;

        test_must_make(f, "a");
        g_assert_true(test_delete(f, "a", false, &error));
        test_must_make(f, "a"); /* its name is free */
        g_assert_false(dol_engine_restore(f->engine, &f->call, "a", NULL, &back, &error));
        g_assert_error(error, DOL_ERROR, DOL_ERROR_EXISTS);
        g_clear_error(&error);
        g_assert_true(dol_engine_restore(f->engine, &f->call, "a", "a-old", &back, &error));
        g_assert_cmpint(back->status.phase, ==, DOL_VOLUME_AVAILABLE);
        g_assert_false(dol_engine_restore(f->engine, &f->call, "a", NULL, &twice, &error));
        g_assert_error(error, DOL_ERROR, DOL_ERROR_NOT_FOUND);
}

static void test_trash_by_name_is_ambiguous(test_fixture *f, const void *unused)
{
        g_autoptr(dol_volume) back = NULL;
        g_autoptr(GError) error = NULL;

        for (unsigned i = 0; i < 2; i++) {
                test_must_make(f, "a");
                g_assert_true(test_delete(f, "a", false, &error));
        }
        g_assert_false(dol_engine_restore(f->engine, &f->call, "a", NULL, &back, &error));
        g_assert_error(error, DOL_ERROR, DOL_ERROR_CONFLICT);
        g_assert_nonnull(strstr(error->message, "uid:"));
}

/* ---- operations and events ---- */

static void test_records(test_fixture *f, const void *unused)
{
        g_autoptr(GPtrArray) operations = NULL, events = NULL;
        const dol_operation *newest;
        const dol_event *first;

        test_must_make(f, "a");
        test_rename_to(f, "a", "b", NULL);
        operations = dol_engine_operation_list(f->engine, NULL, -1, 0, NULL);
        g_assert_cmpuint(operations->len, ==, 2);
        newest = operations->pdata[0];
        g_assert_cmpint(newest->operation, ==, DOL_OPERATION_CHANGE);
        g_assert_cmpint(newest->phase, ==, DOL_OPERATION_DONE);
        g_assert_cmpstr(newest->actor, ==, "test");
        events = dol_engine_event_list(f->engine, 0, 0, NULL, NULL);
        g_assert_cmpuint(events->len, ==, 2);
        first = events->pdata[0];
        g_assert_cmpstr(first->reason, ==, "VolumeCreated");
        g_assert_cmpstr(first->name, ==, "a");
}

static void test_operations_are_bounded(test_fixture *f, const void *unused)
{
        g_autoptr(GPtrArray) operations = NULL;

        for (unsigned i = 0; i < 1100; i++) {
                g_autofree char *name = g_strdup_printf("n%u", i % 2);

                if (i == 0)
                        test_must_make(f, "n1");
                test_rename_to(f, i % 2 ? "n0" : "n1", name, NULL);
        }
        operations = dol_engine_operation_list(f->engine, NULL, -1, 0, NULL);
        g_assert_cmpuint(operations->len, ==, 1000);
}

/* ---- expiry ---- */

static void test_expired_trash_goes(test_fixture *f, const void *unused)
{
        int64_t soon = 1;
        dol_volume_change change = {.trash = &soon};
        g_autoptr(dol_volume) changed = NULL;

        test_must_make(f, "a");
        test_must_make(f, "b");
        g_assert_true(dol_engine_change(f->engine, &f->call, "a", &change, &changed, NULL));
        g_assert_true(test_delete(f, "a", false, NULL));
        g_assert_true(test_delete(f, "b", false, NULL));
        g_usleep(1000);
        dol_engine_tend_pools(f->engine, &f->call);
        g_assert_cmpuint(dol_index_size(f->engine->index), ==, 1);
}

int main(int argc, char **argv)
{
        static const struct {
                const char *path;
                void (*test)(test_fixture *f, const void *unused);
        } rows[] = {
                {"/engine/create", test_create},
                {"/engine/create/refused", test_create_refused},
                {"/engine/rename", test_rename},
                {"/engine/change/stale", test_stale_change},
                {"/engine/delete/protected", test_protected},
                {"/engine/trash", test_trash},
                {"/engine/trash/ambiguous", test_trash_by_name_is_ambiguous},
                {"/engine/trash/expired", test_expired_trash_goes},
                {"/engine/records", test_records},
                {"/engine/records/bounded", test_operations_are_bounded},
        };

        dol_log_set_level(DOL_LOG_ERROR);
        g_test_init(&argc, &argv, NULL);
        for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++)
                g_test_add(rows[i].path, test_fixture, NULL, test_set_up, rows[i].test,
                           test_tear_down);
        return g_test_run();
}
