/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/calendar.h"

#include "base/clock.h"
#include "base/test.h"

static int64_t at(const char *text)
{
        int64_t usec = 0;

        g_assert_true(dol_time_parse(text, &usec, NULL));
        return usec;
}

static dol_rule rule_of(const char *line)
{
        g_autoptr(GError) error = NULL;
        dol_rule rule = {0};

        dol_rule_parse(line, &rule, &error);
        g_assert_no_error(error);
        return rule;
}

/* ---- reading ---- */

static void test_good_lines(void)
{
        static const struct {
                const char *line, *name;
                unsigned keep;
        } rows[] = {
                {"every 15m keep 4", "every 15m", 4},
                {"every 60m", "every 1h", 5},
                {"every 1h30m keep 1000", "every 1h30m", 1000},
                {"every 1s keep 1", "every 1s", 1},
                {"daily 02:00 keep 7", "daily 02:00", 7},
                {"  daily   23:59  ", "daily 23:59", 7},
                {"weekly sun 03:00 keep 5", "weekly sun 03:00", 5},
                {"weekly sat 00:00", "weekly sat 00:00", 5},
                {"monthly 1 04:00 keep 12", "monthly 1 04:00", 12},
                {"monthly last 04:00", "monthly 31 04:00", 12},
        };

        for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
                dol_rule rule = rule_of(rows[i].line);
                g_autofree char *name = dol_rule_name(&rule);

                g_assert_cmpstr(name, ==, rows[i].name);
                g_assert_cmpuint(rule.keep, ==, rows[i].keep);
        }
}

static void test_bad_lines(void)
{
        static const struct {
                const char *line, *told;
        } rows[] = {
                {"", "'': expected every, daily, weekly or monthly first"},
                {"hourly keep 3", "expected every, daily, weekly or monthly first"},
                {"Daily 02:00", "expected every, daily, weekly or monthly first"},
                {"every", "expected 'every DURATION keep N'"},
                {"every 15m keep", "expected 'every DURATION keep N'"},
                {"every 15m keep 4 5", "expected 'every DURATION keep N'"},
                {"every 15m hold 4", "expected 'every DURATION keep N'"},
                {"every 15", "'15'"},
                {"every 0s", "expected whole seconds, from 1s to 366d, got '0s'"},
                {"every 500ms", "expected whole seconds"},
                {"every 367d", "expected whole seconds, from 1s to 366d"},
                {"every 15m keep 0", "expected a number of 1 to 1000, got '0'"},
                {"every 15m keep -1", "expected a number of 1 to 1000, got '-1'"},
                {"every 15m keep 1001", "got '1001'"},
                {"daily 2:00", "expected a time like 02:00, got '2:00'"},
                {"daily 24:00", "expected 00:00 to 23:59, got '24:00'"},
                {"daily 12:60", "expected 00:00 to 23:59, got '12:60'"},
                {"daily 02:00:00", "expected a time like 02:00"},
                {"daily keep 7", "expected 'daily HH:MM keep N'"},
                {"weekly 03:00", "expected 'weekly WEEKDAY HH:MM keep N'"},
                {"weekly sunday 03:00", "expected sun, mon, tue, wed, thu, fri or sat"},
                {"monthly 0 04:00", "expected a day of 1 to 31, got '0'"},
                {"monthly 32 04:00", "expected a day of 1 to 31, got '32'"},
                {"monthly 1", "expected 'monthly DAY HH:MM keep N'"},
                {"daily\t02:00", "expected every, daily"},
        };

        for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
                dol_rule rule = {.keep = 77};
                GError *error = NULL;

                g_assert_false(dol_rule_parse(rows[i].line, &rule, &error));
                dol_assert_invalid(error, rows[i].told);
                g_assert_cmpuint(rule.keep, ==, 77);
        }
}

static void test_zones(void)
{
        static const char *const bad[] = {
                "",       "Nowhere/City",    "../../etc/passwd",       "/etc/zone",
                "+02:00", "EST5EDT4,M3.2.0", "Europe/../Europe/Berlin"};

        for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
                GError *error = NULL;

                g_assert_null(dol_zone_open(bad[i], &error));
                dol_assert_invalid(error, "is not a time zone that this host knows");
        }
}

/* ---- when ---- */

