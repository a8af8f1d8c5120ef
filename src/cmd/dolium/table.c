/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/dolium/table.h"

#include "cmd/dolium/text.h"

#include <glib.h>
#include <stdio.h>

#define GAP 2

struct dol_table {
        dol_table_column *columns;
        unsigned count;
        bool header; /* not printed yet */
        size_t *widths;
        GPtrArray *cells; /* not printed yet: row after row */
};

dol_table *dol_table_new(const dol_table_column *columns, unsigned count, bool header)
{
        dol_table *table = g_new0(dol_table, 1);

        *table = (dol_table){g_memdup2(columns, count * sizeof(*columns)), count, header,
                             g_new0(size_t, count), g_ptr_array_new_with_free_func(g_free)};
        for (unsigned i = 0; header && i < count; i++)
                table->widths[i] = dol_text_width(columns[i].title);
        return table;
}

void dol_table_free(dol_table *table)
{
        if (!table)
                return;
        g_ptr_array_unref(table->cells);
        g_free(table->columns);
        g_free(table->widths);
        g_free(table);
}

void dol_table_add(dol_table *table, char **cells)
{
        for (unsigned i = 0; i < table->count; i++) {
                g_autofree char *raw = cells[i];
                char *cell = raw && *raw ? dol_text_shown(raw, false) : g_strdup("-");

                table->widths[i] = MAX(table->widths[i], dol_text_width(cell));
                g_ptr_array_add(table->cells, cell);
        }
}

static void put_spaces(size_t count)
{
        while (count-- > 0)
                putchar(' ');
}

static void put_cell(const dol_table *table, unsigned column, const char *cell)
{
        size_t width = dol_text_width(cell);
        size_t fill = table->widths[column] > width ? table->widths[column] - width : 0;
        bool last = column + 1 == table->count;

        if (table->columns[column].right)
                put_spaces(fill);
        fputs(cell, stdout);
        if (!last)
                put_spaces((table->columns[column].right ? 0 : fill) + GAP);
}

void dol_table_print(dol_table *table)
{
        for (unsigned i = 0; table->header && i < table->count; i++) {
                put_cell(table, i, table->columns[i].title);
                if (i + 1 == table->count)
                        putchar('\n');
        }
        table->header = false;
        for (unsigned i = 0; i < table->cells->len; i++) {
                unsigned column = i % table->count;

                put_cell(table, column, table->cells->pdata[i]);
                if (column + 1 == table->count)
                        putchar('\n');
        }
        g_ptr_array_set_size(table->cells, 0);
}
