/* SPDX-License-Identifier: Apache-2.0 */
/* Whoever dies, and whenever: nothing stays frozen. */
#include "base/clock.h"
#include "base/fault.h"
#include "base/guard.h"
#include "codec/units.h"
#include "host/freeze-private.h"
#include "host/test-ground.h"
#include "host/test-watchdog.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define MIB (UINT64_C(1) << 20)

enum { LIMIT_USEC = 10000000, WATCHDOG_SECONDS = 20, THAW_MSEC = 3000, KILLS = 100 };

static char *ext4, *xfs;
static const char *both[3];

static dol_freeze *begin(GError **error)
{
        dol_call call = dol_call_forever("test");

        return dol_freeze_begin(&call, both, LIMIT_USEC, error);
}

static void check_thawed(void)
{
        g_assert_true(dol_is_thawed_within(ext4, THAW_MSEC));
        g_assert_true(dol_is_thawed_within(xfs, THAW_MSEC));
}

static void freeze_with_plan(void *user)
{
        dol_freeze *freeze;

        dol_fault_arm(user, NULL);
        freeze = begin(NULL);
        if (freeze)
                dol_freeze_end(freeze, NULL, NULL);
}

static void test_parent_killed_at_points(void)
{
        static const char *const points[] = {"host.freeze.before", "host.freeze.after",
                                             "host.thaw.before", "host.thaw.after"};

        for (unsigned i = 0; i < G_N_ELEMENTS(points); i++) {
                g_autofree char *plan = g_strdup_printf("%s=kill", points[i]);
                int status = dol_ground_child(freeze_with_plan, plan);

                g_assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
                check_thawed();
        }
}

static void freeze_for_ever(void)
{
        for (;;) {
                dol_freeze *freeze = begin(NULL);

                if (freeze)
                        dol_freeze_end(freeze, NULL, NULL);
        }
}

/* At any moment: while the guard starts, syncs, freezes the first or the second, holds, thaws. */
static void test_parent_killed_at_random(void)
{
        for (unsigned i = 0; i < KILLS; i++) {
                pid_t pid = dol_ground_fork();

                if (pid == 0)
                        freeze_for_ever();
                g_usleep((gulong)g_random_int_range(0, 20000));
                kill(pid, SIGKILL);
                g_assert_cmpint(waitpid(pid, NULL, 0), ==, pid);
                check_thawed();
                dol_watchdog_alive();
        }
}

static void test_guard_killed(void)
{
        g_autoptr(GError) error = NULL;
        dol_freeze *freeze = begin(&error);
        int64_t usec = 0;

        g_assert_no_error(error);
        kill(dol_freeze_guard_pid(freeze), SIGKILL);
        g_usleep(50000);
        g_assert_true(dol_is_frozen(ext4)); /* it stayed so all the time: the snapshot is good */
        dol_assert_done(dol_freeze_end(freeze, &usec, &error), error);
        g_assert_cmpint(usec, >=, 50000);
        g_assert_false(dol_is_frozen(ext4) || dol_is_frozen(xfs));
}

/* Both dead: only the start that follows can help. */
static void kill_guard_and_die(void *user)
{
        dol_freeze *freeze = begin(NULL);

        if (freeze)
                kill(dol_freeze_guard_pid(freeze), SIGKILL);
        raise(SIGKILL);
}

static void test_both_killed(void)
{
        int status = dol_ground_child(kill_guard_and_die, NULL);
        g_autoptr(GError) error = NULL;

        g_assert_true(WIFSIGNALED(status));
        g_assert_true(dol_is_frozen(ext4) && dol_is_frozen(xfs));
        for (unsigned i = 0; both[i]; i++) {
                bool thawed = false;

                dol_assert_done(dol_freeze_recover(both[i], &thawed, &error), error);
                g_assert_true(thawed);
                g_assert_false(dol_is_frozen(both[i]));
        }
}

static void test_guard_stopped(void)
{
        g_autoptr(GError) error = NULL;
        dol_freeze *freeze = begin(&error);
        int64_t before;
        pid_t guard;

        g_assert_no_error(error);
        guard = dol_freeze_guard_pid(freeze);
        kill(guard, SIGSTOP);
        before = dol_monotonic_usec();
        dol_assert_done(dol_freeze_end(freeze, NULL, &error), error);
        g_assert_cmpint(dol_monotonic_usec() - before, <, 5000000);
        g_assert_false(dol_is_frozen(ext4) || dol_is_frozen(xfs));
        g_assert_cmpint(kill(guard, 0), ==, -1);
}

/* Stops or kills the guard of the next freeze at a random moment, and lets a stopped one go on
 * when the freeze has failed. */
typedef struct {
        int signal_number;
        pid_t guard;
} assault;

static pid_t find_guard(void)
{
        g_autofree char *path = g_strdup_printf("/proc/%d/task/%d/children", getpid(), getpid());
        g_autofree char *text = NULL;
        g_auto(GStrv) pids = NULL;

        if (!g_file_get_contents(path, &text, NULL, NULL))
                return 0;
        pids = g_strsplit(g_strchomp(text), " ", -1);
        for (unsigned i = 0; pids[i]; i++) {
                g_autofree char *comm = g_strdup_printf("/proc/%s/comm", pids[i]);
                g_autofree char *name = NULL;
                uint64_t pid;

                if (g_file_get_contents(comm, &name, NULL, NULL) &&
                    g_str_equal(name, "dolium-guard\n") &&
                    dol_number_parse(pids[i], INT32_MAX, &pid, NULL))
                        return (pid_t)pid;
        }
        return 0;
}

static void *assault_guard(void *user)
{
        assault *a = user;

        while (!(a->guard = find_guard()))
                ;
        g_usleep((gulong)g_random_int_range(0, 3000));
        kill(a->guard, a->signal_number);
        return NULL;
}

