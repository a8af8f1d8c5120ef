/* SPDX-License-Identifier: Apache-2.0 */
/* Schedules as records, and volumes that come and go beneath them. */
#include "engine/test-schedule-fixture.h"

#include "base/log.h"

#include <string.h>

/* ---- volumes that come and go ---- */

static void set_label(test_fixture *f, const char *volume, const char *key)
{
        g_autoptr(GHashTable) labels = dol_map_new();
        g_autoptr(dol_volume) changed = NULL;

        g_hash_table_insert(labels, g_strdup(key), g_strdup("x"));
        g_assert_true(dol_engine_change(f->engine, &f->call, volume,
                                        &(dol_volume_change){.labels = labels}, &changed, NULL));
}

static void test_label_finds_new_volumes(test_fixture *f, const void *unused)
{
        int64_t due = test_next_quarter();

        test_schedule_must_make(
                f, &(wanted_schedule){.name = "s", .every = "every 15m", .label = "app"});
        test_schedule_tick(f, due); /* there is none yet, and that is no failure */
        test_must_make(f, "a");
        test_must_make(f, "b");
        set_label(f, "a", "app");
        test_schedule_tick(f, due + 15 * MINUTE);
        g_assert_cmpuint(test_schedule_count(f, "a"), ==, 1);
        g_assert_cmpuint(test_schedule_count(f, "b"), ==, 0);
        set_label(f, "b", "app");
        set_label(f, "a", "other");
        test_schedule_tick(f, due + 30 * MINUTE);
        g_assert_cmpuint(test_schedule_count(f, "a"), ==, 1);
        g_assert_cmpuint(test_schedule_count(f, "b"), ==, 1);
}

static void test_renamed_and_deleted(test_fixture *f, const void *unused)
{
        int64_t due = test_next_quarter();
        g_autoptr(dol_schedule) renamed = NULL, gone = NULL, changed = NULL;
        g_autoptr(dol_volume) back = NULL;
        g_autoptr(GError) error = NULL;

        test_must_make(f, "a");
        test_must_make(f, "b");
        test_schedule_must_make(
                f, &(wanted_schedule){
                           .name = "s", .every = "every 15m", .volume = "a", .volume2 = "b"});
        test_rename_to(f, "a", "c", &error);
        test_must_make(f, "a"); /* another one, which the schedule has nothing to do with */
        test_schedule_tick(f, due);
        g_assert_cmpuint(test_schedule_count(f, "c"), ==, 1);
        g_assert_cmpuint(test_schedule_count(f, "a"), ==, 0);
        renamed = test_schedule_get(f, "s");
        g_assert_cmpstr(renamed->spec.volumes[0], ==, "c");
        g_assert_true(test_delete(f, "c", false, NULL)); /* in the trash: left out */
        test_schedule_tick(f, due + 15 * MINUTE);
        g_assert_true(dol_engine_restore(f->engine, &f->call, "c", NULL, &back, NULL));
        g_assert_cmpuint(test_schedule_count(f, "c"), ==, 1);
        g_assert_cmpuint(test_schedule_count(f, "b"), ==, 2);
        test_schedule_tick(f, due + 30 * MINUTE); /* and in again */
        g_assert_cmpuint(test_schedule_count(f, "c"), ==, 2);
        g_assert_true(test_delete(f, "c", true, NULL));
        test_schedule_tick(f, due + 45 * MINUTE);
        gone = test_schedule_get(f, "s");
        g_assert_cmpuint(gone->status.volumes, ==, 1);
        g_assert_cmpuint(gone->status.failures, ==, 0);
        /* one that is gone does not keep the schedule from being changed */
        gone->spec.group = true;
        g_assert_true(dol_engine_schedule_change(f->engine, &f->call, "s", &gone->spec, 0, &changed,
                                                 &error));
        g_assert_no_error(error);
}

/* ---- records ---- */

static void check_refused(test_fixture *f, const wanted_schedule *wanted, dol_error_kind kind,
                          const char *told)
{
        g_autoptr(GError) error = NULL;

        g_assert_null(test_schedule_make(f, wanted, &error));
        g_assert_true(dol_error_is(error, kind));
        g_test_message("%s", error->message);
        g_assert_nonnull(strstr(error->message, told));
}

