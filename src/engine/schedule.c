/* SPDX-License-Identifier: Apache-2.0 */
/* Schedules as records: in memory by name, in the store under schedules/<name>. */
#include "engine/schedule-private.h"

#include "base/clock.h"
#include "base/log.h"

#include <string.h>

/* ---- the table ---- */

static void free_schedule(void *data)
{
        dol_schedule_free(data);
}

void dol_schedules_init(schedule_table *table)
{
        pthread_mutex_init(&table->lock, NULL);
        table->by_name = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, free_schedule);
        table->doubtful = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        table->told_held = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
}

void dol_schedules_clear(schedule_table *table)
{
        g_hash_table_unref(table->told_held);
        g_hash_table_unref(table->doubtful);
        g_hash_table_unref(table->by_name);
        pthread_mutex_destroy(&table->lock);
}

static void put(dol_engine *engine, const dol_schedule *schedule)
{
        dol_schedule *copy = dol_schedule_copy(schedule);
        dol_lock_scope(&engine->schedules.lock);

        g_hash_table_replace(engine->schedules.by_name, copy->name, copy);
}

static void drop(dol_engine *engine, const char *name)
{
        dol_lock_scope(&engine->schedules.lock);

        g_hash_table_remove(engine->schedules.by_name, name);
}

dol_schedule *dol_schedule_find(dol_engine *engine, const char *name, GError **error)
{
        dol_schedule *found;

        pthread_mutex_lock(&engine->schedules.lock);
        found = dol_schedule_copy(g_hash_table_lookup(engine->schedules.by_name, name));
        pthread_mutex_unlock(&engine->schedules.lock);
        if (!found)
                dol_fail(error, DOL_ERROR_NOT_FOUND, "schedule '%s' does not exist", name);
        return found;
}

char **dol_schedules_names(dol_engine *engine)
{
        g_autofree const char **names = NULL;
        dol_lock_scope(&engine->schedules.lock);

        names = dol_map_keys(engine->schedules.by_name);
        return g_strdupv((char **)names);
}

void dol_schedules_tell_change(dol_engine *engine)
{
        dol_lock_scope(&engine->schedules.lock);

        if (engine->schedules.on_change)
                engine->schedules.on_change(engine->schedules.on_change_user);
}

void dol_engine_on_schedule(dol_engine *engine, void (*fn)(void *user), void *user)
{
        dol_lock_scope(&engine->schedules.lock);

        engine->schedules.on_change_user = user;
        engine->schedules.on_change = fn;
}

/* ---- the store ---- */

static char *key_of(const char *name)
{
        return g_strconcat("schedules/", name, NULL);
}

static bool decode(const char *text, size_t size, int64_t revision, dol_schedule *out,
                   GError **error)
{
        if (!dol_record_decode("schedule", &dol_schedule_schema, text, size, out, error))
                return false;
        out->revision = revision;
        return true;
}

static bool load(const dol_record *record, void *user)
{
        g_autoptr(GError) error = NULL;
        dol_schedule schedule;

        if (!decode(record->value, record->size, record->revision, &schedule, &error)) {
                dol_log(DOL_LOG_WARNING, "record %s is left out: %s", record->key, error->message);
                return true;
        }
        put(user, &schedule);
        dol_schema_clear(&dol_schedule_schema, &schedule);
        return true;
}

bool dol_schedules_load(dol_engine *engine, GError **error)
{
        return dol_store_list(engine->store, "schedules/", NULL, 0, load, engine, NULL, error);
}

static void set_doubtful(dol_engine *engine, const char *name, bool is_doubtful)
{
        dol_lock_scope(&engine->schedules.lock);

        if (is_doubtful)
                g_hash_table_add(engine->schedules.doubtful, g_strdup(name));
        else
                g_hash_table_remove(engine->schedules.doubtful, name);
}

/* A commit failed, perhaps after it was done: what the store has is what counts. *ret_text is that;
 * NULL when it has none. While it cannot be read, the schedule is doubtful. */
