/* SPDX-License-Identifier: Apache-2.0 */
/* Setting aside the space of new volumes: which pool, which size, and whether it has room. */
#include "engine/private.h"

#include "policy/placement.h"

#include <string.h>

bool dol_pools_capacity(dol_engine *engine, const dol_call *call, pool_entry *entry,
                        dol_capacity *now, dol_pool_space *space, GError **error)
{
        *now = (dol_capacity){0};
        *space = (dol_pool_space){0};
        if (!dol_pools_is_ready(entry, error) ||
            !dol_pool_space_of(entry->pool, call, space, error))
                return false;
        *now = (dol_capacity){space->capacity, space->used, space->available, entry->allocated};
        return true;
}

/* What the spec will be in this pool: size and file system decided. */
static void resolve(const pool_entry *entry, const dol_volume_spec *said, dol_volume_spec *ret)
{
        bool images = dol_pool_has(entry->pool, DOL_TRAIT_SIZE_ENFORCED);

        *ret = *said;
        ret->pool = entry->record.name;
        if (ret->fs == DOL_FS_AUTO)
                ret->fs = images ? DOL_FS_EXT4 : DOL_FS_DIRECTORY;
        if (ret->size == DOL_VOLUME_SIZE_UNSET)
                ret->size = images ? DOL_VOLUME_SIZE_DEFAULT : 0;
}

static bool check_traits(const pool_entry *entry, const dol_volume_spec *spec, GError **error)
{
        const char *driver = dol_pool_driver(entry->pool)->name;
        bool directory = spec->fs == DOL_FS_DIRECTORY;

        if (spec->fs == DOL_FS_NONE && !dol_pool_has(entry->pool, DOL_TRAIT_BLOCK))
                return dol_fail(error, DOL_ERROR_UNSUPPORTED,
                                "fs: pool '%s' (driver %s) has no block volumes",
                                entry->record.name, driver);
        if (spec->thick && !dol_pool_has(entry->pool, DOL_TRAIT_THICK))
                return dol_fail(error, DOL_ERROR_UNSUPPORTED,
                                "thick: pool '%s' (driver %s) cannot set space aside",
                                entry->record.name, driver);
        if (dol_pool_has(entry->pool, DOL_TRAIT_SIZE_ENFORCED))
                return !directory || dol_fail(error, DOL_ERROR_UNSUPPORTED,
                                              "fs: pool '%s' (driver %s) has no plain directories",
                                              entry->record.name, driver);
        if (spec->size != 0)
                return dol_fail(error, DOL_ERROR_UNSUPPORTED,
                                "size: pool '%s' (driver %s) cannot enforce a size; leave it out",
                                entry->record.name, driver);
        return directory || spec->fs == DOL_FS_NONE ||
               dol_fail(error, DOL_ERROR_UNSUPPORTED,
                        "fs: pool '%s' (driver %s) has only plain directories", entry->record.name,
                        driver);
}

/* A pool looked at for a new volume. */
typedef struct {
        pool_entry *entry;
        dol_volume_spec spec; /* as the volume would be; borrows what was said */
        dol_capacity now;
        GError *why; /* why it cannot live here; NULL = it can */
} assessment;

/* With pools.lock held. */
static bool assess(dol_engine *engine, const dol_call *call, const dol_volume_spec *said,
                   assessment *ret)
{
        pool_entry *entry = ret->entry;
        dol_pool_space space;

        if (!dol_pools_capacity(engine, call, entry, &ret->now, &space, &ret->why))
                return false;
        resolve(entry, said, &ret->spec);
        return check_traits(entry, &ret->spec, &ret->why) &&
               dol_volume_spec_check(&ret->spec, &ret->why) &&
               (dol_capacity_check(&entry->record.spec, &ret->now, ret->spec.size, ret->spec.thick,
                                   &ret->why) ||
                dol_fail_while(&ret->why, "pool '%s'", entry->record.name));
}

