/* SPDX-License-Identifier: Apache-2.0 */
/* Which snapshots of a schedule go. Pure decisions: only snapshots that a schedule made are ever
 * chosen, and never one that is protected, mounted, or not ready. */
#pragma once

#include "model/snapshot.h"
#include "policy/calendar.h"

typedef enum {
        DOL_RETAIN, /* kept by a rule, or none of this schedule's business */
        DOL_PRUNE,  /* beyond what the rules keep */
        DOL_HOLD,   /* the same, but it is protected or mounted */
} dol_retention;

/* For snapshots of one volume, oldest first: verdicts[i] is that of snapshots[i]. Each rule keeps
 * the newest `keep` of those that were taken for it. One whose rule is not in the schedule any more
 * counts for the first rule of the same kind, and is kept when there is none. */
void dol_retention_judge(const char *schedule, const dol_rule *rules, unsigned count,
                         const dol_snapshot *const *snapshots, unsigned snapshot_count,
                         dol_retention *verdicts);

/* Index of the snapshot to give up first when its pool is too full, among those of one pool, oldest
 * first: the oldest that a schedule made and that is not the newest of its volume that one made;
 * -1 when there is none. */
int dol_retention_choose(const dol_snapshot *const *snapshots, unsigned count);
