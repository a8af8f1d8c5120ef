/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/units.h"

#include "base/test.h"

#include <string.h>

#define KIB UINT64_C(1024)

static void test_size(void)
{
        static const struct {
                const char *text;
                uint64_t bytes;
        } rows[] = {
                {"0", 0},
                {"1", 1},
                {"512B", 512},
                {"10K", 10 * KIB},
                {"10k", 10 * KIB},
                {"10KiB", 10 * KIB},
                {"10KB", 10000},
                {"3M", 3 * KIB * KIB},
                {"3MB", 3000000},
                {"10g", 10 * KIB * KIB * KIB},
                {"10GB", UINT64_C(10000000000)},
                {"2T", 2 * KIB * KIB * KIB * KIB},
                {"5P", 5 * KIB * KIB * KIB * KIB * KIB},
                {"7E", 7 * KIB * KIB * KIB * KIB * KIB * KIB},
                {"9EB", UINT64_C(9000000000000000000)},
                {"9223372036854775807", INT64_MAX},
                {"0000000000000000000000001", 1},
                {"0E", 0},
        };

        for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
                g_autoptr(GError) error = NULL;
                uint64_t bytes = 7;

                g_assert_true(dol_size_parse(rows[i].text, &bytes, &error));
                g_assert_no_error(error);
                g_assert_cmpuint(bytes, ==, rows[i].bytes);
        }
}

static void test_wrong_sizes(void)
{
        static const char *const texts[] = {
                "",     "ten",   "G",      "-1",   "+1",         "1.5G", "10 G", " 10G",     "10G ",
                "10GG", "10iB",  "10KiBx", "10Kb", "10kib",      "10X",  "0x10", "1e3",      "10\n",
                "10,0", "10K10", "NaN",    "inf",  "1\xc2\xa0G", "10Z",  "10Y",  "\xd9\xa1",
        };
        static const char *const large[] = {
                "9223372036854775808",
                "18446744073709551615",
                "18446744073709551616",
                "8E",
                "10EB",
                "9007199254740992K",
                "99999999999999999999999999999999999999999999",
                "16E",
        };
        GError *error = NULL;
        uint64_t bytes = 7;

        for (unsigned i = 0; i < G_N_ELEMENTS(texts); i++) {
                if (dol_size_parse(texts[i], &bytes, &error))
                        g_test_fail_printf("'%s' was taken for a size", texts[i]);
                else
                        dol_assert_invalid(error, "expected a size like 10G or 500M, got '");
        }
        for (unsigned i = 0; i < G_N_ELEMENTS(large); i++) {
                g_autofree char *wanted = g_strdup_printf("the size '%s' is too large", large[i]);

                g_assert_false(dol_size_parse(large[i], &bytes, &error));
                dol_assert_failed(error, DOL_ERROR_INVALID, wanted);
        }
        g_assert_cmpuint(bytes, ==, 7);
}

static void test_long_input_is_not_repeated(void)
{
        g_autofree char *text = g_strnfill(100000, 'x');
        g_autoptr(GError) error = NULL;
        uint64_t bytes;

        g_assert_false(dol_size_parse(text, &bytes, &error));
        g_assert_cmpuint(strlen(error->message), <, 200);
}

static void test_size_format(void)
{
        static const struct {
                uint64_t bytes;
                const char *exact, *rounded;
        } rows[] = {
                {0, "0", "0"},
                {1, "1", "1"},
                {1000, "1000", "1000"},
                {1023, "1023", "1023"},
                {1024, "1K", "1K"},
                {1536, "1536", "1.5K"},
                {10 * KIB * KIB * KIB, "10G", "10G"},
                {1536 * KIB * KIB, "1536M", "1.5G"},
                {KIB * KIB - 1, "1048575", "1M"},
                {KIB * 1023 + 512, "1048064", "1M"},
                {INT64_MAX, "9223372036854775807", "8E"},
                {UINT64_MAX, "18446744073709551615", "16E"},
                {UINT64_C(1) << 60, "1E", "1E"},
        };

        for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
                g_autofree char *exact = dol_size_format(rows[i].bytes);
                g_autofree char *rounded = dol_size_format_short(rows[i].bytes);

                g_assert_cmpstr(exact, ==, rows[i].exact);
                g_assert_cmpstr(rounded, ==, rows[i].rounded);
        }
}

static void test_every_size_comes_back(void)
{
        for (unsigned shift = 0; shift < 63; shift++)
                for (uint64_t add = 0; add < 3; add++) {
                        uint64_t bytes = (UINT64_C(1) << shift) + add * 4096;
                        g_autofree char *text = dol_size_format(bytes);
                        g_autofree char *rounded = dol_size_format_short(bytes);
                        uint64_t back = 0;

                        g_assert_true(dol_size_parse(text, &back, NULL));
                        g_assert_cmpuint(back, ==, bytes);
                        g_assert_cmpuint(strlen(rounded), <=, 5);
                }
}

static void test_duration(void)
{
        static const struct {
                const char *text;
                int64_t usec;
                const char *back;
        } rows[] = {
                {"0", 0, "0s"},
                {"0s", 0, "0s"},
                {"90s", 90000000, "1m30s"},
                {"15m", 900000000, "15m"},
                {"24h", INT64_C(86400000000), "1d"},
                {"7d", INT64_C(604800000000), "7d"},
                {"2w", INT64_C(1209600000000), "14d"},
                {"1h30m", INT64_C(5400000000), "1h30m"},
                {"500ms", 500000, "500ms"},
                {"1s1us", 1000001, "1s1us"},
                {"36600d", DOL_DURATION_MAX_USEC, "36600d"},
        };

        for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
                g_autoptr(GError) error = NULL;
                g_autofree char *back = NULL;
                int64_t usec = -7;

                g_assert_true(dol_duration_parse(rows[i].text, &usec, &error));
                g_assert_no_error(error);
                g_assert_cmpint(usec, ==, rows[i].usec);
                back = dol_duration_format(usec);
                g_assert_cmpstr(back, ==, rows[i].back);
        }
}

