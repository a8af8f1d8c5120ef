/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"
#include "model/file.h"

static void test_paths(void)
{
        static const char *const same[] = {"", "a", "a/b", "a/...", "..a/b..", " ", "a\nb", "\xff"};
        static const char *const cleaned[][2] = {{"/", ""},       {"//", ""},       {".", ""},
                                                 {"./a", "a"},    {"/a", "a"},      {"a/", "a"},
                                                 {"a//b", "a/b"}, {"a/./b/", "a/b"}};
        static const char *const refused[] = {"..", "/..", "a/..", "../a", "a/../b", "./.."};

        for (unsigned i = 0; i < G_N_ELEMENTS(same); i++) {
                g_autofree char *path = dol_file_path_parse(same[i], NULL);

                g_assert_cmpstr(path, ==, same[i]);
        }
        for (unsigned i = 0; i < G_N_ELEMENTS(cleaned); i++) {
                g_autofree char *path = dol_file_path_parse(cleaned[i][0], NULL);

                g_assert_cmpstr(path, ==, cleaned[i][1]);
        }
        for (unsigned i = 0; i < G_N_ELEMENTS(refused); i++) {
                g_autoptr(GError) error = NULL;

                g_assert_null(dol_file_path_parse(refused[i], &error));
                dol_assert_invalid(error, "without '..'");
        }
}

static void test_long_paths(void)
{
        g_autofree char *most = g_strnfill(4095, 'a'), *more = g_strnfill(4096, 'a');
        g_autofree char *parsed = dol_file_path_parse(most, NULL);
        g_autofree char *clean = dol_file_path_clean(more, NULL);
        g_autoptr(GError) error = NULL;

        g_assert_cmpstr(parsed, ==, most);
        g_assert_cmpstr(clean, ==, more);
        g_assert_null(dol_file_path_parse(more, &error));
        dol_assert_invalid(error, "at most 4095 bytes, got 4096");
}

static void test_types(void)
{
        static const mode_t modes[] = {S_IFREG,  S_IFDIR, S_IFLNK, S_IFIFO,
                                       S_IFSOCK, S_IFCHR, S_IFBLK};

        for (unsigned i = 0; i < G_N_ELEMENTS(modes); i++) {
                dol_file_type type = dol_file_type_of(modes[i] | 0755);

                g_assert_cmpuint(dol_file_type_bits(type), ==, modes[i]);
                g_assert_nonnull(dol_file_type_words[type]);
        }
        g_assert_null(dol_file_type_words[G_N_ELEMENTS(modes)]);
}

static void test_documents(void)
{
        g_autoptr(GString) text = g_string_new(NULL);
        const dol_file file = {
                .path = "a\xff", .type = DOL_FILE_SYMLINK, .mode = 0777, .target = (char *)"b"};
        const dol_file_change change = {DOL_FILE_RENAMED, "new", "o\xffld", DOL_FILE_REGULAR, 7};

        dol_file_encode(&file, text);
        g_assert_nonnull(strstr(text->str, "\"path\":\"/a\xef\xbf\xbd\",\"raw\":\"Yf8=\""));
        g_assert_nonnull(strstr(text->str, "\"type\":\"symlink\",\"mode\":\"0777\""));
        g_assert_nonnull(strstr(text->str, "\"target\":\"b\""));
        g_string_truncate(text, 0);
        dol_file_change_encode(&change, text);
        g_assert_cmpstr(text->str, ==,
                        "{\"change\":\"renamed\",\"path\":\"/new\",\"from\":\"/o\xef\xbf\xbdld\","
                        "\"from_raw\":\"b/9sZA==\",\"type\":\"file\",\"size\":7}");
}

int main(int argc, char **argv)
{
        dol_test_init(&argc, &argv);
        g_test_add_func("/file/paths", test_paths);
        g_test_add_func("/file/long-paths", test_long_paths);
        g_test_add_func("/file/types", test_types);
        g_test_add_func("/file/documents", test_documents);
        return g_test_run();
}
