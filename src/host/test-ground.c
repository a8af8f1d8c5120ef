/* SPDX-License-Identifier: Apache-2.0 */
#include "host/test-ground.h"

#include "base/file.h"
#include "base/guard.h"
#include "base/run.h"
#include "host/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { SKIPPED = 77, SETTLE_TRIES = 100, SETTLE_PAUSE_USEC = 10000 };

static char *ground;
static volatile sig_atomic_t child_pid;

const char *dol_ground_directory(void)
{
        return ground;
}

static void need(bool done, const char *what)
{
        if (!done)
                g_error("%s: %s", what, g_strerror(errno));
}

/* The directory's name is unlike that of any other program, because the paths of loop devices are
 * shown in all namespaces. */
static void enter(void)
{
        need(unshare(CLONE_NEWNS) == 0, "unshare");
        need(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0, "make mounts private");
        need(mount("tmpfs", "/mnt", "tmpfs", 0, "mode=0755") == 0, "mount tmpfs");
        ground = g_strdup_printf("/mnt/ground-%d-%08x", getpid(), g_random_int());
        need(mkdir(ground, 0755) == 0, "create the ground");
}

bool dol_ground_run(const char *const argv[])
{
        dol_call call = dol_call_forever("test");
        g_autoptr(GError) error = NULL;

        if (dol_run(&call, argv, NULL, &error))
                return true;
        g_test_message("%s", error->message);
        return false;
}

char *dol_ground_file(const char *directory, const char *name, uint64_t size)
{
        char *path = g_build_filename(directory, name, NULL);
        dol_autofd fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        need(fd >= 0 && ftruncate(fd, (off_t)size) == 0, path);
        return path;
}

static void make(const char *fs_type, const char *path)
{
        const char *const xfs[] = {"mkfs.xfs",  "-q", "-f",        "-K", "-s",
                                   "size=4096", "-m", "reflink=1", path, NULL};
        const char *const ext4[] = {"mkfs.ext4", "-q",        "-F", "-b", "4096",
                                    "-E",        "nodiscard", path, NULL};
        const char *const btrfs[] = {"mkfs.btrfs", "-q", "-f", "-K", path, NULL};

        if (strcmp(fs_type, "xfs") == 0)
                g_assert_true(dol_ground_run(xfs));
        else if (strcmp(fs_type, "ext4") == 0)
                g_assert_true(dol_ground_run(ext4));
        else
                g_assert_true(dol_ground_run(btrfs));
}

static void mount_unnamed(const char *fs_type, uint64_t size, const char *at)
{
        dol_autofd fd = open("/var/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
        g_autofree char *file = g_strdup_printf("/proc/%d/fd/%d", getpid(), fd);
        g_auto(dol_loop) loop = DOL_LOOP_INIT;
        dol_loop_options options = {.autoclear = true};
        dol_call call = dol_call_forever("test");
        g_autoptr(GError) error = NULL;

        need(fd >= 0 && ftruncate(fd, (off_t)size) == 0, "create an unnamed file");
        make(fs_type, file);
        dol_assert_done(dol_loop_attach(&call, file, &options, &loop, &error), error);
        need(mount(loop.device, at, fs_type, 0, NULL) == 0, fs_type);
}

char *dol_ground_disk(const char *fs_type, uint64_t size)
{
        char *at = g_strdup_printf("%s/%s-%08x", ground, fs_type, g_random_int());

        need(mkdir(at, 0755) == 0, at);
        if (strcmp(fs_type, "tmpfs") == 0) {
                g_autofree char *data = g_strdup_printf("size=%" G_GUINT64_FORMAT, size);

                need(mount("tmpfs", at, "tmpfs", 0, data) == 0, "tmpfs");
        } else {
                mount_unnamed(fs_type, size, at);
        }
        return at;
}

pid_t dol_ground_fork(void)
{
        pid_t parent = getpid();
        pid_t pid = fork();

        need(pid >= 0, "fork");
        if (pid > 0)
                return pid;
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
                _exit(EXIT_FAILURE); /* it had died before it could be noticed */
        return 0;
}

int dol_ground_child(void (*fn)(void *user), void *user)
{
        pid_t pid = dol_ground_fork();
        int status = 0;

        if (pid == 0) {
                fn(user);
                _exit(0);
        }
        while (waitpid(pid, &status, 0) < 0)
                need(errno == EINTR, "waitpid");
        return status;
}

static void stop_child(int signal_number)
{
        kill(child_pid, SIGKILL);
}

static bool count_left(const char *device, const char *backing_file, void *user)
{
        (*(unsigned *)user)++;
        return true;
}

static bool detach_left(const char *device, const char *backing_file, void *user)
{
        fprintf(stderr, "# left behind: %s on %s\n", device, backing_file);
        dol_loop_detach(device, NULL);
        return true;
}

/* Another program that looks over all devices may delay a detaching: so not at the first look. */
static unsigned detach_all_left(void)
{
        unsigned left = 0;

        for (unsigned i = 0; i < SETTLE_TRIES; i++) {
                left = 0;
                dol_loop_each(ground, count_left, &left, NULL);
                if (left == 0)
                        return 0;
                g_usleep(SETTLE_PAUSE_USEC);
        }
        dol_loop_each(ground, detach_left, NULL, NULL);
        return left;
}

static int watch(pid_t pid)
{
        unsigned left = 0;
        int status;

        child_pid = pid;
        signal(SIGTERM, stop_child);
        signal(SIGINT, stop_child);
        while (waitpid(pid, &status, 0) < 0)
                need(errno == EINTR, "waitpid");
        left = detach_all_left();
        if (!WIFEXITED(status))
                return EXIT_FAILURE;
        return left > 0 && WEXITSTATUS(status) == 0 ? EXIT_FAILURE : WEXITSTATUS(status);
}

int dol_ground_main(int argc, char **argv, void (*add_tests)(void))
{
        pid_t pid;

        if (geteuid() != 0) {
                printf("1..0 # SKIP needs root\n");
                return SKIPPED;
        }
        enter();
        pid = dol_ground_fork();
        if (pid > 0)
                return watch(pid);
        g_test_init(&argc, &argv, NULL);
        add_tests();
        return g_test_run();
}
