/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include "base/clock.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct {
        const char *word;
        int priority; /* of syslog(3), as the journal reads it */
} levels[] = {
        [DOL_LOG_ERROR] = {"error", 3},
        [DOL_LOG_WARNING] = {"warning", 4},
        [DOL_LOG_INFO] = {"info", 6},
        [DOL_LOG_DEBUG] = {"debug", 7},
};

static atomic_int highest = DOL_LOG_INFO;

void dol_log_set_level(dol_log_level level)
{
        highest = (int)level;
}

bool dol_log_level_parse(const char *word, dol_log_level *ret_level)
{
        for (unsigned i = 0; i < G_N_ELEMENTS(levels); i++)
                if (strcmp(levels[i].word, word) == 0) {
                        *ret_level = (dol_log_level)i;
                        return true;
                }
        return false;
}

static void append_clean(GString *line, const char *text)
{
        while (*text) {
                gunichar c = g_utf8_get_char_validated(text, -1);
                size_t length = 1;

                /* what is not UTF-8 comes as (gunichar)-1 or -2 */
                if (c <= 0x10ffff && !g_unichar_iscntrl(c)) {
                        length = (size_t)(g_utf8_next_char(text) - text);
                        g_string_append_len(line, text, (ssize_t)length);
                } else {
                        g_string_append_printf(line, "\\x%02x", (unsigned char)*text);
                }
                text += length;
        }
}

/* true when standard error is the journal's; a child of some other service inherits the variable
 * without it. */
static bool is_journal(void)
{
        const char *stream = getenv("JOURNAL_STREAM");
        g_autofree char *own = NULL;
        struct stat st;

        if (!stream || fstat(STDERR_FILENO, &st) < 0)
                return false;
        own = g_strdup_printf("%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
        return strcmp(stream, own) == 0;
}

void dol_log(dol_log_level level, const char *format, ...)
{
        g_autoptr(GString) line = NULL;
        g_autofree char *text = NULL;
        va_list args;
        ssize_t written;

        if ((int)level > highest)
                return;
        va_start(args, format);
        text = g_strdup_vprintf(format, args);
        va_end(args);

        line = g_string_new(NULL);
        if (is_journal()) {
                g_string_append_printf(line, "<%d>", levels[level].priority);
        } else {
                g_autofree char *now = dol_time_format(dol_now_usec());

                g_string_append_printf(line, "%s %s ", now, levels[level].word);
        }
        append_clean(line, text);
        g_string_append_c(line, '\n');
        /* one write per line: lines of several threads do not mix */
        written = write(STDERR_FILENO, line->str, line->len);
        (void)written;
}
