/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store: where intent and records are kept. A small ordered key-value contract that SQLite
 * serves on one host and etcd in a cluster. Keys are printable ASCII without spaces, up to 512
 * bytes, in '/'-separated parts; values are JSON documents up to 1 MiB, not interpreted here.
 *
 * The store has one revision, which grows by one with each commit that changes something; each key
 * has the revision of the commit that wrote it last. A commit is atomic and durable when it
 * returns. All functions may be called from any thread. A key or prefix that is not allowed:
 * INVALID.
 */
#pragma once

#include "base/call.h"

#include <stdint.h>

typedef struct dol_store dol_store;
typedef struct dol_txn dol_txn;

typedef struct {
        const char *key;
        const char *value; /* NUL-terminated; NULL in a watch's deletes */
        size_t size;       /* of value, without the NUL */
        int64_t revision;  /* of the commit that wrote (or deleted) it */
} dol_record;

/* A transaction: guards, puts and deletes. Building it cannot fail; commit checks it. A key may be
 * put or deleted once in a transaction. */
dol_txn *dol_txn_new(void);
void dol_txn_free(dol_txn *txn);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(dol_txn, dol_txn_free)
/* The commit happens only if the key's revision is this one; 0 = the key is absent. */
void dol_txn_require(dol_txn *txn, const char *key, int64_t revision);
void dol_txn_put(dol_txn *txn, const char *key, const char *value);
/* The same, and the key is deleted when the lease ends, unless it was put again without it. */
void dol_txn_put_leased(dol_txn *txn, const char *key, const char *value, int64_t lease);
void dol_txn_delete(dol_txn *txn, const char *key); /* of an absent key: nothing */

/* Commits everything or nothing. *ret_revision (may be NULL) is the store's new revision. A guard
 * that does not hold: STALE, the message names the key. A lease that has ended: NOT_FOUND. NO_SPACE
 * when the disk is full; UNAVAILABLE when the store cannot be written for another reason. After
 * these two the outcome is open until the store is read: the commit may come back with a restart.
 */
bool dol_store_commit(dol_store *store, const dol_txn *txn, int64_t *ret_revision, GError **error);

/* NOT_FOUND when the key is absent. *ret_value is the caller's to g_free. */
bool dol_store_get(dol_store *store, const char *key, char **ret_value, int64_t *ret_revision,
                   GError **error);

/* Called for each record in key order; false stops the walk (which then still succeeds). The
 * record lives during the call only. The function must not call the store. */
typedef bool (*dol_record_fn)(const dol_record *record, void *user);
/* Records whose key begins with `prefix` and is greater than `after` (NULL = from the first), at
 * most `limit` of them (0 = all). *ret_revision (may be NULL): the store's revision the list shows.
 */
bool dol_store_list(dol_store *store, const char *prefix, const char *after, unsigned limit,
                    dol_record_fn fn, void *user, int64_t *ret_revision, GError **error);

/* Tells every later change under the prefix, in order of revision, from a thread of the store's
 * own. With `from` > 0, changes of revision >= from that are still remembered are told first; when
 * they are not (any more, since a restart, or because the store has never been that far), fails
 * with STALE: list, and watch from the list's revision + 1. The function may call the store, not
 * unwatch itself; while it runs no other watch is told anything. *ret_watch identifies it. */
bool dol_store_watch(dol_store *store, const char *prefix, int64_t from, dol_record_fn fn,
                     void *user, int64_t *ret_watch, GError **error);
/* Returns when the function is not running and will not be called again. */
void dol_store_unwatch(dol_store *store, int64_t watch);

/* A lease ends `ttl_usec` after it was granted or last kept alive, or when it is revoked; keys put
 * under it are then deleted in one commit. Leases survive a restart of the store; the clock starts
 * again then. NOT_FOUND for one that has ended. */
bool dol_store_lease_grant(dol_store *store, int64_t ttl_usec, int64_t *ret_lease, GError **error);
bool dol_store_lease_keep(dol_store *store, int64_t lease, GError **error);
bool dol_store_lease_revoke(dol_store *store, int64_t lease, GError **error);

/* That of the last commit; 0 for a fresh store. */
int64_t dol_store_revision(dol_store *store);
void dol_store_close(dol_store *store); /* NULL is fine. Watches must be gone. */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(dol_store, dol_store_close)

/* sqlite.c: one file in WAL mode. The file is created with mode 0600 when it is missing
 * (*ret_fresh = true). A file that is not ours or is damaged: CONFLICT, with what to do; it is not
 * changed. A schema newer than this program: UNSUPPORTED. In use by another process: BUSY. */
dol_store *dol_sqlite_open(const char *path, bool *ret_fresh, GError **error);
/* memory.c: gone with the process; for tests. */
dol_store *dol_memory_open(void);
/* fault.c: passes the points "store.commit.before" and "store.commit.after" (base/fault.h) around
 * every commit of `inner`, and "store.get" and "store.list" before reads. Owns inner. */
dol_store *dol_fault_store_open(dol_store *inner);
