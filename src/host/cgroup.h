/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Limits of I/O by control groups: blkio.throttle.* of the first version, io.max of the second.
 * What is set is read from the kernel each time, nothing is remembered. Groups are named as the
 * hierarchy has them ("/docker/3f2a"), "/" is the root of what is mounted here.
 *
 * In the first version a limit holds for the processes of one group, not of those below it, and
 * buffered writes are done by the kernel in "/". In the second it holds for all below, and buffered
 * writes belong to who wrote.
 */
#pragma once

#include "model/io-limits.h"

typedef enum { DOL_CGROUP_V1 = 1, DOL_CGROUP_V2 = 2 } dol_cgroup_version;

typedef struct {
        dol_cgroup_version version;
        char *directory; /* where it is mounted */
        char *top;       /* the group that is mounted there: "/" unless this is a container */
} dol_cgroup_tree;

#define DOL_CGROUP_MOUNTS "/proc/thread-self/mountinfo"

/* The hierarchy that limits I/O, of those in the mount table. UNSUPPORTED with the reason when
 * there is none, or when its groups cannot be limited. Changes nothing. */
bool dol_cgroup_find(const char *mountinfo, dol_cgroup_tree *ret, GError **error);
void dol_cgroup_clear(dol_cgroup_tree *tree);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(dol_cgroup_tree, dol_cgroup_clear)

/* Every limit on a loop device that any group has: of dol_group_limits. */
GPtrArray *dol_cgroup_limits(const dol_cgroup_tree *tree, GError **error);
/* Sets all four limits of a group for a device; none lifts them. A group that has gone: true. */
bool dol_cgroup_limit(const dol_cgroup_tree *tree, const dol_group_limits *wanted, GError **error);

/* Which groups have processes in whose mount namespace (another one than ours) a loop device is
 * mounted, except below `except`, which is where we mount for others to bind: of dol_group_limits
 * without limits, each pair of device and group once. */
GPtrArray *dol_cgroup_users(const dol_cgroup_tree *tree, const char *except, GError **error);
