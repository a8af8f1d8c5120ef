/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/dolium/progress.h"

#include "base/clock.h"
#include "cmd/dolium/text.h"
#include "codec/units.h"

#include <stdio.h>
#include <unistd.h>

/* A bar is drawn so often; a line is written so often. */
#define BAR_USEC  (100 * DOL_USEC_PER_MSEC)
#define LINE_USEC (10 * DOL_USEC_PER_SEC)

enum { BAR_WIDTH = 20 };

void dol_progress_begin(dol_progress *progress, const dol_cli *cli, const char *what)
{
        *progress = (dol_progress){
                .what = what,
                .is_quiet = cli->quiet,
                .is_terminal = isatty(STDERR_FILENO),
                .began_usec = dol_monotonic_usec(),
        };
        progress->shown_usec = progress->began_usec;
}

/* Whole seconds, as "1h5m" or "42s". */
static char *time_left(uint64_t done, uint64_t all, int64_t usec)
{
        double seconds = (double)usec / DOL_USEC_PER_SEC * (double)(all - done) / (double)done;

        return dol_duration_format((int64_t)MIN(seconds + 1, 1e8) * DOL_USEC_PER_SEC);
}

char *dol_progress_text(uint64_t done, uint64_t all, int64_t usec)
{
        GString *text = g_string_new(NULL);
        double seconds = (double)MAX(usec, 1) / DOL_USEC_PER_SEC;
        g_autofree char *so_far = dol_size_format_short(done);
        g_autofree char *total = dol_size_format_short(all);
        g_autofree char *rate = dol_size_format_short((uint64_t)((double)done / seconds));

        if (all)
                g_string_append_printf(text, "%u%% of %s",
                                       (unsigned)(100.0 * (double)MIN(done, all) / (double)all),
                                       total);
        else
                g_string_append(text, so_far);
        g_string_append_printf(text, ", %s/s", rate);
        if (done && all > done) {
                g_autofree char *left = time_left(done, all, usec);

                g_string_append_printf(text, ", %s left", left);
        }
        return g_string_free(text, false);
}

static void draw_bar(dol_progress *progress, uint64_t done, uint64_t all, const char *text)
{
        unsigned full = all ? (unsigned)((double)MIN(done, all) / (double)all * BAR_WIDTH) : 0;
        char bar[BAR_WIDTH + 1] = "";

        for (unsigned i = 0; i < BAR_WIDTH; i++)
                bar[i] = i < full ? '#' : '.';
        if (all)
                fprintf(stderr, "\r\033[K%s [%s] %s", progress->what, bar, text);
        else
                fprintf(stderr, "\r\033[K%s: %s", progress->what, text);
        fflush(stderr);
        progress->is_shown = true;
}

void dol_progress_show(dol_progress *progress, uint64_t done, uint64_t all)
{
        int64_t now = dol_monotonic_usec();
        g_autofree char *text = NULL;

        if (progress->is_quiet ||
            now - progress->shown_usec < (progress->is_terminal ? BAR_USEC : LINE_USEC))
                return;
        progress->shown_usec = now;
        text = dol_progress_text(done, all, now - progress->began_usec);
        if (progress->is_terminal)
                draw_bar(progress, done, all, text);
        else
                fprintf(stderr, "%s: %s\n", progress->what, text);
}

void dol_progress_end(dol_progress *progress)
{
        if (progress->is_shown)
                fputs("\r\033[K", stderr);
        progress->is_shown = false;
}
