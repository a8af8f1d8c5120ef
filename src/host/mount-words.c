/* SPDX-License-Identifier: Apache-2.0 */
/* Mount options: which words are flags of the kernel and which are for the file system. */
#include "host/mount-private.h"

#include <string.h>
#include <sys/mount.h>

typedef struct {
        const char *word;
        unsigned long flags, not_flags; /* MS_*: switched on, switched off */
        uint64_t set, clear;            /* MOUNT_ATTR_* */
} word_row;

static const word_row rows[] = {
        {"defaults", 0, 0, 0, 0},
        {"ro", MS_RDONLY, 0, MOUNT_ATTR_RDONLY, 0},
        {"rw", 0, MS_RDONLY, 0, MOUNT_ATTR_RDONLY},
        {"nosuid", MS_NOSUID, 0, MOUNT_ATTR_NOSUID, 0},
        {"suid", 0, MS_NOSUID, 0, MOUNT_ATTR_NOSUID},
        {"nodev", MS_NODEV, 0, MOUNT_ATTR_NODEV, 0},
        {"dev", 0, MS_NODEV, 0, MOUNT_ATTR_NODEV},
        {"noexec", MS_NOEXEC, 0, MOUNT_ATTR_NOEXEC, 0},
        {"exec", 0, MS_NOEXEC, 0, MOUNT_ATTR_NOEXEC},
        {"noatime", MS_NOATIME, MS_RELATIME | MS_STRICTATIME, MOUNT_ATTR_NOATIME,
         MOUNT_ATTR__ATIME},
        {"relatime", MS_RELATIME, MS_NOATIME | MS_STRICTATIME, MOUNT_ATTR_RELATIME,
         MOUNT_ATTR__ATIME},
        {"strictatime", MS_STRICTATIME, MS_NOATIME | MS_RELATIME, MOUNT_ATTR_STRICTATIME,
         MOUNT_ATTR__ATIME},
        {"nodiratime", MS_NODIRATIME, 0, MOUNT_ATTR_NODIRATIME, 0},
        {"diratime", 0, MS_NODIRATIME, 0, MOUNT_ATTR_NODIRATIME},
        {"lazytime", MS_LAZYTIME, 0, 0, 0},
        {"nolazytime", 0, MS_LAZYTIME, 0, 0},
        {"sync", MS_SYNCHRONOUS, 0, 0, 0},
        {"async", 0, MS_SYNCHRONOUS, 0, 0},
        {"dirsync", MS_DIRSYNC, 0, 0, 0},
};

static const word_row *find_row(const char *word)
{
        for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++)
                if (strcmp(rows[i].word, word) == 0)
                        return &rows[i];
        return NULL;
}

/* A later word wins over an earlier one. */
static void apply(const word_row *row, dol_mount_words *words)
{
        words->flags = (words->flags & ~row->not_flags) | row->flags;
        words->clear |= row->clear;
        words->set = (words->set & ~row->clear) | row->set;
}

void dol_mount_words_parse(const char *options, dol_mount_words *ret)
{
        g_auto(GStrv) list = g_strsplit(options ? options : "", ",", -1);
        g_autoptr(GString) data = g_string_new(NULL);

        *ret = (dol_mount_words){0};
        for (unsigned i = 0; list[i]; i++) {
                const word_row *known = find_row(g_strstrip(list[i]));

                if (known)
                        apply(known, ret);
                else if (*list[i] && !g_str_has_prefix(list[i], "x-"))
                        g_string_append_printf(data, "%s%s", data->len ? "," : "", list[i]);
        }
        if (data->len > 0)
                ret->data = g_string_free(g_steal_pointer(&data), false);
}

void dol_mount_words_clear(dol_mount_words *words)
{
        g_clear_pointer(&words->data, g_free);
}
