/* SPDX-License-Identifier: Apache-2.0 */
/* The read connections of the SQLite store. All are opened with the store: one that is opened
 * later would read another file when somebody has put one in its place. */
#pragma once

#include "store/sqlite-connection.h"

typedef struct dol_sqlite_readers dol_sqlite_readers;

dol_sqlite_readers *dol_sqlite_readers_new(const char *path, GError **error);
/* All connections must have been given back. NULL is fine. */
void dol_sqlite_readers_free(dol_sqlite_readers *readers);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(dol_sqlite_readers, dol_sqlite_readers_free)

/* A connection for this thread; waits while all are in use. */
dol_sqlite_connection *dol_sqlite_readers_take(dol_sqlite_readers *readers);
void dol_sqlite_readers_give(dol_sqlite_readers *readers, dol_sqlite_connection *connection);
