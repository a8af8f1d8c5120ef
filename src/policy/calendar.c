/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/calendar.h"

#include "base/clock.h"
#include "codec/units.h"

#include <string.h>

#define DAY_SECONDS 86400

static const struct {
        const char *word;
        unsigned words; /* that follow it */
        unsigned keep;  /* unless it is said */
        const char *form;
} kinds[] = {
        [DOL_RULE_EVERY] = {"every", 1, 5, "every DURATION"},
        [DOL_RULE_DAILY] = {"daily", 1, 7, "daily HH:MM"},
        [DOL_RULE_WEEKLY] = {"weekly", 2, 5, "weekly WEEKDAY HH:MM"},
        [DOL_RULE_MONTHLY] = {"monthly", 2, 12, "monthly DAY HH:MM"},
};
static const char *const weekdays[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};

/* ---- reading ---- */

static bool read_interval(const char *word, dol_rule *rule, GError **error)
{
        if (!dol_duration_parse(word, &rule->interval_usec, error))
                return false;
        return (rule->interval_usec >= DOL_USEC_PER_SEC &&
                rule->interval_usec <= INT64_C(366) * DAY_SECONDS * DOL_USEC_PER_SEC &&
                rule->interval_usec % DOL_USEC_PER_SEC == 0) ||
               dol_fail(error, DOL_ERROR_INVALID,
                        "expected whole seconds, from 1s to 366d, got '%s'", word);
}

static bool read_minute(const char *word, dol_rule *rule, GError **error)
{
        unsigned hour, minute;

        if (strlen(word) != 5 || word[2] != ':' || !g_ascii_isdigit(word[0]) ||
            !g_ascii_isdigit(word[1]) || !g_ascii_isdigit(word[3]) || !g_ascii_isdigit(word[4]))
                return dol_fail(error, DOL_ERROR_INVALID, "expected a time like 02:00, got '%.64s'",
                                word);
        hour = (unsigned)(word[0] - '0') * 10 + (unsigned)(word[1] - '0');
        minute = (unsigned)(word[3] - '0') * 10 + (unsigned)(word[4] - '0');
        rule->minute = hour * 60 + minute;
        return (hour < 24 && minute < 60) ||
               dol_fail(error, DOL_ERROR_INVALID, "expected 00:00 to 23:59, got '%s'", word);
}

static bool read_weekday(const char *word, dol_rule *rule, GError **error)
{
        while (rule->weekday < G_N_ELEMENTS(weekdays) && strcmp(word, weekdays[rule->weekday]) != 0)
                rule->weekday++;
        return rule->weekday < G_N_ELEMENTS(weekdays) ||
               dol_fail(error, DOL_ERROR_INVALID,
                        "expected sun, mon, tue, wed, thu, fri or sat, got '%.64s'", word);
}

static bool read_count(const char *what, const char *word, uint64_t max, unsigned *ret,
                       GError **error)
{
        uint64_t number = 0;

        if (!dol_number_parse(word, max, &number, NULL) || number == 0)
                return dol_fail(error, DOL_ERROR_INVALID,
                                "expected %s of 1 to %" G_GUINT64_FORMAT ", got '%.64s'", what, max,
                                word);
        *ret = (unsigned)number;
        return true;
}

static bool read_day(const char *word, dol_rule *rule, GError **error)
{
        if (strcmp(word, "last") == 0) {
                rule->day = 31;
                return true;
        }
        return read_count("a day", word, 31, &rule->day, error);
}

static bool read_words(char **words, dol_rule *rule, GError **error)
{
        unsigned count = kinds[rule->kind].words + 1;
        unsigned given = g_strv_length(words);

        if (given != count && (given != count + 2 || strcmp(words[count], "keep") != 0))
                return dol_fail(error, DOL_ERROR_INVALID, "expected '%s keep N'",
                                kinds[rule->kind].form);
        if (given > count &&
            !read_count("a number", words[count + 1], DOL_RULE_KEEP_MAX, &rule->keep, error))
                return false;
        switch (rule->kind) {
        case DOL_RULE_EVERY:
                return read_interval(words[1], rule, error);
        case DOL_RULE_WEEKLY:
                return read_weekday(words[1], rule, error) && read_minute(words[2], rule, error);
        case DOL_RULE_MONTHLY:
                return read_day(words[1], rule, error) && read_minute(words[2], rule, error);
        case DOL_RULE_DAILY:
        default:
                return read_minute(words[1], rule, error);
        }
}

/* The line's words; spaces before, between and behind them do not count. */
static char **split(const char *line)
{
        char **words = g_strsplit(line, " ", -1);
        unsigned count = 0;

        for (unsigned i = 0; words[i]; i++) {
                if (*words[i])
                        words[count++] = words[i];
                else
                        g_free(words[i]);
        }
        words[count] = NULL;
        return words;
}

bool dol_rule_parse(const char *line, dol_rule *ret_rule, GError **error)
{
        g_auto(GStrv) words = split(line);
        dol_rule rule = {0};
        unsigned kind = 0;
        bool ok;

        while (words[0] && kind < G_N_ELEMENTS(kinds) && strcmp(words[0], kinds[kind].word) != 0)
                kind++;
        if (words[0] && kind < G_N_ELEMENTS(kinds)) {
                rule.kind = (dol_rule_kind)kind;
                rule.keep = kinds[kind].keep;
                ok = read_words(words, &rule, error);
        } else {
                ok = dol_fail(error, DOL_ERROR_INVALID,
                              "expected every, daily, weekly or monthly first");
        }
        if (!ok)
                return dol_fail_while(error, "'%.64s'", line);
        *ret_rule = rule;
        return true;
}

