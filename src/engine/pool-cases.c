/* SPDX-License-Identifier: Apache-2.0 */
/* What people do with pools: create, look, list. */
#include "engine/private.h"

#include "base/random.h"

#include <string.h>

static void free_record(void *data)
{
        dol_pool_record_free(data);
}

typedef struct {
        const char *pool;
        dol_pool_status *status;
} tally;

/* Counts the volumes of one pool, and what its trash holds. */
static bool count_volume(const dol_volume *volume, void *user)
{
        tally *counting = user;

        if (g_strcmp0(volume->spec.pool, counting->pool) != 0)
                return false;
        counting->status->volumes++;
        if (volume->status.phase == DOL_VOLUME_TRASHED) {
                counting->status->trashed++;
                counting->status->trash += volume->status.allocated;
        }
        return false;
}

static dol_pool_record *describe(dol_engine *engine, const dol_call *call, const char *name)
{
        pool_entry *entry = dol_pools_entry(engine, name);
        g_autoptr(GError) why = NULL;
        dol_pool_record *record;
        dol_pool_space space;
        dol_capacity now;
        tally counting;
        GPtrArray *none;

        if (!entry)
                return NULL;
        pthread_mutex_lock(&engine->pools.lock);
        record = dol_schema_dup(&dol_pool_schema, &entry->record);
        dol_pools_capacity(engine, call, entry, &now, &space, &why);
        record->status.phase = why ? DOL_POOL_UNAVAILABLE : DOL_POOL_READY;
        record->status.reason = g_strdup(entry->reason ? entry->reason : why ? why->message : NULL);
        record->status.allocated = entry->allocated;
        pthread_mutex_unlock(&engine->pools.lock);

        record->status.kind = g_strdup(space.kind);
        record->status.media = space.media;
        record->status.capacity = now.capacity;
        record->status.used = now.used;
        record->status.available = now.available;
        record->status.reserve = dol_capacity_reserve(&record->spec, now.capacity);
        record->status.allocatable = dol_capacity_allocatable(&record->spec, &now);
        counting = (tally){name, &record->status};
        none = dol_index_list(engine->index, NULL, 0, count_volume, &counting);
        g_ptr_array_unref(none);
        return record;
}

dol_pool_record *dol_engine_pool_get(dol_engine *engine, const char *name, GError **error)
{
        dol_call call = dol_call_within("engine", INT64_C(5000000));

        if (!dol_pools_known(engine, name, error))
                return NULL;
        return describe(engine, &call, name);
}

GPtrArray *dol_engine_pool_list(dol_engine *engine)
{
        dol_call call = dol_call_within("engine", INT64_C(5000000));
        g_auto(GStrv) names = dol_pools_names(engine);
        GPtrArray *records = g_ptr_array_new_with_free_func(free_record);

        for (unsigned i = 0; names[i]; i++)
                g_ptr_array_add(records, describe(engine, &call, names[i]));
        return records;
}

static bool is_same_spec(const dol_pool_record *a, const dol_pool_record *b)
{
        g_autoptr(GString) first = g_string_new(NULL);
        g_autoptr(GString) second = g_string_new(NULL);

        dol_json_encode(&dol_pool_spec_schema, &a->spec, DOL_ENCODE_STORE, first);
        dol_json_encode(&dol_pool_spec_schema, &b->spec, DOL_ENCODE_STORE, second);
        return strcmp(first->str, second->str) == 0;
}

bool dol_engine_pool_create(dol_engine *engine, const dol_call *call, const dol_pool_record *want,
                            dol_pool_record **ret_pool, GError **error)
{
        g_autoptr(dol_pool_record) record = NULL;
        g_autoptr(dol_lock) lock = NULL;
        g_autofree char *key = dol_pools_lock_key(want->name ? want->name : "");
        const pool_entry *before;

        if (!dol_pool_name_check(want->name, error) || !dol_pool_spec_check(&want->spec, error) ||
            !dol_labels_check(want->labels, error))
                return false;
        lock = dol_locks_take(engine->locks, call, key, error);
        if (!lock)
                return false;
        before = dol_pools_entry(engine, want->name);
        if (before && (before->record.status.created || !is_same_spec(&before->record, want)))
                return dol_fail(error, DOL_ERROR_EXISTS, "pool '%s' exists already", want->name);
        record = dol_schema_dup(&dol_pool_schema, want);
        record->uid = dol_uid_new();
        if (!dol_pools_add(engine, call, record, error))
                return false;
        dol_event_write(engine, call, DOL_EVENT_NORMAL, "PoolCreated", "pool", record->name,
                        record->uid, "pool '%s' was created", record->name);
        if (!dol_rebuild(engine, call, error))
                return false;
        *ret_pool = describe(engine, call, want->name);
        return true;
}
