/* SPDX-License-Identifier: Apache-2.0 */
#include "base/guard.h"
#include "store/test-conformance.h"

#include <stdatomic.h>

static void expect_told(conformance_log *log, unsigned count, const char *expected)
{
        g_autofree char *text = NULL;

        conformance_log_wait(log, count);
        text = conformance_log_text(log);
        g_assert_cmpstr(text, ==, expected);
}

static void test_tells_changes(conformance *test)
{
        g_autoptr(conformance_log) log = conformance_log_new(test->store);
        dol_txn *txn = dol_txn_new();

        conformance_put(test->store, "v/a", "before");
        conformance_log_watch(log, "v/", 0);
        conformance_put(test->store, "v/a", "1");
        conformance_put(test->store, "w/a", "other");
        conformance_put(test->store, "v", "other");
        dol_txn_put(txn, "v/b", "2");
        dol_txn_delete(txn, "v/a");
        dol_txn_delete(txn, "v/absent");
        dol_txn_put(txn, "w/b", "other");
        conformance_commit(test->store, txn);
        conformance_put(test->store, "v/c", "");
        expect_told(log, 4, "v/a=1@2 v/b=2@5 v/a-@5 v/c=@6 ");
}

static void test_refused_is_not_told(conformance *test)
{
        g_autoptr(conformance_log) log = conformance_log_new(test->store);
        dol_txn *txn = dol_txn_new();

        conformance_log_watch(log, "", 0);
        dol_txn_put(txn, "a", "1");
        dol_txn_require(txn, "a", 1);
        conformance_refuse(test->store, txn, DOL_ERROR_STALE, NULL);
        conformance_delete(test->store, "absent");
        conformance_put(test->store, "b", "1");
        expect_told(log, 1, "b=1@1 ");
}

static void test_from(conformance *test)
{
        g_autoptr(conformance_log) old = conformance_log_new(test->store);
        g_autoptr(conformance_log) middle = conformance_log_new(test->store);
        g_autoptr(conformance_log) new = conformance_log_new(test->store);

        conformance_put(test->store, "a", "1");
        conformance_put(test->store, "b", "2");
        conformance_put(test->store, "a", "3");
        conformance_log_watch(old, "", 1);
        conformance_log_watch(middle, "a", 2);
        conformance_log_watch(new, "", 4);
        conformance_put(test->store, "a", "4");
        expect_told(old, 4, "a=1@1 b=2@2 a=3@3 a=4@4 ");
        expect_told(middle, 2, "a=3@3 a=4@4 ");
        expect_told(new, 1, "a=4@4 ");
}

static void refuse_watch(dol_store *store, int64_t from, dol_error_kind kind)
{
        g_autoptr(GError) error = NULL;
        int64_t watch = -7;

        g_assert_false(dol_store_watch(store, "", from, conformance_log_add, NULL, &watch, &error));
        conformance_expect_error(&error, kind);
        g_assert_cmpint(watch, ==, -7);
}

static void test_from_is_bounded(conformance *test)
{
        g_autoptr(conformance_log) log = conformance_log_new(test->store);

        refuse_watch(test->store, -1, DOL_ERROR_INVALID);
        refuse_watch(test->store, 2, DOL_ERROR_STALE);
        for (unsigned i = 0; i < 5; i++) {
                dol_txn *txn = dol_txn_new();

                for (unsigned j = 0; j < 1000; j++) {
                        g_autofree char *key = g_strdup_printf("k/%u", j);

                        dol_txn_put(txn, key, "");
                }
                conformance_commit(test->store, txn);
        }
        refuse_watch(test->store, 1, DOL_ERROR_STALE);
        refuse_watch(test->store, 7, DOL_ERROR_STALE);
        refuse_watch(test->store, INT64_MAX, DOL_ERROR_STALE);
        conformance_log_watch(log, "", 6);
        conformance_put(test->store, "a", "1");
        expect_told(log, 1, "a=1@6 ");
}

static void test_from_after_restart(conformance *test)
{
        g_autoptr(conformance_log) log = NULL;

        conformance_put(test->store, "a", "1");
        conformance_put(test->store, "a", "2");
        conformance_reopen(test);
        refuse_watch(test->store, 1, DOL_ERROR_STALE);
        refuse_watch(test->store, 2, DOL_ERROR_STALE);
        refuse_watch(test->store, 4, DOL_ERROR_STALE);
        log = conformance_log_new(test->store);
        conformance_log_watch(log, "", 3);
        conformance_put(test->store, "a", "3");
        expect_told(log, 1, "a=3@3 ");
}

