/* SPDX-License-Identifier: Apache-2.0 */
/* Looking after pools: the trash, the watermarks, the ballast, and whether what is recorded is
 * there. */
#include "engine/private.h"

#include "base/clock.h"
#include "base/log.h"
#include "codec/units.h"
#include "policy/trash.h"

#include <string.h>

/* How long, and how often meanwhile, a pool is looked at until what was removed is free. */
enum { FREEING_USEC = 500000, FREEING_LOOKS = 20 };

/* ---- trash ---- */

static bool is_trashed(const dol_volume *volume, void *user)
{
        const char *pool = user;

        return volume->status.phase == DOL_VOLUME_TRASHED &&
               (!pool || g_strcmp0(pool, volume->spec.pool) == 0);
}

static bool purge(dol_engine *engine, const dol_call *call, const dol_volume *trashed)
{
        g_autofree char *reference = g_strconcat("uid:", trashed->uid, NULL);
        g_autoptr(dol_volume) volume = NULL;
        g_autoptr(GError) error = NULL;

        if (dol_engine_delete(engine, call, reference, true, 0, &volume, &error))
                return true;
        dol_log(DOL_LOG_WARNING, "trash: %s", error->message);
        return false;
}

static void purge_expired(dol_engine *engine, const dol_call *call)
{
        g_autoptr(GPtrArray) trashed = dol_index_list(engine->index, NULL, 0, is_trashed, NULL);
        int64_t now = dol_now_usec();

        for (unsigned i = 0; i < trashed->len; i++)
                if (dol_trash_is_over(trashed->pdata[i], now))
                        purge(engine, call, trashed->pdata[i]);
}

/* ---- watermarks ---- */

static dol_level level_now(dol_engine *engine, const dol_call *call, pool_entry *entry,
                           dol_capacity *now)
{
        dol_pool_space space;
        dol_lock_scope(&engine->pools.lock);

        dol_pools_capacity(engine, call, entry, now, &space, NULL);
        return now->capacity ? dol_capacity_level(&entry->record.spec, now) : DOL_LEVEL_FINE;
}

static bool give_up_trash(dol_engine *engine, const dol_call *call, const char *pool)
{
        g_autoptr(GPtrArray) trashed =
                dol_index_list(engine->index, NULL, 0, is_trashed, (void *)pool);
        int oldest = dol_trash_choose((const dol_volume *const *)trashed->pdata, trashed->len);

        return oldest >= 0 && purge(engine, call, trashed->pdata[oldest]);
}

/* A file system frees what was removed a little later, and piece by piece: only then it shows
 * whether more has to go. */
static void wait_for_room(dol_engine *engine, const dol_call *call, pool_entry *entry)
{
        dol_capacity now;

        for (unsigned i = 0; i < FREEING_LOOKS; i++) {
                if (level_now(engine, call, entry, &now) != DOL_LEVEL_FULL)
                        break;
                g_usleep(FREEING_USEC / FREEING_LOOKS);
        }
}

/* Gives up one thing after another while the pool is full. */
static void give_up(dol_engine *engine, const dol_call *call, pool_entry *entry,
                    bool (*one)(dol_engine *engine, const dol_call *call, const char *pool))
{
        dol_capacity now;

        while (level_now(engine, call, entry, &now) == DOL_LEVEL_FULL &&
               dol_call_check(call, NULL) && one(engine, call, entry->record.name))
                wait_for_room(engine, call, entry);
}

/* First what was deleted in volumes, then scheduled snapshots that newer ones follow, then the
 * trash, both oldest first, then the ballast. */
static void make_room(dol_engine *engine, const dol_call *call, pool_entry *entry, dol_pool *pool)
{
        dol_capacity now;
        uint64_t freed = 0;

        dol_engine_trim_all(engine, call);
        give_up(engine, call, entry, dol_schedules_relieve);
        give_up(engine, call, entry, give_up_trash);
        if (level_now(engine, call, entry, &now) != DOL_LEVEL_FULL ||
            !dol_pool_relieve(pool, call, &freed, NULL) || freed == 0)
                return;
        dol_event_write(engine, call, DOL_EVENT_WARNING, "BallastFreed", "pool", entry->record.name,
                        entry->record.uid,
                        "pool '%s' is full: its ballast of %" G_GUINT64_FORMAT
                        " MiB was freed, act now",
                        entry->record.name, freed >> 20);
}

static void tell_level(dol_engine *engine, const dol_call *call, pool_entry *entry, dol_level level,
                       const dol_capacity *now)
{
        static const struct {
                dol_event_level level;
                const char *reason, *text;
        } words[] = {
                [DOL_LEVEL_FINE] = {DOL_EVENT_NORMAL, "PoolFine", "has room again"},
                [DOL_LEVEL_WARN] = {DOL_EVENT_WARNING, "PoolFilling", "is filling up"},
                [DOL_LEVEL_FULL] = {DOL_EVENT_WARNING, "PoolFull",
                                    "is full: new volumes are refused"},
        };
        g_autofree char *used = dol_size_format_short(now->used);
        g_autofree char *capacity = dol_size_format_short(now->capacity);

        dol_event_write(engine, call, words[level].level, words[level].reason, "pool",
                        entry->record.name, entry->record.uid, "pool '%s' %s (%s of %s used)",
                        entry->record.name, words[level].text, used, capacity);
}

static void tend(dol_engine *engine, const dol_call *call, const char *name)
{
        pool_entry *entry = dol_pools_entry(engine, name);
        dol_pool *pool = dol_pools_find(engine, name, NULL);
        dol_capacity now;
        dol_level level;

        if (!pool)
                return;
        level = level_now(engine, call, entry, &now);
        if ((int)level != entry->level) {
                entry->level = (int)level;
                tell_level(engine, call, entry, level, &now);
        }
        if (level == DOL_LEVEL_FULL)
                make_room(engine, call, entry, pool);
        else if (level == DOL_LEVEL_FINE)
                dol_pool_replenish(pool, call, NULL);
}

void dol_engine_tend_pools(dol_engine *engine, const dol_call *call)
{
        g_auto(GStrv) names = NULL;

        dol_pools_reopen(engine, call);
        purge_expired(engine, call);
        names = dol_pools_names(engine);
        for (unsigned i = 0; names[i]; i++)
                tend(engine, call, names[i]);
}
