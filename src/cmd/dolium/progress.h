/* SPDX-License-Identifier: Apache-2.0 */
/* How far something long is, on standard error: a bar with rate and time left on a terminal, else a
 * line now and then. Nothing with --quiet. */
#pragma once

#include "cmd/dolium/cli.h"

typedef struct {
        const char *what; /* "export of 'db'" */
        bool is_quiet, is_terminal;
        int64_t began_usec, shown_usec;
        bool is_shown; /* a bar stands on the terminal */
} dol_progress;

/* `what` must live as long. */
void dol_progress_begin(dol_progress *progress, const dol_cli *cli, const char *what);
/* `done` of `all` bytes; all 0 = not known. Cheap enough to be called for every piece. */
void dol_progress_show(dol_progress *progress, uint64_t done, uint64_t all);
/* Removes the bar. */
void dol_progress_end(dol_progress *progress);
/* The text of one line: "45% of 10G, 250M/s, 22s left". For the tests. g_free it. */
char *dol_progress_text(uint64_t done, uint64_t all, int64_t usec);
