/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/placement.h"

#include <string.h>

int dol_placement_choose(const dol_candidate *candidates, unsigned count)
{
        int best = -1;

        for (unsigned i = 0; i < count; i++) {
                if (!candidates[i].ready || !candidates[i].fits)
                        continue;
                if (strcmp(candidates[i].name, "default") == 0)
                        return (int)i;
                if (best < 0 || candidates[i].allocatable > candidates[best].allocatable)
                        best = (int)i;
        }
        return best;
}
