/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One SQLite transaction for several requests. A request that may not be done (a guard does not
 * hold, a lease has ended) fails alone and has written nothing; trouble with the file fails the
 * transaction and so all of them.
 */
#pragma once

#include "store/sqlite-connection.h"

#include <pthread.h>

typedef enum { DOL_SQLITE_COMMIT, DOL_SQLITE_GRANT, DOL_SQLITE_END } dol_sqlite_request_kind;

typedef struct {
        dol_sqlite_request_kind kind;
        const dol_txn *txn; /* of COMMIT */
        int64_t ttl_usec;   /* of GRANT */
        int64_t lease;      /* to END; what GRANT granted */
        int64_t revision;   /* the store's, after a COMMIT that went well */
        GError *error;      /* NULL = done */

        bool is_answered; /* the waiting thread's to look at, under the writer's lock */
        pthread_cond_t answered;
} dol_sqlite_request;

/* Does the requests in one transaction, up to but without its COMMIT. `head` moves on, `changes`
 * gets a dol_entry for each put and delete, request->error says which requests failed alone. When
 * it fails as a whole, the caller rolls back. */
bool dol_sqlite_apply(dol_sqlite_connection *connection, dol_sqlite_request *const requests[],
                      unsigned count, dol_sqlite_head *head, GPtrArray *changes, GError **error);
