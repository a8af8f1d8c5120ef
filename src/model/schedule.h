/* SPDX-License-Identifier: Apache-2.0 */
/* The schedule: which volumes are kept as snapshots, when, and how many of them. What its lines
 * mean is policy/calendar.h's. No I/O here. */
#pragma once

#include "codec/schema.h"

typedef struct {
        char **every;   /* its rules: "daily 02:00 keep 7" */
        char **volumes; /* recorded as "uid:<uid>", so that they may be renamed; shown by name */
        char *label;    /* or: all volumes with these labels, "k=v,k2" */
        char *timezone; /* an IANA name; NULL = the host's */
        bool group;     /* its volumes are taken at one moment: all or none */
        bool no_freeze; /* crash consistent: writers do not wait */
        bool paused;    /* nothing is taken and nothing pruned; nothing is missed meanwhile */
} dol_schedule_spec;

/* One run, recorded before its first snapshot is taken, until all of them are. */
typedef struct {
        char *name;        /* of its snapshots */
        char **rules;      /* that were due: "daily 02:00" */
        int64_t begun;     /* when */
        uint64_t attempts; /* that failed */
        int64_t retry;     /* not before; 0 = at once */
} dol_schedule_run;

typedef struct {
        int64_t created, changed;
        int64_t handled;       /* what was due until then is done, or under way */
        int64_t last;          /* when the last run ended */
        int64_t last_success;  /* when the last one ended that took all it should */
        uint64_t failures;     /* runs in a row that did not */
        char *message;         /* why the last one did not */
        dol_schedule_run *run; /* under way; NULL = none */
        int64_t next;          /* when it is due again; filled when shown, 0 = never */
        uint64_t volumes;      /* how many it has now; filled when shown */
        uint64_t snapshots;    /* how many there are of it; filled when shown */
        char **held;           /* those that are due to go, but are protected or mounted; filled
                                  when shown */
} dol_schedule_status;

typedef struct {
        char *name;
        char *uid;
        int64_t revision;
        dol_schedule_spec spec;
        dol_schedule_status status;
} dol_schedule;

extern const dol_schema dol_schedule_schema;

dol_schedule *dol_schedule_copy(const dol_schedule *schedule); /* NULL gives NULL */
void dol_schedule_free(dol_schedule *schedule);                /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(dol_schedule, dol_schedule_free)

/* 1 to 40 of a-z, 0-9 and '-', beginning with a letter: snapshots are named after it. */
bool dol_schedule_name_check(const char *name, GError **error);
/* Rules are there, and either volumes or a label. Errors begin with the field's name. */
bool dol_schedule_spec_check(const dol_schedule_spec *spec, GError **error);
