/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include "base/clock.h"
#include "base/guard.h"
#include "base/test.h"

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

/* What dol_log writes to standard error, caught in an unnamed file. */
static char *logged(dol_log_level level, const char *text)
{
        dol_autofd file = memfd_create("log", MFD_CLOEXEC);
        dol_autofd before = dup(STDERR_FILENO);
        char line[1024];
        ssize_t n;

        dup2(file, STDERR_FILENO);
        dol_log(level, "%s", text);
        dup2(before, STDERR_FILENO);
        n = pread(file, line, sizeof(line), 0);
        return g_strndup(line, (size_t)MAX(n, 0));
}

static void test_line(void)
{
        g_autofree char *line = logged(DOL_LOG_WARNING, "volume 'db' is 100% full");
        char *space = strchr(line, ' ');
        int64_t usec = 0;

        g_assert_nonnull(space);
        g_assert_cmpstr(space, ==, " warning volume 'db' is 100% full\n");
        *space = '\0';
        g_assert_true(dol_time_parse(line, &usec, NULL));
        g_assert_cmpint(ABS(dol_now_usec() - usec), <, 60 * DOL_USEC_PER_SEC);
}

static void test_nobody_forges_a_line(void)
{
        static const struct {
                const char *text, *wanted;
        } rows[] = {
                {"a\nb", "a\\x0ab"},
                {"a\r\tb\x7f", "a\\x0d\\x09b\\x7f"},
                {"\x1b[31mred", "\\x1b[31mred"},
                {"bad \xff\xfe utf-8 \xc3", "bad \\xff\\xfe utf-8 \\xc3"},
                {"c1 \xc2\x9b[31m", "c1 \\xc2\\x9b[31m"},
                {"d\xc3\xb6lium \xe2\x82\xac \xf0\x9f\x8f\xba",
                 "d\xc3\xb6lium \xe2\x82\xac \xf0\x9f\x8f\xba"},
                {"", ""},
        };

        for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
                g_autofree char *line = logged(DOL_LOG_INFO, rows[i].text);
                g_autofree char *wanted = g_strdup_printf(" info %s\n", rows[i].wanted);

                g_assert_cmpstr(strchr(line, ' '), ==, wanted);
        }
}

static void test_levels(void)
{
        g_autofree char *debug = logged(DOL_LOG_DEBUG, "silent at the start");
        g_autofree char *error = NULL, *info = NULL;
        dol_log_level level;

        g_assert_cmpstr(debug, ==, "");
        dol_log_set_level(DOL_LOG_ERROR);
        info = logged(DOL_LOG_INFO, "silent");
        error = logged(DOL_LOG_ERROR, "heard");
        dol_log_set_level(DOL_LOG_INFO);
        g_assert_cmpstr(info, ==, "");
        g_assert_nonnull(strstr(error, " error heard\n"));

        g_assert_true(dol_log_level_parse("debug", &level));
        g_assert_cmpint(level, ==, DOL_LOG_DEBUG);
        g_assert_false(dol_log_level_parse("Debug", &level));
        g_assert_false(dol_log_level_parse("", &level));
}

static void test_journal(void)
{
        dol_autofd file = memfd_create("journal", MFD_CLOEXEC);
        dol_autofd before = dup(STDERR_FILENO);
        g_autofree char *stream = NULL;
        g_autofree char *other = NULL;
        char line[64] = "";
        struct stat st;

        g_assert_cmpint(fstat(file, &st), ==, 0);
        stream = g_strdup_printf("%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
        g_setenv("JOURNAL_STREAM", stream, true);
        dup2(file, STDERR_FILENO);
        dol_log(DOL_LOG_ERROR, "to the journal");
        dup2(before, STDERR_FILENO);
        other = logged(DOL_LOG_ERROR, "elsewhere");
        g_unsetenv("JOURNAL_STREAM");
        g_assert_cmpint(pread(file, line, sizeof(line) - 1, 0), >, 0);
        g_assert_cmpstr(line, ==, "<3>to the journal\n");
        g_assert_nonnull(strstr(other, " error elsewhere\n"));
}

int main(int argc, char **argv)
{
        dol_test_init(&argc, &argv);
        g_unsetenv("JOURNAL_STREAM");
        g_test_add_func("/log/line", test_line);
        g_test_add_func("/log/forgery", test_nobody_forges_a_line);
        g_test_add_func("/log/levels", test_levels);
        g_test_add_func("/log/journal", test_journal);
        return g_test_run();
}
