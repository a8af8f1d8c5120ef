/* SPDX-License-Identifier: Apache-2.0 */
#include "store/test-conformance.h"

#include <stdatomic.h>
#include <stdlib.h>

enum { WRITERS = 8, ROUNDS = 60 };

static void *put_own_keys(void *data)
{
        const conformance_worker *worker = data;
        int64_t last = 0;

        for (unsigned i = 0; i < ROUNDS; i++) {
                g_autofree char *key = g_strdup_printf("w%u/%02u", worker->number, i);
                int64_t revision = conformance_put(worker->store, key, key), read_revision;
                g_autofree char *found = conformance_get(worker->store, key, &read_revision);

                g_assert_cmpint(revision, >, last);
                g_assert_cmpint(read_revision, ==, revision);
                g_assert_cmpstr(found, ==, key);
                last = revision;
        }
        return NULL;
}

static void test_writers(conformance *test)
{
        g_autoptr(conformance_log) log = conformance_log_new(test->store);
        const GArray *revisions;

        conformance_log_watch(log, "", 0);
        conformance_run_threads(test->store, WRITERS, put_own_keys, NULL);
        g_assert_cmpint(dol_store_revision(test->store), ==, WRITERS * ROUNDS);
        conformance_log_wait(log, WRITERS * ROUNDS);
        revisions = conformance_log_revisions(log);
        for (unsigned i = 0; i < WRITERS * ROUNDS; i++)
                g_assert_cmpint(g_array_index(revisions, int64_t, i), ==, i + 1);
}

/* Adds one to the number at "counter"; true when nobody else was faster. */
static bool count_up(dol_store *store)
{
        int64_t revision = 0;
        g_autofree char *value = conformance_get(store, "counter", &revision);
        g_autofree char *next =
                g_strdup_printf("%d", value ? (int)g_ascii_strtoll(value, NULL, 10) + 1 : 1);
        g_autoptr(dol_txn) txn = dol_txn_new();
        g_autoptr(GError) error = NULL;

        dol_txn_require(txn, "counter", revision);
        dol_txn_put(txn, "counter", next);
        if (dol_store_commit(store, txn, NULL, &error))
                return true;
        conformance_expect_error(&error, DOL_ERROR_STALE);
        return false;
}

static void *count_up_often(void *data)
{
        const conformance_worker *worker = data;

        for (unsigned done = 0; done < ROUNDS;)
                done += count_up(worker->store);
        return NULL;
}

static void test_guards_race(conformance *test)
{
        g_autofree char *expected = g_strdup_printf("%d", WRITERS * ROUNDS);
        g_autofree char *value = NULL;

        conformance_run_threads(test->store, WRITERS, count_up_often, NULL);
        value = conformance_get(test->store, "counter", NULL);
        g_assert_cmpstr(value, ==, expected);
        g_assert_cmpint(dol_store_revision(test->store), ==, WRITERS * ROUNDS);
}

static void *create_all(void *data)
{
        const conformance_worker *worker = data;
        atomic_int *wins = worker->user;

        for (unsigned i = 0; i < ROUNDS; i++) {
                g_autofree char *key = g_strdup_printf("new/%u", i);
                g_autoptr(dol_txn) txn = dol_txn_new();

                dol_txn_require(txn, key, 0);
                dol_txn_put(txn, key, "");
                wins[i] += dol_store_commit(worker->store, txn, NULL, NULL);
        }
        return NULL;
}

static void test_one_creates(conformance *test)
{
        atomic_int wins[ROUNDS] = {0};

        conformance_run_threads(test->store, WRITERS, create_all, wins);
        for (unsigned i = 0; i < ROUNDS; i++)
                g_assert_cmpint(wins[i], ==, 1);
}

