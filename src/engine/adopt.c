/* SPDX-License-Identifier: Apache-2.0 */
/* What lies in the pools against what is recorded: rebuilding a lost store, telling about unknown
 * and lost volumes, adopting. */
#include "engine/private.h"

#include "base/clock.h"
#include "base/log.h"

#include <string.h>

#define AT(member) offsetof(dol_unknown_volume, member)
static const dol_field unknown_fields[] = {
        {"uid", DOL_STRING, AT(uid), 0, .doc = "identity, as its place in the pool says"},
        {"name", DOL_STRING, AT(name), 0, .doc = "name, as its description says"},
        {"size", DOL_SIZE, AT(size), DOL_SHOW_EMPTY, .doc = "size in bytes"},
        {"allocated", DOL_SIZE, AT(allocated), DOL_SHOW_EMPTY, .doc = "bytes it takes in the pool"},
        {"created", DOL_TIME, AT(created), 0, .doc = "when it was created"},
        {"reason", DOL_STRING, AT(reason), 0, .doc = "why it cannot be adopted; absent if it can"},
        {NULL},
};
#undef AT
const dol_schema dol_unknown_volume_schema = {"UnknownVolume", sizeof(dol_unknown_volume),
                                              unknown_fields,
                                              "What lies in a pool and is not recorded."};

/* ---- recording a described volume ---- */

/* A name that is free: the wanted one, or with "-2", "-3" ... behind it. */
static char *free_name(dol_engine *engine, const char *wanted)
{
        g_autoptr(dol_held_volume) other = dol_index_by_name(engine->index, wanted);
        g_autofree char *stem = g_strndup(wanted, DOL_VOLUME_NAME_MAX - 11);
        const char *valid_end;

        if (!g_utf8_validate(stem, -1, &valid_end)) /* cut within a character */
                stem[valid_end - stem] = '\0';
        for (unsigned i = 2; other; i++) {
                g_autofree char *name = g_strdup_printf("%s-%u", stem, i);

                g_clear_pointer(&other, dol_volume_unref);
                other = dol_index_by_name(engine->index, name);
                if (!other)
                        return g_steal_pointer(&name);
        }
        return g_strdup(wanted);
}

static bool check_description(const dol_volume *volume, GError **error)
{
        dol_volume_spec spec = volume->spec;

        return dol_volume_name_check(volume->name, error) &&
               dol_labels_check(volume->labels, error) && dol_volume_spec_check(&spec, error);
}

static bool record_found(dol_engine *engine, const dol_call *call, dol_volume *volume,
                         const char *reason, GError **error)
{
        g_autoptr(dol_txn) txn = dol_txn_new();

        volume->revision = 0;
        dol_txn_put_volume(engine, txn, volume);
        if (dol_volume_owns_name(volume))
                dol_txn_put_name(txn, volume->name, volume->uid);
        dol_event_put(engine, txn, call, DOL_EVENT_NORMAL, reason, volume,
                      "volume '%s' (%s) was recorded from what lies in pool '%s'", volume->name,
                      volume->uid, volume->spec.pool);
        if (!dol_commit_volume(engine, txn, volume, error))
                return false;
        dol_pools_count(engine, volume->spec.pool, volume->spec.size);
        return true;
}

/* ---- a pool that this store has not seen yet ---- */

typedef struct {
        dol_engine *engine;
        const dol_call *call;
        const char *pool;
        GPtrArray *found; /* of dol_volume */
} gathering;

static void free_volume(void *data)
{
        dol_volume_free(data);
}

static bool gather(const char *uid, const dol_volume *description, const char *reason, void *user)
{
        gathering *gathered = user;
        g_autoptr(dol_held_volume) known = dol_index_by_uid(gathered->engine->index, uid);
        g_autoptr(GError) error = NULL;
        dol_volume *volume;

        if (known)
                return true;
        if (description && check_description(description, &error)) {
                volume = dol_volume_copy(description);
                g_free(volume->spec.pool);
                volume->spec.pool = g_strdup(gathered->pool);
                g_ptr_array_add(gathered->found, volume);
        } else {
                dol_event_write(gathered->engine, gathered->call, DOL_EVENT_WARNING,
                                "UnknownVolume", "pool", gathered->pool, NULL,
                                "pool '%s' holds '%s', which cannot be recorded: %s",
                                gathered->pool, uid, description ? error->message : reason);
        }
        return true;
}

static bool rebuild_pool(dol_engine *engine, const dol_call *call, const char *name, GError **error)
{
        g_autoptr(GPtrArray) found = g_ptr_array_new_with_free_func(free_volume);
        gathering gathered = {engine, call, name, found};
        dol_pool *pool = dol_pools_find(engine, name, NULL);

        if (!pool)
                return true;
        if (!dol_pool_list(pool, call, gather, &gathered, error))
                return false;
        for (unsigned i = 0; i < found->len; i++) {
                dol_volume *volume = found->pdata[i];

                if (dol_volume_owns_name(volume)) {
                        char *name_now = free_name(engine, volume->name);

                        g_free(volume->name);
                        volume->name = name_now;
                }
                if (!record_found(engine, call, volume, "VolumeRebuilt", error))
                        return false;
        }
        if (found->len)
                dol_log(DOL_LOG_WARNING,
                        "%u volumes that lie in pool '%s' were not in the store and are recorded "
                        "now",
                        found->len, name);
        return true;
}

