/* SPDX-License-Identifier: Apache-2.0 */
#include "base/run.h"

#include "base/clock.h"
#include "base/test.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>

#define SHELL(script) ((const char *const[]){"sh", "-c", script, NULL})

static void assert_fails(const dol_call *call, const char *script, dol_error_kind kind,
                         const char *message)
{
        char *output = NULL;
        GError *error = NULL;

        g_assert_false(dol_run(call, SHELL(script), &output, &error));
        dol_assert_failed(error, kind, message);
        g_assert_null(output);
}

static void test_output(void)
{
        dol_call call = dol_call_forever("test");
        g_autoptr(GError) error = NULL;
        g_autofree char *output = NULL;

        g_assert_true(dol_run(&call, SHELL("echo out; echo err >&2; cat"), &output, &error));
        g_assert_no_error(error);
        g_assert_cmpstr(output, ==, "out\nerr\n");
        g_assert_true(dol_run(&call, SHELL("echo ignored"), NULL, NULL));
}

static void test_arguments_are_not_a_shell_line(void)
{
        const char *const argv[] = {"printf", "%s|", "a b", "$HOME;`id`", "*", "", NULL};
        dol_call call = dol_call_forever("test");
        g_autofree char *output = NULL;

        g_assert_true(dol_run(&call, argv, &output, NULL));
        g_assert_cmpstr(output, ==, "a b|$HOME;`id`|*||");
}

static void test_failures_quote_the_output(void)
{
        dol_call call = dol_call_forever("test");

        assert_fails(&call, "echo; echo '  bad disk  '; exit 3", DOL_ERROR_INTERNAL,
                     "sh exited with 3: bad disk");
        assert_fails(&call, "echo dying; kill -9 $$", DOL_ERROR_INTERNAL,
                     "sh was ended by signal 9: dying");
        assert_fails(&call, "exit 1", DOL_ERROR_INTERNAL, "sh exited with 1: ");
        assert_fails(&call, "printf 'a\\377b'; exit 1", DOL_ERROR_INTERNAL,
                     "sh exited with 1: a\xef\xbf\xbd"
                     "b");
}

static void test_any_status(void)
{
        dol_call call = dol_call_forever("test");
        g_autofree char *output = NULL;
        g_autoptr(GError) error = NULL;
        int status = -1;

        g_assert_true(dol_run_status(&call, SHELL("echo found; exit 4"), &status, &output, NULL));
        g_assert_cmpint(status, ==, 4);
        g_assert_cmpstr(output, ==, "found\n");
        g_assert_true(dol_run_status(&call, SHELL("exit 0"), &status, NULL, NULL));
        g_assert_cmpint(status, ==, 0);
        g_assert_false(dol_run_status(&call, SHELL("kill -9 $$"), &status, NULL, &error));
        dol_assert_failed(error, DOL_ERROR_INTERNAL, "sh was ended by signal 9: ");
        g_assert_cmpint(status, ==, 0);
}

static void test_long_output_is_cut(void)
{
        dol_call call = dol_call_forever("test");
        g_autofree char *output = NULL;
        g_autoptr(GError) error = NULL;

        g_assert_true(
                dol_run(&call, SHELL("head -c 300000 /dev/zero | tr '\\0' x"), &output, NULL));
        g_assert_cmpuint(strlen(output), ==, 65536);
        g_assert_false(
                dol_run(&call, SHELL("head -c 5000 /dev/zero | tr '\\0' x; exit 1"), NULL, &error));
        g_assert_cmpuint(strlen(error->message), ==, strlen("sh exited with 1: ") + 400);
}

static void test_missing_program(void)
{
        const char *const argv[] = {"dolium-no-such-program", NULL};
        const char *const directory[] = {"/etc", NULL};
        dol_call call = dol_call_forever("test");
        GError *error = NULL;

        g_assert_false(dol_run(&call, argv, NULL, &error));
        dol_assert_failed(error, DOL_ERROR_UNSUPPORTED,
                          "program 'dolium-no-such-program' is not installed");
        g_assert_false(dol_run(&call, directory, NULL, NULL));
}

static void test_sbin_is_searched(void)
{
        const char *const argv[] = {"mkfs.ext4", "-V", NULL};
        dol_call call = dol_call_forever("test");
        g_autofree char *path = g_strdup(g_getenv("PATH"));
        g_autofree char *output = NULL;

        g_setenv("PATH", "/nonexistent", true);
        g_assert_true(dol_run(&call, argv, &output, NULL));
        g_setenv("PATH", path, true);
}

/* Each of these would never end, or not in time, for a caller that waits for the wrong thing. */
static void test_deadline(void)
{
        static const char *const scripts[] = {
                "sleep 100",                            /* silent */
                "yes",                                  /* never silent */
                "exec >&- 2>&-; sleep 100",             /* its output has ended */
                "trap '' TERM INT HUP PIPE; sleep 100", /* stubborn */
                "sleep 100 & wait",                     /* it waits for a child */
        };

        for (unsigned i = 0; i < G_N_ELEMENTS(scripts); i++) {
                dol_call call = dol_call_within("test", 100 * DOL_USEC_PER_MSEC);
                int64_t before = dol_monotonic_usec();

                assert_fails(&call, scripts[i], DOL_ERROR_TIMEOUT,
                             "sh: the request's deadline has passed");
                g_assert_cmpint(dol_monotonic_usec() - before, <, 20 * DOL_USEC_PER_SEC);
        }
}

