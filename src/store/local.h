/* SPDX-License-Identifier: Apache-2.0 */
/* What the stores that live in this process share: the slots that only need the hub and the
 * leases. */
#pragma once

#include "store/hub.h"
#include "store/lease.h"
#include "store/store-private.h"

typedef struct {
        dol_store store;
        dol_hub *hub;
        dol_leases *leases;
} dol_local_store;

/* The slots of a store that these two serve. */
bool dol_local_watch(dol_store *store, const char *prefix, int64_t from, dol_record_fn fn,
                     void *user, int64_t *ret_watch, GError **error);
void dol_local_unwatch(dol_store *store, int64_t watch);
bool dol_local_lease_keep(dol_store *store, int64_t lease, GError **error);
bool dol_local_lease_revoke(dol_store *store, int64_t lease, GError **error);
int64_t dol_local_revision(dol_store *store);
