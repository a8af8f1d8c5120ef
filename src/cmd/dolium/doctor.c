/* SPDX-License-Identifier: Apache-2.0 */
/* dolium doctor: what this host can and cannot do, and why. */
#include "cmd/dolium/show.h"

#include <string.h>

static const dol_table_column columns[] = {{"LEVEL"}, {"CHECK"}, {"MESSAGE"}};

static char *copy_of(const json_t *item, const char *path)
{
        const char *text = dol_json_text(item, path);

        return g_strdup(text ? text : "");
}

static void show_checks(const json_t *items)
{
        dol_table *table = dol_table_new(columns, G_N_ELEMENTS(columns), true);
        size_t index;
        json_t *item;

        json_array_foreach(items, index, item)
        {
                const char *help = dol_json_text(item, "help");
                char *row[] = {copy_of(item, "level"), copy_of(item, "name"),
                               copy_of(item, "message")};

                dol_table_add(table, row);
                if (help && *help) {
                        char *more[] = {g_strdup(" "), g_strdup(" "),
                                        g_strconcat("-> ", help, NULL)};

                        dol_table_add(table, more);
                }
        }
        dol_table_print(table);
        dol_table_free(table);
}

/* What can be said while the daemon cannot be asked. */
static json_t *unreachable(const dol_cli *cli, const GError *error)
{
        g_autofree char *help = NULL;

        if (strcmp(cli->host, DOL_HOST_DEFAULT) != 0)
                help = g_strdup("check --host and DOLIUM_HOST, and that doliumd runs there");
        else if (dol_error_is(error, DOL_ERROR_DENIED))
                help = g_strdup("run this as root");
        else
                help = g_strdup("start it: systemctl start doliumd (or, without systemd: doliumd); "
                                "see why it stopped: journalctl -u doliumd");
        return json_pack("[{s:s, s:s, s:s, s:s}]", "name", "daemon", "level", "error", "message",
                         error->message, "help", help);
}

static bool has_error(const json_t *items)
{
        size_t index;
        json_t *item;

        json_array_foreach(items, index, item)
        {
                if (g_strcmp0(dol_json_text(item, "level"), "error") == 0)
                        return true;
        }
        return false;
}

static bool run_doctor(dol_cli *cli, GError **error)
{
        static const dol_view names = {"name"};
        g_autoptr(dol_json) items = NULL;
        g_autoptr(GError) local = NULL;

        if (!dol_cli_items(cli, "/v1/doctor", &items, &local)) {
                if (dol_error_is(local, DOL_ERROR_INVALID)) {
                        g_propagate_error(error, g_steal_pointer(&local));
                        return false;
                }
                items = unreachable(cli, local);
        }
        if (cli->quiet)
                dol_show_list(cli, items, &names);
        else if (!dol_show_document(cli, items))
                show_checks(items);
        if (has_error(items))
                cli->status = 1;
        return true;
}

const dol_command dol_doctor_command = {
        .name = "doctor",
        .summary = "Say what this host can and cannot do, and why",
        .help = "Works without the daemon too, and then says how to start it. The exit status is "
                "1\n"
                "when anything is an error.",
        .run = run_doctor,
};
