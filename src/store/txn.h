/* SPDX-License-Identifier: Apache-2.0 */
/* What is in a transaction, for the implementations. */
#pragma once

#include "store/store.h"

typedef enum { DOL_TXN_REQUIRE, DOL_TXN_PUT, DOL_TXN_DELETE } dol_txn_kind;

typedef struct {
        dol_txn_kind kind;
        char *key;
        char *value;      /* of a put */
        size_t size;      /* of value, without the NUL */
        int64_t revision; /* that a guard requires; 0 = absent */
        bool leased;      /* a put under `lease` */
        int64_t lease;    /* 0 = none */
} dol_txn_row;

struct dol_txn {
        GArray *rows; /* of dol_txn_row, as they were added */
};

static inline const dol_txn_row *dol_txn_row_at(const dol_txn *txn, unsigned i)
{
        return &g_array_index(txn->rows, dol_txn_row, i);
}

/* INVALID when a key or value is not allowed, or a key is written twice. */
bool dol_txn_check(const dol_txn *txn, GError **error);
/* Whether the guard holds for a key that has revision `found` (0 = absent); else STALE. */
bool dol_txn_guard_check(const dol_txn_row *guard, int64_t found, GError **error);
/* NOT_FOUND, in the words of every store. */
bool dol_lease_fail_ended(int64_t lease, GError **error);
bool dol_key_fail_absent(const char *key, GError **error);
