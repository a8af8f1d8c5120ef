/* SPDX-License-Identifier: Apache-2.0 */
/* What leaves the trash, and when. */
#pragma once

#include "model/volume.h"

/* true when a trashed volume has been kept as long as it was promised. */
bool dol_trash_is_over(const dol_volume *volume, int64_t now);
/* Index of the trashed volume to give up first when its pool is too full (the one that was deleted
 * longest ago); -1 when there is none. */
int dol_trash_choose(const dol_volume *const *trashed, unsigned count);