/* The reason to tell when no pool will do: the default pool's, or the first one's. */
static void tell_why(assessment *all, unsigned count, GError **error)
{
        unsigned teller = 0;

        for (unsigned i = 0; i < count; i++)
                if (strcmp(all[i].entry->record.name, "default") == 0)
                        teller = i;
        if (count)
                g_propagate_error(error, g_steal_pointer(&all[teller].why));
        else
                dol_fail(error, DOL_ERROR_UNAVAILABLE,
                         "there is no pool yet: make one with 'dolium pool create'");
}

/* Looks at every pool and takes the best. With pools.lock held. */
static bool choose(dol_engine *engine, const dol_call *call, const dol_volume_spec *said,
                   assessment *ret, GError **error)
{
        g_autofree const char **names = dol_map_keys(engine->pools.by_name);
        unsigned count = g_hash_table_size(engine->pools.by_name);
        g_autofree dol_candidate *candidates = g_new0(dol_candidate, count + 1);
        g_autofree assessment *all = g_new0(assessment, count + 1);
        int chosen;

        for (unsigned i = 0; i < count; i++) {
                all[i].entry = g_hash_table_lookup(engine->pools.by_name, names[i]);
                candidates[i] = (dol_candidate){names[i], all[i].entry->pool != NULL};
                candidates[i].fits = assess(engine, call, said, &all[i]);
                candidates[i].allocatable =
                        dol_capacity_allocatable(&all[i].entry->record.spec, &all[i].now);
        }
        chosen = dol_placement_choose(candidates, count);
        if (chosen >= 0)
                *ret = all[chosen];
        else
                tell_why(all, count, error);
        for (unsigned i = 0; i < count; i++)
                g_clear_error(&all[i].why);
        return chosen >= 0;
}

bool dol_pools_reserve(dol_engine *engine, const dol_call *call, dol_volume_spec *spec,
                       GError **error)
{
        assessment chosen = {0};

        if (spec->pool && !(chosen.entry = dol_pools_known(engine, spec->pool, error)))
                return false;
        dol_lock_scope(&engine->pools.lock);
        if (!chosen.entry) {
                if (!choose(engine, call, spec, &chosen, error))
                        return false;
        } else if (!assess(engine, call, spec, &chosen)) {
                g_propagate_error(error, chosen.why);
                return false;
        }
        chosen.entry->allocated += chosen.spec.size;
        if (!spec->pool)
                spec->pool = g_strdup(chosen.entry->record.name);
        spec->size = chosen.spec.size;
        spec->fs = chosen.spec.fs;
        return true;
}

void dol_pools_unreserve(dol_engine *engine, const char *pool, uint64_t size)
{
        pool_entry *entry = dol_pools_entry(engine, pool);

        if (!entry)
                return;
        dol_lock_scope(&engine->pools.lock);
        entry->allocated -= MIN(size, entry->allocated);
}

void dol_pools_count(dol_engine *engine, const char *pool, uint64_t size)
{
        pool_entry *entry = dol_pools_entry(engine, pool);

        if (!entry)
                return;
        dol_lock_scope(&engine->pools.lock);
        entry->allocated += size;
}

bool dol_pools_promise_more(dol_engine *engine, const dol_call *call, const char *pool,
                            uint64_t more, bool thick, GError **error)
{
        pool_entry *entry = dol_pools_known(engine, pool, error);
        dol_pool_space space;
        dol_capacity now;

        if (!entry)
                return false;
        dol_lock_scope(&engine->pools.lock);
        if (!dol_pools_capacity(engine, call, entry, &now, &space, error))
                return false;
        if (!dol_capacity_check(&entry->record.spec, &now, more, thick, error))
                return dol_fail_while(error, "pool '%s'", pool);
        entry->allocated += more;
        return true;
}

bool dol_pools_check_room(dol_engine *engine, const dol_call *call, const char *pool,
                          GError **error)
{
        return dol_pools_promise_more(engine, call, pool, 0, false, error);
}
