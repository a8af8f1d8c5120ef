/* SPDX-License-Identifier: Apache-2.0 */
/* File systems that were mounted when the host went down. */
#pragma once

#include "engine/private.h"

/* Notes that the host went down while the volume was mounted; without its attachment. */
bool dol_unclean_note(dol_engine *engine, const char *uid, GError **error);
/* Checks such a file system on its device before it is mounted: CONFLICT when it has errors. One
 * that has none, or takes too long, is not looked at again. */
bool dol_unclean_check(dol_engine *engine, const dol_call *call, dol_volume *volume,
                       const char *device, GError **error);
