/* SPDX-License-Identifier: Apache-2.0 */
/* Runs of schedules: when they come, what they take and prune, and what happens when they fail. */
#include "engine/test-schedule-fixture.h"

#include "base/fault.h"
#include "base/log.h"

#include <string.h>

static char *stamp(const char *schedule, int64_t usec)
{
        g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc(usec / DOL_USEC_PER_SEC);
        g_autofree char *text = g_date_time_format(time, "%Y%m%dT%H%M%SZ");

        return g_strconcat(schedule, "-", text, NULL);
}

/* ---- runs ---- */

static void test_runs_when_due(test_fixture *f, const void *unused)
{
        int64_t due = test_next_quarter();
        g_autofree char *name = stamp("s", due), *seen = NULL;
        g_autoptr(dol_schedule) schedule = NULL;

        test_must_make(f, "db");
        test_schedule_must_make(
                f, &(wanted_schedule){.name = "s", .every = "every 15m keep 2", .volume = "db"});
        g_assert_cmpint(dol_engine_schedules_tend(f->engine, &f->call, due - 1), ==, due);
        g_assert_cmpuint(test_schedule_count(f, "db"), ==, 0);
        g_assert_cmpint(dol_engine_schedules_tend(f->engine, &f->call, due + DOL_USEC_PER_SEC), ==,
                        due + 15 * MINUTE);
        seen = test_schedule_names(f, "db");
        g_assert_cmpstr(seen, ==, name);
        test_schedule_tick(f, due + DOL_USEC_PER_SEC);
        test_schedule_tick(f, due); /* the clock was put back a little */
        g_assert_cmpuint(test_schedule_count(f, "db"), ==, 1);
        schedule = test_schedule_get(f, "s");
        g_assert_cmpint(schedule->status.last, ==, due + DOL_USEC_PER_SEC);
        g_assert_cmpint(schedule->status.last_success, ==, schedule->status.last);
        g_assert_cmpstr(schedule->spec.volumes[0], ==, "db");
        g_assert_cmpuint(schedule->status.snapshots, ==, 1);
        g_assert_null(schedule->status.run);
}

static void test_missed_runs_are_one(test_fixture *f, const void *unused)
{
        int64_t late = test_next_quarter() + 100 * 15 * MINUTE + 5 * MINUTE;
        g_autofree char *name = stamp("s", late), *seen = NULL;

        test_must_make(f, "db");
        test_schedule_must_make(f, &(wanted_schedule){.name = "s",
                                                      .every = "every 15m",
                                                      .second = "daily 00:00",
                                                      .volume = "db"});
        test_schedule_tick(f, late);
        seen = test_schedule_names(
                f, "db"); /* called after the time it was taken, not after the one it missed */
        g_assert_cmpstr(seen, ==, name);
}

static void test_pruning(test_fixture *f, const void *unused)
{
        int64_t due = test_next_quarter();
        g_autofree char *first = stamp("s", due), *last = stamp("s", due + 60 * MINUTE);
        g_autofree char *reference = g_strconcat("db@", first, NULL), *seen = NULL;
        bool yes = true, no = false;
        g_autoptr(dol_snapshot) held = NULL, freed = NULL;
        g_autoptr(dol_schedule) schedule = NULL;

        test_must_make(f, "db");
        test_schedule_must_make(
                f, &(wanted_schedule){.name = "s", .every = "every 15m keep 1", .volume = "db"});
        test_schedule_tick(f, due);
        g_assert_true(dol_engine_snapshot_change(f->engine, &f->call, reference,
                                                 &(dol_snapshot_change){.protect = &yes}, &held,
                                                 NULL));
        for (unsigned i = 1; i <= 4; i++)
                test_schedule_tick(f, due + i * 15 * MINUTE);
        g_assert_cmpuint(test_schedule_count(f, "db"), ==,
                         2); /* the protected one, and the newest */
        schedule = test_schedule_get(f, "s");
        g_assert_cmpstr(schedule->status.held[0], ==, reference);
        g_assert_null(schedule->status.held[1]);
        g_assert_true(dol_engine_snapshot_change(f->engine, &f->call, reference,
                                                 &(dol_snapshot_change){.protect = &no}, &freed,
                                                 NULL));
        test_schedule_tick(f, due + 61 * MINUTE);
        seen = test_schedule_names(f, "db");
        g_assert_cmpstr(seen, ==, last);
}

