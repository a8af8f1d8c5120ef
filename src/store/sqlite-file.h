/* SPDX-License-Identifier: Apache-2.0 */
/* The file of the SQLite store: whose it is, creating it, and whether it is whole. */
#pragma once

#include "store/sqlite-connection.h"

/* Locks the store's file against other processes and other stores of this one: BUSY when it is
 * locked. The lock is the returned fd's (on "<path>-lock"); -1 on failure. */
int dol_sqlite_lock(const char *path, GError **error);

/* Says from its first bytes whether the file exists and is a store: CONFLICT when it is something
 * else, UNSUPPORTED when it is newer than this program. Changes nothing. */
bool dol_sqlite_inspect(const char *path, bool *ret_exists, GError **error);

/* Makes a new, empty store file with mode 0600. After a crash there is the whole file or none. */
bool dol_sqlite_create(const char *path, GError **error);

/* Reads everything: pages, records and their checksums, the key index, the head. When
 * something is wrong: INTERNAL or CONFLICT, with what to do. Changes nothing. About 0.1 s for
 * 20,000 records. */
bool dol_sqlite_verify(dol_sqlite_connection *connection, GError **error);

/* Reserves space on the disk beyond the end of the file and of its log, so that changes and deletes
 * go on for a while, mostly for ever, when the disk is full. Best effort; a reserve that is used up
 * is renewed by calling again. `fd` is the file's: it must not be closed before the store's
 * connections are, since that would take SQLite's locks away. */
void dol_sqlite_reserve(int fd);
void dol_sqlite_reserve_log(const char *path);
