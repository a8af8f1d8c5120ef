/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/trash.h"

bool dol_trash_is_over(const dol_volume *volume, int64_t now)
{
        return volume->status.phase == DOL_VOLUME_TRASHED && volume->status.expires <= now;
}

int dol_trash_choose(const dol_volume *const *trashed, unsigned count)
{
        int oldest = -1;

        for (unsigned i = 0; i < count; i++)
                if (oldest < 0 || trashed[i]->status.trashed < trashed[oldest]->status.trashed)
                        oldest = (int)i;
        return oldest;
}
