/* SPDX-License-Identifier: Apache-2.0 */
/* Commits whose outcome is not known: the store failed, and so did asking it what it has. What is
 * in memory may differ from the record then, so the record is read again before the volume is used
 * the next time. */
#include "engine/private.h"

#include "base/log.h"

#include <string.h>

void dol_doubt(dol_engine *engine, const char *key)
{
        dol_lock_scope(&engine->doubts.lock);

        g_hash_table_add(engine->doubts.keys, g_strdup(key));
}

bool dol_is_doubtful(dol_engine *engine, const char *key)
{
        dol_lock_scope(&engine->doubts.lock);

        return g_hash_table_contains(engine->doubts.keys, key);
}

static char **doubtful(dol_engine *engine)
{
        g_autofree const char **keys = NULL;
        dol_lock_scope(&engine->doubts.lock);

        keys = dol_map_keys(engine->doubts.keys);
        return g_strdupv((char **)keys);
}

static void forget(dol_engine *engine, const char *key)
{
        dol_lock_scope(&engine->doubts.lock);

        g_hash_table_remove(engine->doubts.keys, key);
}

static bool read_attachment(dol_engine *engine, const char *uid, dol_attachment **ret,
                            GError **error)
{
        g_autofree char *key = dol_attachment_key(engine, uid);
        g_autofree char *text = NULL;
        g_autoptr(GError) why = NULL;
        dol_attachment read;

        *ret = NULL;
        if (!dol_store_get(engine->store, key, &text, NULL, &why)) {
                if (dol_error_is(why, DOL_ERROR_NOT_FOUND))
                        return true;
                g_propagate_error(error, g_steal_pointer(&why));
                return false;
        }
        if (!dol_record_decode("attachment", &dol_attachment_schema, text, strlen(text), &read,
                               error))
                return false;
        *ret = g_memdup2(&read, sizeof(read));
        return true;
}

static void put(dol_engine *engine, dol_volume *volume)
{
        g_autoptr(dol_held_volume) before = dol_index_by_uid(engine->index, volume->uid);

        if (before)
                dol_pools_unreserve(engine, before->spec.pool, before->spec.size);
        dol_pools_count(engine, volume->spec.pool, volume->spec.size);
        dol_index_put(engine->index, volume);
}

static void drop(dol_engine *engine, const char *uid)
{
        g_autoptr(dol_held_volume) before = dol_index_by_uid(engine->index, uid);

        if (!before)
                return;
        dol_pools_unreserve(engine, before->spec.pool, before->spec.size);
        dol_index_remove(engine->index, uid);
}

static bool read_again(dol_engine *engine, const char *uid, GError **error)
{
        g_autofree char *key = dol_volume_key(uid);
        g_autofree char *text = NULL;
        g_autoptr(GError) why = NULL;
        dol_attachment *attachment;
        dol_volume volume;
        int64_t revision;

        if (!dol_store_get(engine->store, key, &text, &revision, &why)) {
                if (!dol_error_is(why, DOL_ERROR_NOT_FOUND)) {
                        g_propagate_error(error, g_steal_pointer(&why));
                        return false;
                }
                drop(engine, uid);
                return true;
        }
        if (!read_attachment(engine, uid, &attachment, error))
                return false;
        if (!dol_record_decode("volume", &dol_volume_schema, text, strlen(text), &volume, error)) {
                dol_schema_free(&dol_attachment_schema, attachment);
                return false;
        }
        volume.revision = revision;
        volume.status.attachment = attachment;
        put(engine, &volume);
        return true;
}

/* NULL with *error unset: there is no such record. */
static dol_snapshot *read_snapshot(dol_engine *engine, const char *uid, GError **error)
{
        g_autofree char *key = g_strconcat("snapshots/", uid, NULL);
        g_autofree char *text = NULL;
        g_autoptr(dol_snapshot) snapshot = NULL;
        g_autoptr(GError) why = NULL;
        dol_snapshot decoded;
        int64_t revision;

        if (!dol_store_get(engine->store, key, &text, &revision, &why)) {
                if (!dol_error_is(why, DOL_ERROR_NOT_FOUND))
                        g_propagate_error(error, g_steal_pointer(&why));
                return NULL;
        }
        if (!dol_record_decode("snapshot", &dol_snapshot_schema, text, strlen(text), &decoded,
                               error))
                return NULL;
        snapshot = g_memdup2(&decoded, sizeof(decoded));
        snapshot->revision = revision;
        return read_attachment(engine, uid, &snapshot->attachment, error)
                       ? g_steal_pointer(&snapshot)
                       : NULL;
}

static bool read_snapshot_again(dol_engine *engine, const char *uid, GError **error)
{
        GError *local = NULL;
        dol_snapshot *snapshot = read_snapshot(engine, uid, &local);

        if (local) {
                g_propagate_error(error, local);
                return false;
        }
        if (snapshot)
                dol_snapshot_index_put(engine->snapshots, snapshot);
        else
                dol_snapshot_index_remove(engine->snapshots, uid);
        return true;
}

/* The lock of a snapshot is its volume's. */
static dol_lock *try_lock(dol_engine *engine, const char *key)
{
        const char *uid = strchr(key, '/') + 1;
        g_autoptr(dol_snapshot) snapshot = NULL;

        if (g_str_has_prefix(key, "volumes/"))
                return dol_locks_try(engine->locks, uid);
        snapshot = dol_snapshot_index_by_uid(engine->snapshots, uid);
        if (!snapshot)
                snapshot = read_snapshot(engine, uid, NULL);
        return dol_locks_try(engine->locks, snapshot ? snapshot->volume : uid);
}

void dol_doubts_settle(dol_engine *engine)
{
        g_auto(GStrv) keys = doubtful(engine);

        for (unsigned i = 0; keys[i]; i++) {
                g_autoptr(dol_lock) lock = try_lock(engine, keys[i]);
                const char *uid = strchr(keys[i], '/') + 1;
                g_autoptr(GError) error = NULL;

                if (!lock) /* somebody works on it, and the next one reads it */
                        continue;
                if (g_str_has_prefix(keys[i], "volumes/")
                            ? read_again(engine, uid, &error)
                            : read_snapshot_again(engine, uid, &error))
                        forget(engine, keys[i]);
                else
                        dol_log(DOL_LOG_WARNING, "record %s: %s", keys[i], error->message);
        }
}
