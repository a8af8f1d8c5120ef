/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fault.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/test.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

static void arm(const char *plan)
{
        g_autoptr(GError) error = NULL;

        g_assert_true(dol_fault_arm(plan, &error));
        g_assert_no_error(error);
}

static void assert_refused(const char *plan, const char *text)
{
        GError *error = NULL;

        if (dol_fault_arm(plan, &error))
                g_test_fail_printf("plan '%s' was taken", plan);
        else
                dol_assert_invalid(error, text);
}

static void test_nothing_armed(void)
{
        arm(NULL);
        g_assert_true(dol_fault_point("store.commit.before", NULL));
        g_assert_cmpuint(dol_fault_passes(), ==, 0);
        arm(" ; ;");
        g_assert_true(dol_fault_point("store.commit.before", NULL));
        g_assert_cmpuint(dol_fault_passes(), ==, 0);
}

static void test_error_fires_once_by_default(void)
{
        GError *error = NULL;

        arm("store.*=error:no-space");
        g_assert_true(dol_fault_point("driver.create", NULL));
        g_assert_false(dol_fault_point("store.commit", &error));
        dol_assert_failed(error, DOL_ERROR_NO_SPACE, "fault injected at store.commit");
        g_assert_true(dol_fault_point("store.commit", NULL));
        g_assert_cmpuint(dol_fault_passes(), ==, 2);
}

/* The passes (one character each, x = failed) of eight calls under a plan. */
static char *passes_of(const char *plan)
{
        GString *text = g_string_new(NULL);

        arm(plan);
        for (unsigned i = 0; i < 8; i++)
                g_string_append_c(text, dol_fault_point("a", NULL) ? '.' : 'x');
        arm(NULL);
        return g_string_free(text, false);
}

static void test_only_while_a_file_exists(void)
{
        g_autofree char *path = g_strdup_printf("/tmp/test-fault-%d", getpid());
        g_autofree char *plan = g_strdup_printf("a=error:busy,after=1,if=%s", path);

        arm(plan);
        for (unsigned i = 0; i < 3; i++)
                g_assert_true(dol_fault_point("a", NULL));
        g_assert_cmpuint(dol_fault_passes(), ==, 0);
        g_assert_true(g_file_set_contents(path, "", 0, NULL));
        g_assert_true(dol_fault_point("a", NULL));
        g_assert_false(dol_fault_point("a", NULL));
        g_assert_cmpint(unlink(path), ==, 0);
        g_assert_cmpuint(dol_fault_passes(), ==, 2);
        arm(NULL);
}

static void test_after_and_times(void)
{
        static const struct {
                const char *plan, *passes;
        } rows[] = {
                {"a=error:busy,after=2,times=3", "..xxx..."},
                {"a=error:busy,times=3,after=2", "..xxx..."},
                {"a=error:busy,after=6,times=0", "......xx"},
                {"a=error:busy,times=0", "xxxxxxxx"},
                {"a=error:busy,after=8", "........"},
                {"a=error:busy,after=4294967295,times=4294967295", "........"},
                {"a=error:busy;a=error:denied,after=1", "xx......"},
                {"a=log,times=1,after=8;a=error:busy,after=7", ".......x"},
                {"?=error:busy", "x......."},
                {"b=error:busy;aa=error:busy;A=error:busy", "........"},
        };

        for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
                g_autofree char *passes = passes_of(rows[i].plan);

                g_assert_cmpstr(passes, ==, rows[i].passes);
        }
}

static void test_passes_count_each_point_once(void)
{
        arm("x*=error:busy,after=100;*y=error:busy,after=100");
        dol_fault_point("xy", NULL);
        dol_fault_point("x", NULL);
        dol_fault_point("z", NULL);
        g_assert_cmpuint(dol_fault_passes(), ==, 2);
        arm("x=error:busy,after=100");
        g_assert_cmpuint(dol_fault_passes(), ==, 0);
}

static void test_delay(void)
{
        int64_t before = dol_monotonic_usec();

        arm("slow=delay:20");
        g_assert_true(dol_fault_point("slow", NULL));
        g_assert_cmpint(dol_monotonic_usec() - before, >=, 20 * DOL_USEC_PER_MSEC);
}

static void test_wrong_plans_are_named_and_change_nothing(void)
{
        arm("a=error:busy,times=0");
        assert_refused("a", "fault 'a': expected POINT=ACTION");
        assert_refused("=kill", "expected POINT=ACTION");
        assert_refused("a=", "expected an action after '='");
        assert_refused("a=explode", "unknown action 'explode'");
        assert_refused("a=KILL", "unknown action 'KILL'");
        assert_refused("a=error:", "unknown kind of error ''");
        assert_refused("a=error:oops", "unknown kind of error 'oops'");
        assert_refused("a=delay:", "expected a number from 0 to 3600000, got ''");
        assert_refused("a=delay:-1", "expected a number");
        assert_refused("a=delay:3600001", "expected a number");
        assert_refused("a=kill,after=x", "expected a number from 0 to 4294967295, got 'x'");
        assert_refused("a=kill,times=4294967296", "expected a number");
        assert_refused("a=kill,when=3", "unknown option 'when=3'");
        assert_refused("a=kill,", "unknown option ''");
        assert_refused("b=error:busy; a=kill,after= 1", "fault 'a=kill,after= 1'");
        assert_refused("a\xf4=error:busy", "a fault plan must be UTF-8");
        g_assert_false(dol_fault_point("a", NULL));
        g_assert_true(dol_fault_point("b", NULL));
}

static void test_kill(void)
{
        if (g_test_subprocess()) {
                arm("driver.*=kill,after=1");
                dol_fault_point("driver.create", NULL);
                dol_log(DOL_LOG_INFO, "still here");
                dol_fault_point("driver.create", NULL);
                dol_log(DOL_LOG_INFO, "never here");
                return;
        }
        g_test_trap_subprocess(NULL, 0, G_TEST_SUBPROCESS_DEFAULT);
        g_assert_false(g_test_trap_has_passed());
        g_test_trap_assert_stderr("*still here*killed at driver.create*");
        g_test_trap_assert_stderr_unmatched("*never here*");
}

int main(int argc, char **argv)
{
        dol_test_init(&argc, &argv);
        g_test_add_func("/fault/nothing-armed", test_nothing_armed);
        g_test_add_func("/fault/error", test_error_fires_once_by_default);
        g_test_add_func("/fault/after-and-times", test_after_and_times);
        g_test_add_func("/fault/only-while-a-file-exists", test_only_while_a_file_exists);
        g_test_add_func("/fault/passes", test_passes_count_each_point_once);
        g_test_add_func("/fault/delay", test_delay);
        g_test_add_func("/fault/wrong-plans", test_wrong_plans_are_named_and_change_nothing);
        g_test_add_func("/fault/kill", test_kill);
        return g_test_run();
}
