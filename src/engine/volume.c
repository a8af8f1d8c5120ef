/* SPDX-License-Identifier: Apache-2.0 */
/* Finding, showing and listing volumes. */
#include "engine/private.h"

#include "base/log.h"
#include "host/device-io.h"
#include "host/space.h"

#include <string.h>

typedef struct {
        const char *name;
        unsigned count;
} trashed_name;

static bool is_trashed_as(const dol_volume *volume, void *user)
{
        trashed_name *wanted = user;

        if (volume->status.phase != DOL_VOLUME_TRASHED || strcmp(volume->name, wanted->name) != 0)
                return false;
        wanted->count++;
        return true;
}

static const dol_volume *find_trashed(dol_engine *engine, const char *name, GError **error)
{
        trashed_name wanted = {name, 0};
        g_autoptr(GPtrArray) found = dol_index_list(engine->index, NULL, 0, is_trashed_as, &wanted);

        if (found->len == 1)
                return dol_volume_ref(found->pdata[0]);
        if (found->len == 0)
                dol_fail(error, DOL_ERROR_NOT_FOUND, "there is no volume '%s' in the trash", name);
        else
                dol_fail(error, DOL_ERROR_CONFLICT,
                         "%u volumes in the trash were called '%s': say which by uid:...",
                         found->len, name);
        return NULL;
}

const dol_volume *dol_volume_find(dol_engine *engine, const char *reference, GError **error)
{
        const dol_volume *found;

        if (g_str_has_prefix(reference, "uid:"))
                found = dol_index_by_uid(engine->index, reference + strlen("uid:"));
        else
                found = dol_index_by_name(engine->index, reference);
        if (!found)
                dol_fail(error, DOL_ERROR_NOT_FOUND, "volume '%s' does not exist", reference);
        return found;
}

static const dol_volume *find_any(dol_engine *engine, const char *reference, bool trashed,
                                  GError **error)
{
        if (trashed && !g_str_has_prefix(reference, "uid:"))
                return find_trashed(engine, reference, error);
        return dol_volume_find(engine, reference, error);
}

dol_lock *dol_volume_take(dol_engine *engine, const dol_call *call, const char *reference,
                          bool trashed, dol_volume **ret_volume, GError **error)
{
        g_autoptr(dol_held_volume) found = NULL;
        g_autoptr(dol_held_volume) now = NULL;
        g_autoptr(dol_lock) lock = NULL;

        dol_doubts_settle(engine);
        found = find_any(engine, reference, trashed, error);
        if (!found)
                return NULL;
        lock = dol_locks_take(engine->locks, call, found->uid, error);
        if (!lock) {
                dol_fail_while(error, "volume '%s'", found->name);
                return NULL;
        }
        /* it may have changed while we waited: deleted, or renamed and replaced by another */
        now = find_any(engine, reference, trashed, error);
        if (!now)
                return NULL;
        if (strcmp(now->uid, found->uid) != 0) {
                dol_fail(error, DOL_ERROR_BUSY, "volume '%s' was replaced meanwhile", reference);
                return NULL;
        }
        *ret_volume = dol_volume_copy(now);
        return g_steal_pointer(&lock);
}

bool dol_volume_describe(dol_engine *engine, const dol_call *call, const dol_volume *volume,
                         GError **error)
{
        g_autoptr(GError) why = NULL;
        dol_pool *pool = dol_pools_find(engine, volume->spec.pool, error);
        dol_volume bare = *volume;

        if (!pool)
                return false;
        bare.status.attachment = NULL;
        bare.revision = 0;
        if (dol_pool_describe(pool, call, &bare, &why))
                return true;
        if (dol_error_is(why, DOL_ERROR_NO_SPACE)) {
                dol_log(DOL_LOG_WARNING, "volume '%s': its description is written later: %s",
                        volume->name, why->message);
                return true;
        }
        g_propagate_error(error, g_steal_pointer(&why));
        return false;
}