static void test_failure_and_retry(test_fixture *f, const void *unused)
{
        int64_t due = test_next_quarter();
        g_autoptr(dol_schedule) failing = NULL, over = NULL, well = NULL;

        test_must_make(f, "a");
        test_must_make(f, "b");
        test_schedule_must_make(
                f, &(wanted_schedule){
                           .name = "s", .every = "every 1h", .volume = "a", .volume2 = "b"});
        due = (dol_now_usec() / (60 * MINUTE) + 1) * 60 * MINUTE;
        g_assert_true(
                dol_fault_arm("driver.snapshot-create.before=error:unavailable,times=1", NULL));
        test_schedule_tick(f, due);
        g_assert_cmpuint(test_schedule_count(f, "a") + test_schedule_count(f, "b"), ==,
                         1); /* the other one is taken */
        failing = test_schedule_get(f, "s");
        g_assert_cmpuint(failing->status.run->attempts, ==, 1);
        g_assert_cmpint(failing->status.run->retry, ==, due + MINUTE);
        g_assert_nonnull(strstr(failing->status.message, "volume '"));
        test_schedule_tick(f, due + MINUTE - 1);
        g_assert_cmpuint(test_schedule_count(f, "a") + test_schedule_count(f, "b"), ==, 1);
        test_schedule_tick(f, due + MINUTE);
        g_assert_cmpuint(test_schedule_count(f, "a"), ==, 1);
        g_assert_cmpuint(test_schedule_count(f, "b"), ==, 1);
        over = test_schedule_get(f, "s");
        g_assert_null(over->status.run);
        g_assert_null(over->status.message);
        g_assert_true(
                dol_fault_arm("driver.snapshot-create.before=error:unavailable,times=0", NULL));
        for (unsigned i = 0; i < 10; i++)
                test_schedule_tick(f, due + 60 * MINUTE + i * MINUTE);
        well = test_schedule_get(f, "s");
        g_assert_cmpuint(well->status.failures, ==, 1); /* one run, three attempts */
        g_assert_null(well->status.run);
        g_assert_nonnull(well->status.message);
        g_assert_cmpint(well->status.last_success, ==, due + MINUTE);
}

static void test_group(test_fixture *f, const void *unused)
{
        int64_t due = test_next_quarter();
        g_autoptr(GPtrArray) found = NULL;
        const dol_snapshot *first, *second;

        test_must_make(f, "a");
        test_must_make(f, "b");
        test_schedule_must_make(f, &(wanted_schedule){.name = "s",
                                                      .every = "every 15m",
                                                      .volume = "a",
                                                      .volume2 = "b",
                                                      .group = true});
        g_assert_true(
                dol_fault_arm("driver.snapshot-create.before=error:unavailable,after=1", NULL));
        test_schedule_tick(f, due);
        g_assert_cmpuint(test_schedule_count(f, "a") + test_schedule_count(f, "b"), ==,
                         0); /* all or none */
        test_schedule_tick(f, due + MINUTE);
        found = dol_engine_snapshot_list(f->engine, NULL, NULL, false, NULL);
        g_assert_cmpuint(found->len, ==, 2);
        first = found->pdata[0];
        second = found->pdata[1];
        g_assert_nonnull(first->group);
        g_assert_cmpstr(first->group, ==, second->group);
        g_assert_cmpstr(first->rules[0], ==, "every 15m");
}

/* Every commit of a run fails once, before or after it was done: in the end there is one snapshot.
 */
static void test_commits_fail(test_fixture *f, const void *unused)
{
        int64_t due = test_next_quarter();

        test_must_make(f, "db");
        test_schedule_must_make(
                f, &(wanted_schedule){.name = "s", .every = "every 15m keep 99", .volume = "db"});
        for (unsigned i = 0; i < 8; i++) {
                g_autofree char *plan =
                        g_strdup_printf("store.commit.%s=error:unavailable,after=%u",
                                        i % 2 ? "after" : "before", i / 2);

                g_assert_true(dol_fault_arm(plan, NULL));
                for (unsigned minute = 0; minute < 10; minute++) {
                        test_schedule_tick(f, due + minute * MINUTE);
                        dol_engine_resume(f->engine, &f->call);
                }
                g_test_message("%s", plan);
                g_assert_cmpuint(test_schedule_count(f, "db"), ==, i + 1);
                due += 15 * MINUTE;
        }
}

int main(int argc, char **argv)
{
        static const struct {
                const char *path;
                void (*test)(test_fixture *f, const void *unused);
        } rows[] = {
                {"/schedule/due", test_runs_when_due},
                {"/schedule/missed", test_missed_runs_are_one},
                {"/schedule/prune", test_pruning},
                {"/schedule/retry", test_failure_and_retry},
                {"/schedule/group", test_group},
                {"/schedule/commits", test_commits_fail},
        };

        dol_log_set_level(DOL_LOG_ERROR);
        g_test_init(&argc, &argv, NULL);
        for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++)
                g_test_add(rows[i].path, test_fixture, NULL, test_schedule_set_up, rows[i].test,
                           test_schedule_tear_down);
        return g_test_run();
}