static void test_wrong_durations(void)
{
        static const char *const texts[] = {
                "",    "s",       "5",    "00",    "-1s",
                "+1s", "1.5h",    "1 h",  "1h ",   " 1h",
                "1H",  "1x",      "1h30", "h1",    "1year",
                "1mm", "forever", "1h\n", "1s-1s", "9223372036854775808s",
        };
        GError *error = NULL;
        int64_t usec = 7;

        for (unsigned i = 0; i < G_N_ELEMENTS(texts); i++) {
                if (dol_duration_parse(texts[i], &usec, &error))
                        g_test_fail_printf("'%s' was taken for a duration", texts[i]);
                else
                        dol_assert_invalid(error, "expected a duration like 90s, 15m, 24h or 7d");
        }
        g_assert_false(dol_duration_parse("36600d1us", &usec, &error));
        dol_assert_failed(error, DOL_ERROR_INVALID,
                          "the duration '36600d1us' is longer than 100 years");
        g_assert_false(dol_duration_parse("9223372036854775807w", &usec, &error));
        dol_assert_failed(error, DOL_ERROR_INVALID,
                          "the duration '9223372036854775807w' is longer than 100 years");
        g_assert_cmpint(usec, ==, 7);
}

static void test_mode(void)
{
        static const struct {
                const char *text;
                uint32_t mode;
        } good[] = {{"755", 0755}, {"0755", 0755},  {"1777", 01777},  {"01777", 01777}, {"0", 0},
                    {"7", 7},      {"7777", 07777}, {"07777", 07777}, {"00000", 0}};
        static const char *const bad[] = {"",     "8",     "0758", "77777", "000755",
                                          "-755", "+755",  "0x1f", "u=rwx", " 755",
                                          "755 ", "0o755", "7 5",  "9"};
        GError *error = NULL;
        uint32_t mode = 0;

        for (unsigned i = 0; i < G_N_ELEMENTS(good); i++) {
                g_assert_true(dol_mode_parse(good[i].text, &mode, NULL));
                g_assert_cmpuint(mode, ==, good[i].mode);
        }
        mode = 7;
        for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
                if (dol_mode_parse(bad[i], &mode, &error))
                        g_test_fail_printf("'%s' was taken for a mode", bad[i]);
                else
                        dol_assert_invalid(error, "expected a mode of octal digits like 0755, got");
        }
        g_assert_cmpuint(mode, ==, 7);
}

static void test_number(void)
{
        GError *error = NULL;
        uint64_t number = 0;

        g_assert_true(dol_number_parse("18446744073709551615", UINT64_MAX, &number, NULL));
        g_assert_cmpuint(number, ==, UINT64_MAX);
        g_assert_true(dol_number_parse("0", 0, &number, NULL));
        for (uint64_t max = 0; max < 30; max++)
                for (uint64_t value = 0; value < 40; value++) {
                        g_autofree char *text = g_strdup_printf("%" G_GUINT64_FORMAT, value);

                        g_assert_cmpint(dol_number_parse(text, max, &number, NULL), ==,
                                        value <= max);
                }
        g_assert_false(dol_number_parse("18446744073709551616", UINT64_MAX, &number, &error));
        g_clear_error(&error);
        g_assert_false(dol_number_parse("5", 3, &number, &error));
        dol_assert_failed(error, DOL_ERROR_INVALID, "expected a number from 0 to 3, got '5'");
        g_assert_false(dol_number_parse("", 3, &number, NULL));
        g_assert_false(dol_number_parse("-1", 3, &number, NULL));
        g_assert_false(dol_number_parse("1 ", 3, &number, NULL));
}

static void test_bool(void)
{
        GError *error = NULL;
        bool value = false;

        g_assert_true(dol_bool_parse("YES", &value, NULL) && value);
        g_assert_true(dol_bool_parse("on", &value, NULL) && value);
        g_assert_true(dol_bool_parse("1", &value, NULL) && value);
        g_assert_true(dol_bool_parse("False", &value, NULL) && !value);
        g_assert_true(dol_bool_parse("0", &value, NULL) && !value);
        g_assert_false(dol_bool_parse("", &value, &error));
        dol_assert_failed(error, DOL_ERROR_INVALID, "expected true or false, got ''");
        g_assert_false(dol_bool_parse("2", &value, NULL));
        g_assert_false(dol_bool_parse("true ", &value, NULL));
}

int main(int argc, char **argv)
{
        dol_test_init(&argc, &argv);
        g_test_add_func("/units/size", test_size);
        g_test_add_func("/units/wrong-sizes", test_wrong_sizes);
        g_test_add_func("/units/long-input", test_long_input_is_not_repeated);
        g_test_add_func("/units/size-format", test_size_format);
        g_test_add_func("/units/size-round-trip", test_every_size_comes_back);
        g_test_add_func("/units/duration", test_duration);
        g_test_add_func("/units/wrong-durations", test_wrong_durations);
        g_test_add_func("/units/mode", test_mode);
        g_test_add_func("/units/number", test_number);
        g_test_add_func("/units/bool", test_bool);
        return g_test_run();
}
