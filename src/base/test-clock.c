/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"

#include "base/guard.h"
#include "base/test.h"

#include <errno.h>
#include <string.h>

static void assert_parses(const char *text, int64_t wanted)
{
        g_autoptr(GError) error = NULL;
        int64_t usec = -1;

        g_assert_true(dol_time_parse(text, &usec, &error));
        g_assert_no_error(error);
        g_assert_cmpint(usec, ==, wanted);
}

static void test_format(void)
{
        static const struct {
                int64_t usec;
                const char *text;
        } rows[] = {
                {0, "1970-01-01T00:00:00Z"},
                {1, "1970-01-01T00:00:00.000001Z"},
                {-1, "1969-12-31T23:59:59.999999Z"},
                {INT64_C(-62135596800000000), "0001-01-01T00:00:00Z"},
                {INT64_C(253402300799999999), "9999-12-31T23:59:59.999999Z"},
                {INT64_C(951782400000000), "2000-02-29T00:00:00Z"},
                {INT64_C(4102444799500000), "2099-12-31T23:59:59.500000Z"},
        };

        for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
                g_autofree char *text = dol_time_format(rows[i].usec);

                g_assert_cmpstr(text, ==, rows[i].text);
                assert_parses(text, rows[i].usec);
        }
}

static void test_format_survives_extremes(void)
{
        g_autofree char *last = dol_time_format(INT64_MAX);
        g_autofree char *first = dol_time_format(INT64_MIN);

        g_assert_nonnull(strchr(last, 'T'));
        g_assert_nonnull(strchr(first, 'T'));
}

static void test_every_microsecond_comes_back(void)
{
        for (int64_t usec = 0; usec < DOL_USEC_PER_SEC; usec += 997) {
                int64_t at = INT64_C(1767225659) * DOL_USEC_PER_SEC + usec;
                g_autofree char *text = dol_time_format(at);

                assert_parses(text, at);
        }
}

static void test_offsets_and_fractions(void)
{
        assert_parses("1970-01-01T02:00:00+02:00", 0);
        assert_parses("1969-12-31T18:30:00-05:30", 0);
        assert_parses("1970-01-01T00:00:00-00:00", 0);
        assert_parses("1970-01-01T00:00:00.5Z", 500000);
        assert_parses("1970-01-01T00:00:00.000000999Z", 0);
}

static const char *const not_times[] = {
        "",
        "T",
        "Z",
        "now",
        "0",
        "2026-01-31",
        "2026-01-31T08:00:00",
        "2026-01-31T08:00Z",
        "2026-01-31 08:00:00Z",
        "20260131T080000Z",
        "2026-W05-6T08:00:00Z",
        "2026-031T08:00:00Z",
        "2026-02-30T08:00:00Z",
        "2026-13-01T08:00:00Z",
        "2026-00-01T08:00:00Z",
        "2026-01-31T24:00:00Z",
        "2026-01-31T08:60:00Z",
        "2026-01-31T08:00:61Z",
        "2026-01-31T08:00:00.Z",
        "2026-01-31T08:00:00,5Z",
        "2026-01-31T08:00:00.1234567890Z",
        "2026-01-31T08:00:00Z ",
        " 2026-01-31T08:00:00Z",
        "2026-01-31T08:00:00ZZ",
        "2026-01-31T08:00:00+2",
        "2026-01-31T08:00:00+02:00x",
        "2026-01-31T08:00:00+99:00",
        "-026-01-31T08:00:00Z",
        "+2026-01-31T08:00:00Z",
        "2026-01-31T08:00:0\xc3\xa9Z",
        "0000-01-31T08:00:00Z",
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
};

static void test_what_is_no_time(void)
{
        GError *error = NULL;

        for (unsigned i = 0; i < G_N_ELEMENTS(not_times); i++) {
                int64_t usec = 7;

                if (dol_time_parse(not_times[i], &usec, &error))
                        g_test_fail_printf("'%s' was taken for a time", not_times[i]);
                else
                        dol_assert_invalid(error, "is not a time");
                g_assert_cmpint(usec, ==, 7);
        }
}

static void test_conditions_use_the_monotonic_clock(void)
{
        pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
        int64_t end = dol_monotonic_usec() + 2 * DOL_USEC_PER_MSEC;
        struct timespec until = dol_timespec_of(end);
        pthread_cond_t cond;
        int rc = 0;

        dol_cond_init(&cond);
        pthread_mutex_lock(&lock);
        while (rc == 0)
                rc = pthread_cond_timedwait(&cond, &lock, &until);
        pthread_mutex_unlock(&lock);
        pthread_cond_destroy(&cond);
        g_assert_cmpint(rc, ==, ETIMEDOUT);
        g_assert_cmpint(dol_monotonic_usec(), >=, end);
}

int main(int argc, char **argv)
{
        dol_test_init(&argc, &argv);
        g_test_add_func("/clock/format", test_format);
        g_test_add_func("/clock/format-extremes", test_format_survives_extremes);
        g_test_add_func("/clock/round-trip", test_every_microsecond_comes_back);
        g_test_add_func("/clock/offsets", test_offsets_and_fractions);
        g_test_add_func("/clock/not-a-time", test_what_is_no_time);
        g_test_add_func("/clock/condition", test_conditions_use_the_monotonic_clock);
        return g_test_run();
}
