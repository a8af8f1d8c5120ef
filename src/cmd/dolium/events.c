/* SPDX-License-Identifier: Apache-2.0 */
/* dolium events: what happened, and what happens. */
#include "cmd/dolium/show.h"

#include <stdio.h>

#define PAGE_LIMIT "500"

typedef struct {
        dol_cli *cli;
        dol_table *table; /* NULL unless a table is printed */
        int64_t last;     /* sequence of the event shown last */
} event_shower;

static void show_event(event_shower *shower, const json_t *event)
{
        const dol_cli *cli = shower->cli;
        g_autofree char *text = NULL;

        if (cli->quiet) {
                printf("%" G_GINT64_FORMAT "\n", dol_json_number(event, "sequence"));
        } else if (cli->format == DOL_FORMAT_TABLE) {
                dol_show_table_add(shower->table, &dol_event_view, event);
                dol_table_print(shower->table);
        } else if (cli->format == DOL_FORMAT_JSON) {
                text = dol_json_print(event, true);
                fputs(text, stdout);
        } else {
                text = dol_yaml_print(event);
                printf("---\n%s", text);
        }
}

/* All recorded events after the last one shown. */
static bool get_recorded(dol_cli *cli, int64_t *last, json_t **ret, GError **error)
{
        g_autoptr(dol_json) all = json_array();
        size_t count;

        do {
                g_autoptr(GString) path = g_string_new("/v1/events");
                g_autofree char *after = g_strdup_printf("%" G_GINT64_FORMAT, *last);
                g_autoptr(dol_json) items = NULL;
                int64_t newest;

                dol_path_add(path, "after", after);
                dol_path_add(path, "limit", PAGE_LIMIT);
                dol_path_add(path, "volume", dol_args_value(&cli->args, "volume"));
                if (!dol_cli_items(cli, path->str, &items, error))
                        return false;
                count = json_array_size(items);
                json_array_extend(all, items);
                newest = count ? dol_json_number(json_array_get(items, count - 1), "sequence") : 0;
                if (newest <= *last)
                        break;
                *last = newest;
        } while (count > 0);
        *ret = g_steal_pointer(&all);
        return true;
}

static bool each_line(const char *text, void *user)
{
        event_shower *shower = user;
        g_autoptr(dol_json) event = json_loads(text, 0, NULL);

        /* empty lines keep the connection alive */
        if (!event)
                return true;
        shower->last = dol_json_number(event, "sequence");
        show_event(shower, event);
        return fflush(stdout) == 0;
}

static bool watch(event_shower *shower, GError **error)
{
        dol_cli *cli = shower->cli;
        g_autoptr(GString) path = g_string_new("/v1/events?watch=true");
        g_autofree char *after = g_strdup_printf("%" G_GINT64_FORMAT, shower->last);
        g_auto(dol_http_answer) answer = {0};
        dol_call call = dol_cli_call(cli, true);

        dol_path_add(path, "after", after);
        dol_path_add(path, "volume", dol_args_value(&cli->args, "volume"));
        if (!dol_cli_http(cli, error) ||
            !dol_http_client_stream(cli->http, &call, path->str, each_line, shower, &answer, error))
                return false;
        if (answer.status != 200)
                return dol_cli_fail_answer(cli, &answer, error);
        return dol_fail(error, DOL_ERROR_UNAVAILABLE, "%s ended the stream of events", cli->host);
}

static bool follow(dol_cli *cli, const json_t *recorded, int64_t last, GError **error)
{
        event_shower shower = {cli, dol_show_table_new(&dol_event_view, true), last};
        size_t index;
        json_t *event;
        bool ok;

        /* the widths of what is there already fit most of what comes */
        json_array_foreach(recorded, index, event)
        {
                if (cli->format == DOL_FORMAT_TABLE && !cli->quiet)
                        dol_show_table_add(shower.table, &dol_event_view, event);
                else
                        show_event(&shower, event);
        }
        if (cli->format == DOL_FORMAT_TABLE && !cli->quiet)
                dol_table_print(shower.table);
        fflush(stdout);
        ok = watch(&shower, error);
        dol_table_free(shower.table);
        return ok;
}

static bool run_events(dol_cli *cli, GError **error)
{
        const char *after = dol_args_value(&cli->args, "after");
        g_autoptr(dol_json) recorded = NULL;
        int64_t last = after ? g_ascii_strtoll(after, NULL, 10) : 0;

        if (!get_recorded(cli, &last, &recorded, error))
                return false;
        if (dol_args_is_on(&cli->args, "follow"))
                return follow(cli, recorded, last, error);
        dol_show_list(cli, recorded, &dol_event_view);
        return true;
}

static const dol_option options[] = {
        {"follow", DOL_VALUE_FLAG, 'f', .doc = "stay, and show events as they happen"},
        {"volume", DOL_VALUE_VOLUME, .metavar = "NAME", .doc = "only events of this volume"},
        {"after", DOL_VALUE_NUMBER, .metavar = "SEQUENCE",
         .doc = "only events after the one with this number"},
        {NULL},
};

const dol_command dol_events_command = {
        .name = "events",
        .summary = "Show what happened, and with -f what happens",
        .help = "Oldest first. With -f, -o json writes one document per line and -o yaml a stream "
                "of\n"
                "documents.",
        .options = options,
        .run = run_events,
};
