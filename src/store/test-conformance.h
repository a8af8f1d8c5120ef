/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The conformance suite: what store.h promises, asked of every implementation. An implementation
 * is a row in test-conformance.c; a case is a function that gets an empty store.
 */
#pragma once

#include "store/store.h"

typedef struct {
        const char *name;
        /* The store in this directory: a new one, or the one of before when it is durable. */
        dol_store *(*open)(const char *directory);
        bool is_durable;
} conformance_store;

typedef struct {
        const conformance_store *row;
        char *directory;
        dol_store *store;
} conformance;

typedef struct {
        const char *name;
        void (*run)(conformance *test);
        bool needs_durable;
} conformance_case;

/* Each ends with a row whose name is NULL. */
extern const conformance_case conformance_commit_cases[];
extern const conformance_case conformance_list_cases[];
extern const conformance_case conformance_watch_cases[];
extern const conformance_case conformance_lease_cases[];
extern const conformance_case conformance_thread_cases[];

/* Closes the store and opens it again. */
void conformance_reopen(conformance *test);

/* These fail the test when the store does not do it. */
int64_t conformance_put(dol_store *store, const char *key, const char *value);
int64_t conformance_delete(dol_store *store, const char *key);
int64_t conformance_commit(dol_store *store, dol_txn *txn); /* frees txn */
/* "key=value@revision " of each record. g_free it. */
char *conformance_list(dol_store *store, const char *prefix, const char *after, unsigned limit);
void conformance_expect_list(dol_store *store, const char *prefix, const char *expected);
/* The value, or NULL when the key is absent. g_free it. */
char *conformance_get(dol_store *store, const char *key, int64_t *ret_revision);

/* The commit (txn is freed) must fail with this kind and change nothing; the message must contain
 * `word` when it is not NULL. */
void conformance_refuse(dol_store *store, dol_txn *txn, dol_error_kind kind, const char *word);
/* Fails the test unless *error has this kind; frees it. */
void conformance_expect_error(GError **error, dol_error_kind kind);

/* What a watch told. */
typedef struct conformance_log conformance_log;
conformance_log *conformance_log_new(dol_store *store);
/* Ends its watch, if any. */
void conformance_log_free(conformance_log *log);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(conformance_log, conformance_log_free)
/* The function and user of a watch. */
bool conformance_log_add(const dol_record *record, void *log);
void conformance_log_watch(conformance_log *log, const char *prefix, int64_t from);
void conformance_log_unwatch(conformance_log *log);
/* Waits until `count` changes were told, at most a minute. */
void conformance_log_wait(conformance_log *log, unsigned count);
unsigned conformance_log_count(conformance_log *log);
/* "key=value@revision " or "key-@revision " for each change. g_free it. */
char *conformance_log_text(conformance_log *log);
/* A store's function may need this: how long the log takes for each change. */
void conformance_log_slow(conformance_log *log, unsigned msec);
/* The revision of each change, in the order they were told. */
const GArray *conformance_log_revisions(conformance_log *log);

/* Runs fn in `count` threads at once and waits for them; each gets {store, number, user}. */
typedef struct {
        dol_store *store;
        unsigned number;
        void *user;
} conformance_worker;
void conformance_run_threads(dol_store *store, unsigned count, void *(*fn)(void *worker),
                             void *user);
