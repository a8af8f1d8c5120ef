/* SPDX-License-Identifier: Apache-2.0 */
#include "host/test-watchdog.h"

#include "base/clock.h"
#include "base/guard.h"
#include "host/test-ground.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>

enum { FILE_SYSTEMS_MAX = 16, LOOK_USEC = 500 };

static int life = -1;

static void watch(const int *fds, unsigned count, int from, unsigned seconds)
{
        struct pollfd poller = {.fd = from, .events = POLLIN};
        char sign[64];
        int n;

        do {
                n = poll(&poller, 1, (int)seconds * 1000);
                if (n == 0)
                        fprintf(stderr, "# the watchdog thaws\n");
                for (unsigned i = 0; n == 0 && i < count; i++)
                        ioctl(fds[i], FITHAW, 0);
        } while (n <= 0 || read(from, sign, sizeof(sign)) > 0);
        for (unsigned i = 0; i < count; i++)
                ioctl(fds[i], FITHAW, 0);
        _exit(0);
}

void dol_watchdog_start(const char *const *paths, unsigned seconds)
{
        int fds[FILE_SYSTEMS_MAX], ends[2];
        unsigned count = 0;
        sigset_t all, before;

        for (; paths[count] && count < FILE_SYSTEMS_MAX; count++)
                fds[count] = open(paths[count], O_RDONLY | O_CLOEXEC);
        if (pipe2(ends, O_CLOEXEC) < 0)
                g_error("pipe");
        sigfillset(&all);
        sigprocmask(SIG_SETMASK, &all, &before);
        if (fork() == 0) {
                setsid();
                close(ends[1]);
                watch(fds, count, ends[0], seconds);
        }
        sigprocmask(SIG_SETMASK, &before, NULL);
        for (unsigned i = 0; i < count; i++)
                close(fds[i]);
        close(ends[0]);
        life = ends[1];
}

void dol_watchdog_alive(void)
{
        if (write(life, "", 1) < 0)
                g_error("the watchdog has died");
}

bool dol_is_frozen(const char *path)
{
        dol_autofd fd = open(path, O_RDONLY | O_CLOEXEC);

        if (fd < 0 || ioctl(fd, FIFREEZE, 0) < 0)
                return errno == EBUSY;
        ioctl(fd, FITHAW, 0);
        return false;
}

bool dol_is_thawed_within(const char *path, unsigned msec)
{
        int64_t until = dol_monotonic_usec() + msec * DOL_USEC_PER_MSEC;

        while (dol_is_frozen(path)) {
                if (dol_monotonic_usec() > until)
                        return false;
                g_usleep(LOOK_USEC);
        }
        return true;
}