/* `before` is the last moment until `now`, `after` the first one behind it. */
static const struct {
        const char *line, *zone, *before, *now, *after;
} moments[] = {
        {"every 15m", "UTC", "2026-03-01T10:00:00Z", "2026-03-01T10:07:00Z",
         "2026-03-01T10:15:00Z"},
        {"every 15m", "UTC", "2026-03-01T10:15:00Z", "2026-03-01T10:15:00Z",
         "2026-03-01T10:30:00Z"},
        {"every 1d", "Asia/Tokyo", "2026-03-01T00:00:00Z", "2026-03-01T23:59:59.999999Z",
         "2026-03-02T00:00:00Z"},
        {"daily 02:00", "UTC", "2026-03-01T02:00:00Z", "2026-03-02T01:59:59Z",
         "2026-03-02T02:00:00Z"},
        {"daily 02:00", "UTC", "2026-03-02T02:00:00Z", "2026-03-02T02:00:00Z",
         "2026-03-03T02:00:00Z"},
        {"daily 00:30", "Asia/Tokyo", "2026-02-28T15:30:00Z", "2026-03-01T10:00:00Z",
         "2026-03-01T15:30:00Z"},
        {"daily 23:00", "America/New_York", "2026-01-10T04:00:00Z", "2026-01-10T22:00:00Z",
         "2026-01-11T04:00:00Z"},
        {"daily 12:00", "Pacific/Kiritimati", "2026-01-09T22:00:00Z", "2026-01-10T12:00:00Z",
         "2026-01-10T22:00:00Z"},
        /* Berlin, 29 March 2026: 02:00 to 03:00 does not exist; 02:30 is 03:30 then */
        {"daily 02:30", "Europe/Berlin", "2026-03-28T01:30:00Z", "2026-03-29T01:29:59Z",
         "2026-03-29T01:30:00Z"},
        {"daily 02:30", "Europe/Berlin", "2026-03-29T01:30:00Z", "2026-03-29T12:00:00Z",
         "2026-03-30T00:30:00Z"},
        {"daily 02:00", "Europe/Berlin", "2026-03-28T01:00:00Z", "2026-03-29T00:59:59Z",
         "2026-03-29T01:00:00Z"},
        {"daily 03:00", "Europe/Berlin", "2026-03-29T01:00:00Z", "2026-03-29T01:00:00Z",
         "2026-03-30T01:00:00Z"},
        /* 25 October 2026: 02:00 to 03:00 is there twice; the first time counts, once */
        {"daily 02:30", "Europe/Berlin", "2026-10-24T00:30:00Z", "2026-10-25T00:29:59Z",
         "2026-10-25T00:30:00Z"},
        {"daily 02:30", "Europe/Berlin", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z",
         "2026-10-26T01:30:00Z"},
        {"daily 01:30", "America/New_York", "2026-11-01T05:30:00Z", "2026-11-01T06:30:00Z",
         "2026-11-02T06:30:00Z"},
        /* half an hour of summer time */
        {"daily 02:15", "Australia/Lord_Howe", "2026-10-02T15:45:00Z", "2026-10-03T15:44:59Z",
         "2026-10-03T15:45:00Z"},
        /* a day that was left out: its run and the next day's are one */
        {"daily 02:00", "Pacific/Apia", "2011-12-29T12:00:00Z", "2011-12-29T12:00:00Z",
         "2011-12-30T12:00:00Z"},
        {"daily 02:00", "Pacific/Apia", "2011-12-30T12:00:00Z", "2011-12-30T12:00:00Z",
         "2011-12-31T12:00:00Z"},
        {"weekly sun 03:00", "UTC", "2026-11-15T03:00:00Z", "2026-11-21T12:00:00Z",
         "2026-11-22T03:00:00Z"},
        {"weekly sun 03:00", "UTC", "2026-11-22T03:00:00Z", "2026-11-22T03:00:00Z",
         "2026-11-29T03:00:00Z"},
        {"weekly mon 00:10", "Asia/Tokyo", "2026-11-15T15:10:00Z", "2026-11-16T00:00:00Z",
         "2026-11-22T15:10:00Z"},
        {"monthly 1 04:00", "UTC", "2026-11-01T04:00:00Z", "2026-11-21T12:00:00Z",
         "2026-12-01T04:00:00Z"},
        {"monthly 1 04:00", "UTC", "2026-12-01T04:00:00Z", "2026-12-31T12:00:00Z",
         "2027-01-01T04:00:00Z"},
        {"monthly 31 04:00", "UTC", "2026-01-31T04:00:00Z", "2026-02-01T00:00:00Z",
         "2026-02-28T04:00:00Z"},
        {"monthly 30 04:00", "UTC", "2028-01-30T04:00:00Z", "2028-02-01T00:00:00Z",
         "2028-02-29T04:00:00Z"},
        {"monthly 31 04:00", "UTC", "2026-03-31T04:00:00Z", "2026-04-15T00:00:00Z",
         "2026-04-30T04:00:00Z"},
        {"monthly last 04:00", "UTC", "2026-04-30T04:00:00Z", "2026-05-01T00:00:00Z",
         "2026-05-31T04:00:00Z"},
};

