/* SPDX-License-Identifier: Apache-2.0 */
#include "model/schedule.h"

#include <string.h>

enum { NAME_MAX_BYTES = 40 };

#define AT(member) offsetof(dol_schedule_spec, member)
static const dol_field spec_fields[] = {
        {"every", DOL_STRINGS, AT(every), DOL_SHOW_EMPTY,
         .doc = "when, and how many stay, one line each: 'every 15m keep 4', 'daily 02:00 keep 7', "
                "'weekly sun 03:00 keep 5', 'monthly 1 04:00 keep 12'"},
        {"volumes", DOL_STRINGS, AT(volumes), 0, .doc = "of which volumes"},
        {"label", DOL_STRING, AT(label), 0, .doc = "or: of all volumes with these labels: k=v,k2"},
        {"timezone", DOL_STRING, AT(timezone), 0,
         .doc = "IANA name of the time zone of its times; absent = the host's"},
        {"group", DOL_BOOL, AT(group), DOL_SHOW_EMPTY,
         .doc = "its volumes are taken at one moment, all or none"},
        {"no_freeze", DOL_BOOL, AT(no_freeze), DOL_SHOW_EMPTY,
         .doc = "crash consistent: the file systems are not frozen"},
        {"paused", DOL_BOOL, AT(paused), DOL_SHOW_EMPTY,
         .doc = "nothing is taken and nothing pruned until this is cleared"},
        {NULL},
};
#undef AT
static const dol_schema spec_schema = {"ScheduleSpec", sizeof(dol_schedule_spec), spec_fields,
                                       "What was asked for."};

#define AT(member) offsetof(dol_schedule_run, member)
static const dol_field run_fields[] = {
        {"name", DOL_STRING, AT(name), 0, .doc = "name of its snapshots"},
        {"rules", DOL_STRINGS, AT(rules), 0, .doc = "the rules that were due"},
        {"begun", DOL_TIME, AT(begun), 0, .doc = "when it began"},
        {"attempts", DOL_UINT, AT(attempts), DOL_SHOW_EMPTY, .doc = "attempts that failed"},
        {"retry", DOL_TIME, AT(retry), 0, .doc = "when it is tried again"},
        {NULL},
};
#undef AT
static const dol_schema run_schema = {"ScheduleRun", sizeof(dol_schedule_run), run_fields,
                                      "One run that has not ended."};

#define AT(member) offsetof(dol_schedule_status, member)
static const dol_field status_fields[] = {
        {"created", DOL_TIME, AT(created), 0, .doc = "when it was created"},
        {"changed", DOL_TIME, AT(changed), 0, .doc = "when it was changed last"},
        {"handled", DOL_TIME, AT(handled), DOL_INTERNAL, .doc = "what was due until then is done"},
        {"next", DOL_TIME, AT(next), 0, .doc = "when it runs next; absent while it is paused"},
        {"last", DOL_TIME, AT(last), 0, .doc = "when the last run ended"},
        {"last_success", DOL_TIME, AT(last_success), 0,
         .doc = "when the last run ended that took all it should"},
        {"failures", DOL_UINT, AT(failures), DOL_SHOW_EMPTY,
         .doc = "how many runs in a row did not"},
        {"message", DOL_STRING, AT(message), 0, .doc = "why the last one did not"},
        {"run", DOL_OPTIONAL, AT(run), 0, &run_schema, .doc = "the run that has not ended"},
        {"volumes", DOL_UINT, AT(volumes), DOL_SHOW_EMPTY, .doc = "how many volumes it has now"},
        {"snapshots", DOL_UINT, AT(snapshots), DOL_SHOW_EMPTY,
         .doc = "how many snapshots there are of it"},
        {"held", DOL_STRINGS, AT(held), 0,
         .doc = "snapshots that are due to go, but are protected or mounted"},
        {NULL},
};
#undef AT
static const dol_schema status_schema = {"ScheduleStatus", sizeof(dol_schedule_status),
                                         status_fields, "What is."};

#define AT(member) offsetof(dol_schedule, member)
static const dol_field fields[] = {
        {"name", DOL_STRING, AT(name), DOL_REQUIRED, .doc = "its name; never changes"},
        {"uid", DOL_STRING, AT(uid), DOL_READONLY, .doc = "its identity; never changes"},
        {"revision", DOL_INT, AT(revision), DOL_READONLY, .doc = "changes with each change"},
        {"spec", DOL_OBJECT, AT(spec), DOL_NOT_NULL, &spec_schema},
        {"status", DOL_OBJECT, AT(status), DOL_READONLY, &status_schema},
        {NULL},
};
#undef AT
const dol_schema dol_schedule_schema = {"Schedule", sizeof(dol_schedule), fields,
                                        "Snapshots that are taken and pruned by the clock."};

dol_schedule *dol_schedule_copy(const dol_schedule *schedule)
{
        return schedule ? dol_schema_dup(&dol_schedule_schema, schedule) : NULL;
}

void dol_schedule_free(dol_schedule *schedule)
{
        dol_schema_free(&dol_schedule_schema, schedule);
}

bool dol_schedule_name_check(const char *name, GError **error)
{
        size_t length = name ? strlen(name) : 0;

        return (length >= 1 && length <= NAME_MAX_BYTES && g_ascii_islower(*name) &&
                strspn(name, G_CSET_a_2_z G_CSET_DIGITS "-") == length) ||
               dol_fail(error, DOL_ERROR_INVALID,
                        "name: expected 1 to %d of a-z, 0-9 and '-', beginning with a letter, got "
                        "'%.64s'",
                        NAME_MAX_BYTES, name ? name : "");
}

bool dol_schedule_spec_check(const dol_schedule_spec *spec, GError **error)
{
        bool has_volumes = spec->volumes && spec->volumes[0];

        if (!spec->every || !spec->every[0])
                return dol_fail(error, DOL_ERROR_INVALID,
                                "spec.every: expected lines like 'daily 02:00 keep 7'");
        if (has_volumes == (spec->label != NULL))
                return dol_fail(error, DOL_ERROR_INVALID,
                                "spec: expected either volumes or a label, got %s",
                                has_volumes ? "both" : "none");
        return !spec->label || *spec->label ||
               dol_fail(error, DOL_ERROR_INVALID,
                        "spec.label: expected labels like app=pg, got ''");
}
