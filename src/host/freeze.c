/* SPDX-License-Identifier: Apache-2.0 */
#include "host/freeze.h"

#include "base/clock.h"
#include "base/fault.h"
#include "base/guard.h"
#include "host/freeze-private.h"
#include "host/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* How long the guard may take to answer after its deadline, and how often a call is looked at. */
enum { GRACE_USEC = 2000000, LOOK_USEC = 50000 };

struct dol_freeze {
        char *paths[DOL_FREEZE_MAX];    /* beside the task's fds */
        dol_guard_task task;            /* its channel is the parent's end here */
        pid_t guard;                    /* 0 = none (any more) */
        unsigned frozen;                /* so many the guard has said to be frozen */
        int64_t limit_usec, begin_usec; /* begin: before the first was frozen */
};

/* Guards that were given up while the kernel kept them: to be waited for one day. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static GArray *abandoned;

static void reap_abandoned(void)
{
        dol_lock_scope(&lock);

        for (unsigned i = abandoned ? abandoned->len : 0; i-- > 0;)
                if (waitpid(g_array_index(abandoned, pid_t, i), NULL, WNOHANG) != 0)
                        g_array_remove_index_fast(abandoned, i);
}

static void abandon(pid_t pid)
{
        dol_lock_scope(&lock);

        if (!abandoned)
                abandoned = g_array_new(false, false, sizeof(pid_t));
        g_array_append_val(abandoned, pid);
}

pid_t dol_freeze_guard_pid(const dol_freeze *freeze)
{
        return freeze->guard;
}

static void free_freeze(dol_freeze *freeze)
{
        for (unsigned i = 0; i < freeze->task.count; i++) {
                close(freeze->task.fds[i]);
                g_free(freeze->paths[i]);
        }
        dol_close_fd(&freeze->task.channel);
        dol_close_fd(&freeze->task.expedite);
        g_free(freeze);
}

/* A directory of another file system would stop all of that one. */
static bool check_mount(const char *path, int fd, const dol_mount_entry *entry, GError **error)
{
        struct statx st;

        if (strcmp(entry->root, "/") != 0)
                return dol_fail(error, DOL_ERROR_UNSUPPORTED,
                                "'%s' is a part of a larger file system, which cannot be frozen "
                                "for it",
                                path);
        if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_MNT_ID, &st) < 0)
                return dol_fail_errno(error, errno, "stat '%s'", path);
        if ((st.stx_mask & STATX_MNT_ID) && st.stx_mnt_id != entry->id)
                return dol_fail(error, DOL_ERROR_BUSY, "'%s' is being mounted or unmounted", path);
        return true;
}

/* Opens a mount point. *ret_device tells file systems apart, however often they are mounted. */
static bool open_mount(const char *path, int *ret_fd, dev_t *ret_device, GError **error)
{
        dol_autofd fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        g_autoptr(dol_mount_entry) entry = NULL;
        g_autoptr(GError) failed = NULL;

        if (fd < 0)
                return dol_fail_errno(error, errno, "open '%s'", path);
        entry = dol_mount_find(path, &failed);
        if (failed) {
                g_propagate_error(error, g_steal_pointer(&failed));
                return false;
        }
        if (!entry)
                return dol_fail(error, DOL_ERROR_NOT_FOUND, "nothing is mounted at '%s'", path);
        if (!check_mount(path, fd, entry, error))
                return false;
        *ret_fd = dol_steal_fd(&fd);
        *ret_device = entry->device;
        return true;
}

static bool open_mounts(dol_freeze *freeze, const char *const *paths, GError **error)
{
        dev_t devices[DOL_FREEZE_MAX];
        unsigned n = g_strv_length((char **)paths);

        if (n == 0 || n > DOL_FREEZE_MAX)
                return dol_fail(error, DOL_ERROR_INVALID, "1 to %d file systems are frozen at once",
                                DOL_FREEZE_MAX);
        for (unsigned i = 0; i < n; i++) {
                unsigned count = freeze->task.count, same = 0;
                int fd = -1;

                if (!open_mount(paths[i], &fd, &devices[count], error))
                        return false;
                while (devices[same] != devices[count])
                        same++;
                if (same < count) {
                        close(fd);
                        continue;
                }
                freeze->task.fds[count] = fd;
                freeze->paths[count] = g_strdup(paths[i]);
                freeze->task.count++;
        }
        return true;
}

/* Signals stay blocked in the guard: whatever ends the parent shall not end it. */
static pid_t fork_guard(const dol_guard_task *task)
{
        sigset_t all, before;
        pid_t pid;
        int err;

        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        pid = fork();
        if (pid == 0)
                dol_freeze_guard(task);
        err = errno;
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        errno = err;
        return pid;
}