static void test_moments(void)
{
        for (unsigned i = 0; i < G_N_ELEMENTS(moments); i++) {
                dol_rule rule = rule_of(moments[i].line);
                GTimeZone *zone = dol_zone_open(moments[i].zone, NULL);
                int64_t now = at(moments[i].now);
                g_autofree char *last = dol_time_format(dol_rule_last(&rule, zone, now));
                g_autofree char *next = dol_time_format(dol_rule_next(&rule, zone, now));

                g_test_message("%s in %s at %s", moments[i].line, moments[i].zone, moments[i].now);
                g_assert_cmpstr(last, ==, moments[i].before);
                g_assert_cmpstr(next, ==, moments[i].after);
                g_time_zone_unref(zone);
        }
}

/* Over two years of each zone, no moment is skipped and none comes twice. */
static void test_moments_are_in_order(void)
{
        static const char *const zones[] = {"UTC", "Europe/Berlin", "America/New_York",
                                            "Australia/Lord_Howe", "Pacific/Apia"};
        static const char *const lines[] = {"daily 02:30", "weekly sun 02:30", "monthly 31 23:59"};

        for (unsigned i = 0; i < G_N_ELEMENTS(zones) * G_N_ELEMENTS(lines); i++) {
                GTimeZone *zone = dol_zone_open(zones[i / G_N_ELEMENTS(lines)], NULL);
                dol_rule rule = rule_of(lines[i % G_N_ELEMENTS(lines)]);
                int64_t now = at("2011-01-01T00:00:00Z");

                for (unsigned n = 0; n < 730; n++) {
                        int64_t next = dol_rule_next(&rule, zone, now);

                        g_assert_cmpint(next, >, now);
                        g_assert_cmpint(dol_rule_last(&rule, zone, next), ==, next);
                        g_assert_cmpint(dol_rule_last(&rule, zone, next - 1), <=, now);
                        now = next;
                }
                g_time_zone_unref(zone);
        }
}

/* ---- what is due ---- */

static void test_due(void)
{
        static const struct {
                const char *handled, *now, *due, *next;
                uint32_t rules;
        } rows[] = {
                /* nothing yet */
                {"2026-03-01T10:00:00Z", "2026-03-01T10:14:59Z", NULL, "2026-03-01T10:15:00Z", 0},
                {"2026-03-01T10:00:00Z", "2026-03-01T10:15:00Z", "2026-03-01T10:15:00Z",
                 "2026-03-01T10:30:00Z", 1},
                /* both at one moment: one run */
                {"2026-03-01T01:59:00Z", "2026-03-01T02:00:00Z", "2026-03-01T02:00:00Z",
                 "2026-03-01T02:15:00Z", 3},
                /* three days down: one run for all that was missed */
                {"2026-03-01T01:59:00Z", "2026-03-04T10:20:00Z", "2026-03-04T10:15:00Z",
                 "2026-03-04T10:30:00Z", 3},
                /* the clock was put back: nothing twice, and nothing is stuck */
                {"2027-03-01T10:00:00Z", "2026-03-01T10:20:00Z", NULL, "2026-03-01T10:30:00Z", 0},
        };
        const dol_rule rules[] = {rule_of("every 15m"), rule_of("daily 02:00")};
        GTimeZone *zone = dol_zone_open("UTC", NULL);

        for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
                int64_t now = at(rows[i].now);
                dol_due due = dol_rules_due(rules, 2, zone, at(rows[i].handled), now);

                g_assert_cmpint(due.due, ==, rows[i].due ? at(rows[i].due) : 0);
                g_assert_cmpint(due.next, ==, at(rows[i].next));
                g_assert_cmpuint(due.rules, ==, rows[i].rules);
                g_assert_cmpint(due.handled, <=, now);
        }
        g_assert_cmpint(dol_rules_due(rules, 0, zone, 0, 1).next, ==, INT64_MAX);
        g_time_zone_unref(zone);
}

static void test_retry(void)
{
        g_assert_cmpint(dol_run_retry(1, 5), ==, 5 + 60 * DOL_USEC_PER_SEC);
        g_assert_cmpint(dol_run_retry(2, 5), ==, 5 + 120 * DOL_USEC_PER_SEC);
        g_assert_cmpint(dol_run_retry(3, 5), ==, 0);
}

int main(int argc, char **argv)
{
        dol_test_init(&argc, &argv);
        g_test_add_func("/calendar/lines/good", test_good_lines);
        g_test_add_func("/calendar/lines/bad", test_bad_lines);
        g_test_add_func("/calendar/zones", test_zones);
        g_test_add_func("/calendar/moments", test_moments);
        g_test_add_func("/calendar/moments/order", test_moments_are_in_order);
        g_test_add_func("/calendar/due", test_due);
        g_test_add_func("/calendar/retry", test_retry);
        return g_test_run();
}
