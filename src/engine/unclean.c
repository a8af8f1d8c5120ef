/* SPDX-License-Identifier: Apache-2.0 */
/* They are looked at before they are mounted again: one with errors is not made worse. */
#include "engine/unclean.h"

#include "base/clock.h"
#include "base/log.h"
#include "host/grow.h"

/* A mount waits no longer than this: its client would give up, and ask again for ever. */
static const int64_t patience_usec = 45 * DOL_USEC_PER_SEC;

bool dol_unclean_note(dol_engine *engine, const char *uid, GError **error)
{
        g_autoptr(dol_held_volume) held = dol_index_by_uid(engine->index, uid);
        g_autoptr(dol_volume) volume = dol_volume_copy(held);
        g_autoptr(dol_txn) txn = dol_txn_new();

        if (!volume || (volume->spec.fs != DOL_FS_EXT4 && volume->spec.fs != DOL_FS_XFS))
                return true;
        volume->status.unclean = true;
        dol_txn_put_volume(engine, txn, volume);
        return dol_commit_volume(engine, txn, volume, error);
}

static bool refuse(dol_engine *engine, const dol_call *call, const dol_volume *volume,
                   GError **error)
{
        dol_event_write(engine, call, DOL_EVENT_WARNING, "VolumeDamaged", "volume", volume->name,
                        volume->uid, "the file system of volume '%s' has errors: it is not mounted",
                        volume->name);
        return dol_fail(error, DOL_ERROR_CONFLICT,
                        "its file system has errors since the host went down; repair it: dolium "
                        "volume check --repair '%s'",
                        volume->name);
}

/* false with INTERNAL: its journal cannot be replayed, because of damage. */
static bool look(const dol_call *call, const dol_volume *volume, const char *device,
                 bool *ret_clean, GError **error)
{
        g_autofree char *report = NULL;

        return dol_image_replay(call, volume->spec.fs, device, error) &&
               dol_image_check(call, volume->spec.fs, device, false, ret_clean, &report, error);
}

bool dol_unclean_check(dol_engine *engine, const dol_call *call, dol_volume *volume,
                       const char *device, GError **error)
{
        dol_call bounded = *call;
        g_autoptr(GError) why = NULL;
        bool clean = false;

        if (!volume->status.unclean || !engine->check_unclean)
                return true;
        bounded.deadline_usec = dol_monotonic_usec() + dol_call_left_usec(call, patience_usec) / 2;
        bounded.deadline_usec = MIN(bounded.deadline_usec, dol_monotonic_usec() + patience_usec);
        if (!look(&bounded, volume, device, &clean, &why) &&
            !dol_error_is(why, DOL_ERROR_INTERNAL)) {
                if (!dol_error_is(why, DOL_ERROR_TIMEOUT)) {
                        g_propagate_error(error, g_steal_pointer(&why));
                        return false;
                }
                dol_event_write(engine, call, DOL_EVENT_WARNING, "VolumeUnchecked", "volume",
                                volume->name, volume->uid,
                                "volume '%s' is too large to be checked before it is mounted: "
                                "'dolium volume check' does it meanwhile",
                                volume->name);
                clean = true;
        }
        if (!clean)
                return refuse(engine, call, volume, error);
        volume->status.unclean = false;
        return true;
}
