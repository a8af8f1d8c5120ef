/* SPDX-License-Identifier: Apache-2.0 */
/* dolium pool: where volumes live. */
#include "cmd/dolium/body.h"
#include "cmd/dolium/show.h"

#include <string.h>

static bool run_create(dol_cli *cli, GError **error)
{
        static const dol_body_row rows[] = {
                {"driver", "spec.driver"},
                {"path", "spec.path"},
                {"device", "spec.device"},
                {"size", "spec.size"},
                {"media", "spec.media"},
                {"overcommit", "spec.overcommit"},
                {"warn", "spec.warn"},
                {"full", "spec.full"},
                {"reserve", "spec.reserve"},
                {"label", "labels"},
                {NULL},
        };
        g_autoptr(dol_json) body = json_object(), pool = NULL;

        dol_json_put(body, "name", json_string(dol_args_word(&cli->args, 0)));
        dol_body_put(body, &cli->args, rows);
        if (!dol_cli_send(cli, "POST", "/v1/pools", body, &pool, NULL, error))
                return false;
        dol_show_name(cli, pool, &dol_pool_view);
        return true;
}

static const char *const media[] = {"nvme", "ssd", "hdd", NULL};
static const dol_argument create_arguments[] = {{"NAME", DOL_VALUE_TEXT}, {NULL}};
static const dol_option create_options[] = {
        {"path", DOL_VALUE_PATH, .metavar = "DIRECTORY", .doc = "directory it lives in, absolute"},
        {"device", DOL_VALUE_PATH, .metavar = "DEVICE",
         .doc = "block device to format and use; one that holds anything is refused"},
        {"driver", DOL_VALUE_TEXT, .metavar = "DRIVER",
         .doc = "image (image files, sizes enforced; default) or dir (plain directories)"},
        {"size", DOL_VALUE_SIZE, 's', .metavar = "SIZE",
         .doc = "size of its backing file, when it needs one"},
        {"media", DOL_VALUE_WORD, .metavar = "MEDIA", .words = media,
         .doc = "media class, when detection is wrong"},
        {"overcommit", DOL_VALUE_RATIO, .metavar = "RATIO",
         .doc = "how many times its capacity may be promised to volumes; default 2"},
        {"warn", DOL_VALUE_RATIO, .metavar = "LEVEL",
         .doc = "fill level from which events warn; default 0.8"},
        {"full", DOL_VALUE_RATIO, .metavar = "LEVEL",
         .doc = "fill level from which creates are refused; default 0.95"},
        {"reserve", DOL_VALUE_SIZE, .metavar = "SIZE",
         .doc = "space kept free for deletes and metadata"},
        {"label", DOL_VALUE_LABEL, 'l', DOL_REPEAT, "KEY=VALUE", .doc = "a label"},
        {NULL},
};

static const dol_command create_command = {
        .name = "create",
        .summary = "Create a pool",
        .help = "A path on XFS with reflink or on btrfs is used as it is; on another file system\n"
                "the pool makes itself a sparse backing file there.",
        .arguments = create_arguments,
        .options = create_options,
        .run = run_create,
};

static bool run_ls(dol_cli *cli, GError **error)
{
        g_autoptr(dol_json) items = NULL;

        if (!dol_cli_items(cli, "/v1/pools", &items, error))
                return false;
        dol_show_list(cli, items, &dol_pool_view);
        return true;
}

static const dol_command ls_command = {
        .name = "ls",
        .alias = "list",
        .summary = "List pools",
        .run = run_ls,
};

static bool inspect_one(dol_cli *cli, const char *name, void *user, GError **error)
{
        g_autofree char *path = dol_path("/v1/pools/%s", name);
        json_t *pool = NULL;

        if (!dol_cli_get(cli, path, &pool, error))
                return false;
        json_array_append_new(user, pool);
        return true;
}

static bool run_inspect(dol_cli *cli, GError **error)
{
        g_autoptr(dol_json) pools = json_array();

        if (!dol_cli_each(cli, inspect_one, pools, error))
                return false;
        dol_show_details(cli, pools, &dol_pool_view);
        return true;
}

static const dol_argument inspect_arguments[] = {{"NAME", DOL_VALUE_POOL, DOL_REPEAT}, {NULL}};

static const dol_command inspect_command = {
        .name = "inspect",
        .alias = "show",
        .summary = "Show pools in full",
        .help = "With -o json the answer is an array, also for one pool.",
        .arguments = inspect_arguments,
        .run = run_inspect,
};

/* Adds what is unknown in one pool, with the pool's name in each. */
static bool unknown_one(dol_cli *cli, const char *pool, void *user, GError **error)
{
        g_autofree char *path = dol_path("/v1/pools/%s/unknown", pool);
        g_autoptr(dol_json) items = NULL;
        size_t index;
        json_t *item;

        if (!dol_cli_items(cli, path, &items, error))
                return false;
        json_array_foreach(items, index, item) json_object_set_new(item, "pool", json_string(pool));
        json_array_extend(user, items);
        return true;
}

static bool unknown_all(dol_cli *cli, json_t *all, GError **error)
{
        g_autoptr(dol_json) pools = NULL;
        size_t index;
        json_t *pool;

        if (!dol_cli_items(cli, "/v1/pools", &pools, error))
                return false;
        json_array_foreach(pools, index, pool)
        {
                g_autoptr(GError) local = NULL;

                /* a pool that is down does not hide the others */
                if (!unknown_one(cli, dol_json_text(pool, "name"), all, &local))
                        dol_cli_report(cli, local);
        }
        return true;
}

static bool run_unknown(dol_cli *cli, GError **error)
{
        g_autoptr(dol_json) all = json_array();
        bool ok = dol_args_count(&cli->args) ? dol_cli_each(cli, unknown_one, all, error)
                                             : unknown_all(cli, all, error);

        if (ok)
                dol_show_list(cli, all, &dol_unknown_view);
        return ok;
}

static const dol_argument unknown_arguments[] = {
        {"NAME", DOL_VALUE_POOL, DOL_REPEAT | DOL_MAY_MISS},
        {NULL},
};

static const dol_command unknown_command = {
        .name = "unknown",
        .summary = "List what lies in pools without being recorded",
        .help = "Without a name, of all pools. 'dolium volume adopt UID --pool POOL' records one "
                "as\n"
                "a volume. Nothing of it is ever deleted by itself.",
        .arguments = unknown_arguments,
        .run = run_unknown,
};

static const dol_command *const commands[] = {&create_command, &ls_command, &inspect_command,
                                              &unknown_command, NULL};

const dol_command dol_pool_command = {
        .name = "pool",
        .summary = "Create pools and look at them",
        .commands = commands,
};
