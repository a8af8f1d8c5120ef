/* SPDX-License-Identifier: Apache-2.0 */
/* A store that fails on demand: passes named fault points on the way to another one. */
#include "base/fault.h"
#include "store/store-private.h"

typedef struct {
        dol_store store;
        dol_store *inner;
} fault_store;

static dol_store *inner(dol_store *store)
{
        return ((fault_store *)store)->inner;
}

static bool fault_commit(dol_store *store, const dol_txn *txn, int64_t *ret_revision,
                         GError **error)
{
        int64_t revision;

        if (!dol_fault_point("store.commit.before", error) ||
            !dol_store_commit(inner(store), txn, &revision, error) ||
            !dol_fault_point("store.commit.after", error))
                return false;
        *ret_revision = revision;
        return true;
}

static bool fault_get(dol_store *store, const char *key, char **ret_value, int64_t *ret_revision,
                      GError **error)
{
        return dol_fault_point("store.get", error) &&
               dol_store_get(inner(store), key, ret_value, ret_revision, error);
}

static bool fault_list(dol_store *store, const char *prefix, const char *after, unsigned limit,
                       dol_record_fn fn, void *user, int64_t *ret_revision, GError **error)
{
        return dol_fault_point("store.list", error) &&
               dol_store_list(inner(store), prefix, after, limit, fn, user, ret_revision, error);
}

static bool fault_watch(dol_store *store, const char *prefix, int64_t from, dol_record_fn fn,
                        void *user, int64_t *ret_watch, GError **error)
{
        return dol_store_watch(inner(store), prefix, from, fn, user, ret_watch, error);
}

static void fault_unwatch(dol_store *store, int64_t watch)
{
        dol_store_unwatch(inner(store), watch);
}

static bool fault_lease_grant(dol_store *store, int64_t ttl_usec, int64_t *ret_lease,
                              GError **error)
{
        return dol_store_lease_grant(inner(store), ttl_usec, ret_lease, error);
}

static bool fault_lease_keep(dol_store *store, int64_t lease, GError **error)
{
        return dol_store_lease_keep(inner(store), lease, error);
}

static bool fault_lease_revoke(dol_store *store, int64_t lease, GError **error)
{
        return dol_store_lease_revoke(inner(store), lease, error);
}

static int64_t fault_revision(dol_store *store)
{
        return dol_store_revision(inner(store));
}

static void fault_close(dol_store *store)
{
        dol_store_close(inner(store));
        g_free(store);
}

static const dol_store_ops fault_ops = {
        .commit = fault_commit,
        .get = fault_get,
        .list = fault_list,
        .watch = fault_watch,
        .unwatch = fault_unwatch,
        .lease_grant = fault_lease_grant,
        .lease_keep = fault_lease_keep,
        .lease_revoke = fault_lease_revoke,
        .revision = fault_revision,
        .close = fault_close,
};

dol_store *dol_fault_store_open(dol_store *wrapped)
{
        fault_store *store = g_new(fault_store, 1);

        *store = (fault_store){{&fault_ops}, wrapped};
        return &store->store;
}
