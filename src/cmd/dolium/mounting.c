/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/dolium/mounting.h"

#include <stdio.h>

/* The consumer's id when none is given. */
#define ID_DEFAULT "cli"

const dol_option dol_mount_options[] = {
        {"id", DOL_VALUE_TEXT, .metavar = "ID",
         .doc = "in whose name; every mount needs an unmount with the same id; default cli"},
        {NULL},
};

const dol_option dol_unmount_options[] = {
        {"id", DOL_VALUE_TEXT, .metavar = "ID", .doc = "in whose name it was mounted; default cli"},
        {"force", DOL_VALUE_FLAG, 'f', .doc = "for everybody, whoever still holds it"},
        {NULL},
};

/* POSTs what the command line says about the consumer to `verb` of the thing it names. */
static bool post(dol_cli *cli, const dol_mountable *kind, const char *verb, json_t **ret,
                 GError **error)
{
        g_autofree char *name = dol_path("%s", dol_args_word(&cli->args, 0));
        g_autofree char *path = g_strdup_printf("/v1/%ss/%s/%s", kind->noun, name, verb);
        const char *id = dol_args_value(&cli->args, "id");
        g_autoptr(dol_json) body = json_pack("{s:s}", "id", id ? id : ID_DEFAULT);

        if (dol_args_is_on(&cli->args, "force"))
                dol_json_put(body, "force", json_true());
        return dol_cli_change(cli, "POST", path, body, ret, NULL, error);
}

bool dol_cli_mount(dol_cli *cli, const dol_mountable *kind, GError **error)
{
        g_autoptr(dol_json) mounted = NULL, json = NULL;
        g_autofree char *place = NULL;

        if (!post(cli, kind, "mount", &mounted, error))
                return false;
        if (!cli->quiet && dol_show_document(cli, mounted))
                return true;
        place = dol_cell_place(dol_json_at(mounted, kind->attachment));
        if (!place)
                return dol_fail(error, DOL_ERROR_INTERNAL,
                                "%s '%s' was mounted, but %s did not say where", kind->noun,
                                dol_args_word(&cli->args, 0), cli->host);
        json = json_string(place);
        if (!dol_show_document(cli, json))
                puts(place);
        return true;
}

bool dol_cli_unmount(dol_cli *cli, const dol_mountable *kind, GError **error)
{
        g_autoptr(dol_json) unmounted = NULL;
        g_autofree char *others = NULL;

        if (!post(cli, kind, "unmount", &unmounted, error))
                return false;
        others = dol_cell_consumers(dol_json_at(unmounted, kind->attachment));
        if (others)
                dol_cli_talk(cli, "%s '%s' stays mounted for %s", kind->noun,
                             dol_args_word(&cli->args, 0), others);
        dol_show_name(cli, unmounted, kind->view);
        return true;
}
