/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guard: a process of its own that freezes, holds, and thaws. Between fork and _exit it makes
 * system calls only (no memory is allocated, no lock taken, no file opened): the locks of the
 * threads that the fork left behind stay locked for ever.
 */
#include "base/clock.h"
#include "host/freeze-private.h"

#include <errno.h>
#include <linux/fs.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Syncing is repeated until there was little left to do, so that freezing, during which writers
 * wait, finds little too. */
enum { SYNC_PASSES_MAX = 5, SYNC_BRIEF_USEC = 5000 };

/* The lowest of its own file descriptors that is not below `from`; ~0U = none. */
static unsigned next_own(const dol_guard_task *task, unsigned from)
{
        unsigned next = (unsigned)task->channel >= from ? (unsigned)task->channel : ~0U;

        if (task->expedite >= 0 && (unsigned)task->expedite >= from)
                next = MIN(next, (unsigned)task->expedite);
        for (unsigned i = 0; i < task->count; i++)
                if ((unsigned)task->fds[i] >= from)
                        next = MIN(next, (unsigned)task->fds[i]);
        return next;
}

/* What the parent had open would stay open in here: its sockets, its locks, other guards'
 * channels. */
static void close_others(const dol_guard_task *task)
{
        unsigned from = 0;

        for (;;) {
                unsigned next = next_own(task, from);

                if (next > from)
                        syscall(SYS_close_range, from, next == ~0U ? ~0U : next - 1, 0);
                if (next == ~0U)
                        return;
                from = next + 1;
        }
}

/* A freeze waits for three grace periods of RCU, one after the other, while writers wait already:
 * 10 to 40 ms, or 1 ms where they are expedited. That is a switch for the whole kernel, so it is
 * on for the freeze only. */
void dol_freeze_expedite(int fd, bool on)
{
        if (fd >= 0 && pwrite(fd, on ? "1" : "0", 1, 0) < 0)
                return; /* it is slower then */
}

/* A report that nobody reads any more is no error. */
static void report(const dol_guard_task *task, const dol_guard_report *said)
{
        while (send(task->channel, said, sizeof(*said), MSG_NOSIGNAL) < 0 && errno == EINTR)
                ;
}

/* Waits for the parent's word, its end or the deadline; true: its word or end. */
static bool wait_for_parent(const dol_guard_task *task, int64_t until_usec)
{
        struct pollfd poller = {.fd = task->channel, .events = POLLIN};

        for (;;) {
                int64_t left = until_usec - dol_monotonic_usec();
                struct timespec timeout = {MAX(left, 0) / DOL_USEC_PER_SEC,
                                           MAX(left, 0) % DOL_USEC_PER_SEC * 1000};
                int n = ppoll(&poller, 1, &timeout, NULL);

                if (n > 0)
                        return true;
                if (left <= 0)
                        return false;
        }
}

static bool is_over(const dol_guard_task *task)
{
        int64_t now = dol_monotonic_usec();

        return now >= task->deadline_usec || wait_for_parent(task, now);
}

int dol_freeze_thaw(const int *fds, unsigned count)
{
        int err = 0;

        while (count-- > 0)
                if (ioctl(fds[count], FITHAW, 0) < 0 && err == 0)
                        err = errno;
        return err;
}

static bool sync_all(const dol_guard_task *task)
{
        for (unsigned pass = 0; pass < SYNC_PASSES_MAX; pass++) {
                int64_t begin = dol_monotonic_usec();

                for (unsigned i = 0; i < task->count; i++) {
                        if (is_over(task))
                                return false;
                        syncfs(task->fds[i]);
                }
                if (dol_monotonic_usec() - begin < SYNC_BRIEF_USEC)
                        return true;
        }
        return true;
}

/* Freezes all, or leaves none frozen. */
static bool freeze_all(const dol_guard_task *task, dol_guard_report *said)
{
        for (unsigned i = 0; i < task->count; i++) {
                if (is_over(task)) {
                        dol_freeze_thaw(task->fds, i);
                        return false;
                }
                if (ioctl(task->fds[i], FIFREEZE, 0) < 0) {
                        *said = (dol_guard_report){.word = GUARD_FAILED, .index = i, .err = errno};
                        dol_freeze_thaw(task->fds, i);
                        return false;
                }
                said->index = i;
                report(task, said);
        }
        return true;
}

/* The end of the parent's word is looked for, because a parent that died says nothing. */
static bool was_told(const dol_guard_task *task)
{
        char word;

        return recv(task->channel, &word, sizeof(word), MSG_DONTWAIT) == sizeof(word);
}

static void hold(const dol_guard_task *task, dol_guard_report *said)
{
        said->word = GUARD_FROZEN;
        report(task, said);
        said->early = !wait_for_parent(task, task->deadline_usec) || !was_told(task);
        said->err = dol_freeze_thaw(task->fds, task->count);
        said->end_usec = dol_monotonic_usec();
        said->word = GUARD_THAWED;
        report(task, said);
}

/* A session of its own: what is sent to the parent's process group does not come here. */
void dol_freeze_guard(const dol_guard_task *task)
{
        dol_guard_report said = {.word = GUARD_GIVEN_UP};
        bool all;

        setsid();
        prctl(PR_SET_NAME, "dolium-guard");
        close_others(task);
        if (!sync_all(task)) {
                report(task, &said);
                _exit(0);
        }
        said.begin_usec = dol_monotonic_usec();
        said.word = GUARD_STEP;
        dol_freeze_expedite(task->expedite, true);
        all = freeze_all(task, &said);
        dol_freeze_expedite(task->expedite, false);
        close(task->expedite);
        if (all) {
                hold(task, &said);
        } else {
                if (said.word == GUARD_STEP)
                        said.word = GUARD_GIVEN_UP;
                report(task, &said);
        }
        _exit(0);
}
