/* SPDX-License-Identifier: Apache-2.0 */
/* What schedules have made: showing it, and removing what is not kept any longer. */
#include "engine/schedule-private.h"

#include "base/log.h"

#include <string.h>

/* ---- verdicts ---- */

typedef void (*verdict_fn)(const dol_snapshot *snapshot, dol_retention verdict, void *user);

static int compare_volume(const void *a, const void *b)
{
        const dol_snapshot *first = *(const dol_snapshot *const *)a;
        const dol_snapshot *second = *(const dol_snapshot *const *)b;
        int order = strcmp(first->volume, second->volume);

        if (order || first->created == second->created)
                return order ? order : strcmp(first->uid, second->uid);
        return first->created < second->created ? -1 : 1;
}

static bool is_of(const dol_snapshot *snapshot, const dol_schedule *schedule)
{
        return g_strcmp0(snapshot->schedule, schedule->name) == 0;
}

/* Those of the schedule, by volume, oldest first. */
static GPtrArray *snapshots_of(dol_engine *engine, const dol_schedule *schedule)
{
        GPtrArray *all = dol_snapshot_index_list(engine->snapshots, NULL);

        for (unsigned i = all->len; i > 0; i--)
                if (!is_of(all->pdata[i - 1], schedule))
                        g_ptr_array_remove_index(all, i - 1);
        g_ptr_array_sort(all, compare_volume);
        return all;
}

/* Calls `fn` for each snapshot of the schedule. */
static void judge(dol_engine *engine, const dol_schedule *schedule, verdict_fn fn, void *user)
{
        g_autoptr(GPtrArray) all = snapshots_of(engine, schedule);
        g_autofree dol_retention *verdicts = g_new0(dol_retention, all->len + 1);
        dol_rule rules[DOL_RULES_MAX];
        unsigned count = dol_schedule_rules(&schedule->spec, rules);
        unsigned first = 0;

        for (unsigned i = 0; i < all->len; i++) {
                const dol_snapshot *now = all->pdata[i];
                const dol_snapshot *next = i + 1 < all->len ? all->pdata[i + 1] : NULL;

                if (next && strcmp(now->volume, next->volume) == 0)
                        continue;
                dol_retention_judge(schedule->name, rules, count,
                                    (const dol_snapshot *const *)&all->pdata[first], i + 1 - first,
                                    &verdicts[first]);
                first = i + 1;
        }
        for (unsigned i = 0; i < all->len; i++)
                fn(all->pdata[i], verdicts[i], user);
}

/* ---- showing ---- */

static void show_volumes(dol_engine *engine, char **volumes)
{
        for (unsigned i = 0; volumes && volumes[i]; i++) {
                g_autoptr(dol_held_volume) volume =
                        dol_index_by_uid(engine->index, volumes[i] + strlen("uid:"));

                if (!volume || !dol_volume_owns_name(volume))
                        continue;
                g_free(volumes[i]);
                volumes[i] = g_strdup(volume->name);
        }
}

typedef struct {
        dol_engine *engine;
        uint64_t count;
        GPtrArray *held;
} tally;

static char *reference_of(dol_engine *engine, const dol_snapshot *snapshot)
{
        g_autoptr(dol_held_volume) volume = dol_index_by_uid(engine->index, snapshot->volume);

        return g_strdup_printf("%s@%s", volume ? volume->name : snapshot->volume, snapshot->name);
}

static void count(const dol_snapshot *snapshot, dol_retention verdict, void *user)
{
        tally *counting = user;

        counting->count++;
        if (verdict == DOL_HOLD)
                g_ptr_array_add(counting->held, reference_of(counting->engine, snapshot));
}

