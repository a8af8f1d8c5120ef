/* SPDX-License-Identifier: Apache-2.0 */
/* From a value in a document to the text that people read. */
#pragma once

#include "cmd/dolium/document.h"

/* Each returns a new string, or NULL when there is nothing to tell. `value` may be NULL. */
typedef char *(*dol_cell_fn)(const json_t *value);

char *dol_cell_text(const json_t *value);   /* strings, numbers, true and false as yes and no */
char *dol_cell_size(const json_t *value);   /* "1.5G" */
char *dol_cell_age(const json_t *value);    /* of a time: "5m"; one to come: "in 23h" */
char *dol_cell_second(const json_t *value); /* of a time: "2026-01-02T03:04:05Z" */
char *dol_cell_time(const json_t *value);   /* "2026-01-02T03:04:05Z (5m ago)" */
char *dol_cell_labels(const json_t *value); /* "a=1, b=2" */
char *dol_cell_list(const json_t *value);   /* of texts: "a, b" */
/* Of a volume's status; NULL while nobody can tell. */
char *dol_cell_used(const json_t *value);
char *dol_cell_available(const json_t *value);
char *dol_cell_use(const json_t *value);    /* "12%" of a volume's or pool's status, rounded up */
char *dol_cell_inodes(const json_t *value); /* "120 of 65536" */
/* Of an attachment. */
char *dol_cell_place(const json_t *value);     /* its path, or the device of a block volume */
char *dol_cell_consumers(const json_t *value); /* "docker:0123456789ab, rest:cli" */
/* Of a file. */
char *dol_cell_mode(const json_t *value); /* "drwxr-xr-x" */
char *dol_cell_path(const json_t *value); /* "/etc/mtab -> /proc/mounts" */
/* Of an operation: how long it took, or has been running. */
char *dol_cell_took(const json_t *value);

/* "45s", "5m", "3h", "2d"; the largest unit that still tells something. */
char *dol_age_format(int64_t usec);