bool dol_rebuild(dol_engine *engine, const dol_call *call, GError **error)
{
        g_auto(GStrv) names = dol_pools_names(engine);

        for (unsigned i = 0; names[i]; i++) {
                g_autofree char *key = g_strconcat("meta/recorded/", names[i], NULL);
                g_autofree char *mark = NULL;
                g_autoptr(dol_txn) txn = dol_txn_new();

                if (!dol_pools_find(engine, names[i], NULL) ||
                    dol_store_get(engine->store, key, &mark, NULL, NULL))
                        continue;
                dol_txn_put(txn, key, "{\"kind\":\"mark\",\"version\":1}");
                if (!rebuild_pool(engine, call, names[i], error) ||
                    !dol_snapshots_record_found(engine, call, names[i], error) ||
                    !dol_store_commit(engine->store, txn, NULL, error))
                        return dol_fail_while(error, "record what pool '%s' holds", names[i]);
        }
        return true;
}

/* ---- unknown volumes ---- */

static void free_unknown(void *data)
{
        dol_schema_free(&dol_unknown_volume_schema, data);
}

static bool note_unknown(const char *uid, const dol_volume *description, const char *reason,
                         void *user)
{
        gathering *gathered = user;
        g_autoptr(dol_held_volume) known = dol_index_by_uid(gathered->engine->index, uid);
        dol_pool *pool = dol_pools_find(gathered->engine, gathered->pool, NULL);
        dol_volume_info info = {0};
        dol_unknown_volume *unknown;

        if (known)
                return true;
        unknown = g_new0(dol_unknown_volume, 1);
        unknown->uid = g_strdup(uid);
        unknown->reason = g_strdup(description ? NULL : reason);
        if (pool && dol_pool_inspect(pool, gathered->call, uid, &info, NULL))
                unknown->allocated = info.allocated;
        unknown->size = info.size;
        if (description) {
                unknown->name = g_strdup(description->name);
                unknown->size = description->spec.size;
                unknown->created = description->status.created;
        }
        g_ptr_array_add(gathered->found, unknown);
        return true;
}

GPtrArray *dol_engine_pool_unknown(dol_engine *engine, const dol_call *call, const char *name,
                                   GError **error)
{
        g_autoptr(GPtrArray) found = g_ptr_array_new_with_free_func(free_unknown);
        gathering gathered = {engine, call, name, found};
        dol_pool *pool = dol_pools_find(engine, name, error);

        if (!pool || !dol_pool_list(pool, call, note_unknown, &gathered, error))
                return NULL;
        return g_steal_pointer(&found);
}

typedef struct {
        const char *uid;
        dol_volume *found;
        char *reason;
} search;

static bool find_uid(const char *uid, const dol_volume *description, const char *reason, void *user)
{
        search *wanted = user;

        if (strcmp(uid, wanted->uid) != 0)
                return true;
        wanted->found = description ? dol_volume_copy(description) : NULL;
        wanted->reason = g_strdup(reason);
        return false;
}

/* The description of an unknown volume, ready to be recorded. */
static dol_volume *find_adoptable(dol_engine *engine, const dol_call *call, const char *pool_name,
                                  const char *uid, const char *name, GError **error)
{
        g_autoptr(dol_held_volume) known = dol_index_by_uid(engine->index, uid);
        dol_pool *pool = dol_pools_find(engine, pool_name, error);
        search wanted = {uid};
        g_autoptr(dol_volume) volume = NULL;
        g_autofree char *reason = NULL;
        bool listed;

        if (!pool)
                return NULL;
        if (known) {
                dol_fail(error, DOL_ERROR_EXISTS, "'%s' is recorded already, as volume '%s'", uid,
                         known->name);
                return NULL;
        }
        listed = dol_pool_list(pool, call, find_uid, &wanted, error);
        volume = wanted.found;
        reason = wanted.reason;
        if (!listed)
                return NULL;
        if (!volume) {
                dol_fail(error, reason ? DOL_ERROR_CONFLICT : DOL_ERROR_NOT_FOUND,
                         reason ? "'%s' in pool '%s' cannot be adopted: %s"
                                : "there is no '%s' in pool '%s'",
                         uid, pool_name, reason);
                return NULL;
        }
        g_free(volume->spec.pool);
        volume->spec.pool = g_strdup(pool_name);
        if (name) {
                g_free(volume->name);
                volume->name = g_strdup(name);
        }
        volume->status.phase = DOL_VOLUME_AVAILABLE;
        volume->status.trashed = volume->status.expires = 0;
        volume->status.changed = dol_now_usec();
        return check_description(volume, error) ? g_steal_pointer(&volume) : NULL;
}

bool dol_engine_adopt(dol_engine *engine, const dol_call *call, const char *pool, const char *uid,
                      const char *name, dol_volume **ret_volume, GError **error)
{
        g_autoptr(dol_lock) lock = NULL;
        g_autoptr(dol_volume) volume = NULL;
        g_autoptr(dol_held_volume) other = NULL;
        g_autoptr(dol_lock) name_lock = NULL;
        g_autofree char *key = NULL;

        dol_doubts_settle(engine);
        lock = dol_locks_take(engine->locks, call, uid, error);
        if (!lock || !(volume = find_adoptable(engine, call, pool, uid, name, error)))
                return false;
        key = dol_name_key(volume->name);
        name_lock = dol_locks_take(engine->locks, call, key, error);
        if (!name_lock)
                return false;
        other = dol_index_by_name(engine->index, volume->name);
        if (other)
                return dol_fail(error, DOL_ERROR_EXISTS,
                                "volume '%s' exists already: adopt it under another name",
                                volume->name);
        if (!record_found(engine, call, volume, "VolumeAdopted", error))
                return false;
        dol_volume_describe(engine, call, volume, NULL);
        if (!dol_snapshots_record_found(engine, call, pool, error))
                return false;
        dol_volume_fill(engine, call, volume);
        *ret_volume = g_steal_pointer(&volume);
        return true;
}
