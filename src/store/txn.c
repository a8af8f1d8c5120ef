/* SPDX-License-Identifier: Apache-2.0 */
#include "store/txn.h"

#include "store/key.h"

#include <string.h>

static void row_clear(void *data)
{
        dol_txn_row *row = data;

        g_free(row->key);
        g_free(row->value);
}

dol_txn *dol_txn_new(void)
{
        dol_txn *txn = g_new(dol_txn, 1);

        txn->rows = g_array_new(false, false, sizeof(dol_txn_row));
        g_array_set_clear_func(txn->rows, row_clear);
        return txn;
}

void dol_txn_free(dol_txn *txn)
{
        if (!txn)
                return;
        g_array_unref(txn->rows);
        g_free(txn);
}

void dol_txn_require(dol_txn *txn, const char *key, int64_t revision)
{
        dol_txn_row row = {DOL_TXN_REQUIRE, .key = g_strdup(key), .revision = revision};

        g_array_append_val(txn->rows, row);
}

static void add_put(dol_txn *txn, const char *key, const char *value, bool leased, int64_t lease)
{
        dol_txn_row row = {DOL_TXN_PUT,
                           .key = g_strdup(key),
                           .value = g_strdup(value),
                           .size = value ? strlen(value) : 0,
                           .leased = leased,
                           .lease = lease};

        g_array_append_val(txn->rows, row);
}

void dol_txn_put(dol_txn *txn, const char *key, const char *value)
{
        add_put(txn, key, value, false, 0);
}

void dol_txn_put_leased(dol_txn *txn, const char *key, const char *value, int64_t lease)
{
        add_put(txn, key, value, true, lease);
}

void dol_txn_delete(dol_txn *txn, const char *key)
{
        dol_txn_row row = {DOL_TXN_DELETE, .key = g_strdup(key)};

        g_array_append_val(txn->rows, row);
}

static bool row_check(const dol_txn_row *row, GError **error)
{
        if (!dol_key_check(row->key, error))
                return false;
        if (row->kind == DOL_TXN_REQUIRE && row->revision < 0)
                return dol_fail(error, DOL_ERROR_INVALID,
                                "key '%s' cannot have revision %" G_GINT64_FORMAT, row->key,
                                row->revision);
        if (row->kind != DOL_TXN_PUT)
                return true;
        if (!row->value)
                return dol_fail(error, DOL_ERROR_INVALID, "no value given for key '%s'", row->key);
        if (row->size > DOL_VALUE_MAX)
                return dol_fail(error, DOL_ERROR_INVALID,
                                "value of key '%s' has %zu bytes (at most %d)", row->key, row->size,
                                DOL_VALUE_MAX);
        if (row->leased && row->lease <= 0)
                return dol_lease_fail_ended(row->lease, error);
        return true;
}

bool dol_txn_check(const dol_txn *txn, GError **error)
{
        g_autoptr(GHashTable) written = g_hash_table_new(g_str_hash, g_str_equal);

        for (unsigned i = 0; i < txn->rows->len; i++) {
                const dol_txn_row *row = dol_txn_row_at(txn, i);

                if (!row_check(row, error))
                        return false;
                if (row->kind != DOL_TXN_REQUIRE && !g_hash_table_add(written, row->key))
                        return dol_fail(error, DOL_ERROR_INVALID,
                                        "key '%s' is written twice in one transaction", row->key);
        }
        return true;
}

bool dol_txn_guard_check(const dol_txn_row *guard, int64_t found, GError **error)
{
        if (found == guard->revision)
                return true;
        if (found == 0)
                return dol_fail(error, DOL_ERROR_STALE,
                                "key '%s' does not exist (expected revision %" G_GINT64_FORMAT ")",
                                guard->key, guard->revision);
        if (guard->revision == 0)
                return dol_fail(error, DOL_ERROR_STALE,
                                "key '%s' exists, with revision %" G_GINT64_FORMAT, guard->key,
                                found);
        return dol_fail(error, DOL_ERROR_STALE,
                        "key '%s' has revision %" G_GINT64_FORMAT " (expected %" G_GINT64_FORMAT
                        ")",
                        guard->key, found, guard->revision);
}

bool dol_lease_fail_ended(int64_t lease, GError **error)
{
        return dol_fail(error, DOL_ERROR_NOT_FOUND, "lease %" G_GINT64_FORMAT " does not exist",
                        lease);
}

bool dol_key_fail_absent(const char *key, GError **error)
{
        return dol_fail(error, DOL_ERROR_NOT_FOUND, "key '%s' does not exist", key);
}
