/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The clocks of a store's leases: a table in memory and a thread that ends those whose time is up.
 * Which keys belong to a lease, and that leases survive a restart, is the store's part.
 */
#pragma once

#include "store/store.h"

typedef struct dol_leases dol_leases;
/* Deletes the lease and its keys in one commit. Called from the leases' thread and from revoke,
 * with no lock held, once at a time per lease; again when it failed. */
typedef bool (*dol_lease_end_fn)(dol_store *store, int64_t lease, GError **error);

dol_leases *dol_leases_new(dol_lease_end_fn end, dol_store *store);
/* Ends no lease. NULL is fine. */
void dol_leases_free(dol_leases *leases);

/* Starts the clock of a lease that the store has recorded. */
void dol_leases_add(dol_leases *leases, int64_t lease, int64_t ttl_usec);
/* As dol_store_lease_keep and dol_store_lease_revoke. A lease that could not be revoked goes on,
 * with its clock started again. */
bool dol_leases_keep(dol_leases *leases, int64_t lease, GError **error);
bool dol_leases_revoke(dol_leases *leases, int64_t lease, GError **error);
