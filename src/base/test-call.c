/* SPDX-License-Identifier: Apache-2.0 */
#include "base/call.h"

#include "base/clock.h"
#include "base/test.h"

#include <string.h>

static void test_forever(void)
{
        dol_call call = dol_call_forever("test");
        g_autoptr(GError) error = NULL;

        g_assert_true(dol_call_check(&call, &error));
        g_assert_no_error(error);
        g_assert_cmpstr(call.actor, ==, "test");
        g_assert_cmpint(dol_call_left_usec(&call, 42), ==, 42);
}

static void test_within(void)
{
        dol_call call = dol_call_within("test", 3600 * DOL_USEC_PER_SEC);
        int64_t left = dol_call_left_usec(&call, 42);

        g_assert_true(dol_call_check(&call, NULL));
        g_assert_cmpint(left, >, 3500 * DOL_USEC_PER_SEC);
        g_assert_cmpint(left, <=, 3600 * DOL_USEC_PER_SEC);
}

static void test_passed_deadline(void)
{
        dol_call call = dol_call_within("test", 0);
        GError *error = NULL;

        g_assert_false(dol_call_check(&call, &error));
        dol_assert_failed(error, DOL_ERROR_TIMEOUT, "the request's deadline has passed");
        g_assert_cmpint(dol_call_left_usec(&call, 42), ==, 0);

        call = dol_call_within("test", -5);
        g_assert_false(dol_call_check(&call, NULL));
        g_assert_cmpint(dol_call_left_usec(&call, 42), ==, 0);
}

static void test_endless_span_does_not_overflow(void)
{
        dol_call call = dol_call_within("test", INT64_MAX);

        g_assert_true(dol_call_check(&call, NULL));
        g_assert_cmpint(dol_call_left_usec(&call, 42), >, INT64_MAX / 2);
}

static void test_cancelled(void)
{
        atomic_bool gone = false;
        dol_call call = dol_call_within("test", 0);
        GError *error = NULL;

        call.cancelled = &gone;
        g_assert_false(dol_call_check(&call, NULL));
        gone = true;
        g_assert_false(dol_call_check(&call, &error));
        dol_assert_failed(error, DOL_ERROR_UNAVAILABLE, "the request was cancelled");
}

int main(int argc, char **argv)
{
        dol_test_init(&argc, &argv);
        g_test_add_func("/call/forever", test_forever);
        g_test_add_func("/call/within", test_within);
        g_test_add_func("/call/passed", test_passed_deadline);
        g_test_add_func("/call/endless", test_endless_span_does_not_overflow);
        g_test_add_func("/call/cancelled", test_cancelled);
        return g_test_run();
}
