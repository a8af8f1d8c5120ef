/* SPDX-License-Identifier: Apache-2.0 */
/* dolium volume check. */
#include "cmd/dolium/body.h"
#include "cmd/dolium/show.h"
#include "cmd/dolium/text.h"
#include "cmd/dolium/volume.h"

#include <stdio.h>

/* A check that found errors is no error of the program: as with fsck, the status tells. */
enum { STATUS_FOUND = 1 };

static void show(const dol_cli *cli, const json_t *check, const char *name)
{
        const char *report = dol_json_text(check, "report");
        bool clean = json_is_true(dol_json_at(check, "clean"));
        bool repair = json_is_true(dol_json_at(check, "repair"));
        g_autofree char *text = dol_text_shown(report ? report : "", true);

        if (!cli->quiet && dol_show_document(cli, check))
                return;
        if (!cli->quiet)
                fputs(text, stdout);
        printf("%s: %s\n", name,
               clean    ? repair ? "repaired" : "no errors"
               : repair ? "errors that cannot be repaired"
                        : "errors; unmount it, then 'dolium volume check --repair'");
}

static bool run_check(dol_cli *cli, GError **error)
{
        static const dol_body_row rows[] = {{"repair", "repair"}, {NULL}};
        const char *name = dol_args_word(&cli->args, 0);
        g_autofree char *path = dol_path("/v1/volumes/%s/check?wait=1h", name);
        g_autoptr(dol_json) body = json_object(), check = NULL;

        dol_body_put(body, &cli->args, rows);
        if (!dol_cli_send(cli, "POST", path, body, &check, NULL, error))
                return false;
        show(cli, check, name);
        if (!json_is_true(dol_json_at(check, "clean")))
                cli->status = STATUS_FOUND;
        return true;
}

static const dol_argument arguments[] = {{"NAME", DOL_VALUE_VOLUME}, {NULL}};
static const dol_option options[] = {
        {"repair", DOL_VALUE_FLAG, .doc = "repair what is found; nobody may use the volume"},
        {NULL},
};

const dol_command dol_volume_check_command = {
        .name = "check",
        .summary = "Check a volume's file system, also while it is in use, or repair it",
        .help = "What is checked is a copy of the moment (e2fsck -n, xfs_repair -n). The exit "
                "status\nis 1 when errors were found, and with --repair when some are left.",
        .arguments = arguments,
        .options = options,
        .run = run_check,
};
