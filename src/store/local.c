/* SPDX-License-Identifier: Apache-2.0 */
#include "store/local.h"

static dol_local_store *local(dol_store *store)
{
        return (dol_local_store *)store;
}

bool dol_local_watch(dol_store *store, const char *prefix, int64_t from, dol_record_fn fn,
                     void *user, int64_t *ret_watch, GError **error)
{
        return dol_hub_watch(local(store)->hub, prefix, from, fn, user, ret_watch, error);
}

void dol_local_unwatch(dol_store *store, int64_t watch)
{
        dol_hub_unwatch(local(store)->hub, watch);
}

bool dol_local_lease_keep(dol_store *store, int64_t lease, GError **error)
{
        return dol_leases_keep(local(store)->leases, lease, error);
}

bool dol_local_lease_revoke(dol_store *store, int64_t lease, GError **error)
{
        return dol_leases_revoke(local(store)->leases, lease, error);
}

int64_t dol_local_revision(dol_store *store)
{
        return dol_hub_revision(local(store)->hub);
}
