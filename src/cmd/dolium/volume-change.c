/* SPDX-License-Identifier: Apache-2.0 */
/* dolium volume: the commands that change. */
#include "cmd/dolium/volume.h"

#include "cmd/dolium/body.h"
#include "cmd/dolium/show.h"

static const dol_argument name_arguments[] = {{"NAME", DOL_VALUE_VOLUME}, {NULL}};
static const dol_argument names_arguments[] = {{"NAME", DOL_VALUE_VOLUME, DOL_REPEAT}, {NULL}};

/* --- create */

static bool run_create(dol_cli *cli, GError **error)
{
        static const dol_body_row rows[] = {
                {"size", "spec.size"},
                {"fs", "spec.fs"},
                {"pool", "spec.pool"},
                {"thick", "spec.thick"},
                {"uid", "spec.uid"},
                {"gid", "spec.gid"},
                {"mode", "spec.mode"},
                {"mountopts", "spec.mountopts"},
                {"label", "labels"},
                {"protect", "spec.protect"},
                {"trash", "spec.trash"},
                {"read-iops", "spec.read_iops"},
                {"write-iops", "spec.write_iops"},
                {"read-bps", "spec.read_bps"},
                {"write-bps", "spec.write_bps"},
                {NULL},
        };
        const char *name = dol_args_word(&cli->args, 0);
        g_autoptr(dol_json) body = json_object(), volume = NULL;
        int status;

        dol_json_put(body, "name", json_string(name));
        dol_body_put(body, &cli->args, rows);
        if (!dol_cli_change(cli, "POST", "/v1/volumes", body, &volume, &status, error))
                return false;
        if (status == 200)
                dol_cli_talk(cli, "volume '%s' was there already, with the same settings", name);
        dol_show_name(cli, volume, &dol_volume_view);
        return true;
}

static const char *const file_systems[] = {"ext4", "xfs", "none", NULL};
static const dol_argument create_arguments[] = {{"NAME", DOL_VALUE_TEXT}, {NULL}};
static const dol_option create_options[] = {
        {"size", DOL_VALUE_SIZE, 's', .metavar = "SIZE", .doc = "its size, enforced; default 10G"},
        {"fs", DOL_VALUE_WORD, .metavar = "FS", .words = file_systems,
         .doc = "file system in it, default ext4; none makes a block volume"},
        {"pool", DOL_VALUE_POOL, .metavar = "POOL", .doc = "pool to put it in"},
        {"thick", DOL_VALUE_TOGGLE, .doc = "set its space aside now"},
        {"uid", DOL_VALUE_NUMBER, .metavar = "UID", .doc = "owner of its root directory"},
        {"gid", DOL_VALUE_NUMBER, .metavar = "GID", .doc = "group of its root directory"},
        {"mode", DOL_VALUE_MODE, .metavar = "MODE",
         .doc = "permissions of its root directory, default 0755"},
        {"mountopts", DOL_VALUE_TEXT, .metavar = "OPTIONS",
         .doc = "mount options, comma separated, like noatime,nodev"},
        {"label", DOL_VALUE_LABEL, 'l', DOL_REPEAT, "KEY=VALUE", .doc = "a label"},
        {"protect", DOL_VALUE_TOGGLE, .doc = "refuse to delete it until this is cleared"},
        {"trash", DOL_VALUE_DURATION, .metavar = "DURATION",
         .doc = "how long it is kept after delete, default 24h; 0s for not at all"},
        {"read-iops", DOL_VALUE_IOPS, .metavar = "N",
         .doc = "reads per second of all its users together"},
        {"write-iops", DOL_VALUE_IOPS, .metavar = "N", .doc = "writes per second, likewise"},
        {"read-bps", DOL_VALUE_BPS, .metavar = "SIZE", .doc = "bytes read per second, likewise"},
        {"write-bps", DOL_VALUE_BPS, .metavar = "SIZE",
         .doc = "bytes written per second, likewise"},
        {NULL},
};

const dol_command dol_volume_create_command = {
        .name = "create",
        .summary = "Create a volume",
        .help = "Prints the name. Creating a volume again with the same settings is no error.",
        .arguments = create_arguments,
        .options = create_options,
        .run = run_create,
};

/* --- rm */

static bool rm_one(dol_cli *cli, const char *name, void *user, GError **error)
{
        bool purge = dol_args_is_on(&cli->args, "purge");
        g_autofree char *path =
                dol_path(purge ? "/v1/volumes/%s?purge=true" : "/v1/volumes/%s", name);
        g_autoptr(dol_json) volume = NULL;
        g_autofree char *expires = NULL;

        if (!dol_cli_change(cli, "DELETE", path, NULL, &volume, NULL, error))
                return false;
        expires = dol_cell_second(dol_json_at(volume, "status.expires"));
        if (expires)
                dol_cli_talk(cli, "volume '%s' is in the trash until %s", name, expires);
        json_array_append_new(user, g_steal_pointer(&volume));
        return true;
}

static void show_names(const dol_cli *cli, const json_t *volumes)
{
        size_t index;
        json_t *volume;

        if (cli->quiet || cli->format != DOL_FORMAT_TABLE) {
                dol_show_list(cli, volumes, &dol_volume_view);
                return;
        }
        json_array_foreach(volumes, index, volume) dol_show_name(cli, volume, &dol_volume_view);
}

