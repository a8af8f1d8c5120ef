/* SPDX-License-Identifier: Apache-2.0 */
/* What changes of all of a volume's data begin with: nobody uses it, and what it was is kept. */
#pragma once

#include "engine/private.h"

/* Unmounts a volume that nobody uses any more; BUSY, or with `force` it is taken from its users. */
bool dol_volume_free_from_users(dol_engine *engine, const dol_call *call, dol_volume *volume,
                                bool force, GError **error);
/* Keeps what the volume is now as a snapshot named by the prefix and the time. */
bool dol_volume_keep_state(dol_engine *engine, const dol_call *call, const dol_volume *volume,
                           const char *prefix, GError **error);
/* The same, unless one of its snapshots holds just that: before an interrupted change of the
 * volume's data is finished, since it may have been used meanwhile. */
bool dol_volume_keep_unkept(dol_engine *engine, const dol_call *call, const dol_volume *volume,
                            const char *prefix, GError **error);
