/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/dolium/output.h"

#include "base/guard.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
/* What a signal must remove; "" = nothing. */
static char left[PATH_MAX];

static void remove_left(int number)
{
        if (left[0])
                unlink(left);
        signal(number, SIG_DFL);
        raise(number);
}

/* Makes the file; no signal comes between that and the knowledge of it. */
static int create(char *path)
{
        struct sigaction action = {.sa_handler = remove_left};
        sigset_t held, before;
        int fd, err;

        sigemptyset(&held);
        for (unsigned i = 0; i < G_N_ELEMENTS(signals); i++) {
                sigaddset(&held, signals[i]);
                sigaction(signals[i], &action, NULL);
        }
        sigprocmask(SIG_BLOCK, &held, &before);
        fd = mkostemp(path, O_CLOEXEC);
        err = errno;
        if (fd >= 0)
                g_strlcpy(left, path, sizeof(left));
        sigprocmask(SIG_SETMASK, &before, NULL);
        errno = err;
        return fd;
}

static bool open_standard(dol_output *ret, GError **error)
{
        if (isatty(STDOUT_FILENO))
                return dol_fail(error, DOL_ERROR_INVALID,
                                "this is no text for a terminal: name a file, or send standard "
                                "output somewhere");
        ret->fd = dup(STDOUT_FILENO);
        return ret->fd >= 0 || dol_fail_errno(error, errno, "standard output");
}

/* A pipe or a device has no name to take over. */
static bool open_special(const char *path, dol_output *ret, GError **error)
{
        ret->fd = open(path, O_WRONLY | O_CLOEXEC);
        return ret->fd >= 0 || dol_fail_errno(error, errno, "open '%s'", path);
}

bool dol_output_open(const char *path, dol_output *ret, GError **error)
{
        struct stat info;

        *ret = DOL_OUTPUT_INIT;
        ret->name = strcmp(path, "-") == 0 ? "standard output" : path;
        if (strcmp(path, "-") == 0)
                return open_standard(ret, error);
        if (stat(path, &info) == 0 && S_ISDIR(info.st_mode))
                return dol_fail(error, DOL_ERROR_INVALID, "'%s' is a directory", path);
        if (stat(path, &info) == 0 && !S_ISREG(info.st_mode))
                return open_special(path, ret, error);
        ret->temporary = g_strconcat(path, ".part-XXXXXX", NULL);
        ret->fd = create(ret->temporary);
        if (ret->fd < 0) {
                g_clear_pointer(&ret->temporary, g_free);
                return dol_fail_errno(error, errno, "create '%s'", path);
        }
        ret->path = g_strdup(path);
        return true;
}

bool dol_output_finish(dol_output *output, GError **error)
{
        if (!output->path) /* a pipe or a terminal cannot be synced */
                return fsync(output->fd) == 0 || errno == EINVAL || errno == EROFS ||
                       dol_fail_errno(error, errno, "write the export");
        if (fsync(output->fd) < 0 || rename(output->temporary, output->path) < 0)
                return dol_fail_errno(error, errno, "write '%s'", output->path);
        left[0] = '\0';
        g_clear_pointer(&output->temporary, g_free);
        return true;
}

void dol_output_clear(dol_output *output)
{
        if (output->fd >= 0)
                close(output->fd);
        if (output->temporary)
                unlink(output->temporary);
        left[0] = '\0';
        g_free(output->temporary);
        g_free(output->path);
        *output = DOL_OUTPUT_INIT;
}