static bool run_rm(dol_cli *cli, GError **error)
{
        g_autoptr(dol_json) volumes = json_array();
        unsigned count = dol_args_count(&cli->args);
        bool ok;

        if (dol_args_is_on(&cli->args, "purge") && !dol_args_is_on(&cli->args, "yes") &&
            !dol_cli_confirm(true, "Delete %u volume%s and all data in %s, for good?", count,
                             count == 1 ? "" : "s", count == 1 ? "it" : "them"))
                return dol_fail(error, DOL_ERROR_CONFLICT, "nothing was deleted");
        ok = dol_cli_each(cli, rm_one, volumes, error);
        if (ok)
                show_names(cli, volumes);
        return ok;
}

static const dol_option rm_options[] = {
        {"purge", DOL_VALUE_FLAG, .doc = "for good, past the trash"},
        {"yes", DOL_VALUE_FLAG, 'y', .doc = "do not ask"},
        {NULL},
};

const dol_command dol_volume_rm_command = {
        .name = "rm",
        .alias = "remove",
        .summary = "Delete volumes: to the trash, or for good",
        .help = "On a terminal --purge asks first. A volume that is mounted or protected is not\n"
                "deleted. 'dolium trash restore NAME' brings a deleted volume back.",
        .arguments = names_arguments,
        .options = rm_options,
        .run = run_rm,
};

/* --- rename, set */

/* Sends the merge patch and shows the volume's name. */
static bool patch(dol_cli *cli, const json_t *body, GError **error)
{
        g_autofree char *path = dol_path("/v1/volumes/%s", dol_args_word(&cli->args, 0));
        g_autoptr(dol_json) volume = NULL;

        if (!dol_cli_change(cli, "PATCH", path, body, &volume, NULL, error))
                return false;
        dol_show_name(cli, volume, &dol_volume_view);
        return true;
}

static bool run_rename(dol_cli *cli, GError **error)
{
        g_autoptr(dol_json) body = json_pack("{s:s}", "name", dol_args_word(&cli->args, 1));

        return patch(cli, body, error);
}

static const dol_argument rename_arguments[] = {
        {"OLD", DOL_VALUE_VOLUME},
        {"NEW", DOL_VALUE_TEXT},
        {NULL},
};

const dol_command dol_volume_rename_command = {
        .name = "rename",
        .summary = "Give a volume another name",
        .help = "Its uid and its data stay, and whoever has it mounted notices nothing.",
        .arguments = rename_arguments,
        .run = run_rename,
};

static bool run_set(dol_cli *cli, GError **error)
{
        static const dol_body_row rows[] = {
                {"label", "labels"},
                {"protect", "spec.protect"},
                {"trash", "spec.trash"},
                {"mountopts", "spec.mountopts"},
                {"read-iops", "spec.read_iops"},
                {"write-iops", "spec.write_iops"},
                {"read-bps", "spec.read_bps"},
                {"write-bps", "spec.write_bps"},
                {NULL},
        };
        g_autoptr(dol_json) body = json_object();
        unsigned at = 0;

        dol_body_put(body, &cli->args, rows);
        for (const char *key; (key = dol_args_next(&cli->args, "unlabel", &at));) {
                if (!json_object_get(body, "labels"))
                        dol_json_put(body, "labels", json_object());
                json_object_set_new(json_object_get(body, "labels"), key, json_null());
        }
        if (json_object_size(body) == 0)
                return dol_fail(error, DOL_ERROR_INVALID,
                                "nothing to set: give --label, --unlabel, --protect, --trash, "
                                "--mountopts, --read-iops, --write-iops, --read-bps or "
                                "--write-bps");
        return patch(cli, body, error);
}

static const dol_option set_options[] = {
        {"label", DOL_VALUE_LABEL, 'l', DOL_REPEAT, "KEY=VALUE", .doc = "add or change a label"},
        {"unlabel", DOL_VALUE_TEXT, .flags = DOL_REPEAT, .metavar = "KEY", .doc = "remove a label"},
        {"protect", DOL_VALUE_TOGGLE,
         .doc = "refuse to delete it; --protect=false allows it again"},
        {"trash", DOL_VALUE_DURATION, .metavar = "DURATION",
         .doc = "how long it is kept after delete; 0s for not at all"},
        {"mountopts", DOL_VALUE_TEXT, .metavar = "OPTIONS",
         .doc = "mount options from the next mount on; '' for none"},
        {"read-iops", DOL_VALUE_IOPS, .metavar = "N",
         .doc = "reads per second of all its users together, or none"},
        {"write-iops", DOL_VALUE_IOPS, .metavar = "N", .doc = "writes per second, likewise"},
        {"read-bps", DOL_VALUE_BPS, .metavar = "SIZE", .doc = "bytes read per second, likewise"},
        {"write-bps", DOL_VALUE_BPS, .metavar = "SIZE",
         .doc = "bytes written per second, likewise"},
        {NULL},
};

const dol_command dol_volume_set_command = {
        .name = "set",
        .summary = "Change labels and settings of a volume",
        .arguments = name_arguments,
        .options = set_options,
        .run = run_set,
};
