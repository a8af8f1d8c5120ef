/* SPDX-License-Identifier: Apache-2.0 */
#include "base/run.h"

#include "base/clock.h"
#include "base/guard.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>

enum { OUTPUT_MAX = 65536, PIPE_MAX = 65536, QUOTE_MAX = 400, POLL_MSEC = 50 };

static char *find_program(const char *name)
{
        static const char *const more[] = {"/usr/sbin", "/sbin", "/usr/bin", "/bin"};
        char *found = g_find_program_in_path(name);

        for (unsigned i = 0; !found && i < G_N_ELEMENTS(more); i++) {
                g_autofree char *path = g_build_filename(more[i], name, NULL);

                if (access(path, X_OK) == 0)
                        found = g_steal_pointer(&path);
        }
        return found;
}

/* The child gets default signal handling and an empty mask, whatever this thread blocks, and a
 * process group of its own, so that what it starts can be killed with it. */
static int spawn(const char *program, const char *const argv[], int output, pid_t *ret_pid)
{
        posix_spawn_file_actions_t files;
        posix_spawnattr_t attr;
        sigset_t none, all;
        int err;

        sigemptyset(&none);
        sigfillset(&all);
        posix_spawnattr_init(&attr);
        posix_spawnattr_setsigmask(&attr, &none);
        posix_spawnattr_setsigdefault(&attr, &all);
        posix_spawnattr_setpgroup(&attr, 0);
        posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                                POSIX_SPAWN_SETPGROUP);
        posix_spawn_file_actions_init(&files);
        posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
        posix_spawn_file_actions_adddup2(&files, output, STDOUT_FILENO);
        posix_spawn_file_actions_adddup2(&files, output, STDERR_FILENO);
        err = posix_spawn(ret_pid, program, &files, &attr, (char *const *)argv, environ);
        posix_spawn_file_actions_destroy(&files);
        posix_spawnattr_destroy(&attr);
        return err;
}

/* Takes what the pipe has now (a pipeful at most: the writer may never pause); false at its end. */
static bool drain(int fd, GString *output)
{
        char chunk[4096];

        for (unsigned i = 0; i < PIPE_MAX / sizeof(chunk); i++) {
                ssize_t n = read(fd, chunk, sizeof(chunk));

                if (n < 0)
                        return errno == EAGAIN || errno == EINTR;
                if (n == 0)
                        return false;
                g_string_append_len(output, chunk, MIN(n, (ssize_t)(OUTPUT_MAX - output->len)));
        }
        return true;
}

/* Collects output until the process has ended: the pipe's end says nothing about that, since a
 * program may close it early, or leave it to a child that lives on. Gives up with the call. */
static bool wait_for(const dol_call *call, pid_t pid, int fd, GString *output, int *ret_status,
                     GError **error)
{
        struct pollfd poller = {.fd = fd, .events = POLLIN};
        int pause_msec = 1; /* after the end of its output a program ends soon, as a rule */
        pid_t ended;

        while ((ended = waitpid(pid, ret_status, WNOHANG)) == 0) {
                if (!dol_call_check(call, error))
                        return false;
                if (poll(&poller, 1, poller.fd < 0 ? pause_msec : POLL_MSEC) < 0 && errno != EINTR)
                        return dol_fail_errno(error, errno, "poll");
                if (poller.fd < 0)
                        pause_msec = MIN(2 * pause_msec, POLL_MSEC);
                else if (!drain(fd, output))
                        poller.fd = -1;
        }
        if (ended < 0)
                return dol_fail_errno(error, errno, "waitpid");
        drain(fd, output);
        return true;
}

static char *end_of(char *output)
{
        const char *text = g_strstrip(output);
        size_t length = strlen(text);

        return g_utf8_make_valid(length > QUOTE_MAX ? text + length - QUOTE_MAX : text, -1);
}

static bool check_status(const char *name, int status, char *output, GError **error)
{
        g_autofree char *quoted = NULL;

        if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
                return true;
        quoted = end_of(output);
        if (WIFEXITED(status))
                return dol_fail(error, DOL_ERROR_INTERNAL, "%s exited with %d: %s", name,
                                WEXITSTATUS(status), quoted);
        return dol_fail(error, DOL_ERROR_INTERNAL, "%s was ended by signal %d: %s", name,
                        WTERMSIG(status), quoted);
}

/* Starts the program with the write end of a new pipe as its output. */
static bool start(const char *program, const char *const argv[], int *ret_fd, pid_t *ret_pid,
                  GError **error)
{
        int pipes[2], err;

        if (pipe2(pipes, O_CLOEXEC) < 0)
                return dol_fail_errno(error, errno, "pipe");
        err = spawn(program, argv, pipes[1], ret_pid);
        dol_close_fd(&pipes[1]);
        if (err) {
                dol_close_fd(&pipes[0]);
                return dol_fail_errno(error, err, "start '%s'", program);
        }
        fcntl(pipes[0], F_SETFL, O_NONBLOCK);
        *ret_fd = pipes[0];
        return true;
}

/* *ret_status as waitpid gives it. */
static bool run(const dol_call *call, const char *const argv[], int *ret_status, GString *output,
                GError **error)
{
        g_autofree char *program = find_program(argv[0]);
        dol_autofd fd = -1;
        pid_t pid;

        if (!program)
                return dol_fail(error, DOL_ERROR_UNSUPPORTED, "program '%s' is not installed",
                                argv[0]);
        if (!dol_call_check(call, error) || !start(program, argv, &fd, &pid, error))
                return dol_fail_while(error, "%s", argv[0]);
        if (!wait_for(call, pid, fd, output, ret_status, error)) {
                kill(-pid, SIGKILL);
                while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
                        ;
                return dol_fail_while(error, "%s", argv[0]);
        }
        return true;
}

bool dol_run(const dol_call *call, const char *const argv[], char **ret_output, GError **error)
{
        g_autoptr(GString) output = g_string_new(NULL);
        int status = 0;

        if (!run(call, argv, &status, output, error) ||
            !check_status(argv[0], status, output->str, error))
                return false;
        if (ret_output)
                *ret_output = g_string_free(g_steal_pointer(&output), false);
        return true;
}

bool dol_run_status(const dol_call *call, const char *const argv[], int *ret_status,
                    char **ret_output, GError **error)
{
        g_autoptr(GString) output = g_string_new(NULL);
        int status = 0;

        if (!run(call, argv, &status, output, error))
                return false;
        if (!WIFEXITED(status))
                return check_status(argv[0], status, output->str, error);
        *ret_status = WEXITSTATUS(status);
        if (ret_output)
                *ret_output = g_string_free(g_steal_pointer(&output), false);
        return true;
}
