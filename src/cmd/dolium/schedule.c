/* SPDX-License-Identifier: Apache-2.0 */
/* dolium schedule: snapshots by the clock. */
#include "cmd/dolium/body.h"
#include "cmd/dolium/show.h"

static const dol_argument one_argument[] = {{"NAME", DOL_VALUE_SCHEDULE}, {NULL}};
static const dol_argument many_arguments[] = {{"NAME", DOL_VALUE_SCHEDULE, DOL_REPEAT}, {NULL}};

static const dol_option options[] = {
        {"every", DOL_VALUE_TEXT, 'e', DOL_REPEAT, "LINE",
         .doc = "when, and how many stay: 'every 15m keep 4', 'daily 02:00 keep 7', 'weekly sun "
                "03:00 keep 5', 'monthly 1 04:00 keep 12'"},
        {"volume", DOL_VALUE_VOLUME, 'v', DOL_REPEAT, "VOLUME", .doc = "of this volume"},
        {"labels", DOL_VALUE_TEXT, 'l', .metavar = "SELECTOR",
         .doc = "of all volumes with these labels, also later ones: KEY[=VALUE],KEY2"},
        {"timezone", DOL_VALUE_TEXT, .metavar = "ZONE",
         .doc = "time zone of its times, like Europe/Berlin; default: the host's"},
        {"group", DOL_VALUE_TOGGLE, .doc = "take its volumes at one moment, all or none"},
        {"no-freeze", DOL_VALUE_TOGGLE, .doc = "crash consistent: writers do not wait"},
        {"paused", DOL_VALUE_TOGGLE, .doc = "take and prune nothing until this is cleared"},
        {NULL},
};

static const dol_body_row rows[] = {
        {"labels", "spec.label"},        {"timezone", "spec.timezone"}, {"group", "spec.group"},
        {"no-freeze", "spec.no_freeze"}, {"paused", "spec.paused"},     {NULL},
};

/* Options that repeat become an array. */
static void put_all(json_t *body, const dol_args *args, const char *option, const char *path)
{
        json_t *values = json_array();
        unsigned at = 0;

        if (dol_args_given(args, option)) {
                for (const char *value; (value = dol_args_next(args, option, &at));)
                        json_array_append_new(values, json_string(value));
                dol_json_put(body, path, json_incref(values));
        }
        json_decref(values);
}

static void put_spec(json_t *body, const dol_args *args)
{
        put_all(body, args, "every", "spec.every");
        put_all(body, args, "volume", "spec.volumes");
        dol_body_put(body, args, rows);
}

/* --- create, set */

static bool run_create(dol_cli *cli, GError **error)
{
        g_autoptr(dol_json) body = json_object(), schedule = NULL;

        dol_json_put(body, "name", json_string(dol_args_word(&cli->args, 0)));
        put_spec(body, &cli->args);
        if (!dol_cli_send(cli, "POST", "/v1/schedules", body, &schedule, NULL, error))
                return false;
        dol_show_name(cli, schedule, &dol_schedule_view);
        return true;
}

static const dol_argument create_arguments[] = {{"NAME", DOL_VALUE_TEXT}, {NULL}};

static const dol_command create_command = {
        .name = "create",
        .summary = "Take snapshots by the clock, and keep so many of them",
        .help = "A line says when, and how many of its snapshots stay (without 'keep' 5, 7, 5 or "
                "12).\nSeveral lines may be due at one time: one snapshot serves them all. What "
                "was missed\nwhile the host was down is taken once. A day that a month does not "
                "have is its last\none ('monthly last 04:00'). Snapshots are called "
                "VOLUME@NAME-20261121T020000Z, in UTC.",
        .arguments = create_arguments,
        .options = options,
        .run = run_create,
};

static bool run_set(dol_cli *cli, GError **error)
{
        g_autofree char *path = dol_path("/v1/schedules/%s", dol_args_word(&cli->args, 0));
        g_autoptr(dol_json) body = json_object(), schedule = NULL;

        put_spec(body, &cli->args);
        /* one takes the place of the other */
        if (dol_args_given(&cli->args, "volume") && !dol_args_given(&cli->args, "labels"))
                dol_json_put(body, "spec.label", json_null());
        if (dol_args_given(&cli->args, "labels") && !dol_args_given(&cli->args, "volume"))
                dol_json_put(body, "spec.volumes", json_null());
        if (!dol_cli_send(cli, "PATCH", path, body, &schedule, NULL, error))
                return false;
        dol_show_name(cli, schedule, &dol_schedule_view);
        return true;
}

static const dol_command set_command = {
        .name = "set",
        .summary = "Change a schedule",
        .help = "Lines and volumes that are given take the place of all that were there.",
        .arguments = one_argument,
        .options = options,
        .run = run_set,
};

/* --- ls, inspect */

static bool run_ls(dol_cli *cli, GError **error)
{
        g_autoptr(dol_json) items = NULL;

        if (!dol_cli_items(cli, "/v1/schedules", &items, error))
                return false;
        dol_show_list(cli, items, &dol_schedule_view);
        return true;
}

static const dol_command ls_command = {
        .name = "ls",
        .alias = "list",
        .summary = "List schedules: when each ran, runs next, and whether it fails",
        .run = run_ls,
};

static bool run_inspect(dol_cli *cli, GError **error)
{
        g_autofree char *path = dol_path("/v1/schedules/%s", dol_args_word(&cli->args, 0));
        g_autoptr(dol_json) schedule = NULL;

        if (!dol_cli_get(cli, path, &schedule, error))
                return false;
        dol_show_one(cli, schedule, &dol_schedule_view);
        return true;
}

static const dol_command inspect_command = {
        .name = "inspect",
        .alias = "show",
        .summary = "Show all about a schedule",
        .arguments = one_argument,
        .run = run_inspect,
};

/* --- rm, run */

static bool rm_one(dol_cli *cli, const char *name, void *user, GError **error)
{
        g_autofree char *path = dol_path("/v1/schedules/%s", name);
        g_autoptr(dol_json) schedule = NULL;

        if (!dol_cli_send(cli, "DELETE", path, NULL, &schedule, NULL, error))
                return false;
        dol_show_name(cli, schedule, &dol_schedule_view);
        return true;
}

static bool run_rm(dol_cli *cli, GError **error)
{
        return dol_cli_each(cli, rm_one, NULL, error);
}

static const dol_command rm_command = {
        .name = "rm",
        .alias = "remove",
        .summary = "Delete schedules; their snapshots stay",
        .arguments = many_arguments,
        .run = run_rm,
};

static bool run_run(dol_cli *cli, GError **error)
{
        g_autofree char *path =
                dol_path("/v1/schedules/%s/run?wait=1h", dol_args_word(&cli->args, 0));
        g_autoptr(dol_json) schedule = NULL;

        if (!dol_cli_send(cli, "POST", path, NULL, &schedule, NULL, error))
                return false;
        dol_show_name(cli, schedule, &dol_schedule_view);
        return true;
}

static const dol_command run_command = {
        .name = "run",
        .summary = "Take a schedule's snapshots now",
        .help = "They count for its first line. What it does by the clock stays as it is.",
        .arguments = one_argument,
        .run = run_run,
};

static const dol_command *const commands[] = {
        &create_command, &ls_command, &inspect_command, &set_command, &rm_command,
        &run_command,    NULL};

const dol_command dol_schedule_command = {
        .name = "schedule",
        .summary = "Take and prune snapshots by the clock",
        .commands = commands,
};
