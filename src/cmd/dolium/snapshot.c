/* SPDX-License-Identifier: Apache-2.0 */
/* dolium snapshot: keeping a volume as it is now, and looking at what was. */
#include "cmd/dolium/snapshot.h"
#include "cmd/dolium/body.h"
#include "cmd/dolium/mounting.h"

#include <string.h>

static const dol_argument one_argument[] = {{"VOLUME@NAME", DOL_VALUE_SNAPSHOT}, {NULL}};

/* Changes a snapshot; the answer is waited for, however long it takes. */
static bool change(dol_cli *cli, const char *method, const char *path, const json_t *body,
                   json_t **ret, GError **error)
{
        g_autoptr(GString) waiting = g_string_new(path);

        dol_path_add(waiting, "wait", "1h");
        return dol_cli_send(cli, method, waiting->str, body, ret, NULL, error);
}

/* --- create */

/* "db@before", "db log@before": all with one name, taken at one moment. */
static bool read_words(const dol_cli *cli, json_t *volumes, char **ret_name, GError **error)
{
        for (unsigned i = 0; i < dol_args_count(&cli->args); i++) {
                const char *word = dol_args_word(&cli->args, i);
                const char *at = strchr(word, '@');

                if (at && (*ret_name || at == word || at[1] == '\0'))
                        return dol_fail(error, DOL_ERROR_INVALID,
                                        "expected VOLUME... with one @NAME at the end, got '%s'",
                                        word);
                if (at)
                        *ret_name = g_strdup(at + 1);
                if (!at || at > word)
                        json_array_append_new(volumes, json_stringn(word, at ? (size_t)(at - word)
                                                                             : strlen(word)));
        }
        return *ret_name || dol_fail(error, DOL_ERROR_INVALID,
                                     "which name? Say it behind the volume: db@before-upgrade");
}

static bool run_create(dol_cli *cli, GError **error)
{
        static const dol_body_row rows[] = {
                {"label", "labels"}, {"protect", "protect"}, {"no-freeze", "no_freeze"}, {NULL}};
        g_autoptr(dol_json) volumes = json_array(), body = json_object(), answer = NULL;
        g_autofree char *name = NULL;

        if (!read_words(cli, volumes, &name, error))
                return false;
        dol_json_put(body, "name", json_string(name));
        dol_json_put(body, "volumes", json_incref(volumes));
        dol_body_put(body, &cli->args, rows);
        if (!change(cli, "POST", "/v1/snapshots", body, &answer, error))
                return false;
        dol_show_list(cli, json_object_get(answer, "items"), &dol_snapshot_view);
        return true;
}

static const dol_argument create_arguments[] = {{"VOLUME@NAME", DOL_VALUE_TEXT, DOL_REPEAT},
                                                {NULL}};
static const dol_option create_options[] = {
        {"label", DOL_VALUE_LABEL, 'l', DOL_REPEAT, "KEY=VALUE", .doc = "a label"},
        {"protect", DOL_VALUE_TOGGLE, .doc = "refuse to delete it until this is cleared"},
        {"no-freeze", DOL_VALUE_FLAG,
         .doc = "crash consistent: writers do not wait, the journal is replayed later"},
        {NULL},
};

static const dol_command create_command = {
        .name = "create",
        .summary = "Take a snapshot of one volume, or of several at one moment",
        .help = "'snapshot create db@before' takes one; 'snapshot create db log@before' takes both "
                "at\nthe same moment: all file systems are frozen, all images kept, all thawed.",
        .arguments = create_arguments,
        .options = create_options,
        .run = run_create,
};

/* --- ls, inspect */

static bool run_ls(dol_cli *cli, GError **error)
{
        g_autoptr(GString) path = g_string_new("/v1/snapshots");
        g_autoptr(dol_json) items = NULL;

        dol_path_add(path, "volume", dol_args_word(&cli->args, 0));
        dol_path_add(path, "label", dol_args_value(&cli->args, "label"));
        dol_path_add(path, "usage", "true");
        if (!dol_cli_items(cli, path->str, &items, error))
                return false;
        dol_show_list(cli, items, &dol_snapshot_view);
        return true;
}

static const dol_argument ls_arguments[] = {{"VOLUME", DOL_VALUE_VOLUME, DOL_MAY_MISS}, {NULL}};
static const dol_option ls_options[] = {
        {"label", DOL_VALUE_SELECTOR, 'l', .metavar = "KEY[=VALUE]", .doc = "only with this label"},
        {NULL},
};

