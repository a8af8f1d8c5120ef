/* SPDX-License-Identifier: Apache-2.0 */
/* dolium version: of this program and of the daemon. */
#include "cmd/dolium/show.h"

static const dol_column details[] = {
        {"Client", "client.version", dol_cell_text}, {"Server", "server.version", dol_cell_text},
        {"API", "server.api", dol_cell_text},        {"Node", "server.node", dol_cell_text},
        {"Boot", "server.boot_id", dol_cell_text},   {NULL},
};

static const dol_view version_view = {"client.version", details, details};

static bool run_version(dol_cli *cli, GError **error)
{
        g_autoptr(dol_json) server = NULL, both = NULL;
        bool ok = cli->quiet || dol_cli_get(cli, "/version", &server, error);

        /* the client's is told also when the daemon does not answer */
        both = json_pack("{s:{s:s}, s:O?}", "client", "version", DOL_VERSION, "server", server);
        dol_show_one(cli, both, &version_view);
        return ok;
}

const dol_command dol_version_command = {
        .name = "version",
        .summary = "Show the versions of this program and of the daemon",
        .help = "With -q that of this program alone, without asking the daemon.",
        .run = run_version,
};
