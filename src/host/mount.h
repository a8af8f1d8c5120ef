/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mounts: made through the kernel's interface, seen through /proc/<pid>/mountinfo
 * (proc_pid_mountinfo(5)). Mount points are empty directories of mode 0000 that are immutable
 * while nothing is mounted on them, so that nobody writes beneath a missing mount; they are
 * removed with rmdir, never recursively.
 */
#pragma once

#include "base/call.h"

#include <stdint.h>
#include <sys/types.h>

typedef struct {
        uint64_t id;
        dev_t device;  /* major:minor of the file system's superblock */
        char *root;    /* directory within the file system that is mounted */
        char *path;    /* mount point, unescaped */
        char *options; /* per mount */
        char *fs_type;
        char *source; /* "/dev/loop3" */
        char *super_options;
} dol_mount_entry;

/* Reads a mountinfo text ("/proc/self/mountinfo" or a process's); entries in its order.
 * The array frees its entries. A process that has gone: NOT_FOUND. */
GPtrArray *dol_mountinfo_read(const char *path, GError **error);
/* The same from bytes; malformed lines are skipped. */
GPtrArray *dol_mountinfo_parse(const char *text);

/* What is mounted exactly at `path` (the topmost); NULL with *error unset = nothing. */
dol_mount_entry *dol_mount_find(const char *path, GError **error);
void dol_mount_entry_free(dol_mount_entry *entry);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(dol_mount_entry, dol_mount_entry_free)

/* Creates the mount point: parents 0711, itself 0000 and immutable (where the file system knows
 * immutable). Exists already: true. Not empty and nothing mounted on it: CONFLICT. */
bool dol_mountpoint_ensure(const char *path, GError **error);
/* rmdir after clearing immutable. Absent: true. Something mounted or inside: BUSY, unchanged. */
bool dol_mountpoint_remove(const char *path, GError **error);

/* Mounts the device's file system at the mount point (which is ensured first). `options` is comma
 * separated as in fstab (may be NULL). The same device there already: true, nothing stacked;
 * another one: CONFLICT. Fault points: host.mount.before, .after, also of a bind. */
bool dol_mount_device(const dol_call *call, const char *device, const char *fs_type,
                      const char *path, const char *options, GError **error);
/* Binds the directory `from` to the mount point, with the per-mount options of the list (ro,
 * nosuid, nodev, noexec, noatime, ...). The same directory there already: true. */
bool dol_mount_bind(const dol_call *call, const char *from, const char *path, const char *options,
                    GError **error);
/* Mounts it nowhere: *ret_fd is its root, and the mount goes with the last descriptor of it, at the
 * latest when this process ends. Fault points: host.mount.before, .after. */
bool dol_mount_detached(const dol_call *call, const char *device, const char *fs_type, int *ret_fd,
                        GError **error);
/* Unmounts all that is mounted exactly there, and leaves the mount point. Nothing there: true.
 * In use: BUSY, naming up to three processes that hold it if they can be found. Fault points:
 * host.unmount.before, .after. */
bool dol_unmount(const dol_call *call, const char *path, GError **error);
/* Unmounts even while in use (MNT_DETACH): for --force. */
bool dol_unmount_lazy(const char *path, GError **error);

/* Who else has the file system (device number and directory `root` in it or below) mounted, in any
 * mount namespace of this host, at a path other than `except`. Each namespace is read once.
 * *ret_holders (may be NULL) gets up to `max` strings "pid 123 (name) at /data" (g_strfreev). */
bool dol_mount_holders(dev_t device, const char *root, const char *except, unsigned max,
                       unsigned *ret_count, char ***ret_holders, GError **error);