/* The switch that makes freezing fast; -1 where there is none, or it is on anyway. */
static int open_expedite(void)
{
        dol_autofd fd = open("/sys/kernel/rcu_expedited", O_RDWR | O_CLOEXEC);
        char value = 0;

        if (fd < 0 || pread(fd, &value, 1, 0) != 1 || value != '0')
                return -1;
        return dol_steal_fd(&fd);
}

static bool start_guard(dol_freeze *freeze, GError **error)
{
        dol_guard_task task = freeze->task;
        dol_autofd theirs = -1;
        int ends[2];

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
                return dol_fail_errno(error, errno, "socketpair");
        freeze->task.channel = ends[0];
        theirs = task.channel = ends[1];
        freeze->guard = fork_guard(&task);
        if (freeze->guard > 0)
                return true;
        freeze->guard = 0;
        return dol_fail_errno(error, errno, "fork the guard of a freeze");
}

/* The next report, waited for until then. false: none came, or the guard has died (*ret_died). */
static bool next_report(const dol_freeze *freeze, int64_t until_usec, dol_guard_report *ret,
                        bool *ret_died)
{
        struct pollfd poller = {.fd = freeze->task.channel, .events = POLLIN};
        int64_t left = MAX(until_usec - dol_monotonic_usec(), 0);
        struct timespec timeout = {left / DOL_USEC_PER_SEC, left % DOL_USEC_PER_SEC * 1000};
        ssize_t got;

        *ret_died = false;
        if (ppoll(&poller, 1, &timeout, NULL) <= 0)
                return false;
        got = recv(freeze->task.channel, ret, sizeof(*ret), MSG_DONTWAIT);
        *ret_died = got <= 0 && !(got < 0 && (errno == EAGAIN || errno == EINTR));
        return got == sizeof(*ret);
}

/* Ends the guard's part. One that is stuck in the kernel while it freezes must not be killed, lest
 * what it freezes stay frozen: it ends when it finds the channel closed. */
static void leave_guard(dol_freeze *freeze, bool may_kill)
{
        dol_close_fd(&freeze->task.channel);
        if (may_kill) {
                kill(freeze->guard, SIGKILL);
                while (waitpid(freeze->guard, NULL, 0) < 0 && errno == EINTR)
                        ;
        } else {
                abandon(freeze->guard);
        }
        freeze->guard = 0;
}

static bool fail_slow(const dol_freeze *freeze, GError **error)
{
        g_autofree char *more = freeze->task.count > 1
                                        ? g_strdup_printf(" and %u more", freeze->task.count - 1)
                                        : g_strdup("");

        return dol_fail(error, DOL_ERROR_TIMEOUT,
                        "'%s'%s: not frozen within %" G_GINT64_FORMAT
                        " ms; writing out what is unwritten takes longer",
                        freeze->paths[0], more, freeze->limit_usec / DOL_USEC_PER_MSEC);
}

static bool fail_freeze(const dol_freeze *freeze, const dol_guard_report *said, GError **error)
{
        const char *path = freeze->paths[said->index];

        if (said->word == GUARD_DIED)
                return dol_fail(error, DOL_ERROR_INTERNAL, "the guard of the freeze died");
        if (said->word != GUARD_FAILED)
                return fail_slow(freeze, error);
        if (said->err == EBUSY)
                return dol_fail(error, DOL_ERROR_BUSY, "'%s' is frozen by another program", path);
        if (said->err == EOPNOTSUPP || said->err == ENOTTY)
                return dol_fail(error, DOL_ERROR_UNSUPPORTED,
                                "the file system at '%s' cannot be frozen", path);
        return dol_fail_errno(error, said->err, "freeze '%s'", path);
}

/* The guard died, or does not answer: thaws in its place. If it died, the one that it was about to
 * freeze is thawed too, since nobody knows how far it came with it. If it lives, thawing that one
 * could take as long as the guard is stuck, which will thaw it then. */
static dol_guard_report take_over(dol_freeze *freeze, bool died)
{
        unsigned count = freeze->frozen + died;

        leave_guard(freeze, died);
        dol_freeze_thaw(freeze->task.fds, MIN(count, freeze->task.count));
        if (died)
                dol_freeze_expedite(freeze->task.expedite, false);
        return (dol_guard_report){.word = died ? GUARD_DIED : GUARD_GIVEN_UP};
}

/* The last word of a guard that was told to give up, as a failure. */
static bool is_last(const dol_guard_report *said, bool cancelled)
{
        return said->word != GUARD_STEP && !(cancelled && said->word == GUARD_FROZEN);
}

/* Waits until all is frozen or nothing is. A call that is given up is told to the guard as the
 * channel's end; its last word is still waited for. */