static bool read_again(dol_engine *engine, const char *name, char **ret_text, int64_t *ret_revision,
                       GError **error)
{
        g_autofree char *key = key_of(name);
        g_autoptr(GError) why = NULL;
        dol_schedule schedule;

        *ret_text = NULL;
        if (!dol_store_get(engine->store, key, ret_text, ret_revision, &why) &&
            !dol_error_is(why, DOL_ERROR_NOT_FOUND)) {
                set_doubtful(engine, name, true);
                g_propagate_error(error, g_steal_pointer(&why));
                return false;
        }
        set_doubtful(engine, name, false);
        if (!*ret_text) {
                drop(engine, name);
        } else if (decode(*ret_text, strlen(*ret_text), *ret_revision, &schedule, NULL)) {
                put(engine, &schedule);
                dol_schema_clear(&dol_schedule_schema, &schedule);
        }
        return true;
}

/* Reads it again when it is doubtful. The caller holds its lock. */
static bool settle(dol_engine *engine, const char *name, GError **error)
{
        g_autofree char *text = NULL;
        int64_t revision;
        bool is_doubtful;

        pthread_mutex_lock(&engine->schedules.lock);
        is_doubtful = g_hash_table_contains(engine->schedules.doubtful, name);
        pthread_mutex_unlock(&engine->schedules.lock);
        return !is_doubtful || read_again(engine, name, &text, &revision, error) ||
               dol_fail_while(error, "schedule '%s'", name);
}

static char *encode(const dol_schedule *schedule)
{
        dol_schedule bare = *schedule;

        bare.status.next = 0;
        bare.status.volumes = bare.status.snapshots = 0;
        bare.status.held = NULL;
        return dol_record_encode("schedule", &dol_schedule_schema, &bare);
}

bool dol_schedule_commit(dol_engine *engine, dol_schedule *schedule, GError **error)
{
        g_autofree char *key = key_of(schedule->name), *text = encode(schedule), *now = NULL;
        g_autoptr(dol_txn) txn = dol_txn_new();
        g_autoptr(GError) why = NULL;
        int64_t revision = 0;

        dol_txn_require(txn, key, schedule->revision);
        dol_txn_put(txn, key, text);
        if (!dol_store_commit(engine->store, txn, &revision, &why) &&
            (!read_again(engine, schedule->name, &now, &revision, NULL) ||
             g_strcmp0(now, text) != 0)) {
                g_propagate_error(error, g_steal_pointer(&why));
                return false;
        }
        schedule->revision = revision;
        put(engine, schedule);
        return true;
}

bool dol_schedule_commit_delete(dol_engine *engine, const dol_schedule *schedule, GError **error)
{
        g_autofree char *key = key_of(schedule->name), *now = NULL;
        g_autoptr(dol_txn) txn = dol_txn_new();
        g_autoptr(GError) why = NULL;
        int64_t revision;

        dol_txn_require(txn, key, schedule->revision);
        dol_txn_delete(txn, key);
        if (!dol_store_commit(engine->store, txn, NULL, &why) &&
            (!read_again(engine, schedule->name, &now, &revision, NULL) || now)) {
                g_propagate_error(error, g_steal_pointer(&why));
                return false;
        }
        drop(engine, schedule->name);
        return true;
}

dol_lock *dol_schedule_lock(dol_engine *engine, const dol_call *call, const char *name,
                            GError **error)
{
        g_autofree char *key = key_of(name);
        g_autoptr(dol_lock) lock = dol_locks_take(engine->locks, call, key, error);

        if (!lock)
                dol_fail_while(error, "schedule '%s' is taking snapshots", name);
        return lock && settle(engine, name, error) ? g_steal_pointer(&lock) : NULL;
}

dol_lock *dol_schedule_take(dol_engine *engine, const dol_call *call, const char *name,
                            dol_schedule **ret_schedule, GError **error)
{
        g_autoptr(dol_lock) lock = dol_schedule_lock(engine, call, name, error);

        return lock && (*ret_schedule = dol_schedule_find(engine, name, error))
                       ? g_steal_pointer(&lock)
                       : NULL;
}

dol_lock *dol_schedule_try(dol_engine *engine, const char *name, dol_schedule **ret_schedule)
{
        g_autofree char *key = key_of(name);
        g_autoptr(dol_lock) lock = dol_locks_try(engine->locks, key);

        return lock && settle(engine, name, NULL) &&
                               (*ret_schedule = dol_schedule_find(engine, name, NULL))
                       ? g_steal_pointer(&lock)
                       : NULL;
}
