/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's list of mounts; names in it are chosen by users. */
#include "fuzz.h"

#include "host/mount.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        g_autofree char *text = fuzz_text(data, size);
        GPtrArray *entries = dol_mountinfo_parse(text);

        fuzz_require(entries);
        for (unsigned i = 0; i < entries->len; i++) {
                const dol_mount_entry *entry = entries->pdata[i];

                fuzz_require(entry->root && entry->path && entry->options && entry->fs_type &&
                             entry->source && entry->super_options);
        }
        g_ptr_array_unref(entries);
        return 0;
}
