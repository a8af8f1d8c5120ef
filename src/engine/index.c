/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/index.h"

#include "base/guard.h"

#include <stdatomic.h>
#include <string.h>

/* The volume is the first member, so a pointer to it is a pointer to its holder. */
typedef struct {
        dol_volume volume;
        atomic_uint references;
        char *token; /* name, a control character, uid: the order of lists */
} holder;

struct dol_index {
        pthread_rwlock_t lock; /* guards what follows */
        GHashTable *by_uid;    /* uid -> holder, owned */
        GHashTable *by_name;   /* name -> holder, those that own their name */
        GTree *by_token;       /* token -> holder */
};

bool dol_volume_owns_name(const dol_volume *volume)
{
        return volume->status.phase != DOL_VOLUME_TRASHED &&
               volume->status.phase != DOL_VOLUME_DELETING;
}

char *dol_volume_token(const dol_volume *volume)
{
        /* names have no control characters, so this sorts by name, then by uid */
        return g_strconcat(volume->name, "\001", volume->uid, NULL);
}

const dol_volume *dol_volume_ref(const dol_volume *volume)
{
        atomic_fetch_add(&((holder *)volume)->references, 1);
        return volume;
}

void dol_volume_unref(const dol_volume *volume)
{
        holder *held = (holder *)volume;

        if (!held || atomic_fetch_sub(&held->references, 1) > 1)
                return;
        dol_schema_clear(&dol_volume_schema, &held->volume);
        g_free(held->token);
        g_free(held);
}

static void holder_release(void *data)
{
        dol_volume_unref(data);
}

static int compare_tokens(const void *a, const void *b, void *user)
{
        return strcmp(a, b);
}

dol_index *dol_index_new(void)
{
        dol_index *index = g_new0(dol_index, 1);

        pthread_rwlock_init(&index->lock, NULL);
        index->by_uid = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, holder_release);
        index->by_name = g_hash_table_new(g_str_hash, g_str_equal);
        index->by_token = g_tree_new_full(compare_tokens, NULL, NULL, NULL);
        return index;
}

void dol_index_free(dol_index *index)
{
        if (!index)
                return;
        g_tree_unref(index->by_token);
        g_hash_table_unref(index->by_name);
        g_hash_table_unref(index->by_uid);
        pthread_rwlock_destroy(&index->lock);
        g_free(index);
}

static void forget(dol_index *index, const char *uid)
{
        holder *held = g_hash_table_lookup(index->by_uid, uid);

        if (!held)
                return;
        if (g_hash_table_lookup(index->by_name, held->volume.name) == held)
                g_hash_table_remove(index->by_name, held->volume.name);
        g_tree_remove(index->by_token, held->token);
        g_hash_table_remove(index->by_uid, uid);
}

void dol_index_put(dol_index *index, dol_volume *volume)
{
        holder *held = g_new0(holder, 1);

        held->volume = *volume;
        memset(volume, 0, sizeof(*volume));
        atomic_init(&held->references, 1);
        held->token = dol_volume_token(&held->volume);

        dol_write_scope(&index->lock);
        forget(index, held->volume.uid);
        g_hash_table_replace(index->by_uid, held->volume.uid, held);
        g_tree_insert(index->by_token, held->token, held);
        if (dol_volume_owns_name(&held->volume))
                g_hash_table_replace(index->by_name, held->volume.name, held);
}

void dol_index_remove(dol_index *index, const char *uid)
{
        dol_write_scope(&index->lock);

        forget(index, uid);
}

const dol_volume *dol_index_by_uid(dol_index *index, const char *uid)
{
        const dol_volume *found;
        dol_read_scope(&index->lock);

        found = g_hash_table_lookup(index->by_uid, uid);
        return found ? dol_volume_ref(found) : NULL;
}

const dol_volume *dol_index_by_name(dol_index *index, const char *name)
{
        const dol_volume *found;
        dol_read_scope(&index->lock);

        found = g_hash_table_lookup(index->by_name, name);
        return found ? dol_volume_ref(found) : NULL;
}

GPtrArray *dol_index_list(dol_index *index, const char *token, unsigned max,
                          bool (*accept)(const dol_volume *volume, void *user), void *user)
{
        GPtrArray *found = g_ptr_array_new_with_free_func(holder_release);
        GTreeNode *node;
        dol_read_scope(&index->lock);

        node = token ? g_tree_upper_bound(index->by_token, token)
                     : g_tree_node_first(index->by_token);
        for (; node && (max == 0 || found->len < max); node = g_tree_node_next(node)) {
                const dol_volume *volume = g_tree_node_value(node);

                if (accept(volume, user))
                        g_ptr_array_add(found, (void *)dol_volume_ref(volume));
        }
        return found;
}

unsigned dol_index_size(dol_index *index)
{
        dol_read_scope(&index->lock);

        return g_hash_table_size(index->by_uid);
}
