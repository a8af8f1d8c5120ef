/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/test-schedule-fixture.h"

#include "driver/pool-private.h"

/* ---- snapshots for the fake driver: a set of their uids ---- */

static GHashTable *taken;

static bool take(void *pool, const dol_call *call, const dol_snapshot *want, GError **error)
{
        g_hash_table_add(taken, g_strdup(want->uid));
        return true;
}

static bool destroy(void *pool, const dol_call *call, const char *volume, const char *uid,
                    GError **error)
{
        g_hash_table_remove(taken, uid);
        return true;
}

static bool inspect(void *pool, const dol_call *call, const char *volume, const char *uid,
                    dol_snapshot_info *ret, GError **error)
{
        *ret = (dol_snapshot_info){0};
        return g_hash_table_contains(taken, uid) ||
               dol_fail(error, DOL_ERROR_NOT_FOUND, "there is no snapshot %s", uid);
}

static bool describe(void *pool, const dol_call *call, const dol_snapshot *snapshot, GError **error)
{
        return true;
}

static dol_driver driver; /* the fake one, which can take snapshots */

void test_schedule_set_up(test_fixture *f, const void *unused)
{
        static const char *const names[] = {"default", "other"};

        test_set_up(f, unused);
        taken = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        driver = dol_driver_fake;
        driver.snapshot_create = take;
        driver.snapshot_destroy = destroy;
        driver.snapshot_inspect = inspect;
        driver.snapshot_describe = describe;
        for (unsigned i = 0; i < G_N_ELEMENTS(names); i++)
                dol_pools_find(f->engine, names[i], NULL)->driver = &driver;
}

void test_schedule_tear_down(test_fixture *f, const void *unused)
{
        test_tear_down(f, unused);
        g_hash_table_unref(taken);
}

static char **strings(const char *first, const char *second)
{
        const char *const all[] = {first, second, NULL};

        return first ? g_strdupv((char **)all) : NULL;
}

dol_schedule *test_schedule_make(test_fixture *f, const wanted_schedule *wanted, GError **error)
{
        g_autoptr(dol_schedule) want = g_new0(dol_schedule, 1);
        dol_schedule *made = NULL;

        want->name = g_strdup(wanted->name);
        want->spec.every = strings(wanted->every, wanted->second);
        want->spec.volumes = strings(wanted->volume, wanted->volume2);
        want->spec.label = g_strdup(wanted->label);
        want->spec.timezone = g_strdup("UTC");
        want->spec.group = wanted->group;
        want->spec.paused = wanted->paused;
        dol_engine_schedule_create(f->engine, &f->call, want, &made, error);
        return made;
}

void test_schedule_must_make(test_fixture *f, const wanted_schedule *wanted)
{
        g_autoptr(GError) error = NULL;
        g_autoptr(dol_schedule) made = test_schedule_make(f, wanted, &error);

        g_assert_no_error(error);
        g_assert_cmpstr(made->name, ==, wanted->name);
}

dol_schedule *test_schedule_get(test_fixture *f, const char *name)
{
        g_autoptr(GError) error = NULL;
        dol_schedule *schedule = dol_engine_schedule_get(f->engine, name, &error);

        g_assert_no_error(error);
        return schedule;
}

char *test_schedule_names(test_fixture *f, const char *volume)
{
        g_autoptr(GPtrArray) found = dol_engine_snapshot_list(f->engine, volume, NULL, false, NULL);
        g_autoptr(GString) text = g_string_new(NULL);

        for (unsigned i = 0; found && i < found->len; i++)
                g_string_append_printf(text, "%s%s", i ? " " : "",
                                       ((const dol_snapshot *)found->pdata[i])->name);
        return g_strdup(text->str);
}

unsigned test_schedule_count(test_fixture *f, const char *volume)
{
        g_autoptr(GPtrArray) found = dol_engine_snapshot_list(f->engine, volume, NULL, false, NULL);

        return found ? found->len : 0;
}

void test_schedule_tick(test_fixture *f, int64_t now)
{
        dol_engine_schedules_tend(f->engine, &f->call, now);
}

int64_t test_next_quarter(void)
{
        return (dol_now_usec() / (15 * MINUTE) + 1) * 15 * MINUTE;
}
