/* SPDX-License-Identifier: Apache-2.0 */
/* What the process that freezes and its guard say to each other; for them and their tests. */
#pragma once

#include "host/freeze.h"

#include <sys/types.h>

enum { DOL_FREEZE_MAX = 64 };

typedef struct {
        int fds[DOL_FREEZE_MAX]; /* open on the mount points, in the order of freezing */
        unsigned count;
        int expedite;          /* open on /sys/kernel/rcu_expedited, or -1 */
        int channel;           /* SOCK_SEQPACKET: reports go up; a byte, or the end, comes down */
        int64_t deadline_usec; /* CLOCK_MONOTONIC */
} dol_guard_task;

/* step      the file system `index` is frozen; the next one's turn has come
 * frozen    all are
 * failed    the file system `index` could not be frozen (`err`); what was frozen is thawed
 * given-up  the deadline or the parent's end came first; what was frozen is thawed
 * thawed    all are; `early` when not because the parent said so; `err` of the first that failed
 * died      said by nobody: what the parent makes of a channel's end */
typedef enum {
        GUARD_STEP,
        GUARD_FROZEN,
        GUARD_FAILED,
        GUARD_GIVEN_UP,
        GUARD_THAWED,
        GUARD_DIED
} dol_guard_word;

typedef struct {
        dol_guard_word word;
        unsigned index;
        int err;
        bool early;
        int64_t begin_usec, end_usec; /* CLOCK_MONOTONIC: before the first freeze, after the thaw */
} dol_guard_report;

/* The whole life of the guard. It was forked from a process with many threads: it makes system
 * calls, and nothing else. */
void dol_freeze_guard(const dol_guard_task *task) __attribute__((noreturn));
/* Switches expedited grace periods on or off by the task's fd, or does nothing with -1. */
void dol_freeze_expedite(int fd, bool on);
/* Thaws fds[count - 1] to fds[0]; the errno of the first failure, or 0. System calls only. */
int dol_freeze_thaw(const int *fds, unsigned count);

/* The process that holds the freeze; for tests. */
pid_t dol_freeze_guard_pid(const dol_freeze *freeze);