char *dol_rule_name(const dol_rule *rule)
{
        g_autofree char *time = g_strdup_printf("%02u:%02u", rule->minute / 60, rule->minute % 60);
        g_autofree char *interval = dol_duration_format(rule->interval_usec);

        switch (rule->kind) {
        case DOL_RULE_EVERY:
                return g_strconcat("every ", interval, NULL);
        case DOL_RULE_WEEKLY:
                return g_strdup_printf("weekly %s %s", weekdays[rule->weekday], time);
        case DOL_RULE_MONTHLY:
                return g_strdup_printf("monthly %u %s", rule->day, time);
        case DOL_RULE_DAILY:
        default:
                return g_strconcat("daily ", time, NULL);
        }
}

/* ---- time zones ---- */

GTimeZone *dol_zone_open(const char *name, GError **error)
{
        GTimeZone *zone = NULL;

        if (!name)
                return g_time_zone_new_local();
        /* GLib takes offsets, POSIX rules and paths as well, which are no names */
        if (g_ascii_isalpha(*name) && !strstr(name, "..") && strlen(name) <= 64 &&
            strspn(name, G_CSET_a_2_z G_CSET_A_2_Z G_CSET_DIGITS "+-_/") == strlen(name))
                zone = g_time_zone_new_identifier(name);
        if (!zone)
                dol_fail(error, DOL_ERROR_INVALID,
                         "'%.64s' is not a time zone that this host knows (expected a name like "
                         "Europe/Berlin or UTC)",
                         name);
        return zone;
}

static int64_t offset_at(GTimeZone *zone, int64_t seconds)
{
        return g_time_zone_get_offset(
                zone, g_time_zone_find_interval(zone, G_TIME_TYPE_UNIVERSAL, seconds));
}

/* Seconds since 1970 at which the zone's clocks show `local`. The offsets of the day before and of
 * the day after are those that the clocks can have around then. */
static int64_t moment_of(GTimeZone *zone, int64_t local)
{
        int64_t before = local - offset_at(zone, local - DAY_SECONDS);
        int64_t after = local - offset_at(zone, local + DAY_SECONDS);
        bool is_before = before + offset_at(zone, before) == local;
        bool is_after = after + offset_at(zone, after) == local;

        if (is_before && is_after)
                return MIN(before, after);
        return is_after ? after : before;
}

/* ---- when ---- */

static int64_t floor_to(int64_t value, int64_t step)
{
        return value - ((value % step) + step) % step;
}

static unsigned days_in(int year, int month)
{
        return g_date_get_days_in_month((GDateMonth)(month + 1), (GDateYear)year);
}

/* The local midnight of the rule's `n`th day after (before, when negative) the one that holds
 * `local`: days, weekdays or days of a month are counted. */
static int64_t midnight_of(const dol_rule *rule, int64_t local, int n)
{
        int64_t midnight = floor_to(local, DAY_SECONDS);
        time_t seconds = midnight;
        struct tm tm;
        int months;

        if (rule->kind == DOL_RULE_DAILY)
                return midnight + n * DAY_SECONDS;
        gmtime_r(&seconds, &tm);
        if (rule->kind == DOL_RULE_WEEKLY)
                return midnight + ((int)rule->weekday - tm.tm_wday + n * 7) * DAY_SECONDS;
        months = tm.tm_year * 12 + tm.tm_mon + n;
        tm = (struct tm){.tm_year = months / 12, .tm_mon = months % 12};
        tm.tm_mday = (int)MIN(rule->day, days_in(tm.tm_year + 1900, tm.tm_mon));
        return timegm(&tm);
}

static int64_t due_around(const dol_rule *rule, GTimeZone *zone, int64_t seconds, int n)
{
        int64_t local = seconds + offset_at(zone, seconds);

        return moment_of(zone, midnight_of(rule, local, n) + rule->minute * 60);
}

int64_t dol_rule_next(const dol_rule *rule, GTimeZone *zone, int64_t after)
{
        int64_t seconds = floor_to(after, DOL_USEC_PER_SEC) / DOL_USEC_PER_SEC;
        int64_t due = INT64_MIN;

        if (rule->kind == DOL_RULE_EVERY)
                return floor_to(after, rule->interval_usec) + rule->interval_usec;
        for (int n = -1; due <= after; n++)
                due = due_around(rule, zone, seconds, n) * DOL_USEC_PER_SEC;
        return due;
}

int64_t dol_rule_last(const dol_rule *rule, GTimeZone *zone, int64_t until)
{
        int64_t seconds = floor_to(until, DOL_USEC_PER_SEC) / DOL_USEC_PER_SEC;
        int64_t due = INT64_MAX;

        if (rule->kind == DOL_RULE_EVERY)
                return floor_to(until, rule->interval_usec);
        for (int n = 1; due > until; n--)
                due = due_around(rule, zone, seconds, n) * DOL_USEC_PER_SEC;
        return due;
}

dol_due dol_rules_due(const dol_rule *rules, unsigned count, GTimeZone *zone, int64_t handled,
                      int64_t now)
{
        dol_due due = {.next = INT64_MAX, .handled = MIN(handled, now)};

        for (unsigned i = 0; i < count; i++) {
                int64_t last = dol_rule_last(&rules[i], zone, now);

                due.next = MIN(due.next, dol_rule_next(&rules[i], zone, now));
                if (last <= due.handled)
                        continue;
                due.due = MAX(due.due, last);
                due.rules |= UINT32_C(1) << i;
        }
        return due;
}

int64_t dol_run_retry(unsigned attempts, int64_t now)
{
        return attempts < 3 ? now + attempts * 60 * DOL_USEC_PER_SEC : 0;
}
