/* SPDX-License-Identifier: Apache-2.0 */
/* Giving the space of deleted files back to the pool. Nothing is recorded about it: what a file
 * system does not use may be given back at any time, and half of it, too. */
#include "engine/private.h"

#include "base/log.h"
#include "host/space.h"

#include <string.h>

/* At a time; in between, others get at the volume. */
static const uint64_t piece_bytes = UINT64_C(4) << 30;

static bool check_trimmable(const dol_volume *volume, GError **error)
{
        if (volume->spec.fs == DOL_FS_NONE || volume->spec.fs == DOL_FS_DIRECTORY)
                return dol_fail(error, DOL_ERROR_UNSUPPORTED,
                                "volume '%s' (fs=%s) has no file system of its own to trim",
                                volume->name, dol_fs_words[volume->spec.fs]);
        if (volume->spec.thick)
                return dol_fail(
                        error, DOL_ERROR_UNSUPPORTED,
                        "volume '%s' is thick: it keeps the space that was set aside for it",
                        volume->name);
        return dol_mount_is_there(volume) ||
               dol_fail(error, DOL_ERROR_CONFLICT,
                        "volume '%s' is not mounted: only a mounted file system knows what it does "
                        "not use",
                        volume->name);
}

/* One piece of the volume; *ret_end: there is nothing behind it. */
static bool trim_piece(dol_engine *engine, const dol_call *call, const char *reference,
                       uint64_t offset, bool *ret_end, GError **error)
{
        g_autoptr(dol_volume) volume = NULL;
        g_autoptr(dol_lock) lock = dol_volume_take(engine, call, reference, false, &volume, error);

        if (!lock || !check_trimmable(volume, error) ||
            !dol_space_trim(volume->status.attachment->path, offset, piece_bytes, error))
                return false;
        *ret_end = offset + piece_bytes >= volume->status.size;
        return true;
}

static bool trim(dol_engine *engine, const dol_call *call, const char *reference, GError **error)
{
        bool end = false;

        for (uint64_t offset = 0; !end; offset += piece_bytes)
                if (!dol_call_check(call, error) ||
                    !trim_piece(engine, call, reference, offset, &end, error))
                        return false;
        return true;
}

bool dol_engine_trim(dol_engine *engine, const dol_call *call, const char *reference,
                     dol_volume **ret_volume, GError **error)
{
        g_autoptr(dol_held_volume) volume = dol_volume_find(engine, reference, error);
        g_autofree char *same = volume ? g_strconcat("uid:", volume->uid, NULL) : NULL;

        if (!volume || !trim(engine, call, same, error))
                return false;
        *ret_volume = dol_engine_get(engine, same, error);
        return *ret_volume != NULL;
}

/* Volumes that discard by themselves, and read-only ones, have nothing to give back. */
static bool wants_trim(const dol_volume *volume, void *user)
{
        g_auto(GStrv) options =
                g_strsplit(volume->spec.mountopts ? volume->spec.mountopts : "", ",", -1);

        return volume->status.attachment && check_trimmable(volume, NULL) &&
               !g_strv_contains((const char *const *)options, "discard") &&
               !g_strv_contains((const char *const *)options, "ro");
}

void dol_engine_trim_all(dol_engine *engine, const dol_call *call)
{
        g_autoptr(GPtrArray) volumes = dol_index_list(engine->index, NULL, 0, wants_trim, NULL);

        for (unsigned i = 0; i < volumes->len && dol_call_check(call, NULL); i++) {
                const dol_volume *volume = volumes->pdata[i];
                g_autofree char *reference = g_strconcat("uid:", volume->uid, NULL);
                g_autoptr(GError) error = NULL;

                if (!trim(engine, call, reference, &error))
                        dol_log(DOL_LOG_DEBUG, "volume '%s' is not trimmed: %s", volume->name,
                                error->message);
        }
}
