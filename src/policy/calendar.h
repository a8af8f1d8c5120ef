/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When a schedule is due. A schedule is a list of rules, one line each:
 *
 *         every DURATION keep N           every 15m keep 4
 *         daily HH:MM keep N              daily 02:00 keep 7
 *         weekly WEEKDAY HH:MM keep N     weekly sun 03:00 keep 5
 *         monthly DAY HH:MM keep N        monthly 1 04:00 keep 12
 *
 * Times are those of a time zone. One that the clocks skip is due as long after midnight as it
 * would have been (02:30 becomes 03:30); one that they show twice is due the first time. A DAY that
 * a month does not have is its last day; "last" is the same as 31. "every" counts from 1970 in UTC,
 * so that "every 15m" is due at :00, :15, :30 and :45.
 *
 * Pure functions of what they are given.
 */
#pragma once

#include "base/error.h"

#include <stdint.h>

enum { DOL_RULE_KEEP_MAX = 1000, DOL_RULES_MAX = 16 };

typedef enum { DOL_RULE_EVERY, DOL_RULE_DAILY, DOL_RULE_WEEKLY, DOL_RULE_MONTHLY } dol_rule_kind;

typedef struct {
        dol_rule_kind kind;
        int64_t interval_usec; /* of every: whole seconds, 1 s to 366 d */
        unsigned minute;       /* of the day, 0 to 1439; of the others */
        unsigned weekday;      /* of weekly: 0 = Sunday */
        unsigned day;          /* of monthly: 1 to 31 */
        unsigned keep;         /* how many of its snapshots stay; 1 to DOL_RULE_KEEP_MAX */
} dol_rule;

/* Reads one line. Without "keep" it keeps 5, 7, 5 or 12 of them. INVALID quotes the line and says
 * what was expected. */
bool dol_rule_parse(const char *line, dol_rule *ret_rule, GError **error);
/* The line without "keep", in its one spelling: "daily 02:00". g_free it. */
char *dol_rule_name(const dol_rule *rule);

/* The time zone of an IANA name ("Europe/Berlin"), or the host's own for NULL. INVALID when it is
 * not known. g_time_zone_unref it. */
GTimeZone *dol_zone_open(const char *name, GError **error);

/* The first moment after `after` at which the rule is due. */
int64_t dol_rule_next(const dol_rule *rule, GTimeZone *zone, int64_t after);
/* The last moment until `until` (itself included) at which it was due. */
int64_t dol_rule_last(const dol_rule *rule, GTimeZone *zone, int64_t until);

/* What is to be done at `now`, when everything until `handled` is done. */
typedef struct {
        int64_t due;     /* the latest moment that is due, however many were missed; 0 = none */
        uint32_t rules;  /* bit i: rule i is due */
        int64_t next;    /* the first moment after now; INT64_MAX without rules */
        int64_t handled; /* as given, but never after now: the clock may have been put back */
} dol_due;

dol_due dol_rules_due(const dol_rule *rules, unsigned count, GTimeZone *zone, int64_t handled,
                      int64_t now);

/* When a run that has failed `attempts` times is tried again: after 1, 2, ... minutes. 0 = no
 * more. */
int64_t dol_run_retry(unsigned attempts, int64_t now);
