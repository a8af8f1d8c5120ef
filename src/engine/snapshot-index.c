/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/snapshot-index.h"

#include "base/guard.h"

#include <string.h>

struct dol_snapshot_index {
        pthread_rwlock_t lock; /* guards what follows */
        GHashTable *by_uid;    /* uid -> dol_snapshot, owned */
        GHashTable *by_volume; /* uid of the volume -> GPtrArray of dol_snapshot */
};

static void free_snapshot(void *data)
{
        dol_snapshot_free(data);
}

static void free_array(void *data)
{
        g_ptr_array_unref(data);
}

dol_snapshot_index *dol_snapshot_index_new(void)
{
        dol_snapshot_index *index = g_new0(dol_snapshot_index, 1);

        pthread_rwlock_init(&index->lock, NULL);
        index->by_uid = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, free_snapshot);
        index->by_volume = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, free_array);
        return index;
}

void dol_snapshot_index_free(dol_snapshot_index *index)
{
        if (!index)
                return;
        g_hash_table_unref(index->by_volume);
        g_hash_table_unref(index->by_uid);
        pthread_rwlock_destroy(&index->lock);
        g_free(index);
}

static void forget(dol_snapshot_index *index, const char *uid)
{
        dol_snapshot *old = g_hash_table_lookup(index->by_uid, uid);
        GPtrArray *siblings;

        if (!old)
                return;
        siblings = g_hash_table_lookup(index->by_volume, old->volume);
        g_ptr_array_remove(siblings, old);
        if (siblings->len == 0)
                g_hash_table_remove(index->by_volume, old->volume);
        g_hash_table_remove(index->by_uid, uid);
}

void dol_snapshot_index_put(dol_snapshot_index *index, dol_snapshot *snapshot)
{
        GPtrArray *siblings;
        dol_write_scope(&index->lock);

        forget(index, snapshot->uid);
        g_hash_table_insert(index->by_uid, snapshot->uid, snapshot);
        siblings = g_hash_table_lookup(index->by_volume, snapshot->volume);
        if (!siblings) {
                siblings = g_ptr_array_new();
                g_hash_table_insert(index->by_volume, g_strdup(snapshot->volume), siblings);
        }
        g_ptr_array_add(siblings, snapshot);
}

void dol_snapshot_index_remove(dol_snapshot_index *index, const char *uid)
{
        dol_write_scope(&index->lock);

        forget(index, uid);
}

dol_snapshot *dol_snapshot_index_by_uid(dol_snapshot_index *index, const char *uid)
{
        dol_read_scope(&index->lock);

        return dol_snapshot_copy(g_hash_table_lookup(index->by_uid, uid));
}

dol_snapshot *dol_snapshot_index_by_name(dol_snapshot_index *index, const char *volume,
                                         const char *name)
{
        GPtrArray *siblings;
        dol_read_scope(&index->lock);

        siblings = g_hash_table_lookup(index->by_volume, volume);
        for (unsigned i = 0; siblings && i < siblings->len; i++) {
                const dol_snapshot *snapshot = siblings->pdata[i];

                if (snapshot->phase != DOL_SNAPSHOT_DELETING && strcmp(snapshot->name, name) == 0)
                        return dol_snapshot_copy(snapshot);
        }
        return NULL;
}

static int compare_age(const void *a, const void *b)
{
        const dol_snapshot *first = *(const dol_snapshot *const *)a;
        const dol_snapshot *second = *(const dol_snapshot *const *)b;

        if (first->created != second->created)
                return first->created < second->created ? -1 : 1;
        return strcmp(first->uid, second->uid);
}

GPtrArray *dol_snapshot_index_list(dol_snapshot_index *index, const char *volume)
{
        GPtrArray *found = g_ptr_array_new_with_free_func(free_snapshot);
        GHashTableIter iter;
        void *value;

        pthread_rwlock_rdlock(&index->lock);
        g_hash_table_iter_init(&iter, index->by_uid);
        while (g_hash_table_iter_next(&iter, NULL, &value))
                if (!volume || strcmp(((const dol_snapshot *)value)->volume, volume) == 0)
                        g_ptr_array_add(found, dol_snapshot_copy(value));
        pthread_rwlock_unlock(&index->lock);
        g_ptr_array_sort(found, compare_age);
        return found;
}

unsigned dol_snapshot_index_count(dol_snapshot_index *index, const char *volume)
{
        GPtrArray *siblings;
        dol_read_scope(&index->lock);

        siblings = g_hash_table_lookup(index->by_volume, volume);
        return siblings ? siblings->len : 0;
}