/* Half of the threads only make commits that fail; the others must not notice. */
static void *fail_or_put(void *data)
{
        const conformance_worker *worker = data;

        for (unsigned i = 0; i < ROUNDS; i++) {
                g_autofree char *key = g_strdup_printf("%u/%u", worker->number, i);
                g_autoptr(dol_txn) txn = dol_txn_new();
                g_autoptr(GError) error = NULL;
                bool is_wrong = worker->number % 2;

                dol_txn_put(txn, key, "");
                dol_txn_require(txn, "absent", is_wrong ? 1 : 0);
                g_assert_true(dol_store_commit(worker->store, txn, NULL, &error) != is_wrong);
                if (is_wrong)
                        conformance_expect_error(&error, DOL_ERROR_STALE);
        }
        return NULL;
}

static void test_failures_are_alone(conformance *test)
{
        conformance_run_threads(test->store, WRITERS, fail_or_put, NULL);
        g_assert_cmpint(dol_store_revision(test->store), ==, WRITERS / 2 * ROUNDS);
        conformance_expect_list(test->store, "1/", "");
}

/* Writers keep "pair/a" and "pair/b" equal; a list never sees them differ. */
typedef struct {
        atomic_bool done;
        char *last;
        int64_t revision;
} pair_reader;

static bool read_pair(const dol_record *record, void *data)
{
        pair_reader *reader = data;

        if (reader->last) {
                g_assert_cmpstr(record->value, ==, reader->last);
                g_assert_cmpint(record->revision, ==, reader->revision);
        }
        g_free(reader->last);
        reader->last = g_strdup(record->value);
        reader->revision = record->revision;
        return true;
}

static void *list_pairs(void *data)
{
        const conformance_worker *worker = data;
        atomic_bool *done = worker->user;

        while (!*done) {
                pair_reader reader = {0};
                int64_t revision = -1;

                g_assert_true(dol_store_list(worker->store, "pair/", NULL, 0, read_pair, &reader,
                                             &revision, NULL));
                g_assert_cmpint(revision, >=, reader.revision);
                g_free(reader.last);
        }
        return NULL;
}

static void *write_pairs(void *data)
{
        const conformance_worker *worker = data;

        for (unsigned i = 0; i < ROUNDS; i++) {
                g_autofree char *value = g_strdup_printf("%u.%u", worker->number, i);
                dol_txn *txn = dol_txn_new();

                dol_txn_put(txn, "pair/a", value);
                dol_txn_put(txn, "pair/b", value);
                conformance_commit(worker->store, txn);
        }
        return NULL;
}

static void *write_or_list(void *data)
{
        const conformance_worker *worker = data;

        return worker->number < 6 ? list_pairs(data) : write_pairs(data);
}

static void *end_when_written(void *data)
{
        const conformance_worker *worker = data;
        atomic_bool *done = worker->user;

        while (dol_store_revision(worker->store) < 2 * ROUNDS)
                g_usleep(1000);
        *done = true;
        return NULL;
}

static void *run_pairs(void *data)
{
        const conformance_worker *worker = data;

        return worker->number == 8 ? end_when_written(data) : write_or_list(data);
}

static void test_lists_are_whole(conformance *test)
{
        atomic_bool done = false;

        conformance_run_threads(test->store, 9, run_pairs, &done);
}

/* A copy of the store that is kept by a list and a watch from the list's revision + 1. */
typedef struct {
        dol_store *store;
        GHashTable *copy;
        int64_t revision;
        conformance_log *log;
} follower;

static bool follow(const dol_record *record, void *data)
{
        follower *own = data;

        g_assert_cmpint(record->revision, >=, own->revision);
        own->revision = record->revision;
        if (record->value)
                g_hash_table_replace(own->copy, g_strdup(record->key), g_strdup(record->value));
        else
                g_hash_table_remove(own->copy, record->key);
        if (strcmp(record->key, "last") == 0)
                conformance_log_add(record, own->log);
        return true;
}

static bool fill_copy(const dol_record *record, void *data)
{
        g_hash_table_replace(data, g_strdup(record->key), g_strdup(record->value));
        return true;
}

