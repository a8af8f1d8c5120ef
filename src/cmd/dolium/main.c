/* SPDX-License-Identifier: Apache-2.0 */
/* dolium: the command line of doliumd. */
#include "cmd/dolium/cli.h"
#include "cmd/dolium/help.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool run(dol_cli *cli, GError **error)
{
        g_autofree char *help = NULL;

        if (dol_args_given(&cli->args, "version")) {
                puts("dolium " DOL_VERSION);
                return true;
        }
        if (dol_args_given(&cli->args, "help")) {
                help = dol_help_text(cli->args.command, cli->args.path);
                fputs(help, stdout);
                return true;
        }
        dol_cli_init(cli);
        return cli->args.command->run(cli, error);
}

/* Data that did not reach its reader is an error. */
static void finish_output(dol_cli *cli)
{
        g_autoptr(GError) error = NULL;

        errno = 0;
        if (fflush(stdout) == 0 && !ferror(stdout))
                return;
        dol_fail(&error, DOL_ERROR_NO_SPACE, "cannot write to standard output: %s",
                 g_strerror(errno ? errno : EIO));
        dol_cli_report(cli, error);
}

int main(int argc, char **argv)
{
        dol_cli cli = {0};
        g_autoptr(GError) error = NULL;

        if (!dol_args_read(argc, argv, &cli.args, &error)) {
                dol_cli_report(&cli, error);
                fprintf(stderr, "Try '%s --help'.\n", cli.args.path);
        } else if (!run(&cli, &error)) {
                dol_cli_report(&cli, error);
        }
        finish_output(&cli);
        dol_cli_clear(&cli);
        return cli.status;
}
