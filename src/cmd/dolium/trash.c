/* SPDX-License-Identifier: Apache-2.0 */
/* dolium trash: what was deleted and can still come back. */
#include "cmd/dolium/body.h"
#include "cmd/dolium/show.h"

#include <string.h>

#define TRASHED "/v1/volumes?phase=trashed"

static bool run_ls(dol_cli *cli, GError **error)
{
        g_autoptr(dol_json) items = NULL;

        if (!dol_cli_list(cli, TRASHED, &items, error))
                return false;
        dol_show_list(cli, items, &dol_trash_view);
        return true;
}

static const dol_command ls_command = {
        .name = "ls",
        .alias = "list",
        .summary = "List what is in the trash",
        .run = run_ls,
};

static bool is_uuid(const char *text)
{
        return g_uuid_string_is_valid(text);
}

static bool restore(dol_cli *cli, const char *name, json_t **ret, GError **error)
{
        static const dol_body_row rows[] = {{"name", "name"}, {NULL}};
        g_autofree char *path = dol_path("/v1/volumes/%s/restore", name);
        g_autoptr(dol_json) body = json_object();

        dol_body_put(body, &cli->args, rows);
        return dol_cli_change(cli, "POST", path, body, ret, NULL, error);
}

static bool run_restore(dol_cli *cli, GError **error)
{
        const char *name = dol_args_word(&cli->args, 0);
        g_autofree char *reference = g_strconcat("uid:", name, NULL);
        g_autoptr(dol_json) volume = NULL;
        g_autoptr(GError) local = NULL;

        if (!restore(cli, name, &volume, &local)) {
                if (!dol_error_is(local, DOL_ERROR_NOT_FOUND) || !is_uuid(name)) {
                        g_propagate_error(error, g_steal_pointer(&local));
                        return false;
                }
                /* a uid as 'trash ls' shows it */
                if (!restore(cli, reference, &volume, error))
                        return false;
        }
        dol_show_name(cli, volume, &dol_volume_view);
        return true;
}

static const dol_argument restore_arguments[] = {{"NAME|UID", DOL_VALUE_TRASHED}, {NULL}};
static const dol_option restore_options[] = {
        {"name", DOL_VALUE_TEXT, .metavar = "NAME",
         .doc = "another name, when the old one is taken"},
        {NULL},
};

static const dol_command restore_command = {
        .name = "restore",
        .summary = "Bring a deleted volume back",
        .help = "When several of the same name are in the trash, give the uid of the one you mean.",
        .arguments = restore_arguments,
        .options = restore_options,
        .run = run_restore,
};

static bool purge(dol_cli *cli, const json_t *volume, GError **error)
{
        const char *uid = dol_json_text(volume, "uid");
        g_autofree char *reference = g_strconcat("uid:", uid ? uid : "", NULL);
        g_autofree char *path = dol_path("/v1/volumes/%s?purge=true", reference);
        g_autoptr(GError) local = NULL;

        if (dol_cli_change(cli, "DELETE", path, NULL, NULL, NULL, &local) ||
            dol_error_is(local, DOL_ERROR_NOT_FOUND)) /* its time was up meanwhile */
                return true;
        g_propagate_error(error, g_steal_pointer(&local));
        return dol_fail_while(error, "volume '%s' (uid %s)", dol_json_text(volume, "name"), uid);
}

/* Purges all it can; what cannot be is reported. `done` gets those that are gone. */
static void purge_all(dol_cli *cli, const json_t *items, json_t *done)
{
        size_t index;
        json_t *volume;

        json_array_foreach(items, index, volume)
        {
                g_autoptr(GError) local = NULL;

                if (purge(cli, volume, &local))
                        json_array_append(done, volume);
                else
                        dol_cli_report(cli, local);
        }
}

static bool run_empty(dol_cli *cli, GError **error)
{
        g_autoptr(dol_json) items = NULL, done = json_array();
        size_t count;

        if (!dol_cli_list(cli, TRASHED, &items, error))
                return false;
        count = json_array_size(items);
        if (count && !dol_args_is_on(&cli->args, "yes") &&
            !dol_cli_confirm(false, "Delete %zu volume%s and all data in %s, for good?", count,
                             count == 1 ? "" : "s", count == 1 ? "it" : "them"))
                return dol_fail(error, DOL_ERROR_INVALID,
                                "nothing was deleted; without a terminal to ask on, say --yes");
        purge_all(cli, items, done);
        if (cli->format != DOL_FORMAT_TABLE || cli->quiet)
                dol_show_list(cli, done, &dol_trash_view);
        else
                dol_cli_talk(cli, "%zu volume%s deleted for good", json_array_size(done),
                             json_array_size(done) == 1 ? "" : "s");
        return true;
}

static const dol_option empty_options[] = {
        {"yes", DOL_VALUE_FLAG, 'y', .doc = "do not ask"},
        {NULL},
};

static const dol_command empty_command = {
        .name = "empty",
        .summary = "Delete everything in the trash, for good",
        .help = "Asks first; where it cannot ask, it deletes nothing without --yes.",
        .options = empty_options,
        .run = run_empty,
};

static const dol_command *const commands[] = {&ls_command, &restore_command, &empty_command, NULL};

const dol_command dol_trash_command = {
        .name = "trash",
        .summary = "Bring deleted volumes back, or let them go",
        .commands = commands,
};