static void fill_usage(dol_volume *volume)
{
        const dol_attachment *attachment = volume->status.attachment;
        dol_space space;

        /* the figures of the last unmount stay when it is not mounted now */
        if (!attachment || !attachment->path || !dol_mount_is_there(volume) ||
            !dol_space_of(attachment->path, &space, NULL))
                return;
        volume->status.used = space.used;
        volume->status.available = space.available;
        volume->status.inodes = space.inodes;
        volume->status.inodes_used = space.inodes_used;
}

void dol_volume_fill(dol_engine *engine, const dol_call *call, dol_volume *volume)
{
        dol_pool *pool = dol_pools_find(engine, volume->spec.pool, NULL);
        dol_volume_info info;

        fill_usage(volume);
        if (pool && dol_pool_inspect(pool, call, volume->uid, &info, NULL))
                volume->status.allocated = info.allocated;
}

static void fill_io(dol_volume *volume)
{
        const dol_attachment *attachment = volume->status.attachment;
        dol_volume_io io;

        if (attachment && attachment->device && dol_mount_is_there(volume) &&
            dol_device_io(attachment->device, &io, NULL))
                volume->status.io = g_memdup2(&io, sizeof(io));
}

dol_volume *dol_engine_peek(dol_engine *engine, const char *reference, GError **error)
{
        g_autoptr(dol_held_volume) found = dol_volume_find(engine, reference, error);
        dol_volume *volume = found ? dol_volume_copy(found) : NULL;

        if (volume) {
                fill_usage(volume);
                fill_io(volume);
        }
        return volume;
}

dol_volume *dol_engine_get(dol_engine *engine, const char *reference, GError **error)
{
        dol_call call = dol_call_within("engine", INT64_C(5000000));
        dol_volume *volume = dol_engine_peek(engine, reference, error);

        if (volume)
                dol_volume_fill(engine, &call, volume);
        return volume;
}

/* ---- lists ---- */

typedef struct {
        const dol_volume_filter *filter;
        char **labels; /* "k=v" or "k" */
} matcher;

static bool label_holds(GHashTable *labels, const char *wanted)
{
        g_auto(GStrv) pair = g_strsplit(wanted, "=", 2);
        const char *value = labels ? g_hash_table_lookup(labels, pair[0]) : NULL;

        return value && (!pair[1] || strcmp(value, pair[1]) == 0);
}

bool dol_labels_match(GHashTable *labels, char **wanted)
{
        for (unsigned i = 0; wanted && wanted[i]; i++)
                if (!label_holds(labels, wanted[i]))
                        return false;
        return true;
}

static bool matches(const dol_volume *volume, void *user)
{
        const matcher *match = user;
        const dol_volume_filter *filter = match->filter;

        if (filter->phase >= 0 ? (int)volume->status.phase != filter->phase
                               : !dol_volume_owns_name(volume))
                return false;
        if (filter->pool && g_strcmp0(filter->pool, volume->spec.pool) != 0)
                return false;
        return dol_labels_match(volume->labels, match->labels);
}

bool dol_engine_list(dol_engine *engine, const dol_volume_filter *filter, dol_volume_fn fn,
                     void *user, bool *ret_more, GError **error)
{
        dol_call call = dol_call_within("engine", INT64_C(30000000));
        g_auto(GStrv) labels = filter->labels ? g_strsplit(filter->labels, ",", -1) : NULL;
        matcher match = {filter, labels};
        unsigned max = filter->limit ? filter->limit + 1 : 0;
        g_autoptr(GPtrArray) found =
                dol_index_list(engine->index, filter->after, max, matches, &match);
        unsigned shown = filter->limit ? MIN(filter->limit, found->len) : found->len;

        *ret_more = found->len > shown;
        for (unsigned i = 0; i < shown; i++) {
                const dol_volume *volume = found->pdata[i];
                g_autoptr(dol_volume) filled = NULL;

                if (filter->usage || volume->status.attachment) {
                        filled = dol_volume_copy(volume);
                        fill_usage(filled);
                        fill_io(filled);
                }
                if (filter->usage)
                        dol_volume_fill(engine, &call, filled);
                if (!fn(filled ? filled : volume, user))
                        return true;
        }
        return true;
}
