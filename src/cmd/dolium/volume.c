/* SPDX-License-Identifier: Apache-2.0 */
/* dolium volume: the group, and the commands that look. */
#include "cmd/dolium/volume.h"

#include "cmd/dolium/show.h"

/* "k=v,k2": all that were given, or NULL. The caller's to g_free. */
static char *selector_of(const dol_args *args)
{
        g_autoptr(GString) selector = g_string_new(NULL);
        unsigned at = 0;

        for (const char *label; (label = dol_args_next(args, "label", &at));)
                g_string_append_printf(selector, "%s%s", selector->len ? "," : "", label);
        return selector->len ? g_strdup(selector->str) : NULL;
}

static bool list_phase(dol_cli *cli, const char *phase, json_t *all, GError **error)
{
        g_autoptr(GString) path = g_string_new("/v1/volumes");
        g_autofree char *selector = selector_of(&cli->args);
        g_autoptr(dol_json) items = NULL;

        dol_path_add(path, "label", selector);
        dol_path_add(path, "pool", dol_args_value(&cli->args, "pool"));
        dol_path_add(path, "phase", phase);
        if (!dol_cli_list(cli, path->str, &items, error))
                return false;
        json_array_extend(all, items);
        return true;
}

static bool run_ls(dol_cli *cli, GError **error)
{
        const char *phase = dol_args_value(&cli->args, "phase");
        g_autoptr(dol_json) items = json_array();

        if (!list_phase(cli, phase, items, error))
                return false;
        if (!phase && dol_args_is_on(&cli->args, "all") &&
            !list_phase(cli, "trashed", items, error))
                return false;
        dol_show_list(cli, items, &dol_volume_view);
        return true;
}

static const char *const phases[] = {"creating", "available", "trashed", "deleting", "lost", NULL};

static const dol_option ls_options[] = {
        {"label", DOL_VALUE_SELECTOR, 'l', DOL_REPEAT, "KEY[=VALUE]",
         .doc = "only volumes with this label; all of them must match"},
        {"pool", DOL_VALUE_POOL, .metavar = "POOL", .doc = "only volumes of this pool"},
        {"phase", DOL_VALUE_WORD, .metavar = "PHASE", .words = phases,
         .doc = "only volumes in this phase"},
        {"all", DOL_VALUE_FLAG, 'a', .doc = "volumes in the trash too"},
        {NULL},
};

static const dol_command ls_command = {
        .name = "ls",
        .alias = "list",
        .summary = "List volumes",
        .help = "What lies in a pool without being recorded is listed by 'dolium pool unknown'.",
        .options = ls_options,
        .run = run_ls,
};

static bool inspect_one(dol_cli *cli, const char *name, void *user, GError **error)
{
        g_autofree char *path = dol_path("/v1/volumes/%s", name);
        json_t *volume = NULL;

        if (!dol_cli_get(cli, path, &volume, error))
                return false;
        json_array_append_new(user, volume);
        return true;
}

static bool run_inspect(dol_cli *cli, GError **error)
{
        g_autoptr(dol_json) volumes = json_array();

        if (!dol_cli_each(cli, inspect_one, volumes, error))
                return false;
        dol_show_details(cli, volumes, &dol_volume_view);
        return true;
}

static const dol_argument inspect_arguments[] = {
        {"NAME", DOL_VALUE_VOLUME, DOL_REPEAT},
        {NULL},
};

static const dol_command inspect_command = {
        .name = "inspect",
        .alias = "show",
        .summary = "Show volumes in full",
        .help = "With -o json the answer is an array, also for one volume.",
        .arguments = inspect_arguments,
        .run = run_inspect,
};

static const dol_command *const commands[] = {
        &dol_volume_create_command,
        &ls_command,
        &inspect_command,
        &dol_volume_rm_command,
        &dol_volume_rename_command,
        &dol_volume_set_command,
        &dol_volume_mount_command,
        &dol_volume_unmount_command,
        &dol_volume_adopt_command,
        &dol_volume_clone_command,
        &dol_volume_restore_command,
        &dol_volume_resize_command,
        &dol_volume_check_command,
        &dol_volume_trim_command,
        &dol_volume_export_command,
        &dol_volume_import_command,
        NULL,
};

const dol_command dol_volume_command = {
        .name = "volume",
        .summary = "Create, look at, change and delete volumes",
        .commands = commands,
};
