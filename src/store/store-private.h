/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an implementation of the store provides. Every slot is set. store.c has checked keys,
 * prefixes and transactions before it calls one; the promises are those of store.h.
 */
#pragma once

#include "store/store.h"

typedef struct {
        bool (*commit)(dol_store *store, const dol_txn *txn, int64_t *ret_revision, GError **error);
        bool (*get)(dol_store *store, const char *key, char **ret_value, int64_t *ret_revision,
                    GError **error);
        bool (*list)(dol_store *store, const char *prefix, const char *after, unsigned limit,
                     dol_record_fn fn, void *user, int64_t *ret_revision, GError **error);
        bool (*watch)(dol_store *store, const char *prefix, int64_t from, dol_record_fn fn,
                      void *user, int64_t *ret_watch, GError **error);
        void (*unwatch)(dol_store *store, int64_t watch);
        bool (*lease_grant)(dol_store *store, int64_t ttl_usec, int64_t *ret_lease, GError **error);
        bool (*lease_keep)(dol_store *store, int64_t lease, GError **error);
        bool (*lease_revoke)(dol_store *store, int64_t lease, GError **error);
        int64_t (*revision)(dol_store *store);
        void (*close)(dol_store *store);
} dol_store_ops;

/* The first member of every implementation's struct. */
struct dol_store {
        const dol_store_ops *ops;
};
