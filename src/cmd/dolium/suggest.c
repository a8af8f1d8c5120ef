/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/dolium/suggest.h"

#include <glib.h>
#include <string.h>

/* longer words are not compared */
#define WORD_MAX 40

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
        return MIN(MIN(a, b), c);
}

/* How many letters must be inserted, removed, replaced or swapped with their neighbour to make one
 * word of the other. */
static unsigned distance(const char *a, const char *b)
{
        unsigned rows[WORD_MAX + 1][WORD_MAX + 1];
        unsigned m = (unsigned)strlen(a), n = (unsigned)strlen(b);

        for (unsigned i = 0; i <= m; i++)
                rows[i][0] = i;
        for (unsigned j = 0; j <= n; j++)
                rows[0][j] = j;
        for (unsigned i = 1; i <= m; i++)
                for (unsigned j = 1; j <= n; j++) {
                        unsigned change = a[i - 1] == b[j - 1] ? 0 : 1;

                        rows[i][j] = min3(rows[i - 1][j] + 1, rows[i][j - 1] + 1,
                                          rows[i - 1][j - 1] + change);
                        if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                                rows[i][j] = MIN(rows[i][j], rows[i - 2][j - 2] + 1);
                }
        return rows[m][n];
}

dol_nearest dol_nearest_to(const char *word)
{
        /* one above the largest distance that is still offered */
        return (dol_nearest){word, NULL, (unsigned)MAX(1, strlen(word) / 3 + 1) + 1};
}

void dol_nearest_offer(dol_nearest *nearest, const char *known)
{
        unsigned apart;

        if (!known || strlen(known) > WORD_MAX || strlen(nearest->word) > WORD_MAX)
                return;
        apart = distance(nearest->word, known);
        /* a beginning that was typed right counts for more than its missing end costs */
        if (strlen(nearest->word) >= 2 && g_str_has_prefix(known, nearest->word))
                apart = 1;
        /* nothing in common is no likeness, however short the words */
        if (apart >= nearest->distance || apart >= MAX(strlen(nearest->word), strlen(known)))
                return;
        nearest->best = known;
        nearest->distance = apart;
}