static void *change_at_random(void *data)
{
        const conformance_worker *worker = data;
        unsigned seed = worker->number * 7919 + 1;

        for (unsigned i = 0; i < ROUNDS; i++) {
                dol_txn *txn = dol_txn_new();

                for (unsigned key = 0; key < 12; key++) {
                        g_autofree char *name = g_strdup_printf("k%u", key);
                        g_autofree char *value = g_strdup_printf("%u.%u", worker->number, i);
                        int dice = rand_r(&seed) % 4;

                        if (dice == 0)
                                dol_txn_put(txn, name, value);
                        if (dice == 1)
                                dol_txn_delete(txn, name);
                }
                conformance_commit(worker->store, txn);
        }
        return NULL;
}

static bool same_as_copy(const dol_record *record, void *copy)
{
        g_assert_cmpstr(g_hash_table_lookup(copy, record->key), ==, record->value);
        g_hash_table_remove(copy, record->key);
        return true;
}

/* Lists and watches; again when too much has changed in between. */
static int64_t begin_to_follow(follower *own)
{
        g_autoptr(GError) error = NULL;
        int64_t watch = 0;

        for (;;) {
                g_hash_table_remove_all(own->copy);
                g_assert_true(dol_store_list(own->store, "", NULL, 0, fill_copy, own->copy,
                                             &own->revision, NULL));
                if (dol_store_watch(own->store, "", own->revision + 1, follow, own, &watch, &error))
                        return watch;
                conformance_expect_error(&error, DOL_ERROR_STALE);
        }
}

static void follow_to_the_end(dol_store *store, atomic_int *watching)
{
        follower own = {.store = store};
        int64_t watch;

        own.copy = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
        own.log = conformance_log_new(store);
        watch = begin_to_follow(&own);
        ++*watching;
        conformance_log_wait(own.log, 1);
        dol_store_unwatch(store, watch);
        g_assert_true(dol_store_list(store, "", NULL, 0, same_as_copy, own.copy, NULL, NULL));
        g_assert_cmpuint(g_hash_table_size(own.copy), ==, 0);
        g_hash_table_unref(own.copy);
        conformance_log_free(own.log);
}

enum { FOLLOWERS = 4 };

static void *follow_or_change(void *data)
{
        const conformance_worker *worker = data;
        atomic_int *watching = worker->user;

        if (worker->number < FOLLOWERS) {
                g_usleep(worker->number * 2000UL);
                follow_to_the_end(worker->store, watching);
                return NULL;
        }
        conformance_run_threads(worker->store, WRITERS, change_at_random, NULL);
        while (*watching < FOLLOWERS)
                g_usleep(1000);
        conformance_put(worker->store, "last", "");
        return NULL;
}

static void test_followers(conformance *test)
{
        atomic_int watching = 0;

        conformance_run_threads(test->store, FOLLOWERS + 1, follow_or_change, &watching);
}

/* A revision that a list has shown can be watched from, however fresh it is. */
static void *list_and_watch(void *data)
{
        const conformance_worker *worker = data;

        while (dol_store_revision(worker->store) < 6 * ROUNDS) {
                g_autoptr(GError) error = NULL;
                int64_t revision, watch;

                g_assert_true(dol_store_list(worker->store, "none", NULL, 0, fill_copy, NULL,
                                             &revision, NULL));
                g_assert_true(dol_store_watch(worker->store, "none", revision + 1, fill_copy, NULL,
                                              &watch, &error));
                g_assert_no_error(error);
                dol_store_unwatch(worker->store, watch);
        }
        return NULL;
}

static void *put_or_list_and_watch(void *data)
{
        const conformance_worker *worker = data;

        return worker->number < 6 ? put_own_keys(data) : list_and_watch(data);
}

static void test_fresh_revisions(conformance *test)
{
        conformance_run_threads(test->store, 8, put_or_list_and_watch, NULL);
}

const conformance_case conformance_thread_cases[] = {
        {"writers", test_writers},
        {"guards-race", test_guards_race},
        {"one-creates", test_one_creates},
        {"failures-are-alone", test_failures_are_alone},
        {"lists-are-whole", test_lists_are_whole},
        {"followers", test_followers},
        {"fresh-revisions", test_fresh_revisions},
        {NULL},
};
