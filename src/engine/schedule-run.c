/* SPDX-License-Identifier: Apache-2.0 */
/* Taking the snapshots that are due. */
#include "engine/schedule-private.h"

#include "base/clock.h"
#include "base/log.h"

#include <string.h>

/* A run that begins so much later is called after the time it begins, not after the time it was due
 * for: it does not have what was then. */
static const int64_t punctual_usec = 60 * DOL_USEC_PER_SEC;
/* How soon a schedule is looked at again that somebody works on. */
static const int64_t again_usec = DOL_USEC_PER_SEC;

unsigned dol_schedule_rules(const dol_schedule_spec *spec, dol_rule *ret_rules)
{
        unsigned count = 0;

        for (unsigned i = 0; spec->every && spec->every[i] && count < DOL_RULES_MAX; i++)
                if (dol_rule_parse(spec->every[i], &ret_rules[count], NULL))
                        count++;
        return count;
}

/* ---- which volumes ---- */

static bool add_uid(const dol_volume *volume, void *user)
{
        g_ptr_array_add(user, g_strdup(volume->uid));
        return true;
}

/* A volume in the trash is left out until it comes back. */
static bool is_there(const dol_volume *volume)
{
        return volume && (volume->status.phase == DOL_VOLUME_AVAILABLE ||
                          volume->status.phase == DOL_VOLUME_LOST);
}

GPtrArray *dol_schedule_volumes(dol_engine *engine, const dol_schedule_spec *spec)
{
        GPtrArray *uids = g_ptr_array_new_with_free_func(g_free);
        dol_volume_filter filter = {.phase = DOL_VOLUME_AVAILABLE, .labels = spec->label};
        bool more;

        if (spec->label)
                dol_engine_list(engine, &filter, add_uid, uids, &more, NULL);
        for (unsigned i = 0; spec->volumes && spec->volumes[i]; i++) {
                g_autoptr(dol_held_volume) volume =
                        dol_index_by_uid(engine->index, spec->volumes[i] + strlen("uid:"));

                if (is_there(volume))
                        add_uid(volume, uids);
        }
        return uids;
}

/* ---- one attempt ---- */

static bool has_it(dol_engine *engine, const dol_schedule *schedule, const char *uid)
{
        g_autoptr(dol_snapshot) snapshot =
                dol_snapshot_index_by_name(engine->snapshots, uid, schedule->status.run->name);

        return snapshot && snapshot->phase == DOL_SNAPSHOT_READY &&
               g_strcmp0(snapshot->schedule, schedule->name) == 0;
}

static bool take(dol_engine *engine, const dol_call *call, const dol_schedule *schedule,
                 char *const *uids, unsigned count, GError **error)
{
        g_autoptr(GPtrArray) references = g_ptr_array_new_with_free_func(g_free);
        g_autoptr(GPtrArray) taken = NULL;

        for (unsigned i = 0; i < count; i++)
                g_ptr_array_add(references, g_strconcat("uid:", uids[i], NULL));
        g_ptr_array_add(references, NULL);
        return dol_engine_snapshot_create(engine, call,
                                          &(dol_snapshot_request){
                                                  .volumes = (const char *const *)references->pdata,
                                                  .name = schedule->status.run->name,
                                                  .no_freeze = schedule->spec.no_freeze,
                                                  .schedule = schedule->name,
                                                  .rules = schedule->status.run->rules,
                                          },
                                          &taken, error);
}

/* All at one moment: when one of them has it, all that were there then have. */
static bool take_group(dol_engine *engine, const dol_call *call, const dol_schedule *schedule,
                       GPtrArray *uids, GError **error)
{
        for (unsigned i = 0; i < uids->len; i++)
                if (has_it(engine, schedule, uids->pdata[i]))
                        return true;
        return uids->len == 0 ||
               take(engine, call, schedule, (char *const *)uids->pdata, uids->len, error);
}

