/* SPDX-License-Identifier: Apache-2.0 */
/* The front of every store: checks what it is given, then calls the implementation. */
#include "store/store-private.h"

#include "store/key.h"
#include "store/txn.h"

bool dol_store_commit(dol_store *store, const dol_txn *txn, int64_t *ret_revision, GError **error)
{
        int64_t revision;

        if (!dol_txn_check(txn, error))
                return false;
        return store->ops->commit(store, txn, ret_revision ? ret_revision : &revision, error);
}

bool dol_store_get(dol_store *store, const char *key, char **ret_value, int64_t *ret_revision,
                   GError **error)
{
        int64_t revision;

        if (!dol_key_check(key, error))
                return false;
        return store->ops->get(store, key, ret_value, ret_revision ? ret_revision : &revision,
                               error);
}

bool dol_store_list(dol_store *store, const char *prefix, const char *after, unsigned limit,
                    dol_record_fn fn, void *user, int64_t *ret_revision, GError **error)
{
        int64_t revision;

        if (!dol_prefix_check(prefix, error))
                return false;
        if (after && !dol_prefix_check(after, error))
                return dol_fail_while(error, "the key to list after");
        return store->ops->list(store, prefix, after, limit, fn, user,
                                ret_revision ? ret_revision : &revision, error);
}

bool dol_store_watch(dol_store *store, const char *prefix, int64_t from, dol_record_fn fn,
                     void *user, int64_t *ret_watch, GError **error)
{
        if (!dol_prefix_check(prefix, error))
                return false;
        if (from < 0)
                return dol_fail(error, DOL_ERROR_INVALID,
                                "cannot watch from revision %" G_GINT64_FORMAT, from);
        return store->ops->watch(store, prefix, from, fn, user, ret_watch, error);
}

void dol_store_unwatch(dol_store *store, int64_t watch)
{
        store->ops->unwatch(store, watch);
}

bool dol_store_lease_grant(dol_store *store, int64_t ttl_usec, int64_t *ret_lease, GError **error)
{
        if (ttl_usec <= 0)
                return dol_fail(error, DOL_ERROR_INVALID,
                                "a lease of %" G_GINT64_FORMAT
                                " microseconds (expected more than 0)",
                                ttl_usec);
        return store->ops->lease_grant(store, ttl_usec, ret_lease, error);
}

bool dol_store_lease_keep(dol_store *store, int64_t lease, GError **error)
{
        return store->ops->lease_keep(store, lease, error);
}

bool dol_store_lease_revoke(dol_store *store, int64_t lease, GError **error)
{
        return store->ops->lease_revoke(store, lease, error);
}

int64_t dol_store_revision(dol_store *store)
{
        return store->ops->revision(store);
}

void dol_store_close(dol_store *store)
{
        if (store)
                store->ops->close(store);
}
