/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"

#include "base/test.h"

#include <errno.h>
#include <string.h>

static void test_words(void)
{
        for (unsigned i = 0; i < DOL_ERROR_KIND_COUNT; i++) {
                const dol_error_info *info = dol_error_info_of(i);

                g_assert_cmpuint(dol_error_kind_from_word(info->word), ==, i);
                g_assert_cmpint(info->http, >=, 400);
                g_assert_cmpint(info->http, <, 600);
                g_assert_cmpint(info->grpc, >=, 1);
                g_assert_cmpint(info->grpc, <=, 16);
                g_assert_cmpint(info->exit, >=, 64);
                g_assert_cmpint(info->exit, <=, 78);
        }
        g_assert_cmpint(dol_error_kind_from_word("no-such-word"), ==, DOL_ERROR_INTERNAL);
        g_assert_cmpint(dol_error_kind_from_word(""), ==, DOL_ERROR_INTERNAL);
        g_assert_cmpint(dol_error_kind_from_word(NULL), ==, DOL_ERROR_INTERNAL);
}

static void test_rows(void)
{
        g_assert_cmpint(dol_error_info_of(DOL_ERROR_NOT_FOUND)->http, ==, 404);
        g_assert_cmpint(dol_error_info_of(DOL_ERROR_STALE)->http, ==, 412);
        g_assert_cmpint(dol_error_info_of(DOL_ERROR_NO_SPACE)->grpc, ==, 8);
        g_assert_true(dol_error_info_of(DOL_ERROR_BUSY)->retry);
        g_assert_false(dol_error_info_of(DOL_ERROR_INVALID)->retry);
}

static void test_out_of_range_kind_is_internal(void)
{
        g_assert_cmpstr(dol_error_info_of(DOL_ERROR_KIND_COUNT)->word, ==, "internal");
        g_assert_cmpstr(dol_error_info_of((dol_error_kind)-1)->word, ==, "internal");
}

static void test_foreign_errors_are_internal(void)
{
        g_autoptr(GError) foreign = g_error_new(G_FILE_ERROR, DOL_ERROR_NOT_FOUND, "foreign");
        g_autoptr(GError) odd = g_error_new(DOL_ERROR, 999, "odd code");

        g_assert_cmpint(dol_error_kind_of(foreign), ==, DOL_ERROR_INTERNAL);
        g_assert_false(dol_error_is(foreign, DOL_ERROR_NOT_FOUND));
        g_assert_cmpint(dol_error_kind_of(odd), ==, DOL_ERROR_INTERNAL);
        g_assert_cmpint(dol_error_kind_of(NULL), ==, DOL_ERROR_INTERNAL);
        g_assert_false(dol_error_is(NULL, DOL_ERROR_INTERNAL));
}

static void test_fail(void)
{
        GError *error = NULL;

        g_assert_false(dol_fail(&error, DOL_ERROR_BUSY, "volume '%s' is in use", "db"));
        dol_assert_failed(error, DOL_ERROR_BUSY, "volume 'db' is in use");
        g_assert_false(dol_fail(NULL, DOL_ERROR_BUSY, "nobody listens"));
}

static void test_a_forgotten_error_is_noticed(void)
{
        GError *error = NULL;

        dol_fail(&error, DOL_ERROR_BUSY, "the first");
        g_test_expect_message("GLib", G_LOG_LEVEL_WARNING, "*set over the top*the second*");
        dol_fail(&error, DOL_ERROR_INVALID, "the second");
        g_test_assert_expected_messages();
        dol_assert_failed(error, DOL_ERROR_BUSY, "the first");
}

static void test_while_prepends(void)
{
        GError *error = NULL;

        dol_fail(&error, DOL_ERROR_NO_SPACE, "100%% full");
        g_assert_false(dol_fail_while(&error, "pool '%s'", "fast%s"));
        g_assert_false(dol_fail_while(&error, "create"));
        dol_assert_failed(error, DOL_ERROR_NO_SPACE, "create: pool 'fast%s': 100% full");
}

static void test_while_without_error(void)
{
        GError *error = NULL;

        g_assert_false(dol_fail_while(&error, "nothing"));
        g_assert_null(error);
        g_assert_false(dol_fail_while(NULL, "nothing"));
}

static void test_errno(void)
{
        static const struct {
                int err;
                dol_error_kind kind;
        } rows[] = {
                {ENOENT, DOL_ERROR_NOT_FOUND},     {EEXIST, DOL_ERROR_EXISTS},
                {EBUSY, DOL_ERROR_BUSY},           {ENOSPC, DOL_ERROR_NO_SPACE},
                {EDQUOT, DOL_ERROR_NO_SPACE},      {EACCES, DOL_ERROR_DENIED},
                {EROFS, DOL_ERROR_DENIED},         {EOPNOTSUPP, DOL_ERROR_UNSUPPORTED},
                {ETIMEDOUT, DOL_ERROR_TIMEOUT},    {ECONNREFUSED, DOL_ERROR_UNAVAILABLE},
                {EMFILE, DOL_ERROR_UNAVAILABLE},   {ENOTDIR, DOL_ERROR_CONFLICT},
                {ENAMETOOLONG, DOL_ERROR_INVALID}, {EIO, DOL_ERROR_INTERNAL},
                {0, DOL_ERROR_INTERNAL},           {-5, DOL_ERROR_INTERNAL},
        };
        GError *error = NULL;

        for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
                g_autofree char *wanted = g_strdup_printf("open 'x': %s", g_strerror(rows[i].err));

                g_assert_false(dol_fail_errno(&error, rows[i].err, "open '%s'", "x"));
                dol_assert_failed(error, rows[i].kind, wanted);
        }
}

int main(int argc, char **argv)
{
        dol_test_init(&argc, &argv);
        g_test_add_func("/error/words", test_words);
        g_test_add_func("/error/rows", test_rows);
        g_test_add_func("/error/out-of-range", test_out_of_range_kind_is_internal);
        g_test_add_func("/error/foreign", test_foreign_errors_are_internal);
        g_test_add_func("/error/fail", test_fail);
        g_test_add_func("/error/forgotten", test_a_forgotten_error_is_noticed);
        g_test_add_func("/error/while", test_while_prepends);
        g_test_add_func("/error/while-without-error", test_while_without_error);
        g_test_add_func("/error/errno", test_errno);
        return g_test_run();
}
