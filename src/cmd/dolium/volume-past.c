/* SPDX-License-Identifier: Apache-2.0 */
/* dolium volume: clone, restore, resize, trim. */
#include "cmd/dolium/volume.h"

#include "cmd/dolium/body.h"
#include "cmd/dolium/show.h"

#include <string.h>

/* --- clone */

static bool run_clone(dol_cli *cli, GError **error)
{
        static const dol_body_row rows[] = {
                {"size", "spec.size"},           {"label", "labels"},
                {"protect", "spec.protect"},     {"trash", "spec.trash"},
                {"mountopts", "spec.mountopts"}, {NULL}};
        g_autoptr(dol_json) body = json_object(), volume = NULL;

        dol_json_put(body, "name", json_string(dol_args_word(&cli->args, 1)));
        dol_json_put(body, "spec.from", json_string(dol_args_word(&cli->args, 0)));
        dol_body_put(body, &cli->args, rows);
        if (!dol_cli_change(cli, "POST", "/v1/volumes", body, &volume, NULL, error))
                return false;
        dol_show_name(cli, volume, &dol_volume_view);
        return true;
}

static const dol_argument clone_arguments[] = {
        {"FROM", DOL_VALUE_IMAGE}, {"NAME", DOL_VALUE_TEXT}, {NULL}};
static const dol_option clone_options[] = {
        {"size", DOL_VALUE_SIZE, 's', .metavar = "SIZE", .doc = "larger than its origin"},
        {"mountopts", DOL_VALUE_TEXT, .metavar = "OPTIONS", .doc = "mount options, such as ro"},
        {"label", DOL_VALUE_LABEL, 'l', DOL_REPEAT, "KEY=VALUE", .doc = "a label"},
        {"protect", DOL_VALUE_TOGGLE, .doc = "refuse to delete it until this is cleared"},
        {"trash", DOL_VALUE_DURATION, .metavar = "DURATION",
         .doc = "how long it is kept after delete, default 24h"},
        {NULL},
};

const dol_command dol_volume_clone_command = {
        .name = "clone",
        .summary = "Make a volume from a snapshot (VOLUME@NAME) or from another volume",
        .help = "It shares the blocks of its origin and can be written at once. Deleting the "
                "origin "
                "does\nnot harm it.",
        .arguments = clone_arguments,
        .options = clone_options,
        .run = run_clone,
};

/* --- restore */

static bool run_restore(dol_cli *cli, GError **error)
{
        static const dol_body_row rows[] = {{"force", "force"}, {NULL}};
        g_autofree char *path = dol_path("/v1/snapshots/%s/restore", dol_args_word(&cli->args, 0));
        g_autoptr(dol_json) body = json_object(), volume = NULL;

        dol_body_put(body, &cli->args, rows);
        if (!dol_cli_change(cli, "POST", path, body, &volume, NULL, error))
                return false;
        dol_show_name(cli, volume, &dol_volume_view);
        return true;
}

static const dol_argument restore_arguments[] = {{"VOLUME@NAME", DOL_VALUE_SNAPSHOT}, {NULL}};
static const dol_option restore_options[] = {
        {"force", DOL_VALUE_FLAG, 'f', .doc = "take the volume from its users first"},
        {NULL},
};

const dol_command dol_volume_restore_command = {
        .name = "restore",
        .summary = "Put a volume back to one of its snapshots",
        .help = "What it was before is kept as the snapshot before-restore-TIME, so that this can "
                "be "
                "undone.",
        .arguments = restore_arguments,
        .options = restore_options,
        .run = run_restore,
};

/* --- resize */

static bool run_resize(dol_cli *cli, GError **error)
{
        g_autofree char *path = dol_path("/v1/volumes/%s/resize", dol_args_word(&cli->args, 0));
        g_autoptr(dol_json) body = json_pack("{s:s}", "size", dol_args_word(&cli->args, 1));
        g_autoptr(dol_json) volume = NULL;

        if (!dol_cli_change(cli, "POST", path, body, &volume, NULL, error))
                return false;
        dol_show_name(cli, volume, &dol_volume_view);
        return true;
}

static const dol_argument resize_arguments[] = {
        {"NAME", DOL_VALUE_VOLUME}, {"SIZE", DOL_VALUE_SIZE}, {NULL}};

const dol_command dol_volume_resize_command = {
        .name = "resize",
        .summary = "Make a volume larger, while it is in use too",
        .help = "A volume never shrinks. When a grow has failed, ask again, or give the rest up by "
                "asking\nfor the size it has.",
        .arguments = resize_arguments,
        .run = run_resize,
};

/* --- trim */

static bool run_trim(dol_cli *cli, GError **error)
{
        g_autofree char *path = dol_path("/v1/volumes/%s/trim", dol_args_word(&cli->args, 0));
        g_autoptr(dol_json) volume = NULL;

        if (!dol_cli_change(cli, "POST", path, NULL, &volume, NULL, error))
                return false;
        dol_show_name(cli, volume, &dol_volume_view);
        return true;
}

static const dol_argument trim_arguments[] = {{"NAME", DOL_VALUE_VOLUME}, {NULL}};

const dol_command dol_volume_trim_command = {
        .name = "trim",
        .summary = "Give the space of deleted files back to the pool",
        .help = "The daemon does that by itself every hour. The volume must be mounted. What a\n"
                "snapshot or a clone still has takes its space further on.",
        .arguments = trim_arguments,
        .run = run_trim,
};
