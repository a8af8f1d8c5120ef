/* SPDX-License-Identifier: Apache-2.0 */
/* What the files about mounts share; for them and their tests. */
#pragma once

#include "host/mount.h"

/* The words of a mount's option list, sorted out. */
typedef struct {
        unsigned long flags; /* MS_* for mount(2) */
        uint64_t set, clear; /* MOUNT_ATTR_* for mount_setattr(2): the per-mount ones of them */
        char *data;          /* what only the file system understands, comma separated; or NULL */
} dol_mount_words;

void dol_mount_words_parse(const char *options, dol_mount_words *ret);
void dol_mount_words_clear(dol_mount_words *words);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(dol_mount_words, dol_mount_words_clear)

/* Cuts one line of mountinfo apart in place: the entry's strings point into it. false = malformed.
 */
bool dol_mountinfo_cut(char *line, dol_mount_entry *ret);
/* Calls fn for each well formed line of a mountinfo text, which is cut up; the entry lives for the
 * call only. false from fn ends it. */
typedef bool (*dol_mountinfo_fn)(const dol_mount_entry *entry, void *user);
void dol_mountinfo_each(char *text, dol_mountinfo_fn fn, void *user);
/* Reads a mountinfo file as it is; NOT_FOUND for a process that has gone. */
bool dol_mountinfo_text(const char *path, char **ret, GError **error);

/* Whether `path` is where something is mounted, and the mount's id. Asks no file system, so that
 * one that is shut down or hangs cannot disturb. NOT_FOUND when there is no such path. */
bool dol_mount_is_root(const char *path, bool *ret_is_root, uint64_t *ret_id, GError **error);

/* Up to `max` processes that use the mount at `path` ("pid 123 (name)"), and mounts beneath it
 * ("mount /a/b"), as one text; NULL when none is found. */
char *dol_mount_users(const char *path, unsigned max);
