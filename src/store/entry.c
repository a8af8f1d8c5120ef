/* SPDX-License-Identifier: Apache-2.0 */
#include "store/entry.h"

#include <stdatomic.h>
#include <string.h>

struct dol_entry {
        atomic_uint references;
        dol_record record;
        int64_t lease;
        size_t bytes;
        char text[]; /* key, NUL, value, NUL */
};

dol_entry *dol_entry_new(const char *key, const char *value, size_t size, int64_t revision,
                         int64_t lease)
{
        size_t key_size = strlen(key) + 1;
        size_t bytes = sizeof(dol_entry) + key_size + (value ? size + 1 : 0);
        dol_entry *entry = g_malloc(bytes);

        atomic_init(&entry->references, 1);
        entry->lease = lease;
        entry->bytes = bytes;
        memcpy(entry->text, key, key_size);
        entry->record = (dol_record){.key = entry->text, .revision = revision};
        if (value) {
                char *copy = entry->text + key_size;

                memcpy(copy, value, size);
                copy[size] = '\0';
                entry->record.value = copy;
                entry->record.size = size;
        }
        return entry;
}

dol_entry *dol_entry_ref(dol_entry *entry)
{
        atomic_fetch_add(&entry->references, 1);
        return entry;
}

void dol_entry_unref(void *data)
{
        dol_entry *entry = data;

        if (entry && atomic_fetch_sub(&entry->references, 1) == 1)
                g_free(entry);
}

const dol_record *dol_entry_record(const dol_entry *entry)
{
        return &entry->record;
}

int64_t dol_entry_lease(const dol_entry *entry)
{
        return entry->lease;
}

size_t dol_entry_bytes(const dol_entry *entry)
{
        return entry->bytes;
}
