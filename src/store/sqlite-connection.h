/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection to the store's SQLite file: its settings, its prepared statements, and how its
 * errors are told. A connection is used by one thread at a time.
 */
#pragma once

#include "store/store.h"

#include <sqlite3.h>

enum { DOL_SQLITE_SCHEMA_VERSION = 1 };
#define DOL_SQLITE_APPLICATION_ID 0x446f6c69 /* "Doli" */

/* `sum` is what dol_sqlite_sum says of the other columns. */
#define DOL_SQLITE_STATEMENTS(X)                                                                   \
        X(BEGIN_WRITE, "BEGIN IMMEDIATE")                                                          \
        X(BEGIN_READ, "BEGIN")                                                                     \
        X(COMMIT, "COMMIT")                                                                        \
        X(ROLLBACK, "ROLLBACK")                                                                    \
        X(GET_HEAD, "SELECT revision, lease FROM head")                                            \
        X(SET_HEAD, "UPDATE head SET revision = ?1, lease = ?2")                                   \
        X(GET, "SELECT key, value, revision, lease, sum FROM record WHERE key = ?1")               \
        X(LIST, "SELECT key, value, revision, lease, sum FROM record"                              \
                " WHERE key >= ?1 AND key < ?2 ORDER BY key LIMIT ?3")                             \
        X(REVISION_OF, "SELECT revision FROM record WHERE key = ?1")                               \
        X(PUT, "INSERT INTO record (key, value, revision, lease, sum) VALUES (?1, ?2, ?3, ?4, ?5)" \
               " ON CONFLICT (key) DO UPDATE SET value = ?2, revision = ?3, lease = ?4, sum = ?5") \
        X(DELETE, "DELETE FROM record WHERE key = ?1")                                             \
        X(GET_LEASE, "SELECT 1 FROM lease WHERE id = ?1")                                          \
        X(ALL_LEASES, "SELECT id, ttl_usec FROM lease")                                            \
        X(ADD_LEASE, "INSERT INTO lease (id, ttl_usec) VALUES (?1, ?2)")                           \
        X(DELETE_LEASE, "DELETE FROM lease WHERE id = ?1")                                         \
        X(KEYS_OF_LEASE, "SELECT key FROM record WHERE lease = ?1 AND lease <> 0 ORDER BY key")    \
        X(VERIFY, "SELECT i.key, r.value, r.revision, r.lease, r.sum"                              \
                  " FROM record AS i CROSS JOIN record AS r ON r.id = i.id AND +r.key = i.key"     \
                  " ORDER BY i.key")                                                               \
        X(COUNT_RECORDS, "SELECT count(*) FROM record NOT INDEXED")                                \
        X(GET_SCHEMA, "SELECT group_concat(sql, ';') || ';' FROM sqlite_schema")                   \
        X(QUICK_CHECK, "PRAGMA quick_check(1)")                                                    \
        X(GET_VERSION, "PRAGMA user_version")

typedef enum {
#define X(name, sql) DOL_SQL_##name,
        DOL_SQLITE_STATEMENTS(X)
#undef X
                DOL_SQL_COUNT
} dol_sql;

typedef struct {
        sqlite3 *db;
        char *path;
        sqlite3_stmt *statements[DOL_SQL_COUNT]; /* prepared when first used */
} dol_sqlite_connection;

/* Opens an existing file and applies the settings. Closing this connection will not write the log
 * into the file, unless dol_sqlite_trust was called. */
dol_sqlite_connection *dol_sqlite_connect(const char *path, GError **error);
/* The file is whole: its log may be written into it. */
void dol_sqlite_trust(dol_sqlite_connection *connection);
/* NULL is fine. */
void dol_sqlite_disconnect(dol_sqlite_connection *connection);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(dol_sqlite_connection, dol_sqlite_disconnect)

/* A statement that is reset at the end of its scope; NULL is fine. */
#define dol_autoreset __attribute__((cleanup(dol_autoreset_cleanup))) sqlite3_stmt
static inline void dol_autoreset_cleanup(sqlite3_stmt **statement)
{
        if (*statement)
                sqlite3_reset(*statement);
}

/* The statement, ready to be bound; NULL and *error when SQLite refuses to prepare it. It keeps
 * what was bound to it, until it is bound again. */
sqlite3_stmt *dol_sqlite_prepare(dol_sqlite_connection *connection, dol_sql sql, GError **error);
/* Runs a bound statement that has no rows to tell. */
bool dol_sqlite_finish(dol_sqlite_connection *connection, sqlite3_stmt *statement, GError **error);
/* Runs a statement without parameters and rows. */
bool dol_sqlite_run(dol_sqlite_connection *connection, dol_sql sql, GError **error);
/* Steps a bound statement: true with *ret_row = whether there is a row. */
bool dol_sqlite_step(dol_sqlite_connection *connection, sqlite3_stmt *statement, bool *ret_row,
                     GError **error);

/* The last error of the connection. A full disk: NO_SPACE. A damaged file: INTERNAL, with what to
 * do. Anything else: UNAVAILABLE. Returns false. */
bool dol_sqlite_fail(dol_sqlite_connection *connection, GError **error);

/* The record in a row of GET, LIST or VERIFY, which lives until the next step. INTERNAL when its
 * checksum is wrong. */
bool dol_sqlite_record(dol_sqlite_connection *connection, sqlite3_stmt *row, dol_record *ret,
                       GError **error);
int64_t dol_sqlite_sum(const dol_record *record, int64_t lease);

/* The store's revision and the last lease granted, as the file has them. */
typedef struct {
        int64_t revision;
        int64_t lease;
} dol_sqlite_head;

bool dol_sqlite_read_head(dol_sqlite_connection *connection, dol_sqlite_head *ret, GError **error);

/* What to do with a damaged file, as the end of a message. */
#define DOL_SQLITE_RECOVERY                                                                 \
        "move it away, together with its -wal file, and start again: the records are then " \
        "rebuilt from the pools' own descriptions"
