/* SPDX-License-Identifier: Apache-2.0 */
/* String maps: the value type of labels and options. */
#include "codec/schema.h"

#include <stdlib.h>
#include <string.h>

GHashTable *dol_map_new(void)
{
        return g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
}

GHashTable *dol_map_copy(const GHashTable *map)
{
        GHashTable *copy;
        GHashTableIter iter;
        void *key, *value;

        if (!map)
                return NULL;
        copy = dol_map_new();
        g_hash_table_iter_init(&iter, (GHashTable *)map);
        while (g_hash_table_iter_next(&iter, &key, &value))
                g_hash_table_insert(copy, g_strdup(key), g_strdup(value));
        return copy;
}

static int compare_keys(const void *a, const void *b)
{
        return strcmp(*(const char *const *)a, *(const char *const *)b);
}

const char **dol_map_keys(GHashTable *map)
{
        unsigned count = 0;
        const char **keys = (const char **)g_hash_table_get_keys_as_array(map, &count);

        qsort(keys, count, sizeof(*keys), compare_keys);
        return keys;
}

bool dol_map_equal(GHashTable *a, GHashTable *b)
{
        GHashTableIter iter;
        void *key, *value;

        if ((a ? g_hash_table_size(a) : 0) != (b ? g_hash_table_size(b) : 0))
                return false;
        if (!a || !b)
                return true;
        g_hash_table_iter_init(&iter, a);
        while (g_hash_table_iter_next(&iter, &key, &value))
                if (g_strcmp0(g_hash_table_lookup(b, key), value) != 0)
                        return false;
        return true;
}
