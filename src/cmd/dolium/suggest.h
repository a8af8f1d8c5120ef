/* SPDX-License-Identifier: Apache-2.0 */
/* The known word nearest to a mistyped one. */
#pragma once

typedef struct {
        const char *word;  /* what was typed */
        const char *best;  /* nearest so far; NULL when none is near enough */
        unsigned distance; /* of best */
} dol_nearest;

/* Begins a search; words more than about a third different are never offered. */
dol_nearest dol_nearest_to(const char *word);
void dol_nearest_offer(dol_nearest *nearest, const char *known);
