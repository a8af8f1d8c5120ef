/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/guard.h"
#include "host/mount-private.h"
#include "host/test-ground.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define MIB (UINT64_C(1) << 20)

enum { CROWD = 200, MEASURED = 20 };

static char *disk;

/* Starts a process that does fn and then waits to be ended; returns when fn is done. */
static pid_t helper_start(void (*fn)(void *user), void *user)
{
        int ready[2];
        char byte;
        pid_t pid;

        g_assert_cmpint(pipe2(ready, O_CLOEXEC), ==, 0);
        pid = dol_ground_fork();
        if (pid == 0) {
                fn(user);
                if (write(ready[1], "x", 1) == 1)
                        pause();
                _exit(1);
        }
        close(ready[1]);
        g_assert_cmpint(read(ready[0], &byte, 1), ==, 1);
        close(ready[0]);
        return pid;
}

static void helper_end(pid_t pid)
{
        int status;

        kill(pid, SIGKILL);
        g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
        g_assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static dev_t device_of(const char *path)
{
        struct stat st;

        g_assert_cmpint(stat(path, &st), ==, 0);
        return st.st_dev;
}

static unsigned count(const char *path, const char *root, char ***ret_holders)
{
        g_autoptr(GError) error = NULL;
        unsigned holders = 0;

        dol_assert_done(
                dol_mount_holders(device_of(path), root, path, 3, &holders, ret_holders, &error),
                error);
        return holders;
}

static void must(bool done)
{
        if (!done)
                _exit(1);
}

typedef struct {
        const char *from, *to;
} binding;

static void bind_elsewhere(void *user)
{
        const binding *pair = user;

        must(unshare(CLONE_NEWNS) == 0);
        must(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
        must(mount(pair->from, pair->to, NULL, MS_BIND, NULL) == 0);
        /* as a container has it: no trace of the host's own mount is left */
        must(umount2(pair->from, MNT_DETACH) == 0);
}

static void test_bind_in_another_namespace(void)
{
        g_autofree char *volume = dol_ground_disk("ext4", 64 * MIB);
        g_autofree char *data = g_build_filename(dol_ground_directory(), "data", NULL);
        binding pair = {volume, data};
        g_auto(GStrv) holders = NULL, none = NULL;
        g_autofree char *want = NULL;
        pid_t helper;

        mkdir(data, 0755);
        g_assert_cmpuint(count(volume, "/", NULL), ==, 0);
        helper = helper_start(bind_elsewhere, &pair);
        want = g_strdup_printf("pid %d (", helper);
        g_assert_cmpuint(count(volume, "/", &holders), ==, 1);
        g_assert_true(g_str_has_prefix(holders[0], want));
        g_assert_true(g_str_has_suffix(holders[0], data));
        g_assert_null(holders[1]);
        helper_end(helper);
        g_assert_cmpuint(count(volume, "/", &none), ==, 0);
        g_assert_null(none[0]);
        g_assert_cmpint(umount(volume), ==, 0);
}

/* A directory of the pool is bound: only what shows that directory counts, at the edge of names. */
static void test_directories(void)
{
        g_autofree char *a = g_build_filename(disk, "vol", NULL);
        g_autofree char *ab = g_build_filename(disk, "volume", NULL);
        g_autofree char *inner = g_build_filename(disk, "vol", "inner", NULL);
        g_autofree char *at = g_build_filename(dol_ground_directory(), "at", NULL);
        const char *const sources[] = {a, ab, inner};
        const unsigned expected[] = {1, 0, 1};

        mkdir(a, 0755);
        mkdir(ab, 0755);
        mkdir(inner, 0755);
        mkdir(at, 0755);
        for (unsigned i = 0; i < G_N_ELEMENTS(sources); i++) {
                g_assert_cmpint(mount(sources[i], at, NULL, MS_BIND, NULL), ==, 0);
                g_assert_cmpuint(count(disk, "/vol", NULL), ==, expected[i]);
                g_assert_cmpint(umount(at), ==, 0);
        }
}

static void enter_chroot(void *user)
{
        must(chroot(user) == 0 && chdir("/") == 0);
}

/* Processes that see a part of the namespace must neither hide the rest nor be counted twice. */
static void test_chroot(void)
{
        g_autofree char *volume = dol_ground_disk("ext4", 64 * MIB);
        g_autofree char *jail = g_build_filename(dol_ground_directory(), "jail", NULL);
        g_autofree char *inside = g_build_filename(jail, "inside", NULL);
        pid_t helper;

        mkdir(jail, 0755);
        mkdir(inside, 0755);
        g_assert_cmpint(mount(volume, inside, NULL, MS_BIND, NULL), ==, 0);
        helper = helper_start(enter_chroot, jail);
        g_assert_cmpuint(count(volume, "/", NULL), ==, 1);
        helper_end(helper);
        g_assert_cmpint(umount(inside), ==, 0);
        g_assert_cmpint(umount(volume), ==, 0);
}

static void test_other_file_system(void)
{
        g_autofree char *volume = dol_ground_disk("ext4", 64 * MIB);
        g_autofree char *other = dol_ground_disk("ext4", 64 * MIB);

        g_assert_cmpuint(count(volume, "/", NULL), ==, 0);
        g_assert_cmpuint(count(other, "/", NULL), ==, 0);
        g_assert_cmpint(umount(volume), ==, 0);
        g_assert_cmpint(umount(other), ==, 0);
}

/* A zombie has no namespace any more. */
static void test_zombie(void)
{
        pid_t pid = fork();
        siginfo_t info;
        int status;

        if (pid == 0)
                _exit(0);
        g_assert_cmpint(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), ==, 0);
        g_assert_cmpuint(count(disk, "/nothing-has-this", NULL), ==, 0);
        g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
}

static void become_crowd(void *user)
{
        for (unsigned i = 0; i < CROWD; i++)
                if (dol_ground_fork() == 0) {
                        pause();
                        _exit(0);
                }
}

/* The time grows with the processes, not with their mounts. The limit is ten times what was
 * measured, for slow and busy machines. */
static void test_fast(void)
{
        pid_t helper = helper_start(become_crowd, NULL);
        int64_t best = INT64_MAX;

        for (unsigned i = 0; i < MEASURED; i++) {
                int64_t begin = dol_monotonic_usec();

                count(disk, "/", NULL);
                best = MIN(best, dol_monotonic_usec() - begin);
        }
        g_test_message("holders among more than %d processes: %" G_GINT64_FORMAT " usec", CROWD,
                       best);
        g_assert_cmpint(best, <, 20 * DOL_USEC_PER_MSEC);
        helper_end(helper);
}

static void open_on_mount(void *user)
{
        must(open(user, O_RDONLY | O_DIRECTORY) >= 0);
}

static void stand_in_mount(void *user)
{
        must(chdir(user) == 0);
}

static void test_users(void)
{
        g_autofree char *volume = dol_ground_disk("ext4", 64 * MIB);
        g_autofree char *nobody = dol_mount_users(volume, 3);
        g_autofree char *users = NULL;
        g_autofree char *first_pid = NULL;
        g_autofree char *second_pid = NULL;
        pid_t first, second;

        g_assert_null(nobody);
        first = helper_start(open_on_mount, volume);
        second = helper_start(stand_in_mount, volume);
        first_pid = g_strdup_printf("pid %d (", first);
        second_pid = g_strdup_printf("pid %d (", second);
        users = dol_mount_users(volume, 3);
        g_assert_nonnull(strstr(users, first_pid));
        g_assert_nonnull(strstr(users, second_pid));
        g_free(users);
        users = dol_mount_users(volume, 1);
        g_assert_null(strchr(users, ','));
        helper_end(first);
        helper_end(second);
        g_assert_cmpint(umount(volume), ==, 0);
}

static void add_tests(void)
{
        disk = dol_ground_disk("xfs", 1024 * MIB);
        g_test_add_func("/holders/bind-in-another-namespace", test_bind_in_another_namespace);
        g_test_add_func("/holders/directories", test_directories);
        g_test_add_func("/holders/chroot", test_chroot);
        g_test_add_func("/holders/other-file-system", test_other_file_system);
        g_test_add_func("/holders/zombie", test_zombie);
        g_test_add_func("/holders/fast", test_fast);
        g_test_add_func("/holders/users", test_users);
}

int main(int argc, char **argv)
{
        int status = dol_ground_main(argc, argv, add_tests);

        g_free(disk);
        return status;
}
