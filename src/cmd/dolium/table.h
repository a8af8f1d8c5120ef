/* SPDX-License-Identifier: Apache-2.0 */
/* A table on standard output, its columns aligned by display width. */
#pragma once

#include <stdbool.h>

typedef struct dol_table dol_table;

typedef struct {
        const char *title;
        bool right; /* aligned to the right, as numbers are */
} dol_table_column;

/* `columns` are copied, their titles are not. Without a header no titles are printed. */
dol_table *dol_table_new(const dol_table_column *columns, unsigned count, bool header);
void dol_table_free(dol_table *table);
/* Adds a row of `count` cells; each, and not the array, is taken. NULL is shown as "-". */
void dol_table_add(dol_table *table, char **cells);
/* Prints the rows that were added since the last print, the header before the first. Widths grow
 * with what was printed, so a table can be printed as it comes. */
void dol_table_print(dol_table *table);
