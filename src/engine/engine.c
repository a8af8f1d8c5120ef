/* SPDX-License-Identifier: Apache-2.0 */
/* Opening the engine: records into memory, pools opened, a lost store rebuilt. */
#include "engine/unclean.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"

#include <string.h>

/* ---- loading ---- */

typedef struct {
        dol_engine *engine;
        GHashTable *attachments; /* uid -> dol_attachment, taken over by the volumes */
        GPtrArray *outdated;     /* keys of attachments of another boot */
        GPtrArray *unclean;      /* uids of what was mounted in that boot */
        GError *error;
} loading;

static void free_attachment(void *data)
{
        dol_schema_free(&dol_attachment_schema, data);
}

static bool load_attachment(const dol_record *record, void *user)
{
        loading *load = user;
        const char *uid = strrchr(record->key, '/') + 1;
        dol_attachment *attachment = g_new0(dol_attachment, 1);
        g_autoptr(GError) error = NULL;

        if (!dol_record_decode("attachment", &dol_attachment_schema, record->value, record->size,
                               attachment, &error)) {
                g_free(attachment);
                dol_log(DOL_LOG_WARNING, "record %s is left out: %s", record->key, error->message);
                return true;
        }
        if (g_strcmp0(attachment->boot_id, load->engine->boot_id) != 0) {
                /* that boot is over, and its mounts and consumers with it */
                if (attachment->path)
                        g_ptr_array_add(load->unclean, g_strdup(uid));
                free_attachment(attachment);
                g_ptr_array_add(load->outdated, g_strdup(record->key));
                return true;
        }
        g_hash_table_replace(load->attachments, g_strdup(uid), attachment);
        return true;
}

static bool load_volume(const dol_record *record, void *user)
{
        loading *load = user;
        dol_volume volume;
        void *uid = NULL, *attachment = NULL;

        if (!dol_record_decode("volume", &dol_volume_schema, record->value, record->size, &volume,
                               &load->error)) {
                dol_fail_while(&load->error, "record %s", record->key);
                return false;
        }
        volume.revision = record->revision;
        if (volume.status.size == 0) /* written before sizes could change */
                volume.status.size = volume.spec.size;
        if (g_hash_table_steal_extended(load->attachments, volume.uid, &uid, &attachment)) {
                volume.status.attachment = attachment;
                g_free(uid);
        }
        dol_pools_count(load->engine, volume.spec.pool, volume.spec.size);
        dol_index_put(load->engine->index, &volume);
        return true;
}

static bool load_snapshot(const dol_record *record, void *user)
{
        loading *load = user;
        g_autoptr(GError) error = NULL;
        dol_snapshot *snapshot = g_new0(dol_snapshot, 1);
        void *uid = NULL, *attachment = NULL;

        if (!dol_record_decode("snapshot", &dol_snapshot_schema, record->value, record->size,
                               snapshot, &error)) {
                g_free(snapshot);
                dol_log(DOL_LOG_WARNING, "record %s is left out: %s", record->key, error->message);
                return true;
        }
        snapshot->revision = record->revision;
        if (g_hash_table_steal_extended(load->attachments, snapshot->uid, &uid, &attachment)) {
                snapshot->attachment = attachment;
                g_free(uid);
        }
        dol_snapshot_index_put(load->engine->snapshots, snapshot);
        return true;
}

static bool forget_outdated(dol_engine *engine, GPtrArray *keys, GError **error)
{
        g_autoptr(dol_txn) txn = dol_txn_new();

        for (unsigned i = 0; i < keys->len; i++)
                dol_txn_delete(txn, keys->pdata[i]);
        return keys->len == 0 || dol_store_commit(engine->store, txn, NULL, error);
}

static bool load_volumes(dol_engine *engine, GError **error)
{
        g_autoptr(GHashTable) attachments =
                g_hash_table_new_full(g_str_hash, g_str_equal, g_free, free_attachment);
        g_autoptr(GPtrArray) outdated = g_ptr_array_new_with_free_func(g_free);
        g_autoptr(GPtrArray) unclean = g_ptr_array_new_with_free_func(g_free);
        g_autofree char *prefix = g_strconcat("attachments/", engine->node, "/", NULL);
        loading load = {engine, attachments, outdated, unclean, NULL};

        if (!dol_store_list(engine->store, prefix, NULL, 0, load_attachment, &load, NULL, error) ||
            !dol_store_list(engine->store, "volumes/", NULL, 0, load_volume, &load, NULL, error) ||
            !dol_store_list(engine->store, "snapshots/", NULL, 0, load_snapshot, &load, NULL,
                            error))
                return false;
        if (load.error) {
                g_propagate_error(error, load.error);
                return false;
        }
        for (unsigned i = 0; i < unclean->len; i++)
                if (!dol_unclean_note(engine, unclean->pdata[i], error))
                        return false;
        return forget_outdated(engine, outdated, error);
}

