/* SPDX-License-Identifier: Apache-2.0 */
/* Which pool a new volume goes to when its maker did not say. */
#pragma once

#include "policy/capacity.h"

typedef struct {
        const char *name;
        bool ready;
        bool fits; /* has the traits and the space that the volume needs */
        uint64_t allocatable;
} dol_candidate;

/* "default" when it is ready and fits; else the ready and fitting pool with the most to promise;
 * else -1. */
int dol_placement_choose(const dol_candidate *candidates, unsigned count);
