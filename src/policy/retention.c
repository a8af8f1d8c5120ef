/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/retention.h"

#include <string.h>

static bool is_free(const dol_snapshot *snapshot)
{
        return !snapshot->protect && !snapshot->attachment;
}

/* Index of the rule that a snapshot which was taken for the rule `name` counts for; -1 = none. */
static int rule_of(const dol_rule *rules, unsigned count, const char *name)
{
        dol_rule was;
        int same_kind = -1;

        if (!dol_rule_parse(name, &was, NULL))
                return -1;
        for (unsigned i = 0; i < count; i++) {
                g_autofree char *now = dol_rule_name(&rules[i]);

                if (strcmp(now, name) == 0)
                        return (int)i;
                if (same_kind < 0 && rules[i].kind == was.kind)
                        same_kind = (int)i;
        }
        return same_kind;
}

/* Counts a snapshot for its rules; false when none of them keeps it. */
static bool is_kept(const dol_rule *rules, unsigned count, const dol_snapshot *snapshot,
                    unsigned *counted)
{
        bool kept = !snapshot->rules || !snapshot->rules[0];
        bool seen[DOL_RULES_MAX] = {false};

        for (unsigned i = 0; snapshot->rules && snapshot->rules[i]; i++) {
                int rule = rule_of(rules, count, snapshot->rules[i]);

                if (rule < 0) {
                        kept = true;
                } else if (!seen[rule]) {
                        seen[rule] = true;
                        kept |= counted[rule]++ < rules[rule].keep;
                }
        }
        return kept;
}

void dol_retention_judge(const char *schedule, const dol_rule *rules, unsigned count,
                         const dol_snapshot *const *snapshots, unsigned snapshot_count,
                         dol_retention *verdicts)
{
        unsigned counted[DOL_RULES_MAX] = {0};

        for (unsigned i = snapshot_count; i > 0; i--) {
                const dol_snapshot *snapshot = snapshots[i - 1];

                verdicts[i - 1] = DOL_RETAIN;
                if (snapshot->phase == DOL_SNAPSHOT_READY &&
                    g_strcmp0(snapshot->schedule, schedule) == 0 &&
                    !is_kept(rules, count, snapshot, counted))
                        verdicts[i - 1] = is_free(snapshot) ? DOL_PRUNE : DOL_HOLD;
        }
}

/* Is there a newer one of its volume that a schedule made? */
static bool has_newer(const dol_snapshot *const *snapshots, unsigned count, unsigned i)
{
        for (unsigned newer = i + 1; newer < count; newer++)
                if (snapshots[newer]->schedule && snapshots[newer]->phase == DOL_SNAPSHOT_READY &&
                    strcmp(snapshots[newer]->volume, snapshots[i]->volume) == 0)
                        return true;
        return false;
}

int dol_retention_choose(const dol_snapshot *const *snapshots, unsigned count)
{
        for (unsigned i = 0; i < count; i++)
                if (snapshots[i]->schedule && snapshots[i]->phase == DOL_SNAPSHOT_READY &&
                    is_free(snapshots[i]) && has_newer(snapshots, count, i))
                        return (int)i;
        return -1;
}