/* ---- open and close ---- */

static dol_engine *engine_new(const dol_engine_config *config)
{
        dol_engine *engine = g_new0(dol_engine, 1);

        engine->store = config->store;
        engine->state_dir = g_strdup(config->state_dir);
        engine->mount_dir = g_build_filename(config->state_dir, "mnt", NULL);
        engine->node = g_strdup(config->node);
        engine->boot_id = g_strdup(config->boot_id);
        engine->index = dol_index_new();
        engine->snapshots = dol_snapshot_index_new();
        engine->locks = dol_locks_new();
        pthread_mutex_init(&engine->operations.lock, NULL);
        dol_cond_init(&engine->operations.ended);
        engine->operations.running = g_hash_table_new(g_str_hash, g_str_equal);
        g_queue_init(&engine->operations.finished);
        pthread_mutex_init(&engine->events.lock, NULL);
        engine->events.watchers =
                g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, g_free);
        pthread_mutex_init(&engine->pools.lock, NULL);
        pthread_mutex_init(&engine->doubts.lock, NULL);
        dol_schedules_init(&engine->schedules);
        pthread_mutex_init(&engine->views.lock, NULL);
        engine->views.ids = g_hash_table_new(g_str_hash, g_str_equal);
        engine->doubts.keys = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        engine->pools.by_name = dol_pools_table_new();
        engine->consumer_grace_usec = config->consumer_grace_usec;
        engine->check_unclean = config->check_unclean;
        engine->told_unknown = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        return engine;
}

void dol_engine_close(dol_engine *engine)
{
        if (!engine)
                return;
        g_queue_clear_full(&engine->operations.finished, g_free);
        g_hash_table_unref(engine->operations.running);
        pthread_cond_destroy(&engine->operations.ended);
        pthread_mutex_destroy(&engine->operations.lock);
        g_hash_table_unref(engine->events.watchers);
        pthread_mutex_destroy(&engine->events.lock);
        g_hash_table_unref(engine->told_unknown);
        dol_pools_clear(engine);
        pthread_mutex_destroy(&engine->pools.lock);
        dol_schedules_clear(&engine->schedules);
        g_hash_table_unref(engine->views.ids);
        pthread_mutex_destroy(&engine->views.lock);
        g_hash_table_unref(engine->doubts.keys);
        pthread_mutex_destroy(&engine->doubts.lock);
        dol_locks_free(engine->locks);
        dol_snapshot_index_free(engine->snapshots);
        dol_index_free(engine->index);
        dol_store_close(engine->store);
        g_free(engine->state_dir);
        g_free(engine->mount_dir);
        g_free(engine->node);
        g_free(engine->boot_id);
        g_free(engine);
}

static bool load(dol_engine *engine, const dol_engine_config *config, GError **error)
{
        dol_call call = dol_call_forever("start");

        return dol_directory_ensure(engine->mount_dir, 0711, error) &&
               dol_events_load(engine, error) && dol_operations_load(engine, error) &&
               dol_pools_load(engine, config, error) && load_volumes(engine, error) &&
               dol_schedules_load(engine, error) && dol_rebuild(engine, &call, error);
}

dol_engine *dol_engine_open(const dol_engine_config *config, GError **error)
{
        dol_engine *engine = engine_new(config);

        if (load(engine, config, error))
                return engine;
        dol_engine_close(engine);
        return NULL;
}

const char *dol_engine_node(const dol_engine *engine)
{
        return engine->node;
}

const char *dol_engine_boot_id(const dol_engine *engine)
{
        return engine->boot_id;
}

void dol_engine_on_unsettled(dol_engine *engine, void (*fn)(const char *uid, void *user),
                             void *user)
{
        engine->on_unsettled_user = user;
        engine->on_unsettled = fn;
}

/* ---- counting, for metrics ---- */

static bool count_volume(const dol_volume *volume, void *user)
{
        dol_engine_counters *counters = user;

        if (volume->status.phase == DOL_VOLUME_TRASHED)
                counters->trashed++;
        else
                counters->volumes++;
        counters->attached += volume->status.attachment != NULL;
        counters->consumers += dol_attachment_count(volume->status.attachment);
        return false;
}

void dol_engine_count(dol_engine *engine, dol_engine_counters *ret)
{
        GPtrArray *none;

        pthread_mutex_lock(&engine->operations.lock);
        *ret = engine->operations.counters;
        ret->operations_running = g_hash_table_size(engine->operations.running);
        pthread_mutex_unlock(&engine->operations.lock);
        none = dol_index_list(engine->index, NULL, 0, count_volume, ret);
        g_ptr_array_unref(none);
}
