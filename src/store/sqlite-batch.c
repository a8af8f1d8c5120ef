/* SPDX-License-Identifier: Apache-2.0 */
#include "store/sqlite-batch.h"

#include "store/entry.h"
#include "store/txn.h"

typedef struct {
        dol_sqlite_connection *connection;
        dol_sqlite_head *head;
        GPtrArray *changes;
} batch;

static bool bind_key(sqlite3_stmt *statement, const char *key)
{
        return sqlite3_bind_text(statement, 1, key, -1, SQLITE_STATIC) == SQLITE_OK;
}

/* 0 when the key is absent. */
static bool revision_of(batch *work, const char *key, int64_t *ret, GError **error)
{
        dol_autoreset *row = dol_sqlite_prepare(work->connection, DOL_SQL_REVISION_OF, error);
        bool found;

        if (!row)
                return false;
        bind_key(row, key);
        if (!dol_sqlite_step(work->connection, row, &found, error))
                return false;
        *ret = found ? sqlite3_column_int64(row, 0) : 0;
        return true;
}

static bool lease_exists(batch *work, int64_t lease, bool *ret, GError **error)
{
        dol_autoreset *row = dol_sqlite_prepare(work->connection, DOL_SQL_GET_LEASE, error);

        if (!row)
                return false;
        sqlite3_bind_int64(row, 1, lease);
        return dol_sqlite_step(work->connection, row, ret, error);
}

/* Whether this row lets the request go on; if not, request->error is set. */
static bool row_allows(batch *work, dol_sqlite_request *request, const dol_txn_row *row,
                       GError **error)
{
        int64_t found = 0;
        bool exists = true;

        if (row->kind == DOL_TXN_REQUIRE) {
                if (!revision_of(work, row->key, &found, error))
                        return false;
                dol_txn_guard_check(row, found, &request->error);
        } else if (row->leased) {
                if (!lease_exists(work, row->lease, &exists, error))
                        return false;
                if (!exists)
                        dol_lease_fail_ended(row->lease, &request->error);
        }
        return true;
}

static bool put(batch *work, const dol_txn_row *row, int64_t revision, GError **error)
{
        dol_sqlite_connection *connection = work->connection;
        dol_autoreset *statement = dol_sqlite_prepare(connection, DOL_SQL_PUT, error);
        dol_record record = {row->key, row->value, row->size, revision};

        if (!statement)
                return false;
        bind_key(statement, row->key);
        sqlite3_bind_text(statement, 2, row->value, (int)row->size, SQLITE_STATIC);
        sqlite3_bind_int64(statement, 3, revision);
        sqlite3_bind_int64(statement, 4, row->lease);
        sqlite3_bind_int64(statement, 5, dol_sqlite_sum(&record, row->lease));
        if (!dol_sqlite_finish(connection, statement, error))
                return false;
        g_ptr_array_add(work->changes,
                        dol_entry_new(row->key, row->value, row->size, revision, row->lease));
        return true;
}

static bool delete (batch *work, const char *key, int64_t revision, GError **error)
{
        dol_sqlite_connection *connection = work->connection;
        dol_autoreset *statement = dol_sqlite_prepare(connection, DOL_SQL_DELETE, error);

        if (!statement)
                return false;
        bind_key(statement, key);
        if (!dol_sqlite_finish(connection, statement, error))
                return false;
        if (sqlite3_changes(connection->db) > 0)
                g_ptr_array_add(work->changes, dol_entry_new(key, NULL, 0, revision, 0));
        return true;
}

static bool write_row(batch *work, const dol_txn_row *row, int64_t revision, GError **error)
{
        switch (row->kind) {
        case DOL_TXN_PUT:
                return put(work, row, revision, error);
        case DOL_TXN_DELETE:
                return delete (work, row->key, revision, error);
        case DOL_TXN_REQUIRE:
        default:
                return true;
        }
}

