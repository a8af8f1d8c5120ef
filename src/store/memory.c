/* SPDX-License-Identifier: Apache-2.0 */
/* The store of tests: a sorted tree of records behind one lock. */
#include "base/guard.h"
#include "store/entry.h"
#include "store/key.h"
#include "store/local.h"
#include "store/txn.h"

#include <string.h>

typedef struct {
        dol_local_store local;

        pthread_mutex_t lock; /* guards what follows */
        GTree *records;       /* key -> dol_entry, whose key it is */
        GHashTable *leases;   /* set of int64_t: the leases that exist */
        int64_t last_lease;
        int64_t revision;
} memory_store;

static int compare_keys(const void *left, const void *right, void *user)
{
        return strcmp(left, right);
}

static bool guard_holds(memory_store *store, const dol_txn_row *row, GError **error)
{
        const dol_entry *found = g_tree_lookup(store->records, row->key);

        return dol_txn_guard_check(row, found ? dol_entry_record(found)->revision : 0, error);
}

static bool may_commit(memory_store *store, const dol_txn *txn, GError **error)
{
        for (unsigned i = 0; i < txn->rows->len; i++) {
                const dol_txn_row *row = dol_txn_row_at(txn, i);

                if (row->kind == DOL_TXN_REQUIRE && !guard_holds(store, row, error))
                        return false;
                if (row->leased && !g_hash_table_contains(store->leases, &row->lease))
                        return dol_lease_fail_ended(row->lease, error);
        }
        return true;
}

static void put(memory_store *store, const dol_txn_row *row, GPtrArray *changes)
{
        dol_entry *entry =
                dol_entry_new(row->key, row->value, row->size, store->revision + 1, row->lease);

        g_tree_replace(store->records, (void *)dol_entry_record(entry)->key, entry);
        g_ptr_array_add(changes, dol_entry_ref(entry));
}

static void delete (memory_store *store, const char *key, GPtrArray *changes)
{
        if (g_tree_remove(store->records, key))
                g_ptr_array_add(changes, dol_entry_new(key, NULL, 0, store->revision + 1, 0));
}

/* Makes what was changed a commit. */
static void publish(memory_store *store, const GPtrArray *changes)
{
        if (changes->len == 0)
                return;
        store->revision++;
        dol_hub_publish(store->local.hub, changes, store->revision);
}

static bool memory_commit(dol_store *base, const dol_txn *txn, int64_t *ret_revision,
                          GError **error)
{
        memory_store *store = (memory_store *)base;
        g_autoptr(GPtrArray) changes = g_ptr_array_new_with_free_func(dol_entry_unref);
        dol_lock_scope(&store->lock);

        if (!may_commit(store, txn, error))
                return false;
        for (unsigned i = 0; i < txn->rows->len; i++) {
                const dol_txn_row *row = dol_txn_row_at(txn, i);

                if (row->kind == DOL_TXN_PUT)
                        put(store, row, changes);
                if (row->kind == DOL_TXN_DELETE)
                        delete (store, row->key, changes);
        }
        publish(store, changes);
        *ret_revision = store->revision;
        return true;
}

static bool memory_get(dol_store *base, const char *key, char **ret_value, int64_t *ret_revision,
                       GError **error)
{
        memory_store *store = (memory_store *)base;
        const dol_entry *found;
        dol_lock_scope(&store->lock);

        found = g_tree_lookup(store->records, key);
        if (!found)
                return dol_key_fail_absent(key, error);
        *ret_value = g_strdup(dol_entry_record(found)->value);
        *ret_revision = dol_entry_record(found)->revision;
        return true;
}

/* The records of the range as they are at one revision. */
static GPtrArray *records_in(memory_store *store, const dol_key_range *range, unsigned limit,
                             int64_t *ret_revision)
{
        GPtrArray *found = g_ptr_array_new_with_free_func(dol_entry_unref);
        GTreeNode *node;
        dol_lock_scope(&store->lock);

        node = g_tree_lower_bound(store->records, range->from);
        for (; node && strcmp(g_tree_node_key(node), range->below) < 0;
             node = g_tree_node_next(node)) {
                if (limit && found->len == limit)
                        break;
                g_ptr_array_add(found, dol_entry_ref(g_tree_node_value(node)));
        }
        *ret_revision = store->revision;
        return found;
}

static bool memory_list(dol_store *base, const char *prefix, const char *after, unsigned limit,
                        dol_record_fn fn, void *user, int64_t *ret_revision, GError **error)
{
        dol_key_range range = dol_key_range_of(prefix, after);
        g_autoptr(GPtrArray) found = records_in((memory_store *)base, &range, limit, ret_revision);

        for (unsigned i = 0; i < found->len; i++)
                if (!fn(dol_entry_record(g_ptr_array_index(found, i)), user))
                        break;
        return true;
}

static int64_t add_lease(memory_store *store)
{
        dol_lock_scope(&store->lock);

        store->last_lease++;
        g_hash_table_add(store->leases, g_memdup2(&store->last_lease, sizeof(int64_t)));
        return store->last_lease;
}

static bool memory_lease_grant(dol_store *base, int64_t ttl_usec, int64_t *ret_lease,
                               GError **error)
{
        memory_store *store = (memory_store *)base;

        *ret_lease = add_lease(store);
        dol_leases_add(store->local.leases, *ret_lease, ttl_usec);
        return true;
}

static bool memory_lease_end(dol_store *base, int64_t lease, GError **error)
{
        memory_store *store = (memory_store *)base;
        g_autoptr(GPtrArray) keys = g_ptr_array_new_with_free_func(g_free);
        g_autoptr(GPtrArray) changes = g_ptr_array_new_with_free_func(dol_entry_unref);
        dol_lock_scope(&store->lock);

        for (GTreeNode *node = g_tree_node_first(store->records); node;
             node = g_tree_node_next(node))
                if (dol_entry_lease(g_tree_node_value(node)) == lease)
                        g_ptr_array_add(keys, g_strdup(g_tree_node_key(node)));
        for (unsigned i = 0; i < keys->len; i++)
                delete (store, g_ptr_array_index(keys, i), changes);
        g_hash_table_remove(store->leases, &lease);
        publish(store, changes);
        return true;
}

static void memory_close(dol_store *base)
{
        memory_store *store = (memory_store *)base;

        dol_leases_free(store->local.leases);
        dol_hub_free(store->local.hub);
        g_tree_unref(store->records);
        g_hash_table_unref(store->leases);
        pthread_mutex_destroy(&store->lock);
        g_free(store);
}

static const dol_store_ops memory_ops = {
        .commit = memory_commit,
        .get = memory_get,
        .list = memory_list,
        .watch = dol_local_watch,
        .unwatch = dol_local_unwatch,
        .lease_grant = memory_lease_grant,
        .lease_keep = dol_local_lease_keep,
        .lease_revoke = dol_local_lease_revoke,
        .revision = dol_local_revision,
        .close = memory_close,
};

dol_store *dol_memory_open(void)
{
        memory_store *store = g_new0(memory_store, 1);

        store->local.store.ops = &memory_ops;
        store->local.hub = dol_hub_new(0);
        store->local.leases = dol_leases_new(memory_lease_end, &store->local.store);
        pthread_mutex_init(&store->lock, NULL);
        store->records = g_tree_new_full(compare_keys, NULL, NULL, dol_entry_unref);
        store->leases = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
        return &store->local.store;
}
