/* SPDX-License-Identifier: Apache-2.0 */
/* Names, labels and mount options: what passes the checks holds what they promise. */
#include "fuzz.h"

#include "model/pool.h"
#include "model/snapshot.h"
#include "model/volume.h"

#include <string.h>

static void try_volume_name(const char *text)
{
        if (!dol_volume_name_check(text, NULL))
                return;
        fuzz_require(strlen(text) >= 1 && strlen(text) <= DOL_VOLUME_NAME_MAX);
        fuzz_require(g_utf8_validate(text, -1, NULL));
        fuzz_require(!strpbrk(text, "/@\n\r\t\x1b\x7f"));
        fuzz_require(strcmp(text, "..") != 0 && !g_str_has_prefix(text, "uid:"));
}

static void try_pool_name(const char *text)
{
        if (dol_pool_name_check(text, NULL))
                fuzz_require(g_ascii_islower(text[0]) && !strpbrk(text, "/._ "));
}

static void try_reference(const char *text)
{
        g_autofree char *volume = NULL, *name = NULL;

        if (dol_snapshot_reference_parse(text, &volume, &name, NULL))
                fuzz_require(*volume && *name && !strchr(volume, '@') &&
                             strlen(volume) + 1 + strlen(name) == strlen(text));
}

static void try_labels(const char *text)
{
        g_autoptr(GHashTable) labels = dol_map_new();
        g_auto(GStrv) pairs = g_strsplit(text, ",", -1);

        for (unsigned i = 0; pairs[i]; i++) {
                g_auto(GStrv) pair = g_strsplit(pairs[i], ":", 2);

                if (pair[0])
                        g_hash_table_replace(labels, g_strdup(pair[0]),
                                             g_strdup(pair[1] ? pair[1] : ""));
        }
        if (dol_labels_check(labels, NULL))
                fuzz_require(g_hash_table_size(labels) <= 64 && !g_hash_table_contains(labels, ""));
}

static void try_mountopts(const char *text)
{
        for (int fs = DOL_FS_AUTO; fs <= DOL_FS_DIRECTORY; fs++)
                if (dol_mountopts_check(text, (dol_fs_kind)fs, NULL)) {
                        fuzz_require(strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789=,") ==
                                     strlen(text));
                        fuzz_require(!strstr(text, "suid") || strstr(text, "nosuid"));
                        fuzz_require(fs == DOL_FS_EXT4 || !strchr(text, '='));
                }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        g_autofree char *text = fuzz_text(data, size);

        try_volume_name(text);
        try_pool_name(text);
        try_reference(text);
        try_labels(text);
        try_mountopts(text);
        return 0;
}
