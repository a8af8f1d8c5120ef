/* SPDX-License-Identifier: Apache-2.0 */
/* Documents on standard output, in the format that was asked for. */
#pragma once

#include "cmd/dolium/cell.h"
#include "cmd/dolium/cli.h"
#include "cmd/dolium/table.h"

typedef struct {
        const char *title;
        const char *path; /* of the value in the document; NULL = the document itself */
        dol_cell_fn cell;
        bool right;
} dol_column;

/* How one kind of document is shown. */
typedef struct {
        const char *name;          /* path of its name, for --quiet */
        const dol_column *columns; /* of the table; end with {NULL} */
        const dol_column *details; /* of one alone, a line for each; end with {NULL} */
} dol_view;

extern const dol_view dol_volume_view, dol_trash_view, dol_pool_view, dol_unknown_view,
        dol_operation_view, dol_snapshot_view, dol_schedule_view, dol_range_view, dol_file_view,
        dol_file_change_view, dol_event_view, dol_df_volume_view, dol_df_pool_view;

/* An array of documents: table, JSON array or YAML sequence; with --quiet the names alone. */
void dol_show_list(const dol_cli *cli, const json_t *items, const dol_view *view);
/* An array of documents, each in full: a block of lines for each. */
void dol_show_details(const dol_cli *cli, const json_t *items, const dol_view *view);
/* One document in full. */
void dol_show_one(const dol_cli *cli, const json_t *document, const dol_view *view);
/* One document, of which people need the name only. */
void dol_show_name(const dol_cli *cli, const json_t *document, const dol_view *view);
/* The document as JSON or YAML; false when a table was asked for. */
bool dol_show_document(const dol_cli *cli, const json_t *document);

/* A table for documents of this view; the caller's to dol_table_free. */
dol_table *dol_show_table_new(const dol_view *view, bool header);
void dol_show_table_add(dol_table *table, const dol_view *view, const json_t *document);