static bool wait_frozen(const dol_call *call, dol_freeze *freeze, GError **error)
{
        int64_t until = freeze->task.deadline_usec + GRACE_USEC;
        g_autoptr(GError) cancelled = NULL;
        dol_guard_report said = {.word = GUARD_STEP};

        while (!is_last(&said, cancelled)) {
                int64_t now = dol_monotonic_usec();
                bool died;

                if (next_report(freeze, MIN(until, now + LOOK_USEC), &said, &died)) {
                        freeze->frozen += said.word == GUARD_STEP;
                } else if (died || now >= until) {
                        said = take_over(freeze, died);
                } else if (!cancelled && !dol_call_check(call, &cancelled)) {
                        shutdown(freeze->task.channel, SHUT_WR);
                        until = MIN(until, now + GRACE_USEC);
                }
        }
        freeze->begin_usec = said.begin_usec;
        if (said.word == GUARD_FROZEN)
                return true;
        if (freeze->guard > 0)
                leave_guard(freeze, true);
        if (!cancelled)
                return fail_freeze(freeze, &said, error);
        g_propagate_error(error, g_steal_pointer(&cancelled));
        return dol_fail_while(error, "freeze '%s'", freeze->paths[0]);
}

dol_freeze *dol_freeze_begin(const dol_call *call, const char *const *paths, int64_t limit_usec,
                             GError **error)
{
        dol_freeze *freeze = g_new0(dol_freeze, 1);

        reap_abandoned();
        freeze->task.channel = -1;
        freeze->task.expedite = open_expedite();
        freeze->limit_usec = limit_usec;
        freeze->task.deadline_usec = dol_monotonic_usec() + limit_usec;
        if (!open_mounts(freeze, paths, error) || !dol_call_check(call, error) ||
            !dol_fault_point("host.freeze.before", error) || !start_guard(freeze, error) ||
            !wait_frozen(call, freeze, error)) {
                free_freeze(freeze);
                return NULL;
        }
        if (!dol_fault_point("host.freeze.after", error)) {
                dol_freeze_end(freeze, NULL, NULL);
                return NULL;
        }
        return freeze;
}

static bool fail_thaw(const dol_guard_report *said, GError **error)
{
        if (said->early || said->err == EINVAL)
                return dol_fail(error, DOL_ERROR_TIMEOUT,
                                said->early ? "it was thawed before, because the time was up"
                                            : "it was thawed before, by another program");
        return dol_fail_errno(error, said->err, "thaw");
}

/* Tells the guard and waits for its last word, or else thaws in its place. */
static dol_guard_report thaw(dol_freeze *freeze)
{
        int64_t until = dol_monotonic_usec() + GRACE_USEC;
        dol_guard_report said = {.word = GUARD_STEP};
        bool died = false;

        while (send(freeze->task.channel, "", 1, MSG_NOSIGNAL) < 0 && errno == EINTR)
                ;
        while (said.word != GUARD_THAWED && !died && dol_monotonic_usec() < until)
                next_report(freeze, until, &said, &died);
        leave_guard(freeze, true);
        if (said.word != GUARD_THAWED) {
                said = (dol_guard_report){.word = GUARD_THAWED};
                said.err = dol_freeze_thaw(freeze->task.fds, freeze->task.count);
                said.end_usec = dol_monotonic_usec();
        }
        return said;
}

bool dol_freeze_end(dol_freeze *freeze, int64_t *ret_usec, GError **error)
{
        g_autoptr(GError) failed = NULL;
        dol_guard_report said;
        bool done;

        dol_fault_point("host.thaw.before", &failed);
        said = thaw(freeze);
        if (ret_usec)
                *ret_usec = said.end_usec - freeze->begin_usec;
        free_freeze(freeze);
        if (failed) {
                g_propagate_error(error, g_steal_pointer(&failed));
                return false;
        }
        done = (!said.early && said.err == 0) || fail_thaw(&said, error);
        return done && dol_fault_point("host.thaw.after", error);
}

bool dol_freeze_recover(const char *path, bool *ret_thawed, GError **error)
{
        g_autoptr(GError) failed = NULL;
        dol_autofd fd = -1;
        dev_t device;

        *ret_thawed = false;
        if (!open_mount(path, &fd, &device, &failed)) {
                if (dol_error_is(failed, DOL_ERROR_NOT_FOUND) ||
                    dol_error_is(failed, DOL_ERROR_CONFLICT) ||
                    dol_error_is(failed, DOL_ERROR_UNSUPPORTED))
                        return true;
                g_propagate_error(error, g_steal_pointer(&failed));
                return false;
        }
        *ret_thawed = ioctl(fd, FITHAW, 0) == 0;
        return *ret_thawed || errno == EINVAL || errno == ENOTTY || errno == EOPNOTSUPP ||
               dol_fail_errno(error, errno, "thaw '%s'", path);
}
