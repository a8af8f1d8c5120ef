/* SPDX-License-Identifier: Apache-2.0 */
#include "host/device-io.h"

#include "base/test.h"

static void test_fields(void)
{
        dol_volume_io io;
        g_autoptr(GError) error = NULL;

        g_assert_true(dol_device_io_parse(
                "      12        1      100       7       34        2      800       9        0   "
                "    60       16        5        0     1000        3        0        0",
                &io, &error));
        g_assert_no_error(error);
        g_assert_cmpuint(io.reads, ==, 12);
        g_assert_cmpuint(io.read_bytes, ==, 51200);
        g_assert_cmpuint(io.read_usec, ==, 7000);
        g_assert_cmpuint(io.writes, ==, 34);
        g_assert_cmpuint(io.write_bytes, ==, 409600);
        g_assert_cmpuint(io.write_usec, ==, 9000);
}

static void test_bad(void)
{
        dol_volume_io io = {.reads = 5};
        g_autoptr(GError) error = NULL;

        g_assert_false(dol_device_io_parse("1 2 3", &io, &error));
        dol_assert_failed(error, DOL_ERROR_INTERNAL, "expected a device's counters, got '1 2 3'");
        g_assert_cmpuint(io.reads, ==, 5);
        g_assert_false(dol_device_io("/dev/nothing", &io, &error));
        g_assert_true(dol_error_is(error, DOL_ERROR_NOT_FOUND));
}

int main(int argc, char **argv)
{
        dol_test_init(&argc, &argv);
        g_test_add_func("/device-io/fields", test_fields);
        g_test_add_func("/device-io/bad", test_bad);
        return g_test_run();
}
