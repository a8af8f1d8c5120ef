/* SPDX-License-Identifier: Apache-2.0 */
/* What people do with schedules: create, look, change, delete. */
#include "engine/schedule-private.h"

#include "base/clock.h"
#include "base/random.h"

#include <string.h>

/* ---- checking ---- */

static bool check_every(const dol_schedule_spec *spec, GError **error)
{
        g_autoptr(GHashTable) names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        dol_rule rule;

        if (g_strv_length(spec->every) > DOL_RULES_MAX)
                return dol_fail(error, DOL_ERROR_INVALID, "spec.every: expected at most %d lines",
                                DOL_RULES_MAX);
        for (unsigned i = 0; spec->every[i]; i++) {
                if (!dol_rule_parse(spec->every[i], &rule, error))
                        return dol_fail_while(error, "spec.every[%u]", i);
                if (!g_hash_table_add(names, dol_rule_name(&rule)))
                        return dol_fail(error, DOL_ERROR_INVALID,
                                        "spec.every[%u]: '%s' is there twice", i, spec->every[i]);
        }
        return true;
}

static bool check_zone(const dol_schedule_spec *spec, GError **error)
{
        GTimeZone *zone = dol_zone_open(spec->timezone, error);

        if (!zone)
                return dol_fail_while(error, "spec.timezone");
        g_time_zone_unref(zone);
        return true;
}

/* Volumes are recorded by uid. One that the schedule had before (`before`) may be gone by now. */
static bool resolve_volumes(dol_engine *engine, char **before, dol_schedule_spec *spec,
                            GError **error)
{
        g_autoptr(GPtrArray) uids = g_ptr_array_new_with_free_func(g_free);

        for (unsigned i = 0; spec->volumes && spec->volumes[i]; i++) {
                bool known =
                        before && g_strv_contains((const char *const *)before, spec->volumes[i]);
                g_autoptr(dol_held_volume) volume =
                        known ? NULL : dol_volume_find(engine, spec->volumes[i], error);
                g_autofree char *uid = known    ? g_strdup(spec->volumes[i])
                                       : volume ? g_strconcat("uid:", volume->uid, NULL)
                                                : NULL;

                if (!uid)
                        return dol_fail_while(error, "spec.volumes[%u]", i);
                if (!g_ptr_array_find_with_equal_func(uids, uid, g_str_equal, NULL))
                        g_ptr_array_add(uids, g_steal_pointer(&uid));
        }
        g_ptr_array_add(uids, NULL);
        g_strfreev(spec->volumes);
        spec->volumes = uids->len > 1 ? g_strdupv((char **)uids->pdata) : NULL;
        return true;
}

static bool check(dol_engine *engine, char **before, dol_schedule_spec *spec, GError **error)
{
        return dol_schedule_spec_check(spec, error) && check_every(spec, error) &&
               check_zone(spec, error) && resolve_volumes(engine, before, spec, error);
}

/* ---- use-cases ---- */

static void free_schedule(void *data)
{
        dol_schedule_free(data);
}

static void tell(dol_engine *engine, const dol_call *call, const dol_schedule *schedule,
                 const char *reason, const char *what)
{
        dol_event_write(engine, call, DOL_EVENT_NORMAL, reason, "schedule", schedule->name,
                        schedule->uid, "schedule '%s' was %s", schedule->name, what);
        dol_schedules_tell_change(engine);
}

bool dol_engine_schedule_create(dol_engine *engine, const dol_call *call, const dol_schedule *want,
                                dol_schedule **ret_schedule, GError **error)
{
        g_autoptr(dol_schedule) schedule = dol_schedule_copy(want), other = NULL;
        g_autoptr(dol_lock) lock = NULL;

        if (!dol_schedule_name_check(want->name, error) ||
            !check(engine, NULL, &schedule->spec, error) ||
            !(lock = dol_schedule_lock(engine, call, want->name, error)))
                return false;
        if ((other = dol_schedule_find(engine, want->name, NULL)))
                return dol_fail(error, DOL_ERROR_EXISTS, "schedule '%s' exists already",
                                want->name);
        schedule->uid = dol_uid_new();
        schedule->revision = 0;
        schedule->status.created = schedule->status.changed = schedule->status.handled =
                dol_now_usec();
        if (!dol_schedule_commit(engine, schedule, error))
                return false;
        tell(engine, call, schedule, "ScheduleCreated", "created");
        dol_schedule_fill(engine, schedule, dol_now_usec());
        *ret_schedule = g_steal_pointer(&schedule);
        return true;
}

dol_schedule *dol_engine_schedule_get(dol_engine *engine, const char *name, GError **error)
{
        dol_schedule *schedule = dol_schedule_find(engine, name, error);

        if (schedule)
                dol_schedule_fill(engine, schedule, dol_now_usec());
        return schedule;
}

GPtrArray *dol_engine_schedule_list(dol_engine *engine)
{
        GPtrArray *all = g_ptr_array_new_with_free_func(free_schedule);
        g_auto(GStrv) names = dol_schedules_names(engine);

        for (unsigned i = 0; names[i]; i++) {
                dol_schedule *schedule = dol_engine_schedule_get(engine, names[i], NULL);

                if (schedule)
                        g_ptr_array_add(all, schedule);
        }
        return all;
}

static void replace_spec(dol_schedule *schedule, const dol_schedule_spec *spec)
{
        dol_schedule with = {.spec = *spec};
        dol_schedule *copy = dol_schedule_copy(&with);
        dol_schedule_spec before = schedule->spec;

        schedule->spec = copy->spec;
        copy->spec = before;
        dol_schedule_free(copy);
}

bool dol_engine_schedule_change(dol_engine *engine, const dol_call *call, const char *name,
                                const dol_schedule_spec *spec, int64_t if_revision,
                                dol_schedule **ret_schedule, GError **error)
{
        g_autoptr(dol_schedule) schedule = NULL;
        g_autoptr(dol_lock) lock = dol_schedule_take(engine, call, name, &schedule, error);
        g_auto(GStrv) before = lock ? g_strdupv(schedule->spec.volumes) : NULL;

        if (!lock)
                return false;
        if (if_revision && if_revision != schedule->revision)
                return dol_fail(error, DOL_ERROR_STALE, "schedule '%s' was changed meanwhile",
                                name);
        replace_spec(schedule, spec);
        if (!check(engine, before, &schedule->spec, error))
                return false;
        schedule->status.changed = schedule->status.handled = dol_now_usec();
        if (!dol_schedule_commit(engine, schedule, error))
                return false;
        tell(engine, call, schedule, "ScheduleChanged", "changed");
        dol_schedule_fill(engine, schedule, dol_now_usec());
        *ret_schedule = g_steal_pointer(&schedule);
        return true;
}

bool dol_engine_schedule_delete(dol_engine *engine, const dol_call *call, const char *name,
                                GError **error)
{
        g_autoptr(dol_schedule) schedule = NULL;
        g_autoptr(dol_lock) lock = dol_schedule_take(engine, call, name, &schedule, error);

        if (!lock || !dol_schedule_commit_delete(engine, schedule, error))
                return false;
        tell(engine, call, schedule, "ScheduleDeleted", "deleted; its snapshots stay");
        return true;
}