void dol_schedule_fill(dol_engine *engine, dol_schedule *schedule, int64_t now)
{
        g_autoptr(GPtrArray) uids = dol_schedule_volumes(engine, &schedule->spec);
        g_autoptr(GPtrArray) held = g_ptr_array_new_with_free_func(g_free);
        GTimeZone *zone = dol_zone_open(schedule->spec.timezone, NULL);
        tally counting = {engine, 0, held};
        dol_rule rules[DOL_RULES_MAX];
        unsigned rule_count = dol_schedule_rules(&schedule->spec, rules);

        schedule->status.next = 0;
        if (zone && !schedule->spec.paused && rule_count > 0)
                schedule->status.next =
                        dol_rules_due(rules, rule_count, zone, schedule->status.handled, now).next;
        g_clear_pointer(&zone, g_time_zone_unref);
        judge(engine, schedule, count, &counting);
        schedule->status.volumes = uids->len;
        schedule->status.snapshots = counting.count;
        g_ptr_array_add(held, NULL);
        g_strfreev(schedule->status.held);
        schedule->status.held = held->len > 1 ? g_strdupv((char **)held->pdata) : NULL;
        show_volumes(engine, schedule->spec.volumes);
}

/* ---- removing ---- */

typedef struct {
        dol_engine *engine;
        const dol_call *call;
        const dol_schedule *schedule;
} pruning;

static void tell_held(const pruning *at, const dol_snapshot *snapshot)
{
        g_autofree char *reference = reference_of(at->engine, snapshot);

        bool is_new;

        pthread_mutex_lock(&at->engine->schedules.lock);
        is_new = g_hash_table_add(at->engine->schedules.told_held, g_strdup(snapshot->uid));
        pthread_mutex_unlock(&at->engine->schedules.lock);
        if (!is_new)
                return;
        dol_event_write(at->engine, at->call, DOL_EVENT_WARNING, "SnapshotHeld", "schedule",
                        at->schedule->name, at->schedule->uid,
                        "schedule '%s' does not keep snapshot '%s' any longer, but it is %s",
                        at->schedule->name, reference, snapshot->protect ? "protected" : "mounted");
}

static bool remove_one(dol_engine *engine, const dol_call *call, const dol_snapshot *snapshot)
{
        g_autofree char *reference = g_strconcat("uid:", snapshot->uid, NULL);
        g_autoptr(GError) error = NULL;

        if (dol_engine_snapshot_delete(engine, call, reference, &error) ||
            dol_error_is(error, DOL_ERROR_NOT_FOUND))
                return true;
        dol_log(DOL_LOG_WARNING, "snapshot '%s' cannot be pruned: %s", snapshot->name,
                error->message);
        return false;
}

static bool is_available(dol_engine *engine, const char *uid, const char *pool)
{
        g_autoptr(dol_held_volume) volume = dol_index_by_uid(engine->index, uid);

        return volume && volume->status.phase == DOL_VOLUME_AVAILABLE &&
               (!pool || g_strcmp0(volume->spec.pool, pool) == 0);
}

static void act(const dol_snapshot *snapshot, dol_retention verdict, void *user)
{
        const pruning *at = user;

        if (verdict == DOL_RETAIN || !is_available(at->engine, snapshot->volume, NULL))
                return;
        if (verdict == DOL_HOLD)
                tell_held(at, snapshot);
        else
                remove_one(at->engine, at->call, snapshot);
}

void dol_schedule_prune(dol_engine *engine, const dol_call *call, const dol_schedule *schedule)
{
        pruning at = {engine, call, schedule};

        judge(engine, schedule, act, &at);
}

bool dol_schedules_relieve(dol_engine *engine, const dol_call *call, const char *pool)
{
        g_autoptr(GPtrArray) all = dol_snapshot_index_list(engine->snapshots, NULL);
        const dol_snapshot *chosen;
        int index;

        for (unsigned i = all->len; i > 0; i--)
                if (!is_available(engine, ((const dol_snapshot *)all->pdata[i - 1])->volume, pool))
                        g_ptr_array_remove_index(all, i - 1);
        index = dol_retention_choose((const dol_snapshot *const *)all->pdata, all->len);
        if (index < 0)
                return false;
        chosen = all->pdata[index];
        dol_event_write(engine, call, DOL_EVENT_WARNING, "SnapshotGivenUp", "pool", pool, NULL,
                        "pool '%s' is full: snapshot '%s' of schedule '%s' is given up", pool,
                        chosen->name, chosen->schedule);
        return remove_one(engine, call, chosen);
}
