/* SPDX-License-Identifier: Apache-2.0 */
/* dolium volume: mount, unmount, adopt. */
#include "cmd/dolium/volume.h"

#include "cmd/dolium/body.h"
#include "cmd/dolium/mounting.h"

static const dol_argument name_arguments[] = {{"NAME", DOL_VALUE_VOLUME}, {NULL}};

static const dol_mountable volumes = {"volume", "status.attachment", &dol_volume_view};

static bool run_mount(dol_cli *cli, GError **error)
{
        return dol_cli_mount(cli, &volumes, error);
}

const dol_command dol_volume_mount_command = {
        .name = "mount",
        .summary = "Mount a volume on this host and print where",
        .help = "Prints the path alone, or the device of a block volume, also with -q.",
        .arguments = name_arguments,
        .options = dol_mount_options,
        .run = run_mount,
};

static bool run_unmount(dol_cli *cli, GError **error)
{
        return dol_cli_unmount(cli, &volumes, error);
}

const dol_command dol_volume_unmount_command = {
        .name = "unmount",
        .alias = "umount",
        .summary = "Give a mount back",
        .help = "The volume is unmounted when the last of its users has given it back.",
        .arguments = name_arguments,
        .options = dol_unmount_options,
        .run = run_unmount,
};

static bool run_adopt(dol_cli *cli, GError **error)
{
        static const dol_body_row rows[] = {{"name", "name"}, {NULL}};
        const char *pool = dol_args_value(&cli->args, "pool");
        g_autofree char *path = NULL;
        g_autoptr(dol_json) body = NULL, volume = NULL;

        if (!pool)
                return dol_fail(error, DOL_ERROR_INVALID,
                                "option '--pool' is needed; 'dolium pool unknown' lists what can "
                                "be adopted, and where it is");
        path = dol_path("/v1/pools/%s/adopt", pool);
        body = json_pack("{s:s}", "uid", dol_args_word(&cli->args, 0));
        dol_body_put(body, &cli->args, rows);
        if (!dol_cli_change(cli, "POST", path, body, &volume, NULL, error))
                return false;
        dol_show_name(cli, volume, &dol_volume_view);
        return true;
}

static const dol_argument adopt_arguments[] = {{"UID", DOL_VALUE_TEXT}, {NULL}};
static const dol_option adopt_options[] = {
        {"pool", DOL_VALUE_POOL, .metavar = "POOL", .doc = "the pool it lies in"},
        {"name", DOL_VALUE_TEXT, .metavar = "NAME",
         .doc = "its name from now on, when its own is taken or lost"},
        {NULL},
};

const dol_command dol_volume_adopt_command = {
        .name = "adopt",
        .summary = "Record a volume that was found in a pool",
        .help = "'dolium pool unknown' lists what can be adopted.",
        .arguments = adopt_arguments,
        .options = adopt_options,
        .run = run_adopt,
};
