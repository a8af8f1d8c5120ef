/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/dolium/show.h"

#include "cmd/dolium/text.h"

#include <stdio.h>

bool dol_show_document(const dol_cli *cli, const json_t *document)
{
        g_autofree char *text = NULL;

        if (cli->format == DOL_FORMAT_TABLE)
                return false;
        text = cli->format == DOL_FORMAT_JSON ? dol_json_print(document, false)
                                              : dol_yaml_print(document);
        fputs(text, stdout);
        return true;
}

/* The document's name as JSON string; null when it has none. The caller's. */
static json_t *name_of(const json_t *document, const dol_view *view)
{
        g_autofree char *name = dol_cell_text(dol_json_at(document, view->name));

        return name ? json_string(name) : json_null();
}

static void put_name(const json_t *document, const dol_view *view)
{
        g_autoptr(dol_json) name = name_of(document, view);

        if (json_is_string(name))
                puts(json_string_value(name));
}

static void show_names(const dol_cli *cli, const json_t *items, const dol_view *view)
{
        g_autoptr(dol_json) names = json_array();
        size_t index;
        json_t *item;

        json_array_foreach(items, index, item)
        {
                if (cli->format == DOL_FORMAT_TABLE)
                        put_name(item, view);
                else
                        json_array_append_new(names, name_of(item, view));
        }
        dol_show_document(cli, names);
}

static unsigned count_columns(const dol_column *columns)
{
        unsigned count = 0;

        while (columns[count].title)
                count++;
        return count;
}

dol_table *dol_show_table_new(const dol_view *view, bool header)
{
        unsigned count = count_columns(view->columns);
        g_autofree dol_table_column *columns = g_new0(dol_table_column, count);

        for (unsigned i = 0; i < count; i++)
                columns[i] = (dol_table_column){view->columns[i].title, view->columns[i].right};
        return dol_table_new(columns, count, header);
}

static char *cell_of(const dol_column *column, const json_t *document)
{
        return column->cell(column->path ? dol_json_at(document, column->path) : document);
}

void dol_show_table_add(dol_table *table, const dol_view *view, const json_t *document)
{
        unsigned count = count_columns(view->columns);
        g_autofree char **cells = g_new0(char *, count);

        for (unsigned i = 0; i < count; i++)
                cells[i] = cell_of(&view->columns[i], document);
        dol_table_add(table, cells);
}

static void show_table(const json_t *items, const dol_view *view)
{
        dol_table *table = dol_show_table_new(view, true);
        size_t index;
        json_t *item;

        json_array_foreach(items, index, item) dol_show_table_add(table, view, item);
        dol_table_print(table);
        dol_table_free(table);
}

void dol_show_list(const dol_cli *cli, const json_t *items, const dol_view *view)
{
        if (cli->quiet)
                show_names(cli, items, view);
        else if (!dol_show_document(cli, items))
                show_table(items, view);
}

/* Lines of "Title:  value", those without a value left out. */
static void put_details(const json_t *document, const dol_view *view)
{
        size_t width = 0;

        for (const dol_column *row = view->details; row->title; row++)
                width = MAX(width, dol_text_width(row->title));
        for (const dol_column *row = view->details; row->title; row++) {
                g_autofree char *value = cell_of(row, document);
                g_autofree char *shown = value ? dol_text_shown(value, false) : NULL;

                if (shown && *shown)
                        printf("%s:%*s%s\n", row->title,
                               (int)(width - dol_text_width(row->title)) + 2, "", shown);
        }
}

void dol_show_details(const dol_cli *cli, const json_t *items, const dol_view *view)
{
        size_t index;
        json_t *item;

        if (cli->quiet) {
                show_names(cli, items, view);
                return;
        }
        if (dol_show_document(cli, items))
                return;
        json_array_foreach(items, index, item)
        {
                if (index)
                        putchar('\n');
                put_details(item, view);
        }
}

void dol_show_one(const dol_cli *cli, const json_t *document, const dol_view *view)
{
        if (cli->quiet)
                dol_show_name(cli, document, view);
        else if (!dol_show_document(cli, document))
                put_details(document, view);
}

void dol_show_name(const dol_cli *cli, const json_t *document, const dol_view *view)
{
        g_autoptr(dol_json) name = name_of(document, view);

        if (cli->format == DOL_FORMAT_TABLE)
                put_name(document, view);
        else
                dol_show_document(cli, cli->quiet ? name : document);
}