static const dol_command ls_command = {
        .name = "ls",
        .alias = "list",
        .summary = "List snapshots, oldest first",
        .help = "OWN is what only this snapshot holds in the pool, SHARED what others have too.",
        .arguments = ls_arguments,
        .options = ls_options,
        .run = run_ls,
};

static bool run_inspect(dol_cli *cli, GError **error)
{
        g_autofree char *path = dol_path("/v1/snapshots/%s", dol_args_word(&cli->args, 0));
        g_autoptr(dol_json) snapshot = NULL;

        if (!dol_cli_get(cli, path, &snapshot, error))
                return false;
        dol_show_one(cli, snapshot, &dol_snapshot_view);
        return true;
}

static const dol_command inspect_command = {
        .name = "inspect",
        .alias = "show",
        .summary = "Show all about a snapshot",
        .arguments = one_argument,
        .run = run_inspect,
};

/* --- rm, set */

static bool rm_one(dol_cli *cli, const char *name, void *user, GError **error)
{
        g_autofree char *path = dol_path("/v1/snapshots/%s", name);
        g_autoptr(dol_json) snapshot = NULL;

        if (!change(cli, "DELETE", path, NULL, &snapshot, error))
                return false;
        dol_show_name(cli, snapshot, &dol_snapshot_view);
        return true;
}

static bool run_rm(dol_cli *cli, GError **error)
{
        return dol_cli_each(cli, rm_one, NULL, error);
}

static const dol_argument rm_arguments[] = {{"VOLUME@NAME", DOL_VALUE_SNAPSHOT, DOL_REPEAT},
                                            {NULL}};

static const dol_command rm_command = {
        .name = "rm",
        .alias = "remove",
        .summary = "Delete snapshots, for good",
        .help = "Clones that were made from them keep their data.",
        .arguments = rm_arguments,
        .run = run_rm,
};

static bool run_set(dol_cli *cli, GError **error)
{
        static const dol_body_row rows[] = {
                {"name", "name"}, {"label", "labels"}, {"protect", "protect"}, {NULL}};
        g_autofree char *path = dol_path("/v1/snapshots/%s", dol_args_word(&cli->args, 0));
        g_autoptr(dol_json) body = json_object(), snapshot = NULL;

        dol_body_put(body, &cli->args, rows);
        if (!change(cli, "PATCH", path, body, &snapshot, error))
                return false;
        dol_show_name(cli, snapshot, &dol_snapshot_view);
        return true;
}

static const dol_option set_options[] = {
        {"name", DOL_VALUE_TEXT, .metavar = "NAME", .doc = "another name"},
        {"label", DOL_VALUE_LABEL, 'l', DOL_REPEAT, "KEY=VALUE", .doc = "a label to set"},
        {"protect", DOL_VALUE_TOGGLE, .doc = "refuse to delete it until this is cleared"},
        {NULL},
};

static const dol_command set_command = {
        .name = "set",
        .summary = "Change a snapshot's name, labels or protection",
        .arguments = one_argument,
        .options = set_options,
        .run = run_set,
};

/* --- mount, unmount */

static const dol_mountable snapshots = {"snapshot", "attachment", &dol_snapshot_view};

static bool run_mount(dol_cli *cli, GError **error)
{
        return dol_cli_mount(cli, &snapshots, error);
}

static const dol_command mount_command = {
        .name = "mount",
        .summary = "Mount a snapshot read-only beside its volume, and print where",
        .arguments = one_argument,
        .options = dol_mount_options,
        .run = run_mount,
};

static bool run_unmount(dol_cli *cli, GError **error)
{
        return dol_cli_unmount(cli, &snapshots, error);
}

static const dol_command unmount_command = {
        .name = "unmount",
        .alias = "umount",
        .summary = "Give that mount back",
        .arguments = one_argument,
        .options = dol_unmount_options,
        .run = run_unmount,
};

static const dol_command *const commands[] = {
        &create_command, &ls_command,      &inspect_command,           &rm_command, &set_command,
        &mount_command,  &unmount_command, &dol_snapshot_diff_command, NULL,
};

const dol_command dol_snapshot_command = {
        .name = "snapshot",
        .summary = "Keep volumes as they are now, and look at what was",
        .help = "A snapshot is called VOLUME@NAME. It shares its blocks with its volume, and takes "
                "only\nwhat changes afterwards. 'dolium volume restore' puts a volume back to one.",
        .commands = commands,
};
