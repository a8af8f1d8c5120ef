/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The only writer of the SQLite store: a thread with a queue. What is queued while one transaction
 * is being synced goes into the next one together.
 */
#pragma once

#include "store/hub.h"
#include "store/sqlite-batch.h"

typedef struct dol_sqlite_writer dol_sqlite_writer;

/* Takes the connection. `fd` and `head` are the file's; fd and hub must outlive the writer. */
dol_sqlite_writer *dol_sqlite_writer_new(dol_sqlite_connection *connection, int fd,
                                         dol_sqlite_head head, dol_hub *hub);
/* Does what is queued, ends the thread and closes the connection. NULL is fine. */
void dol_sqlite_writer_free(dol_sqlite_writer *writer);

/* Does the request durably and waits for it. Its outcome is in the request; request->error, if
 * any, becomes *error. */
bool dol_sqlite_writer_do(dol_sqlite_writer *writer, dol_sqlite_request *request, GError **error);