static void test_children_are_killed_too(void)
{
        dol_test_directory base = dol_test_directory_new();
        g_autofree char *file = g_build_filename(base, "pid", NULL);
        g_autofree char *script = g_strdup_printf("sleep 100 & echo $! >%s; wait", file);
        dol_call call = dol_call_within("test", 300 * DOL_USEC_PER_MSEC);
        g_autofree char *text = NULL;
        g_autofree char *proc = NULL;

        assert_fails(&call, script, DOL_ERROR_TIMEOUT, "sh: the request's deadline has passed");
        g_assert_true(g_file_get_contents(file, &text, NULL, NULL));
        proc = g_strdup_printf("/proc/%s/exe", g_strstrip(text));
        for (unsigned i = 0; i < 200 && g_file_test(proc, G_FILE_TEST_EXISTS); i++)
                g_usleep(10000);
        g_assert_false(g_file_test(proc, G_FILE_TEST_EXISTS));
}

static void test_a_child_that_lives_on_holds_nobody(void)
{
        dol_call call = dol_call_within("test", 60 * DOL_USEC_PER_SEC);
        int64_t before = dol_monotonic_usec();
        g_autofree char *output = NULL;

        g_assert_true(dol_run(&call, SHELL("sleep 30 & echo $!"), &output, NULL));
        g_assert_cmpint(dol_monotonic_usec() - before, <, 20 * DOL_USEC_PER_SEC);
        g_assert_cmpint(kill((pid_t)g_ascii_strtoll(output, NULL, 10), SIGKILL), ==, 0);
}

static void test_call_that_is_over_starts_nothing(void)
{
        dol_test_directory base = dol_test_directory_new();
        g_autofree char *file = g_build_filename(base, "made", NULL);
        const char *const argv[] = {"touch", file, NULL};
        dol_call call = dol_call_within("test", 0);
        GError *error = NULL;

        g_assert_false(dol_run(&call, argv, NULL, &error));
        dol_assert_failed(error, DOL_ERROR_TIMEOUT, "touch: the request's deadline has passed");
        g_assert_false(g_file_test(file, G_FILE_TEST_EXISTS));
}

static void *cancel_soon(void *data)
{
        g_usleep(100000);
        atomic_store((atomic_bool *)data, true);
        return NULL;
}

static void test_cancel(void)
{
        atomic_bool gone = false;
        dol_call call = dol_call_forever("test");
        pthread_t thread;

        call.cancelled = &gone;
        g_assert_cmpint(pthread_create(&thread, NULL, cancel_soon, &gone), ==, 0);
        assert_fails(&call, "sleep 100", DOL_ERROR_UNAVAILABLE, "sh: the request was cancelled");
        pthread_join(thread, NULL);
}

static void test_signals_reach_the_child(void)
{
        dol_call call = dol_call_forever("test");
        sigset_t all, before;

        signal(SIGUSR1, SIG_IGN);
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        assert_fails(&call, "kill -USR1 $$; sleep 100", DOL_ERROR_INTERNAL,
                     "sh was ended by signal 10: ");
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        signal(SIGUSR1, SIG_DFL);
}

static unsigned count_fds(void)
{
        g_autoptr(GDir) dir = g_dir_open("/proc/self/fd", 0, NULL);
        unsigned count = 0;

        while (dir && g_dir_read_name(dir))
                count++;
        return count;
}

/* What this process was started with and hands on. */
static unsigned count_inherited_fds(void)
{
        unsigned count = 0;

        for (int fd = 3; fd < 1024; fd++) {
                int flags = fcntl(fd, F_GETFD);

                count += flags >= 0 && !(flags & FD_CLOEXEC);
        }
        return count;
}

static void test_no_fd_is_lost(void)
{
        dol_call call = dol_call_forever("test");
        dol_call late = dol_call_within("test", 0);
        unsigned before = count_fds();
        g_autofree char *output = NULL;
        g_auto(GStrv) lines = NULL;

        g_assert_false(dol_run(&call, SHELL("exit 1"), NULL, NULL));
        g_assert_false(dol_run(&late, SHELL("exit 0"), NULL, NULL));
        g_assert_false(dol_run(&call, (const char *const[]){"/etc", NULL}, NULL, NULL));
        g_assert_true(
                dol_run(&call, (const char *const[]){"ls", "/proc/self/fd", NULL}, &output, NULL));
        g_assert_cmpuint(count_fds(), ==, before);
        lines = g_strsplit(g_strstrip(output), "\n", -1);
        /* one is the directory that ls reads */
        g_assert_cmpuint(g_strv_length(lines), ==, 3 + count_inherited_fds() + 1);
}

int main(int argc, char **argv)
{
        dol_test_init(&argc, &argv);
        g_test_add_func("/run/output", test_output);
        g_test_add_func("/run/arguments", test_arguments_are_not_a_shell_line);
        g_test_add_func("/run/failures", test_failures_quote_the_output);
        g_test_add_func("/run/any-status", test_any_status);
        g_test_add_func("/run/long-output", test_long_output_is_cut);
        g_test_add_func("/run/missing", test_missing_program);
        g_test_add_func("/run/sbin", test_sbin_is_searched);
        g_test_add_func("/run/deadline", test_deadline);
        g_test_add_func("/run/children", test_children_are_killed_too);
        g_test_add_func("/run/child-lives-on", test_a_child_that_lives_on_holds_nobody);
        g_test_add_func("/run/over", test_call_that_is_over_starts_nothing);
        g_test_add_func("/run/cancel", test_cancel);
        g_test_add_func("/run/signals", test_signals_reach_the_child);
        g_test_add_func("/run/fds", test_no_fd_is_lost);
        return g_test_run();
}