static void test_refused(test_fixture *f, const void *unused)
{
        test_must_make(f, "db");
        test_schedule_must_make(
                f, &(wanted_schedule){.name = "s", .every = "every 15m", .volume = "db"});
        check_refused(f, &(wanted_schedule){.name = "s", .every = "every 15m", .volume = "db"},
                      DOL_ERROR_EXISTS, "schedule 's' exists already");
        check_refused(f, &(wanted_schedule){.name = "S", .every = "every 15m", .volume = "db"},
                      DOL_ERROR_INVALID, "name: expected");
        check_refused(f, &(wanted_schedule){.name = "t", .volume = "db"}, DOL_ERROR_INVALID,
                      "spec.every: expected lines");
        check_refused(f, &(wanted_schedule){.name = "t", .every = "hourly", .volume = "db"},
                      DOL_ERROR_INVALID, "spec.every[0]: 'hourly'");
        check_refused(f,
                      &(wanted_schedule){.name = "t",
                                         .every = "every 60m keep 2",
                                         .second = "every 1h keep 9",
                                         .volume = "db"},
                      DOL_ERROR_INVALID, "spec.every[1]: 'every 1h keep 9' is there twice");
        check_refused(f, &(wanted_schedule){.name = "t", .every = "every 1h"}, DOL_ERROR_INVALID,
                      "either volumes or a label, got none");
        check_refused(
                f,
                &(wanted_schedule){.name = "t", .every = "every 1h", .volume = "db", .label = "a"},
                DOL_ERROR_INVALID, "either volumes or a label, got both");
        check_refused(f, &(wanted_schedule){.name = "t", .every = "every 1h", .volume = "nope"},
                      DOL_ERROR_NOT_FOUND, "spec.volumes[0]");
}

static void test_paused(test_fixture *f, const void *unused)
{
        int64_t due = test_next_quarter();
        g_autoptr(dol_schedule) schedule = NULL, changed = NULL;

        test_must_make(f, "db");
        test_schedule_must_make(
                f, &(wanted_schedule){
                           .name = "s", .every = "every 15m", .volume = "db", .paused = true});
        g_assert_cmpint(dol_engine_schedules_tend(f->engine, &f->call, due), ==, INT64_MAX);
        schedule = test_schedule_get(f, "s");
        g_assert_cmpint(schedule->status.next, ==, 0);
        g_assert_cmpuint(test_schedule_count(f, "db"), ==, 0);
        schedule->spec.paused = false;
        g_assert_true(dol_engine_schedule_change(f->engine, &f->call, "s", &schedule->spec, 0,
                                                 &changed, NULL));
        g_assert_cmpint(changed->status.next, >, dol_now_usec());
}

static void test_run_now_and_delete(test_fixture *f, const void *unused)
{
        g_autoptr(dol_schedule) ran = NULL;
        g_autoptr(GError) error = NULL;

        test_must_make(f, "db");
        test_schedule_must_make(
                f, &(wanted_schedule){.name = "s", .every = "daily 02:00", .volume = "db"});
        g_assert_true(dol_engine_schedule_run(f->engine, &f->call, "s", &ran, &error));
        g_assert_cmpuint(ran->status.snapshots, ==, 1);
        g_assert_true(dol_engine_schedule_delete(f->engine, &f->call, "s", &error));
        g_assert_cmpuint(test_schedule_count(f, "db"), ==, 1);
        g_assert_false(dol_engine_schedule_delete(f->engine, &f->call, "s", &error));
        g_assert_true(dol_error_is(error, DOL_ERROR_NOT_FOUND));
        g_assert_cmpint(dol_engine_schedules_tend(f->engine, &f->call, INT64_MAX / 2), ==,
                        INT64_MAX);
}

int main(int argc, char **argv)
{
        static const struct {
                const char *path;
                void (*test)(test_fixture *f, const void *unused);
        } rows[] = {
                {"/schedule/label", test_label_finds_new_volumes},
                {"/schedule/volumes", test_renamed_and_deleted},
                {"/schedule/refused", test_refused},
                {"/schedule/paused", test_paused},
                {"/schedule/now", test_run_now_and_delete},
        };

        dol_log_set_level(DOL_LOG_ERROR);
        g_test_init(&argc, &argv, NULL);
        for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++)
                g_test_add(rows[i].path, test_fixture, NULL, test_schedule_set_up, rows[i].test,
                           test_schedule_tear_down);
        return g_test_run();
}
