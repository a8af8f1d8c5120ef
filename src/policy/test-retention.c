/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/retention.h"

#include "base/test.h"

enum { MANY = 8 };

typedef struct {
        const char *schedule;
        const char *rules; /* separated by ',' */
        const char *flags; /* p = protected, m = mounted, c = creating */
        char verdict;      /* . retained, x pruned, h held */
} row;

static dol_snapshot *snapshot_of(const row *from)
{
        static dol_attachment somewhere;
        dol_snapshot *snapshot = g_new0(dol_snapshot, 1);

        *snapshot = (dol_snapshot){
                .volume = g_strdup("v"),
                .schedule = g_strdup(from->schedule),
                .rules = from->rules ? g_strsplit(from->rules, ",", -1) : NULL,
                .protect = strchr(from->flags, 'p'),
                .attachment = strchr(from->flags, 'm') ? &somewhere : NULL,
                .phase = strchr(from->flags, 'c') ? DOL_SNAPSHOT_CREATING : DOL_SNAPSHOT_READY,
        };
        return snapshot;
}

static void drop(dol_snapshot *snapshot)
{
        snapshot->attachment = NULL;
        dol_snapshot_free(snapshot);
}

static void check(const char *const *lines, unsigned count, const row *rows, unsigned row_count)
{
        dol_rule rules[4];
        dol_snapshot *snapshots[MANY];
        dol_retention verdicts[MANY];

        for (unsigned i = 0; i < count; i++)
                g_assert_true(dol_rule_parse(lines[i], &rules[i], NULL));
        for (unsigned i = 0; i < row_count; i++)
                snapshots[i] = snapshot_of(&rows[i]);
        dol_retention_judge("s", rules, count, (const dol_snapshot *const *)snapshots, row_count,
                            verdicts);
        for (unsigned i = 0; i < row_count; i++) {
                g_test_message("row %u", i);
                g_assert_cmpint(".xh"[verdicts[i]], ==, rows[i].verdict);
                drop(snapshots[i]);
        }
}

/* Rows are oldest first. */
static void test_judge(void)
{
        static const char *const lines[] = {"every 15m keep 2", "daily 02:00 keep 1"};
        static const row rows[] = {
                {"s", "every 15m", "", 'x'},
                {"s", "every 15m,daily 02:00", "", '.'}, /* the daily rule keeps it */
                {"s", "every 15m", "p", 'h'},
                {"s", "every 15m", "m", 'h'},
                {NULL, NULL, "", '.'},           /* a person's */
                {"other", "every 15m", "", '.'}, /* another schedule's */
                {"s", "every 15m", "", '.'},
                {"s", "every 15m", "p", '.'},
        };
        static const row unfinished[] = {
                {"s", "every 15m", "", '.'},
                {"s", "every 15m", "", '.'},
                {"s", "every 15m", "c", '.'}, /* what is not there yet displaces nothing */
        };

        check(lines, 2, rows, G_N_ELEMENTS(rows));
        check(lines, 2, unfinished, G_N_ELEMENTS(unfinished));
}

static void test_changed_rules(void)
{
        static const char *const lines[] = {"daily 03:00 keep 2"};
        static const row rows[] = {
                {"s", "daily 02:00", "", 'x'}, /* counts for what is daily now */
                {"s", "daily 02:00", "", '.'},
                {"s", "weekly sun 03:00", "", '.'}, /* nobody says how long */
                {"s", "what is this", "", '.'},
                {"s", NULL, "", '.'},
                {"s", "daily 03:00,daily 02:00", "", '.'}, /* counts once */
        };

        check(lines, 1, rows, G_N_ELEMENTS(rows));
        check(lines, 0, rows + 1, G_N_ELEMENTS(rows) - 1);
}

static void test_choose(void)
{
        static const row rows[] = {
                {NULL, NULL, "", 0}, {"s", "", "p", 0}, {"s", "", "m", 0},
                {"s", "", "", 0},    {"t", "", "", 0},  {NULL, NULL, "", 0},
        };
        dol_snapshot *snapshots[G_N_ELEMENTS(rows)];
        const dol_snapshot *const *all = (const dol_snapshot *const *)snapshots;

        for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++)
                snapshots[i] = snapshot_of(&rows[i]);
        g_assert_cmpint(dol_retention_choose(all, G_N_ELEMENTS(rows)), ==, 3);
        /* the newest of its volume stays; another volume's newer one is no reason to go */
        g_assert_cmpint(dol_retention_choose(all, 4), ==, -1);
        g_free(snapshots[4]->volume);
        snapshots[4]->volume = g_strdup("w");
        g_assert_cmpint(dol_retention_choose(all, G_N_ELEMENTS(rows)), ==, -1);
        g_assert_cmpint(dol_retention_choose(all, 0), ==, -1);
        for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++)
                drop(snapshots[i]);
}

int main(int argc, char **argv)
{
        dol_test_init(&argc, &argv);
        g_test_add_func("/retention/judge", test_judge);
        g_test_add_func("/retention/judge/changed", test_changed_rules);
        g_test_add_func("/retention/choose", test_choose);
        return g_test_run();
}
