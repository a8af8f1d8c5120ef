/* SPDX-License-Identifier: Apache-2.0 */
/* The root of the command table, and looking things up in it. */
#include "cmd/dolium/command.h"

#include <string.h>

static const char *const formats[] = {"table", "json", "yaml", NULL};

const dol_option dol_global_options[] = {
        {"host", DOL_VALUE_TEXT, .metavar = "URL",
         .doc = "where doliumd listens; default: DOLIUM_HOST, or unix:///run/dolium/dolium.sock"},
        {"output", DOL_VALUE_WORD, 'o', .metavar = "FORMAT", .words = formats,
         .doc = "table for people; json or yaml for programs"},
        {"quiet", DOL_VALUE_FLAG, 'q', .doc = "names only, one per line, and no remarks"},
        {"timeout", DOL_VALUE_DURATION, .metavar = "DURATION",
         .doc = "give up after this long, like 30s or 5m"},
        {"help", DOL_VALUE_FLAG, 'h', .doc = "show help and exit"},
        {"version", DOL_VALUE_FLAG, .doc = "show the version of this program and exit"},
        {NULL},
};

static const dol_command *const commands[] = {
        &dol_volume_command,    &dol_snapshot_command, &dol_files_command,
        &dol_schedule_command,  &dol_trash_command,    &dol_pool_command,
        &dol_operation_command, &dol_events_command,   &dol_df_command,
        &dol_doctor_command,    &dol_version_command,  &dol_completion_command,
        &dol_complete_command,  &dol_help_command,     NULL,
};

const dol_command dol_program = {
        .name = "dolium",
        .summary = "Volumes that outlive containers",
        .help = "Sizes are written like 10G (10 x 1024^3) or 10GB (10^10); durations like 90s, "
                "15m,\n"
                "24h or 7d. A volume may be named by its name or as uid:<uid>. '--' ends the "
                "options.",
        .commands = commands,
};

const dol_command *dol_command_find(const dol_command *group, const char *name)
{
        for (const dol_command *const *at = group->commands; at && *at; at++)
                if (strcmp((*at)->name, name) == 0 || g_strcmp0((*at)->alias, name) == 0)
                        return *at;
        return NULL;
}

static const dol_option *find_in(const dol_option *options, const char *name, size_t length)
{
        for (const dol_option *at = options; at && at->name; at++)
                if (strlen(at->name) == length && strncmp(at->name, name, length) == 0)
                        return at;
        return NULL;
}

const dol_option *dol_option_find(const dol_command *command, const char *name, size_t length)
{
        const dol_option *own = find_in(command->options, name, length);

        return own ? own : find_in(dol_global_options, name, length);
}

static const dol_option *find_letter_in(const dol_option *options, char letter)
{
        for (const dol_option *at = options; at && at->name; at++)
                if (at->letter && at->letter == letter)
                        return at;
        return NULL;
}

const dol_option *dol_option_find_letter(const dol_command *command, char letter)
{
        const dol_option *own = find_letter_in(command->options, letter);

        return own ? own : find_letter_in(dol_global_options, letter);
}

bool dol_option_is_flag(const dol_option *option)
{
        return option->kind == DOL_VALUE_FLAG || option->kind == DOL_VALUE_TOGGLE;
}
