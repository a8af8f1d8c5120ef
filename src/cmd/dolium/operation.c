/* SPDX-License-Identifier: Apache-2.0 */
/* dolium operation: changes that are recorded. */
#include "cmd/dolium/show.h"

static bool run_ls(dol_cli *cli, GError **error)
{
        g_autoptr(GString) path = g_string_new("/v1/operations");
        g_autoptr(dol_json) items = NULL;

        dol_path_add(path, "volume", dol_args_value(&cli->args, "volume"));
        dol_path_add(path, "phase", dol_args_value(&cli->args, "phase"));
        dol_path_add(path, "limit", dol_args_value(&cli->args, "limit"));
        if (!dol_cli_items(cli, path->str, &items, error))
                return false;
        dol_show_list(cli, items, &dol_operation_view);
        return true;
}

static const char *const phases[] = {"running", "done", "failed", NULL};
static const dol_option ls_options[] = {
        {"volume", DOL_VALUE_VOLUME, .metavar = "NAME", .doc = "only operations on this volume"},
        {"phase", DOL_VALUE_WORD, .metavar = "PHASE", .words = phases,
         .doc = "only operations in this phase"},
        {"limit", DOL_VALUE_NUMBER, 'n', .metavar = "COUNT", .doc = "only the newest COUNT"},
        {NULL},
};

static const dol_command ls_command = {
        .name = "ls",
        .alias = "list",
        .summary = "List operations, newest first",
        .options = ls_options,
        .run = run_ls,
};

static bool inspect_one(dol_cli *cli, const char *uid, void *user, GError **error)
{
        g_autofree char *path = dol_path("/v1/operations/%s", uid);
        json_t *operation = NULL;

        if (!dol_cli_get(cli, path, &operation, error))
                return false;
        json_array_append_new(user, operation);
        return true;
}

static bool run_inspect(dol_cli *cli, GError **error)
{
        g_autoptr(dol_json) operations = json_array();

        if (!dol_cli_each(cli, inspect_one, operations, error))
                return false;
        dol_show_details(cli, operations, &dol_operation_view);
        return true;
}

static const dol_argument inspect_arguments[] = {{"UID", DOL_VALUE_OPERATION, DOL_REPEAT}, {NULL}};

static const dol_command inspect_command = {
        .name = "inspect",
        .alias = "show",
        .summary = "Show operations in full",
        .help = "With -o json the answer is an array, also for one operation.",
        .arguments = inspect_arguments,
        .run = run_inspect,
};

static bool run_wait(dol_cli *cli, GError **error)
{
        g_autoptr(dol_json) operation = NULL;

        if (!dol_cli_follow(cli, dol_args_word(&cli->args, 0), &operation, error))
                return false;
        dol_show_one(cli, operation, &dol_operation_view);
        return dol_operation_result(operation, error);
}

static const dol_argument wait_arguments[] = {{"UID", DOL_VALUE_OPERATION}, {NULL}};

static const dol_command wait_command = {
        .name = "wait",
        .summary = "Wait until an operation has ended",
        .help = "The exit status is that of the operation: 0 when it is done, else by its error.",
        .arguments = wait_arguments,
        .run = run_wait,
};

static const dol_command *const commands[] = {&ls_command, &wait_command, &inspect_command, NULL};

const dol_command dol_operation_command = {
        .name = "operation",
        .summary = "Look at running and past changes, and wait for them",
        .commands = commands,
};
