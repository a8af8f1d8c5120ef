/* SPDX-License-Identifier: Apache-2.0 */
#include "store/key.h"

#include <string.h>

static const char *const keys[] = {"!",    "A",    "a",   "a!", "a/", "a/!", "a/1",
                                   "a/1/", "a/10", "a/9", "a0", "b",  "~",   "~~"};

/* The range must hold exactly the keys that its two words describe. */
static void expect_range(const char *prefix, const char *after)
{
        dol_key_range range = dol_key_range_of(prefix, after);

        for (unsigned i = 0; i < G_N_ELEMENTS(keys); i++) {
                bool is_in = strcmp(keys[i], range.from) >= 0 && strcmp(keys[i], range.below) < 0;
                bool expected =
                        g_str_has_prefix(keys[i], prefix) && (!after || strcmp(keys[i], after) > 0);

                if (is_in != expected)
                        g_error("key '%s', prefix '%s', after '%s'", keys[i], prefix,
                                after ? after : "(none)");
        }
}

static void test_range(void)
{
        for (unsigned i = 0; i < G_N_ELEMENTS(keys); i++) {
                expect_range("", keys[i]);
                expect_range(keys[i], NULL);
                expect_range(keys[i], "");
                for (unsigned j = 0; j < G_N_ELEMENTS(keys); j++)
                        expect_range(keys[i], keys[j]);
        }
}

static void test_longest(void)
{
        g_autofree char *longest = g_strnfill(DOL_KEY_MAX, '~');
        dol_key_range range = dol_key_range_of(longest, longest);

        g_assert_true(dol_key_check(longest, NULL));
        g_assert_cmpint(strcmp(longest, range.from), <, 0);
        range = dol_key_range_of(longest, NULL);
        g_assert_cmpstr(range.from, ==, longest);
        g_assert_cmpint(strcmp(longest, range.below), <, 0);
}

static void test_check(void)
{
        g_autofree char *too_long = g_strnfill(DOL_KEY_MAX + 1, 'k');
        g_autoptr(GError) error = NULL;

        g_assert_true(dol_prefix_check("", NULL));
        g_assert_false(dol_key_check("", NULL));
        g_assert_false(dol_key_check(NULL, NULL));
        g_assert_false(dol_key_check(too_long, NULL));
        g_assert_false(dol_prefix_check(too_long, NULL));
        for (int byte = 1; byte < 256; byte++) {
                const char key[] = {'k', (char)byte, '\0'};

                g_assert_true(dol_key_check(key, NULL) == (byte > ' ' && byte < 0x7f));
        }
        g_assert_false(dol_key_check("ab\xc3\xa9", &error));
        g_assert_nonnull(strstr(error->message, "0xc3 at position 2"));
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/store/key/range", test_range);
        g_test_add_func("/store/key/longest", test_longest);
        g_test_add_func("/store/key/check", test_check);
        return g_test_run();
}
