/* SPDX-License-Identifier: Apache-2.0 */
/* The pools of this node: their records, whether they are open, and what they have promised. */
#include "engine/private.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/random.h"

#include <string.h>

void dol_pools_entry_free(void *data)
{
        pool_entry *entry = data;

        dol_pool_close(entry->pool);
        g_clear_pointer(&entry->gone, g_ptr_array_unref);
        dol_schema_clear(&dol_pool_schema, &entry->record);
        g_free(entry->reason);
        g_free(entry);
}

pool_entry *dol_pools_entry_new(const dol_pool_record *record)
{
        pool_entry *entry = g_new0(pool_entry, 1);

        dol_schema_copy(&dol_pool_schema, record, &entry->record);
        return entry;
}

/* Opens the pool of an entry that nobody else uses yet. */
static bool entry_open(dol_engine *engine, const dol_call *call, pool_entry *entry, bool create,
                       GError **error)
{
        g_autofree char *place =
                g_build_filename(engine->state_dir, "pools", entry->record.name, NULL);
        dol_pool_request request = {
                .uid = entry->record.uid,
                .name = entry->record.name,
                .default_path = place,
                .spec = &entry->record.spec,
                .create = create,
        };

        entry->pool = dol_pool_open(call, &request, error);
        return entry->pool != NULL;
}

/* The record lies also beside the store, so that a lost store still knows where its pools are. */
static bool write_signpost(dol_engine *engine, const dol_pool_record *record, GError **error)
{
        g_autofree char *directory = g_build_filename(engine->state_dir, "pools", NULL);
        g_autofree char *file = g_strconcat(directory, "/", record->name, ".json", NULL);
        g_autofree char *text = dol_record_encode("pool", &dol_pool_schema, record);

        return dol_directory_ensure(directory, 0700, error) &&
               dol_file_replace(file, text, strlen(text), 0600, error);
}

bool dol_pools_save(dol_engine *engine, const dol_pool_record *record, bool is_new, GError **error)
{
        g_autoptr(dol_txn) txn = dol_txn_new();
        g_autofree char *key = g_strconcat("pools/", record->name, NULL);
        g_autofree char *text = dol_record_encode("pool", &dol_pool_schema, record);

        if (is_new)
                dol_txn_require(txn, key, 0);
        dol_txn_put(txn, key, text);
        return write_signpost(engine, record, error) &&
               dol_store_commit(engine->store, txn, NULL, error);
}

void dol_pools_insert(dol_engine *engine, pool_entry *entry)
{
        dol_lock_scope(&engine->pools.lock);

        g_hash_table_replace(engine->pools.by_name, entry->record.name, entry);
}

pool_entry *dol_pools_entry(dol_engine *engine, const char *name)
{
        dol_lock_scope(&engine->pools.lock);

        return g_hash_table_lookup(engine->pools.by_name, name);
}

/* ---- loading ---- */

static bool load_record(dol_engine *engine, const char *text, size_t size, GError **error)
{
        dol_pool_record record;
        bool known;

        if (!dol_record_decode("pool", &dol_pool_schema, text, size, &record, error))
                return false;
        known = dol_pools_entry(engine, record.name) != NULL;
        if (!known)
                dol_pools_insert(engine, dol_pools_entry_new(&record));
        dol_schema_clear(&dol_pool_schema, &record);
        return true;
}

static bool load_stored(const dol_record *record, void *user)
{
        g_autoptr(GError) error = NULL;

        if (!load_record(user, record->value, record->size, &error))
                dol_log(DOL_LOG_ERROR, "record %s is left out: %s", record->key, error->message);
        return true;
}

/* Pools that the store does not know (any more) but whose signpost is there. */
static void load_signposts(dol_engine *engine)
{
        g_autofree char *directory = g_build_filename(engine->state_dir, "pools", NULL);
        g_autoptr(GDir) dir = g_dir_open(directory, 0, NULL);
        const char *name;

        while (dir && (name = g_dir_read_name(dir))) {
                g_autofree char *path = g_build_filename(directory, name, NULL);
                g_autofree char *text = NULL;
                g_autoptr(GError) error = NULL;
                size_t size;

                if (!g_str_has_suffix(name, ".json"))
                        continue;
                if (!dol_file_read(path, 65536, &text, &size, &error) ||
                    !load_record(engine, text, size, &error))
                        dol_log(DOL_LOG_ERROR, "'%s' is left out: %s", path, error->message);
        }
}

bool dol_pools_open_or_make(dol_engine *engine, const dol_call *call, pool_entry *entry,
                            GError **error)
{
        bool make = entry->record.status.created == 0;

        if (!entry_open(engine, call, entry, make, error))
                return false;
        if (!make)
                return true;
        entry->record.status.created = dol_now_usec();
        return dol_pools_save(engine, &entry->record, false, error);
}