static void freeze_under_assault(int signal_number)
{
        assault a = {.signal_number = signal_number};
        dol_call call = dol_call_forever("test");
        g_autoptr(GError) error = NULL;
        dol_freeze *freeze;
        pthread_t thread;

        pthread_create(&thread, NULL, assault_guard, &a);
        do {
                freeze = dol_freeze_begin(&call, both, 200000, &error);
                if (freeze)
                        dol_freeze_end(freeze, NULL, NULL);
        } while (!error && pthread_tryjoin_np(thread, NULL) != 0);
        if (error)
                pthread_join(thread, NULL);
        if (signal_number == SIGSTOP)
                kill(a.guard, SIGCONT);
        else
                g_assert_false(dol_is_frozen(ext4) || dol_is_frozen(xfs));
        dol_watchdog_alive();
}

static void test_guard_assaulted(void)
{
        for (unsigned i = 0; i < 30; i++)
                freeze_under_assault(SIGKILL);
        for (unsigned i = 0; i < 3; i++)
                freeze_under_assault(SIGSTOP);
        check_thawed();
}

static void freeze_and_terminate_group(void *user)
{
        atomic_int *guard = user;
        dol_freeze *freeze;

        setpgid(0, 0);
        freeze = begin(NULL);
        if (!freeze)
                return;
        atomic_store(guard, dol_freeze_guard_pid(freeze));
        kill(0, SIGTERM);
}

/* A signal to the process group ends the parent; the guard lives on, and thaws. */
static void test_group_terminated(void)
{
        atomic_int *guard =
                mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        int status = dol_ground_child(freeze_and_terminate_group, guard);

        g_assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
        g_assert_cmpint(atomic_load(guard), >, 0);
        check_thawed();
        munmap(guard, 4096);
}

static void test_guard_ignores_signals(void)
{
        g_autoptr(GError) error = NULL;
        dol_freeze *freeze = begin(&error);

        g_assert_no_error(error);
        for (int number = 1; number < 32; number++)
                if (number != SIGKILL && number != SIGSTOP)
                        kill(dol_freeze_guard_pid(freeze), number);
        g_usleep(20000);
        g_assert_true(dol_is_frozen(ext4));
        dol_assert_done(dol_freeze_end(freeze, NULL, &error), error);
        check_thawed();
}

/* The guard has the mount points and its channel, nothing else: no socket of the daemon, no lock.
 */
static void test_guard_has_nothing_else(void)
{
        dol_autofd extra = open("/", O_RDONLY); /* even what would be inherited */
        g_autofree char *path = NULL;
        g_autoptr(GError) error = NULL;
        dol_freeze *freeze = begin(&error);
        const struct dirent *entry;
        unsigned count = 0;
        DIR *fds;

        g_assert_no_error(error);
        g_assert_cmpint(extra, >=, 0);
        path = g_strdup_printf("/proc/%d/fd", dol_freeze_guard_pid(freeze));
        fds = opendir(path);
        while (fds && (entry = readdir(fds)))
                count += entry->d_name[0] != '.';
        closedir(fds);
        g_assert_cmpuint(count, ==, 3);
        dol_assert_done(dol_freeze_end(freeze, NULL, &error), error);
}

static void test_injected_errors(void)
{
        static const char *const points[] = {"host.freeze.before", "host.freeze.after"};
        g_autoptr(GError) error = NULL;
        dol_freeze *freeze;

        for (unsigned i = 0; i < G_N_ELEMENTS(points); i++) {
                g_autofree char *plan = g_strdup_printf("%s=error:no-space", points[i]);

                dol_fault_arm(plan, NULL);
                g_assert_null(begin(&error));
                g_assert_error(error, DOL_ERROR, DOL_ERROR_NO_SPACE);
                g_clear_error(&error);
                g_assert_false(dol_is_frozen(ext4) || dol_is_frozen(xfs));
        }
        dol_fault_arm("host.thaw.before=error:no-space", NULL);
        freeze = begin(&error);
        g_assert_no_error(error);
        g_assert_false(dol_freeze_end(freeze, NULL, &error));
        g_assert_error(error, DOL_ERROR, DOL_ERROR_NO_SPACE);
        g_assert_false(dol_is_frozen(ext4) || dol_is_frozen(xfs));
        dol_fault_arm(NULL, NULL);
}

static void add_tests(void)
{
        both[0] = ext4 = dol_ground_disk("ext4", 64 * MIB);
        both[1] = xfs = dol_ground_disk("xfs", 512 * MIB);
        dol_watchdog_start(both, WATCHDOG_SECONDS);
        g_test_add_func("/freeze-kill/parent-at-points", test_parent_killed_at_points);
        g_test_add_func("/freeze-kill/parent-at-random", test_parent_killed_at_random);
        g_test_add_func("/freeze-kill/guard", test_guard_killed);
        g_test_add_func("/freeze-kill/both", test_both_killed);
        g_test_add_func("/freeze-kill/guard-stopped", test_guard_stopped);
        g_test_add_func("/freeze-kill/guard-assaulted", test_guard_assaulted);
        g_test_add_func("/freeze-kill/group-terminated", test_group_terminated);
        g_test_add_func("/freeze-kill/guard-ignores-signals", test_guard_ignores_signals);
        g_test_add_func("/freeze-kill/guard-has-nothing-else", test_guard_has_nothing_else);
        g_test_add_func("/freeze-kill/injected-errors", test_injected_errors);
}

int main(int argc, char **argv)
{
        int status = dol_ground_main(argc, argv, add_tests);

        g_free(ext4);
        g_free(xfs);
        return status;
}
