/* SPDX-License-Identifier: Apache-2.0 */
/* dolium df: how full everything is. */
#include "cmd/dolium/show.h"

#include <stdio.h>

static bool run_df(dol_cli *cli, GError **error)
{
        g_autoptr(dol_json) volumes = NULL, pools = NULL, both = NULL;

        if (!dol_cli_list(cli, "/v1/volumes", &volumes, error) ||
            !dol_cli_items(cli, "/v1/pools", &pools, error))
                return false;
        if (cli->quiet) {
                dol_show_list(cli, volumes, &dol_df_volume_view);
                return true;
        }
        both = json_pack("{s:O, s:O}", "volumes", volumes, "pools", pools);
        if (dol_show_document(cli, both))
                return true;
        dol_show_list(cli, volumes, &dol_df_volume_view);
        putchar('\n');
        dol_show_list(cli, pools, &dol_df_pool_view);
        return true;
}

const dol_command dol_df_command = {
        .name = "df",
        .summary = "Show how full volumes and pools are",
        .help = "PROMISED is the sum of the sizes of a pool's volumes, PROMISABLE what may still "
                "be\n"
                "given to new ones. With -o json: {\"volumes\": [...], \"pools\": [...]}.",
        .run = run_df,
};