static void open_entry(dol_engine *engine, const dol_call *call, pool_entry *entry)
{
        g_autoptr(GError) error = NULL;

        if (dol_pools_open_or_make(engine, call, entry, &error))
                return;
        g_clear_pointer(&entry->pool, dol_pool_close);
        g_free(entry->reason);
        entry->reason = g_strdup(error->message);
        dol_log(DOL_LOG_ERROR, "pool '%s' is unavailable: %s", entry->record.name, error->message);
}

/* Records that only a signpost knew go into the store. */
static bool record_missing(dol_engine *engine, GError **error)
{
        g_auto(GStrv) names = dol_pools_names(engine);

        for (unsigned i = 0; names[i]; i++) {
                g_autofree char *key = g_strconcat("pools/", names[i], NULL);
                g_autofree char *text = NULL;

                if (!dol_store_get(engine->store, key, &text, NULL, NULL) &&
                    !dol_pools_save(engine, &dol_pools_entry(engine, names[i])->record, true,
                                    error))
                        return dol_fail_while(error, "pool '%s'", names[i]);
        }
        return true;
}

/* Adds a pool of the configuration (or the default one) that is not known yet. */
static bool add_configured(dol_engine *engine, const dol_pool_record *wanted, GError **error)
{
        pool_entry *entry;

        if (dol_pools_entry(engine, wanted->name))
                return true;
        entry = dol_pools_entry_new(wanted);
        if (!entry->record.uid)
                entry->record.uid = dol_uid_new();
        dol_pools_insert(engine, entry);
        return dol_pools_save(engine, &entry->record, true, error) ||
               dol_fail_while(error, "pool '%s'", wanted->name);
}

static bool add_default(dol_engine *engine, GError **error)
{
        dol_pool_record wanted = {.name = g_strdup("default")};
        bool ok;

        dol_pool_spec_init(&wanted.spec);
        ok = add_configured(engine, &wanted, error);
        dol_schema_clear(&dol_pool_schema, &wanted);
        return ok;
}

bool dol_pools_load(dol_engine *engine, const dol_engine_config *config, GError **error)
{
        dol_call call = dol_call_forever("start");
        g_auto(GStrv) names = NULL;

        if (!dol_store_list(engine->store, "pools/", NULL, 0, load_stored, engine, NULL, error))
                return false;
        load_signposts(engine);
        if (!record_missing(engine, error))
                return false;
        for (unsigned i = 0; config->pools && i < config->pools->len; i++)
                if (!add_configured(engine, config->pools->pdata[i], error))
                        return false;
        names = dol_pools_names(engine);
        if (config->default_pool && !names[0] && !add_default(engine, error))
                return false;
        g_strfreev(names);
        names = dol_pools_names(engine);
        for (unsigned i = 0; names[i]; i++)
                open_entry(engine, &call, dol_pools_entry(engine, names[i]));
        return true;
}

void dol_pools_clear(dol_engine *engine)
{
        g_clear_pointer(&engine->pools.by_name, g_hash_table_unref);
}

GHashTable *dol_pools_table_new(void)
{
        return g_hash_table_new_full(g_str_hash, g_str_equal, NULL, dol_pools_entry_free);
}

/* ---- finding ---- */

bool dol_pools_is_ready(const pool_entry *entry, GError **error)
{
        return entry->pool || dol_fail(error, DOL_ERROR_UNAVAILABLE, "pool '%s' is unavailable: %s",
                                       entry->record.name, entry->reason);
}

pool_entry *dol_pools_known(dol_engine *engine, const char *name, GError **error)
{
        pool_entry *entry = dol_pools_entry(engine, name);

        if (!entry)
                dol_fail(error, DOL_ERROR_NOT_FOUND, "there is no pool '%s'", name);
        return entry;
}

dol_pool *dol_pools_find(dol_engine *engine, const char *name, GError **error)
{
        pool_entry *entry = dol_pools_known(engine, name, error);

        if (!entry)
                return NULL;
        dol_lock_scope(&engine->pools.lock);
        return dol_pools_is_ready(entry, error) ? entry->pool : NULL;
}

char *dol_pools_lock_key(const char *name)
{
        return g_strconcat("pool ", name, NULL);
}

char **dol_pools_names(dol_engine *engine)
{
        g_autofree const char **keys = NULL;
        dol_lock_scope(&engine->pools.lock);

        keys = dol_map_keys(engine->pools.by_name);
        return g_strdupv((char **)keys);
}
