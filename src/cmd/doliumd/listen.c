/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/doliumd/listen.h"

#include "base/file.h"
#include "base/guard.h"
#include "codec/units.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

enum { FIRST_FD = 3, BACKLOG = 1024 };

/* ---- handed over ---- */

static int activated_fd(const char *name)
{
        const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
        g_auto(GStrv) names =
                g_strsplit(getenv("LISTEN_FDNAMES") ? getenv("LISTEN_FDNAMES") : "", ":", -1);
        uint64_t number, fds;

        if (!pid || !count || !dol_number_parse(pid, INT32_MAX, &number, NULL) ||
            (pid_t)number != getpid() || !dol_number_parse(count, 64, &fds, NULL))
                return -1;
        for (unsigned i = 0; i < fds && names[i]; i++)
                if (strcmp(names[i], name) == 0) {
                        fcntl(FIRST_FD + (int)i, F_SETFD, FD_CLOEXEC);
                        return FIRST_FD + (int)i;
                }
        return -1;
}

/* ---- made here ---- */

static bool make_address(const char *path, struct sockaddr_un *ret, GError **error)
{
        *ret = (struct sockaddr_un){.sun_family = AF_UNIX};
        if (strlen(path) >= sizeof(ret->sun_path))
                return dol_fail(error, DOL_ERROR_INVALID,
                                "socket path '%s' is longer than %zu bytes", path,
                                sizeof(ret->sun_path) - 1);
        memcpy(ret->sun_path, path, strlen(path));
        return true;
}

/* Makes room at the path: only for a socket nobody listens on. */
static bool clear_path(const char *path, const struct sockaddr_un *address, GError **error)
{
        dol_autofd fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        struct stat info;

        if (lstat(path, &info) < 0)
                return errno == ENOENT || dol_fail_errno(error, errno, "look at '%s'", path);
        if (!S_ISSOCK(info.st_mode))
                return dol_fail(error, DOL_ERROR_CONFLICT, "'%s' exists and is not a socket", path);
        if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0)
                return dol_fail(error, DOL_ERROR_CONFLICT,
                                "somebody listens on '%s' already: is another doliumd running?",
                                path);
        if (unlink(path) < 0)
                return dol_fail_errno(error, errno, "remove the dead socket '%s'", path);
        return true;
}

static bool bind_path(int fd, const char *path, const struct sockaddr_un *address, mode_t mode,
                      gid_t group, GError **error)
{
        mode_t before = umask(0777); /* nobody may connect before mode and group are set */
        int bound = bind(fd, (const struct sockaddr *)address, sizeof(*address));
        int err = errno;

        umask(before);
        if (bound < 0)
                return dol_fail_errno(error, err, "bind '%s'", path);
        if (group != (gid_t)-1 && chown(path, (uid_t)-1, group) < 0)
                return dol_fail_errno(error, errno, "change the group of '%s'", path);
        if (chmod(path, mode) < 0)
                return dol_fail_errno(error, errno, "change the mode of '%s'", path);
        if (listen(fd, BACKLOG) < 0)
                return dol_fail_errno(error, errno, "listen on '%s'", path);
        return true;
}

bool dol_listen(const char *name, const char *path, mode_t mode, gid_t group, dol_listener *ret,
                GError **error)
{
        g_autofree char *directory = g_path_get_dirname(path);
        dol_autofd fd = activated_fd(name);
        struct sockaddr_un address;

        if (fd >= 0) {
                *ret = (dol_listener){dol_steal_fd(&fd), NULL};
                return true;
        }
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return dol_fail_errno(error, errno, "socket");
        if (!make_address(path, &address, error) || !dol_directory_ensure(directory, 0755, error) ||
            !clear_path(path, &address, error) ||
            !bind_path(fd, path, &address, mode, group, error))
                return false;
        *ret = (dol_listener){dol_steal_fd(&fd), g_strdup(path)};
        return true;
}

void dol_listener_clear(dol_listener *listener)
{
        if (listener->path)
                unlink(listener->path);
        g_clear_pointer(&listener->path, g_free);
}

void dol_notify(const char *state)
{
        const char *path = getenv("NOTIFY_SOCKET");
        struct sockaddr_un address;
        dol_autofd fd = -1;
        socklen_t length;

        if (!path || !make_address(path, &address, NULL))
                return;
        length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
        if (*path == '@')
                address.sun_path[0] = '\0';
        fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (fd >= 0)
                sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&address, length);
}
