/* SPDX-License-Identifier: Apache-2.0 */
/* New volumes made from volumes and snapshots. */
#include "engine/private.h"

#include "base/clock.h"
#include "codec/units.h"
#include "host/freeze.h"

#include <string.h>

static const int64_t freeze_limit_usec = 10 * DOL_USEC_PER_SEC;

/* What a clone takes over from its origin unless it was said otherwise. */
static bool inherit(dol_volume_spec *spec, const dol_volume *origin, dol_fs_kind fs, uint64_t size,
                    GError **error)
{
        g_autofree char *has = dol_size_format(size);
        g_autofree char *said = dol_size_format(spec->size);

        if (spec->fs != DOL_FS_AUTO && spec->fs != fs)
                return dol_fail(error, DOL_ERROR_INVALID,
                                "fs: '%s' has %s, and a clone of it cannot have %s", spec->from,
                                dol_fs_words[fs], dol_fs_words[spec->fs]);
        if (spec->pool && strcmp(spec->pool, origin->spec.pool) != 0)
                return dol_fail(error, DOL_ERROR_UNSUPPORTED,
                                "pool: a clone lives in the pool of its origin, '%s'",
                                origin->spec.pool);
        if (spec->size == DOL_VOLUME_SIZE_UNSET)
                spec->size = size;
        if (spec->size < size)
                return dol_fail(error, DOL_ERROR_INVALID,
                                "size: '%s' has %s, and a clone of it cannot have %s", spec->from,
                                has, said);
        spec->fs = fs;
        g_free(spec->pool);
        spec->pool = g_strdup(origin->spec.pool);
        return true;
}

bool dol_clone_resolve(dol_engine *engine, dol_volume *volume, GError **error)
{
        const char *from = volume->spec.from;
        g_autoptr(dol_snapshot) snapshot = NULL;
        g_autoptr(dol_held_volume) origin = NULL;
        g_autofree char *reference = NULL;

        if (!from)
                return true;
        if (strchr(from, '@')) {
                if (!(snapshot = dol_snapshot_find(engine, from, error)))
                        return dol_fail_while(error, "from");
                reference = g_strconcat("uid:", snapshot->volume, NULL);
        }
        origin = dol_volume_find(engine, reference ? reference : from, error);
        if (!origin)
                return dol_fail_while(error, "from");
        volume->status.origin = snapshot ? g_strconcat(origin->uid, "/", snapshot->uid, NULL)
                                         : g_strdup(origin->uid);
        return inherit(&volume->spec, origin, snapshot ? snapshot->fs : origin->spec.fs,
                       snapshot ? snapshot->size : origin->status.size, error);
}

/* A volume that is mounted is frozen for the moment of its clone. */
static bool clone_frozen(const dol_call *call, dol_pool *pool, const dol_volume *origin,
                         const dol_volume *want, char **ret_fs_uuid, GError **error)
{
        const char *paths[] = {origin->status.attachment->path, NULL};
        dol_freeze *freeze = dol_freeze_begin(call, paths, freeze_limit_usec, error);
        g_autofree char *fs_uuid = NULL;
        bool cloned;

        if (!freeze)
                return false;
        cloned = dol_pool_clone(pool, call, origin->uid, NULL, want, &fs_uuid, error);
        if (!dol_freeze_end(freeze, NULL, cloned ? error : NULL))
                return false;
        if (cloned)
                *ret_fs_uuid = g_steal_pointer(&fs_uuid);
        return cloned;
}

bool dol_clone_data(dol_engine *engine, const dol_call *call, dol_pool *pool,
                    const dol_volume *want, char **ret_fs_uuid, GError **error)
{
        g_auto(GStrv) uids = g_strsplit(want->status.origin, "/", 2);
        g_autofree char *reference = g_strconcat("uid:", uids[0], NULL);
        g_autoptr(dol_volume) origin = NULL;
        g_autoptr(dol_lock) lock = dol_volume_take(engine, call, reference, false, &origin, error);

        if (!lock)
                return dol_fail_while(error, "from");
        if (!uids[1] && origin->status.attachment && origin->status.attachment->path &&
            dol_mount_is_there(origin))
                return clone_frozen(call, pool, origin, want, ret_fs_uuid, error);
        return dol_pool_clone(pool, call, origin->uid, uids[1], want, ret_fs_uuid, error);
}
