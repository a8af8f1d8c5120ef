/* SPDX-License-Identifier: Apache-2.0 */
#include "store/sqlite-connection.h"

#include "store/sum.h"

#include <errno.h>
#include <string.h>

enum { BUSY_MSEC = 5000 /* while somebody else, like a backup by hand, has the file locked */ };

/* A cache of 1 MiB holds the inner pages of some 100,000 records. */
static const char settings[] = "PRAGMA synchronous = FULL;"
                               "PRAGMA cache_size = -1024;"
                               "PRAGMA temp_store = MEMORY;"
                               "PRAGMA wal_autocheckpoint = 0;"
                               "PRAGMA journal_size_limit = 8388608;"
                               "PRAGMA secure_delete = OFF;"
                               "PRAGMA trusted_schema = OFF;"
                               "PRAGMA cell_size_check = ON;";

static const char *const statement_texts[DOL_SQL_COUNT] = {
#define X(name, sql) [DOL_SQL_##name] = sql,
        DOL_SQLITE_STATEMENTS(X)
#undef X
};

dol_sqlite_connection *dol_sqlite_connect(const char *path, GError **error)
{
        g_autoptr(dol_sqlite_connection) connection = g_new0(dol_sqlite_connection, 1);
        int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;

        connection->path = g_strdup(path);
        if (sqlite3_open_v2(path, &connection->db, flags, "unix") != SQLITE_OK ||
            sqlite3_db_config(connection->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL) != SQLITE_OK ||
            sqlite3_db_config(connection->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL) !=
                    SQLITE_OK ||
            sqlite3_busy_timeout(connection->db, BUSY_MSEC) != SQLITE_OK ||
            sqlite3_exec(connection->db, settings, NULL, NULL, NULL) != SQLITE_OK) {
                dol_sqlite_fail(connection, error);
                return NULL;
        }
        return g_steal_pointer(&connection);
}

void dol_sqlite_trust(dol_sqlite_connection *connection)
{
        sqlite3_db_config(connection->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
}

void dol_sqlite_disconnect(dol_sqlite_connection *connection)
{
        if (!connection)
                return;
        for (unsigned i = 0; i < DOL_SQL_COUNT; i++)
                sqlite3_finalize(connection->statements[i]);
        sqlite3_close(connection->db);
        g_free(connection->path);
        g_free(connection);
}

sqlite3_stmt *dol_sqlite_prepare(dol_sqlite_connection *connection, dol_sql sql, GError **error)
{
        sqlite3_stmt **slot = &connection->statements[sql];

        if (!*slot && sqlite3_prepare_v3(connection->db, statement_texts[sql], -1,
                                         SQLITE_PREPARE_PERSISTENT, slot, NULL) != SQLITE_OK)
                dol_sqlite_fail(connection, error);
        return *slot;
}

bool dol_sqlite_step(dol_sqlite_connection *connection, sqlite3_stmt *statement, bool *ret_row,
                     GError **error)
{
        int rc = sqlite3_step(statement);

        *ret_row = rc == SQLITE_ROW;
        return rc == SQLITE_ROW || rc == SQLITE_DONE || dol_sqlite_fail(connection, error);
}

bool dol_sqlite_finish(dol_sqlite_connection *connection, sqlite3_stmt *statement, GError **error)
{
        bool row;

        return dol_sqlite_step(connection, statement, &row, error);
}

bool dol_sqlite_run(dol_sqlite_connection *connection, dol_sql sql, GError **error)
{
        dol_autoreset *statement = dol_sqlite_prepare(connection, sql, error);

        return statement && dol_sqlite_finish(connection, statement, error);
}

/* The errno of a failed system call. SQLite does not tell that of the log's by itself. */
static int errno_of(sqlite3 *db)
{
        int err = sqlite3_system_errno(db);
        sqlite3_file *log = NULL;

        if (err)
                return err;
        sqlite3_file_control(db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log);
        if (log && log->pMethods)
                log->pMethods->xFileControl(log, SQLITE_FCNTL_LAST_ERRNO, &err);
        return err;
}

/* Whether the code stands for a system call that failed. */
static bool is_about_system(int code)
{
        return (code & 0xff) == SQLITE_IOERR || (code & 0xff) == SQLITE_CANTOPEN;
}

static bool is_out_of_space(int code, int err)
{
        if ((code & 0xff) == SQLITE_FULL)
                return true;
        return err == ENOSPC || err == EDQUOT;
}

/* SQLITE_ERROR: the statements are always the same, so that it is the tables that are not. */
static bool is_damage(int code)
{
        switch (code & 0xff) {
        case SQLITE_CORRUPT:
        case SQLITE_NOTADB:
        case SQLITE_ERROR:
                return true;
        default:
                return false;
        }
}

bool dol_sqlite_fail(dol_sqlite_connection *connection, GError **error)
{
        sqlite3 *db = connection->db;
        int code = db ? sqlite3_extended_errcode(db) : SQLITE_NOMEM;
        int err = is_about_system(code) ? errno_of(db) : 0;
        const char *text = db ? sqlite3_errmsg(db) : "out of memory";

        if (is_out_of_space(code, err))
                return dol_fail(error, DOL_ERROR_NO_SPACE, "no space left for store '%s'",
                                connection->path);
        if (is_damage(code))
                return dol_fail(error, DOL_ERROR_INTERNAL,
                                "store '%s' is damaged (%s, SQLite code %d); " DOL_SQLITE_RECOVERY,
                                connection->path, text, code);
        return dol_fail(error, DOL_ERROR_UNAVAILABLE, "store '%s': %s (SQLite code %d%s%s)",
                        connection->path, text, code, err ? ", " : "", err ? g_strerror(err) : "");
}

int64_t dol_sqlite_sum(const dol_record *record, int64_t lease)
{
        uint64_t numbers[] = {GUINT64_TO_LE((uint64_t)record->revision),
                              GUINT64_TO_LE((uint64_t)lease)};
        uint64_t sum = dol_sum(0, record->key, strlen(record->key));

        sum = dol_sum(sum, record->value, record->size);
        return (int64_t)dol_sum(sum, numbers, sizeof(numbers));
}

bool dol_sqlite_record(dol_sqlite_connection *connection, sqlite3_stmt *row, dol_record *ret,
                       GError **error)
{
        const char *key = (const char *)sqlite3_column_text(row, 0);
        const char *value = (const char *)sqlite3_column_text(row, 1);

        *ret = (dol_record){
                .key = key ? key : "",
                .value = value ? value : "",
                .size = (size_t)sqlite3_column_bytes(row, 1),
                .revision = sqlite3_column_int64(row, 2),
        };
        if (key && value &&
            dol_sqlite_sum(ret, sqlite3_column_int64(row, 3)) == sqlite3_column_int64(row, 4))
                return true;
        return dol_fail(error, DOL_ERROR_INTERNAL,
                        "record '%.*s' of store '%s' is damaged; " DOL_SQLITE_RECOVERY, 80,
                        ret->key, connection->path);
}

bool dol_sqlite_read_head(dol_sqlite_connection *connection, dol_sqlite_head *ret, GError **error)
{
        dol_autoreset *row = dol_sqlite_prepare(connection, DOL_SQL_GET_HEAD, error);
        bool found;

        if (!row || !dol_sqlite_step(connection, row, &found, error))
                return false;
        if (!found)
                return dol_fail(error, DOL_ERROR_INTERNAL,
                                "store '%s' has no head; " DOL_SQLITE_RECOVERY, connection->path);
        *ret = (dol_sqlite_head){sqlite3_column_int64(row, 0), sqlite3_column_int64(row, 1)};
        return true;
}