/* Each for itself: one that fails does not keep the others from being taken. */
static bool take_each(dol_engine *engine, const dol_call *call, const dol_schedule *schedule,
                      GPtrArray *uids, GError **error)
{
        g_autoptr(GError) first = NULL;
        unsigned failed = 0;

        for (unsigned i = 0; i < uids->len; i++) {
                g_autoptr(dol_held_volume) volume = dol_index_by_uid(engine->index, uids->pdata[i]);
                g_autoptr(GError) why = NULL;

                if (!is_there(volume) || has_it(engine, schedule, uids->pdata[i]) ||
                    take(engine, call, schedule, (char *const *)&uids->pdata[i], 1, &why))
                        continue;
                dol_fail_while(&why, "volume '%s'", volume->name);
                failed++;
                if (!first)
                        first = g_steal_pointer(&why);
        }
        if (!failed)
                return true;
        if (failed > 1)
                dol_fail_while(&first, "%u of %u volumes failed", failed, uids->len);
        g_propagate_error(error, g_steal_pointer(&first));
        return false;
}

static void end_run(dol_schedule *schedule, const GError *why, int64_t now)
{
        dol_schedule_status *status = &schedule->status;
        dol_schedule ended = {.status.run = status->run};

        status->run = NULL;
        status->last = now;
        status->failures = why ? status->failures + 1 : 0;
        if (!why)
                status->last_success = now;
        dol_schema_clear(&dol_schedule_schema, &ended);
}

/* Attempts the run that is recorded, and records how it went. `last_try`: it ends in any case. */
static bool attempt(dol_engine *engine, const dol_call *call, dol_schedule *schedule, bool last_try,
                    int64_t now, GError **error)
{
        dol_schedule_run *run = schedule->status.run;
        g_autoptr(GPtrArray) uids = dol_schedule_volumes(engine, &schedule->spec);
        g_autoptr(GError) why = NULL, unrecorded = NULL;
        bool ok = schedule->spec.group ? take_group(engine, call, schedule, uids, &why)
                                       : take_each(engine, call, schedule, uids, &why);

        g_free(schedule->status.message);
        schedule->status.message = g_strdup(ok ? NULL : why->message);
        run->retry = ok ? 0 : dol_run_retry((unsigned)++run->attempts, now);
        if (!ok && (last_try || run->retry == 0))
                dol_event_write(engine, call, DOL_EVENT_WARNING, "ScheduleFailed", "schedule",
                                schedule->name, schedule->uid, "schedule '%s', run '%s': %s",
                                schedule->name, run->name, why->message);
        if (ok || last_try || run->retry == 0)
                end_run(schedule, why, now);
        if (!dol_schedule_commit(engine, schedule, &unrecorded))
                dol_log(DOL_LOG_WARNING, "schedule '%s': %s", schedule->name, unrecorded->message);
        if (!ok)
                g_propagate_error(error, g_steal_pointer(&why));
        return ok;
}

/* ---- beginning ---- */

static char *run_name(const dol_schedule *schedule, int64_t moment)
{
        g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc(moment / DOL_USEC_PER_SEC);
        g_autofree char *stamp = g_date_time_format(time, "%Y%m%dT%H%M%SZ");

        return g_strdup_printf("%s-%s", schedule->name, stamp);
}

static bool begin(dol_engine *engine, dol_schedule *schedule, const dol_rule *rules,
                  const dol_due *due, int64_t now, GError **error)
{
        dol_schedule_run *run = g_new0(dol_schedule_run, 1);
        g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);

        for (unsigned i = 0; i < DOL_RULES_MAX; i++)
                if (due->rules & UINT32_C(1) << i)
                        g_ptr_array_add(names, dol_rule_name(&rules[i]));
        g_ptr_array_add(names, NULL);
        run->name = run_name(schedule, now - due->due < punctual_usec ? due->due : now);
        run->rules = g_strdupv((char **)names->pdata);
        run->begun = now;
        schedule->status.run = run;
        schedule->status.handled = now;
        return dol_schedule_commit(engine, schedule, error);
}

