/* SPDX-License-Identifier: Apache-2.0 */
/* dolium volume: mount, unmount, adopt. */
#include "cmd/dolium/volume.h"

#include "cmd/dolium/body.h"
#include "cmd/dolium/show.h"

#include <stdio.h>

/* The consumer's id when none is given. */
#define ID_DEFAULT "cli"

static const dol_argument name_arguments[] = {{"NAME", DOL_VALUE_VOLUME}, {NULL}};

/* {"id": ...} of mount and unmount; the caller's. */
static json_t *consumer_body(const dol_cli *cli)
{
        const char *id = dol_args_value(&cli->args, "id");

        return json_pack("{s:s}", "id", id ? id : ID_DEFAULT);
}

static bool run_mount(dol_cli *cli, GError **error)
{
        const char *name = dol_args_word(&cli->args, 0);
        g_autofree char *path = dol_path("/v1/volumes/%s/mount", name);
        g_autoptr(dol_json) body = consumer_body(cli), volume = NULL, json = NULL;
        g_autofree char *place = NULL;

        if (!dol_cli_change(cli, "POST", path, body, &volume, NULL, error))
                return false;
        if (!cli->quiet && dol_show_document(cli, volume))
                return true;
        place = dol_cell_place(dol_json_at(volume, "status.attachment"));
        if (!place)
                return dol_fail(error, DOL_ERROR_INTERNAL,
                                "volume '%s' was mounted, but %s did not say where", name,
                                cli->host);
        json = json_string(place);
        if (!dol_show_document(cli, json))
                puts(place);
        return true;
}

static const dol_option mount_options[] = {
        {"id", DOL_VALUE_TEXT, .metavar = "ID",
         .doc = "in whose name; every mount needs an unmount with the same id; default cli"},
        {NULL},
};

const dol_command dol_volume_mount_command = {
        .name = "mount",
        .summary = "Mount a volume on this host and print where",
        .help = "Prints the path alone, or the device of a block volume, also with -q.",
        .arguments = name_arguments,
        .options = mount_options,
        .run = run_mount,
};

static bool run_unmount(dol_cli *cli, GError **error)
{
        const char *name = dol_args_word(&cli->args, 0);
        g_autofree char *path = dol_path("/v1/volumes/%s/unmount", name);
        g_autoptr(dol_json) body = consumer_body(cli), volume = NULL;
        g_autofree char *others = NULL;

        if (dol_args_is_on(&cli->args, "force"))
                dol_json_put(body, "force", json_true());
        if (!dol_cli_change(cli, "POST", path, body, &volume, NULL, error))
                return false;
        others = dol_cell_consumers(dol_json_at(volume, "status.attachment"));
        if (others)
                dol_cli_talk(cli, "volume '%s' stays mounted for %s", name, others);
        dol_show_name(cli, volume, &dol_volume_view);
        return true;
}

static const dol_option unmount_options[] = {
        {"id", DOL_VALUE_TEXT, .metavar = "ID", .doc = "in whose name it was mounted; default cli"},
        {"force", DOL_VALUE_FLAG, 'f', .doc = "for everybody, whoever still holds it"},
        {NULL},
};

const dol_command dol_volume_unmount_command = {
        .name = "unmount",
        .alias = "umount",
        .summary = "Give a mount back",
        .help = "The volume is unmounted when the last of its users has given it back.",
        .arguments = name_arguments,
        .options = unmount_options,
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
