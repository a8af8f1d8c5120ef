/* SPDX-License-Identifier: Apache-2.0 */
/* Comparing a pool with the records: what is lost, found again, unknown, or described wrongly. */
#include "engine/private.h"

#include "base/log.h"

#include <string.h>

typedef struct {
        dol_engine *engine;
        const dol_call *call;
        const char *pool;
        GHashTable *present; /* uids that the pool has: a set */
        GPtrArray *stale;    /* uids whose description differs from the record */
} comparison;

static bool describes(const dol_volume *description, const dol_volume *volume)
{
        g_autoptr(GString) said = g_string_new(NULL);
        g_autoptr(GString) is = g_string_new(NULL);

        dol_json_encode(&dol_volume_spec_schema, &description->spec, DOL_ENCODE_STORE, said);
        dol_json_encode(&dol_volume_spec_schema, &volume->spec, DOL_ENCODE_STORE, is);
        return strcmp(said->str, is->str) == 0 && strcmp(description->name, volume->name) == 0 &&
               dol_map_equal(description->labels, volume->labels) &&
               description->status.phase == volume->status.phase &&
               description->status.expires == volume->status.expires;
}

static void tell_unknown(comparison *compared, const char *uid, const dol_volume *description,
                         const char *reason)
{
        dol_pool *pool = dol_pools_find(compared->engine, compared->pool, NULL);
        dol_volume_info info;

        /* it may have been removed since the pool was listed */
        if (!pool || !dol_pool_inspect(pool, compared->call, uid, &info, NULL) ||
            !g_hash_table_add(compared->engine->told_unknown, g_strdup(uid)))
                return;
        dol_event_write(compared->engine, compared->call, DOL_EVENT_WARNING, "UnknownVolume",
                        "pool", compared->pool, NULL,
                        "pool '%s' holds '%s' (%s), which is not recorded: see 'dolium pool "
                        "unknown %s'",
                        compared->pool, uid,
                        description ? description->name : (reason ? reason : "no description"),
                        compared->pool);
}

static bool compare(const char *uid, const dol_volume *description, const char *reason, void *user)
{
        comparison *compared = user;
        g_autoptr(dol_held_volume) volume = dol_index_by_uid(compared->engine->index, uid);

        g_hash_table_add(compared->present, g_strdup(uid));
        if (!volume)
                tell_unknown(compared, uid, description, reason);
        else if ((volume->status.phase == DOL_VOLUME_AVAILABLE ||
                  volume->status.phase == DOL_VOLUME_TRASHED) &&
                 (!description || !describes(description, volume)))
                g_ptr_array_add(compared->stale, g_strdup(uid));
        return true;
}

static bool set_phase(dol_engine *engine, const dol_call *call, dol_volume *volume,
                      dol_volume_phase phase, const char *reason, const char *why, GError **error)
{
        g_autoptr(dol_txn) txn = dol_txn_new();

        if (!dol_volume_move(volume, phase, error))
                return false;
        g_free(volume->status.reason);
        volume->status.reason = phase == DOL_VOLUME_LOST ? g_strdup(why) : NULL;
        dol_txn_put_volume(engine, txn, volume);
        dol_event_put(engine, txn, call,
                      phase == DOL_VOLUME_LOST ? DOL_EVENT_WARNING : DOL_EVENT_NORMAL, reason,
                      volume, "volume '%s': %s", volume->name, why);
        return dol_commit_volume(engine, txn, volume, error);
}

/* The list of the pool may be older than this volume's last change, so the pool is asked again
 * about this one, with its lock held. */
static void correct(comparison *compared, const char *uid, bool stale)
{
        dol_engine *engine = compared->engine;
        g_autofree char *reference = g_strconcat("uid:", uid, NULL);
        dol_pool *pool = dol_pools_find(engine, compared->pool, NULL);
        g_autoptr(dol_volume) volume = NULL;
        g_autoptr(dol_lock) lock =
                dol_volume_take(engine, compared->call, reference, false, &volume, NULL);
        g_autoptr(GError) missing = NULL;
        g_autoptr(GError) error = NULL;
        dol_volume_info info;
        bool there, ok = true;

        if (!lock || !pool)
                return;
        there = dol_pool_inspect(pool, compared->call, uid, &info, &missing);
        if (there && volume->status.phase == DOL_VOLUME_LOST)
                ok = set_phase(engine, compared->call, volume, DOL_VOLUME_AVAILABLE, "VolumeFound",
                               "it is in its pool again", &error);
        else if (!there && dol_error_is(missing, DOL_ERROR_NOT_FOUND) &&
                 volume->status.phase == DOL_VOLUME_AVAILABLE)
                ok = set_phase(engine, compared->call, volume, DOL_VOLUME_LOST, "VolumeLost",
                               "its data is not in its pool any more", &error);
        else if (there && stale)
                ok = dol_volume_describe(engine, compared->call, volume, &error);
        if (!ok)
                dol_log(DOL_LOG_WARNING, "volume '%s': %s", volume->name, error->message);
}

static bool lies_in(const dol_volume *volume, void *user)
{
        return g_strcmp0(volume->spec.pool, user) == 0 &&
               (volume->status.phase == DOL_VOLUME_AVAILABLE ||
                volume->status.phase == DOL_VOLUME_LOST);
}

static void survey(dol_engine *engine, const dol_call *call, const char *name)
{
        g_autoptr(GHashTable) present =
                g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        g_autoptr(GPtrArray) stale = g_ptr_array_new_with_free_func(g_free);
        /* recorded before the pool is listed: what is created meanwhile is not missed */
        g_autoptr(GPtrArray) recorded =
                dol_index_list(engine->index, NULL, 0, lies_in, (void *)name);
        comparison compared = {engine, call, name, present, stale};
        dol_pool *pool = dol_pools_find(engine, name, NULL);
        g_autoptr(GError) error = NULL;

        if (!pool)
                return;
        if (!dol_pool_list(pool, call, compare, &compared, &error)) {
                dol_log(DOL_LOG_ERROR, "%s", error->message);
                return;
        }
        for (unsigned i = 0; i < recorded->len; i++) {
                const dol_volume *volume = recorded->pdata[i];
                bool there = g_hash_table_contains(present, volume->uid);

                if (there == (volume->status.phase == DOL_VOLUME_LOST))
                        correct(&compared, volume->uid, false);
        }
        for (unsigned i = 0; i < stale->len; i++)
                correct(&compared, stale->pdata[i], true);
}

void dol_engine_survey(dol_engine *engine, const dol_call *call)
{
        g_auto(GStrv) names = dol_pools_names(engine);

        for (unsigned i = 0; names[i]; i++)
                survey(engine, call, names[i]);
}