bool dol_engine_schedule_run(dol_engine *engine, const dol_call *call, const char *name,
                             dol_schedule **ret_schedule, GError **error)
{
        g_autoptr(dol_schedule) schedule = NULL;
        g_autoptr(dol_lock) lock = dol_schedule_take(engine, call, name, &schedule, error);
        int64_t now = dol_now_usec();
        dol_due first = {.due = now, .rules = 1};
        dol_rule rules[DOL_RULES_MAX];
        int64_t handled;

        if (!lock)
                return false;
        handled = schedule->status.handled;
        dol_schedule_rules(&schedule->spec, rules);
        if (!schedule->status.run && !begin(engine, schedule, rules, &first, now, error))
                return false;
        schedule->status.handled = handled; /* what the clock asks for is none of this */
        if (!attempt(engine, call, schedule, true, now, error))
                return dol_fail_while(error, "schedule '%s'", name);
        dol_schedule_prune(engine, call, schedule);
        dol_schedule_fill(engine, schedule, now);
        *ret_schedule = g_steal_pointer(&schedule);
        return true;
}

/* ---- by the clock ---- */

/* The clock was put back: what it shows twice is not taken twice, but all that comes is. */
static void correct_clock(dol_engine *engine, dol_schedule *schedule, int64_t handled)
{
        g_autoptr(GError) error = NULL;

        if (schedule->status.handled == handled)
                return;
        schedule->status.handled = handled;
        if (!dol_schedule_commit(engine, schedule, &error))
                dol_log(DOL_LOG_WARNING, "schedule '%s': %s", schedule->name, error->message);
}

static bool run_due(dol_engine *engine, const dol_call *call, dol_schedule *schedule,
                    const dol_rule *rules, const dol_due *due, int64_t now, GError **error)
{
        const dol_schedule_run *run = schedule->status.run;

        /* a run that failed is over when the next one is due */
        if (run && (due->due || run->retry <= now))
                attempt(engine, call, schedule, due->due && run->attempts > 0, now, NULL);
        if (schedule->status.run || !due->due)
                return true;
        return begin(engine, schedule, rules, due, now, error) &&
               attempt(engine, call, schedule, false, now, error);
}

/* When it is due again. */
static int64_t tend(dol_engine *engine, const dol_call *call, const char *name, int64_t now)
{
        g_autoptr(dol_schedule) schedule = NULL;
        g_autoptr(dol_lock) lock = dol_schedule_try(engine, name, &schedule);
        g_autoptr(GError) error = NULL;
        dol_rule rules[DOL_RULES_MAX];
        GTimeZone *zone;
        unsigned count;
        dol_due due;

        if (!lock)
                return now + again_usec;
        zone = dol_zone_open(schedule->spec.timezone, &error);
        if (!zone || schedule->spec.paused) {
                if (error)
                        dol_log(DOL_LOG_WARNING, "schedule '%s': %s", name, error->message);
                g_clear_pointer(&zone, g_time_zone_unref);
                return INT64_MAX;
        }
        count = dol_schedule_rules(&schedule->spec, rules);
        due = dol_rules_due(rules, count, zone, schedule->status.handled, now);
        g_time_zone_unref(zone);
        correct_clock(engine, schedule, due.handled);
        if (!run_due(engine, call, schedule, rules, &due, now, &error))
                dol_log(DOL_LOG_WARNING, "schedule '%s': %s", name, error->message);
        dol_schedule_prune(engine, call, schedule);
        return schedule->status.run ? MIN(due.next, MAX(schedule->status.run->retry, now))
                                    : due.next;
}

int64_t dol_engine_schedules_tend(dol_engine *engine, const dol_call *call, int64_t now)
{
        g_auto(GStrv) names = dol_schedules_names(engine);
        int64_t next = INT64_MAX;

        for (unsigned i = 0; names[i] && dol_call_check(call, NULL); i++)
                next = MIN(next, tend(engine, call, names[i], now));
        return next;
}
