/* SPDX-License-Identifier: Apache-2.0 */
/* Pools that come and go while doliumd runs: made, tried again, and found to be away. */
#include "engine/private.h"

#include "base/log.h"
#include "driver/place.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* ---- trying again ---- */

static void close_pool(void *pool)
{
        dol_pool_close(pool);
}

/* Tries again to open a pool that cannot be used. Others may still hold the pool before, so it is
 * kept. The caller holds the lock of its name. */
static bool reopen(dol_engine *engine, const dol_call *call, pool_entry *entry, GError **error)
{
        pool_entry attempt = {.record = entry->record};

        if (!dol_pools_open_or_make(engine, call, &attempt, error)) {
                dol_pool_close(attempt.pool);
                return false;
        }
        pthread_mutex_lock(&engine->pools.lock);
        if (entry->pool && !entry->gone)
                entry->gone = g_ptr_array_new_with_free_func(close_pool);
        if (entry->pool)
                g_ptr_array_add(entry->gone, entry->pool);
        entry->pool = attempt.pool;
        entry->away = false;
        entry->record.status.created = attempt.record.status.created;
        g_clear_pointer(&entry->reason, g_free);
        pthread_mutex_unlock(&engine->pools.lock);
        return true;
}

/* Is the pool open, and where it was? Tells once when it is not there any more. */
static bool is_there(dol_engine *engine, const dol_call *call, pool_entry *entry)
{
        dol_pool *pool = dol_pools_find(engine, entry->record.name, NULL);
        g_autoptr(GError) why = NULL;
        dol_pool_space space;

        if (!pool || dol_pool_space_of(pool, call, &space, &why) ||
            !dol_error_is(why, DOL_ERROR_UNAVAILABLE))
                return pool != NULL;
        if (!entry->away)
                dol_event_write(engine, call, DOL_EVENT_WARNING, "PoolAway", "pool",
                                entry->record.name, entry->record.uid, "%s", why->message);
        entry->away = true;
        return false;
}

void dol_pools_reopen(dol_engine *engine, const dol_call *call)
{
        g_auto(GStrv) names = dol_pools_names(engine);

        for (unsigned i = 0; names[i]; i++) {
                pool_entry *entry = dol_pools_entry(engine, names[i]);
                g_autofree char *key = dol_pools_lock_key(names[i]);
                g_autoptr(dol_lock) lock = dol_locks_try(engine->locks, key);
                g_autoptr(GError) error = NULL;

                if (!lock || is_there(engine, call, entry) || !reopen(engine, call, entry, &error))
                        continue;
                dol_event_write(engine, call, DOL_EVENT_NORMAL, "PoolReady", "pool", names[i],
                                entry->record.uid, "pool '%s' is available again", names[i]);
                if (!dol_rebuild(engine, call, &error))
                        dol_log(DOL_LOG_ERROR, "%s", error->message);
        }
}

/* ---- making ---- */

/* What a refused request asked for has not begun to exist. */
static bool was_refused(const GError *why)
{
        static const dol_error_kind kinds[] = {
                DOL_ERROR_INVALID,     DOL_ERROR_NOT_FOUND, DOL_ERROR_EXISTS, DOL_ERROR_CONFLICT,
                DOL_ERROR_UNSUPPORTED, DOL_ERROR_NO_SPACE,  DOL_ERROR_DENIED,
        };

        for (unsigned i = 0; i < G_N_ELEMENTS(kinds); i++)
                if (dol_error_is(why, kinds[i]))
                        return true;
        return false;
}

/* Is there a directory by now that nobody but this pool can use? */
static bool has_begun(dol_engine *engine, const dol_pool_record *record)
{
        g_autofree char *place = g_build_filename(engine->state_dir, "pools", record->name, NULL);
        g_autofree char *path =
                dol_place_resolve(record->spec.path ? record->spec.path : place, NULL);
        dol_place state;

        return path && dol_place_look(path, record->spec.driver, record->uid, &state, NULL) &&
               state == DOL_PLACE_OURS;
}

static bool forget_record(dol_engine *engine, const dol_pool_record *record)
{
        g_autofree char *key = g_strconcat("pools/", record->name, NULL);
        g_autofree char *signpost =
                g_strconcat(engine->state_dir, "/pools/", record->name, ".json", NULL);
        g_autoptr(dol_txn) txn = dol_txn_new();

        dol_txn_delete(txn, key);
        return (unlink(signpost) == 0 || errno == ENOENT) &&
               dol_store_commit(engine->store, txn, NULL, NULL);
}

/* Recorded first, so that what a crash interrupts is finished at the next start. A pool that was
 * refused is forgotten; one that failed half-way is tried again, by whoever comes next. */
static bool add_new(dol_engine *engine, const dol_call *call, pool_entry *entry, GError **error)
{
        g_autoptr(GError) why = NULL;

        entry->record.status.created = 0;
        if (!dol_pools_save(engine, &entry->record, false, error)) {
                forget_record(engine, &entry->record);
                dol_pools_entry_free(entry);
                return false;
        }
        if (dol_pools_open_or_make(engine, call, entry, &why)) {
                dol_pools_insert(engine, entry);
                return true;
        }
        g_clear_pointer(&entry->pool, dol_pool_close);
        if (was_refused(why) && !has_begun(engine, &entry->record) &&
            forget_record(engine, &entry->record)) {
                dol_pools_entry_free(entry);
        } else {
                entry->reason = g_strdup(why->message);
                dol_pools_insert(engine, entry);
        }
        g_propagate_error(error, g_steal_pointer(&why));
        return false;
}

bool dol_pools_add(dol_engine *engine, const dol_call *call, const dol_pool_record *wanted,
                   GError **error)
{
        pool_entry *entry = dol_pools_entry(engine, wanted->name);

        return entry ? reopen(engine, call, entry, error)
                     : add_new(engine, call, dol_pools_entry_new(wanted), error);
}