/* A watcher that is slower than the writers is told everything nevertheless. */
static void test_slow_watcher(conformance *test)
{
        g_autoptr(conformance_log) slow = conformance_log_new(test->store);
        const GArray *revisions;

        conformance_log_slow(slow, 20);
        conformance_log_watch(slow, "", 0);
        conformance_put(test->store, "first", "");
        conformance_log_wait(slow, 1);
        conformance_log_slow(slow, 0);
        for (unsigned i = 0; i < 3000; i += 100) {
                dol_txn *txn = dol_txn_new();

                for (unsigned j = i; j < i + 100; j++) {
                        g_autofree char *key = g_strdup_printf("k/%u", j);

                        dol_txn_put(txn, key, "");
                }
                conformance_commit(test->store, txn);
        }
        conformance_log_wait(slow, 3001);
        revisions = conformance_log_revisions(slow);
        for (unsigned i = 0; i < 3001; i++)
                g_assert_cmpint(g_array_index(revisions, int64_t, i), ==, 1 + (i + 99) / 100);
}

typedef struct {
        dol_store *store;
        atomic_int calls;
        atomic_bool gate; /* the function waits until it is open */
} blocker;

static bool block(const dol_record *record, void *data)
{
        blocker *stopped = data;

        stopped->calls++;
        while (!stopped->gate)
                g_usleep(1000);
        g_usleep(30000);
        stopped->calls++;
        return true;
}

static void *open_gate(void *data)
{
        blocker *stopped = data;

        g_usleep(50000);
        stopped->gate = true;
        return NULL;
}

static void test_unwatch_waits(conformance *test)
{
        blocker stopped = {.store = test->store};
        pthread_t thread;
        int64_t watch;

        g_assert_true(dol_store_watch(test->store, "", 0, block, &stopped, &watch, NULL));
        conformance_put(test->store, "a", "1");
        conformance_put(test->store, "a", "2");
        while (stopped.calls == 0)
                g_usleep(1000);
        /* A watch function that stands still stops nobody from writing and reading. */
        conformance_put(test->store, "a", "3");
        conformance_expect_list(test->store, "", "a=3@3 ");
        pthread_create(&thread, NULL, open_gate, &stopped);
        dol_store_unwatch(test->store, watch);
        g_assert_cmpint(stopped.calls, ==, 2);
        conformance_put(test->store, "a", "4");
        g_usleep(20000);
        g_assert_cmpint(stopped.calls, ==, 2);
        dol_store_unwatch(test->store, watch);
        dol_store_unwatch(test->store, 12345);
        pthread_join(thread, NULL);
}

/* Copies "from/x" to "to/x" and watches nothing else any more after the second. */
typedef struct {
        dol_store *store;
        conformance_log *other;
        unsigned count;
} copier;

static bool copy(const dol_record *record, void *data)
{
        g_autofree char *key = g_strconcat("to/", record->key + strlen("from/"), NULL);
        copier *own = data;
        g_autofree char *found = conformance_get(own->store, record->key, NULL);

        g_assert_cmpstr(found, ==, record->value);
        if (++own->count == 2)
                conformance_log_unwatch(own->other);
        conformance_put(own->store, key, record->value);
        return true;
}

static void test_function_calls_store(conformance *test)
{
        g_autoptr(conformance_log) done = conformance_log_new(test->store);
        g_autoptr(conformance_log) other = conformance_log_new(test->store);
        copier own = {test->store, other};
        int64_t watch;

        conformance_log_watch(other, "never/", 0);
        g_assert_true(dol_store_watch(test->store, "from/", 0, copy, &own, &watch, NULL));
        conformance_log_watch(done, "to/", 0);
        conformance_put(test->store, "from/a", "1");
        conformance_log_wait(done, 1);
        conformance_put(test->store, "from/b", "2");
        conformance_log_wait(done, 2);
        expect_told(done, 2, "to/a=1@2 to/b=2@4 ");
        dol_store_unwatch(test->store, watch);
}

static void test_many_watchers(conformance *test)
{
        conformance_log *logs[50];

        for (unsigned i = 0; i < G_N_ELEMENTS(logs); i++) {
                logs[i] = conformance_log_new(test->store);
                conformance_log_watch(logs[i], i % 2 ? "a" : "", 0);
        }
        for (unsigned i = 0; i < 20; i++)
                conformance_put(test->store, i % 2 ? "a" : "b", "");
        for (unsigned i = 0; i < G_N_ELEMENTS(logs); i++) {
                conformance_log_wait(logs[i], i % 2 ? 10 : 20);
                conformance_log_free(logs[i]);
        }
}

const conformance_case conformance_watch_cases[] = {
        {"tells-changes", test_tells_changes},
        {"refused-is-not-told", test_refused_is_not_told},
        {"from", test_from},
        {"from-is-bounded", test_from_is_bounded},
        {"from-after-restart", test_from_after_restart, true},
        {"slow-watcher", test_slow_watcher},
        {"unwatch-waits", test_unwatch_waits},
        {"function-calls-store", test_function_calls_store},
        {"many-watchers", test_many_watchers},
        {NULL},
};