static bool apply_commit(batch *work, dol_sqlite_request *request, GError **error)
{
        const dol_txn *txn = request->txn;
        unsigned changes_before = work->changes->len;

        for (unsigned i = 0; i < txn->rows->len && !request->error; i++)
                if (!row_allows(work, request, dol_txn_row_at(txn, i), error))
                        return false;
        if (request->error)
                return true;
        for (unsigned i = 0; i < txn->rows->len; i++)
                if (!write_row(work, dol_txn_row_at(txn, i), work->head->revision + 1, error))
                        return false;
        if (work->changes->len > changes_before)
                work->head->revision++;
        request->revision = work->head->revision;
        return true;
}

static bool apply_grant(batch *work, dol_sqlite_request *request, GError **error)
{
        dol_sqlite_connection *connection = work->connection;
        dol_autoreset *statement = dol_sqlite_prepare(connection, DOL_SQL_ADD_LEASE, error);

        if (!statement)
                return false;
        request->lease = ++work->head->lease;
        sqlite3_bind_int64(statement, 1, request->lease);
        sqlite3_bind_int64(statement, 2, request->ttl_usec);
        return dol_sqlite_finish(connection, statement, error);
}

static bool keys_of(batch *work, int64_t lease, GPtrArray *keys, GError **error)
{
        dol_autoreset *row = dol_sqlite_prepare(work->connection, DOL_SQL_KEYS_OF_LEASE, error);
        bool found = true;

        if (!row)
                return false;
        sqlite3_bind_int64(row, 1, lease);
        while (found) {
                if (!dol_sqlite_step(work->connection, row, &found, error))
                        return false;
                if (found)
                        g_ptr_array_add(keys, g_strdup((const char *)sqlite3_column_text(row, 0)));
        }
        return true;
}

static bool delete_lease(batch *work, int64_t lease, GError **error)
{
        dol_sqlite_connection *connection = work->connection;
        dol_autoreset *statement = dol_sqlite_prepare(connection, DOL_SQL_DELETE_LEASE, error);

        if (!statement)
                return false;
        sqlite3_bind_int64(statement, 1, lease);
        return dol_sqlite_finish(connection, statement, error);
}

static bool apply_end(batch *work, dol_sqlite_request *request, GError **error)
{
        g_autoptr(GPtrArray) keys = g_ptr_array_new_with_free_func(g_free);

        if (!keys_of(work, request->lease, keys, error))
                return false;
        for (unsigned i = 0; i < keys->len; i++)
                if (!delete (work, g_ptr_array_index(keys, i), work->head->revision + 1, error))
                        return false;
        if (keys->len > 0)
                work->head->revision++;
        return delete_lease(work, request->lease, error);
}

static bool apply(batch *work, dol_sqlite_request *request, GError **error)
{
        switch (request->kind) {
        case DOL_SQLITE_COMMIT:
                return apply_commit(work, request, error);
        case DOL_SQLITE_GRANT:
                return apply_grant(work, request, error);
        case DOL_SQLITE_END:
                return apply_end(work, request, error);
        default:
                return dol_fail(error, DOL_ERROR_INTERNAL, "unknown request");
        }
}

static bool write_head(batch *work, GError **error)
{
        dol_sqlite_connection *connection = work->connection;
        dol_autoreset *statement = dol_sqlite_prepare(connection, DOL_SQL_SET_HEAD, error);

        if (!statement)
                return false;
        sqlite3_bind_int64(statement, 1, work->head->revision);
        sqlite3_bind_int64(statement, 2, work->head->lease);
        return dol_sqlite_finish(connection, statement, error);
}

bool dol_sqlite_apply(dol_sqlite_connection *connection, dol_sqlite_request *const requests[],
                      unsigned count, dol_sqlite_head *head, GPtrArray *changes, GError **error)
{
        batch work = {connection, head, changes};
        dol_sqlite_head before = *head;

        if (!dol_sqlite_run(connection, DOL_SQL_BEGIN_WRITE, error))
                return false;
        for (unsigned i = 0; i < count; i++)
                if (!apply(&work, requests[i], error))
                        return false;
        if (head->revision == before.revision && head->lease == before.lease)
                return true;
        return write_head(&work, error);
}
