/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "store/test-conformance.h"

#define LONG_USEC (3600 * DOL_USEC_PER_SEC)

static int64_t grant(dol_store *store, int64_t ttl_usec)
{
        g_autoptr(GError) error = NULL;
        int64_t lease = 0;

        g_assert_true(dol_store_lease_grant(store, ttl_usec, &lease, &error));
        g_assert_no_error(error);
        g_assert_cmpint(lease, >, 0);
        return lease;
}

static dol_txn *leased(const char *key, const char *value, int64_t lease)
{
        dol_txn *txn = dol_txn_new();

        dol_txn_put_leased(txn, key, value, lease);
        return txn;
}

static void revoke_lease(dol_store *store, int64_t lease)
{
        g_autoptr(GError) error = NULL;

        g_assert_true(dol_store_lease_revoke(store, lease, &error));
        g_assert_no_error(error);
}

static void expect_ended(dol_store *store, int64_t lease)
{
        g_autoptr(GError) error = NULL;

        g_assert_false(dol_store_lease_keep(store, lease, &error));
        conformance_expect_error(&error, DOL_ERROR_NOT_FOUND);
        g_assert_false(dol_store_lease_revoke(store, lease, &error));
        conformance_expect_error(&error, DOL_ERROR_NOT_FOUND);
        conformance_refuse(store, leased("under/ended", "1", lease), DOL_ERROR_NOT_FOUND, NULL);
}

static void test_revoke(conformance *test)
{
        int64_t lease = grant(test->store, LONG_USEC), other = grant(test->store, LONG_USEC);
        g_autoptr(conformance_log) log = conformance_log_new(test->store);
        g_autofree char *told = NULL;

        g_assert_cmpint(lease, !=, other);
        g_assert_cmpint(dol_store_revision(test->store), ==, 0);
        conformance_put(test->store, "plain", "1");
        conformance_commit(test->store, leased("b", "2", lease));
        conformance_commit(test->store, leased("a", "3", lease));
        conformance_commit(test->store, leased("c", "4", other));
        conformance_log_watch(log, "", 0);
        revoke_lease(test->store, lease);
        conformance_expect_list(test->store, "", "c=4@4 plain=1@1 ");
        expect_ended(test->store, lease);
        conformance_put(test->store, "z", "");
        conformance_log_wait(log, 3);
        told = conformance_log_text(log);
        g_assert_cmpstr(told, ==, "a-@5 b-@5 z=@6 ");
        g_assert_true(dol_store_lease_keep(test->store, other, NULL));
}

static void test_revoke_without_keys(conformance *test)
{
        int64_t lease = grant(test->store, LONG_USEC);

        conformance_put(test->store, "a", "1");
        revoke_lease(test->store, lease);
        g_assert_cmpint(dol_store_revision(test->store), ==, 1);
        expect_ended(test->store, lease);
}

static void test_unknown(conformance *test)
{
        static const int64_t unknown[] = {0, -1, 1, 12345, INT64_MAX, INT64_MIN};
        g_autoptr(GError) error = NULL;
        int64_t lease = -7;

        for (unsigned i = 0; i < G_N_ELEMENTS(unknown); i++)
                expect_ended(test->store, unknown[i]);
        g_assert_false(dol_store_lease_grant(test->store, 0, &lease, &error));
        conformance_expect_error(&error, DOL_ERROR_INVALID);
        g_assert_false(dol_store_lease_grant(test->store, -1, &lease, &error));
        conformance_expect_error(&error, DOL_ERROR_INVALID);
        g_assert_cmpint(lease, ==, -7);
        g_assert_true(dol_store_lease_keep(test->store, grant(test->store, INT64_MAX), NULL));
}

/* The last put decides under which lease a key is. */
static void test_last_put_decides(conformance *test)
{
        int64_t first = grant(test->store, LONG_USEC), second = grant(test->store, LONG_USEC);
        dol_txn *txn = leased("moved", "1", first);

        dol_txn_put_leased(txn, "freed", "1", first);
        dol_txn_put_leased(txn, "deleted", "1", first);
        conformance_commit(test->store, txn);
        txn = leased("moved", "2", second);
        dol_txn_put(txn, "freed", "2");
        dol_txn_delete(txn, "deleted");
        conformance_commit(test->store, txn);
        conformance_put(test->store, "deleted", "2");
        revoke_lease(test->store, first);
        conformance_expect_list(test->store, "", "deleted=2@3 freed=2@2 moved=2@2 ");
        revoke_lease(test->store, second);
        conformance_expect_list(test->store, "", "deleted=2@3 freed=2@2 ");
        g_assert_cmpint(dol_store_revision(test->store), ==, 4);
}

static void test_expires(conformance *test)
{
        g_autoptr(conformance_log) log = conformance_log_new(test->store);
        int64_t kept = grant(test->store, LONG_USEC), lease;
        g_autofree char *told = NULL;
        int64_t start;

        conformance_log_watch(log, "", 0);
        start = dol_monotonic_usec();
        lease = grant(test->store, DOL_USEC_PER_SEC / 2);
        conformance_commit(test->store, leased("a", "1", lease));
        conformance_commit(test->store, leased("b", "1", kept));
        conformance_log_wait(log, 3);
        g_assert_cmpint(dol_monotonic_usec() - start, >=, DOL_USEC_PER_SEC / 2);
        told = conformance_log_text(log);
        g_assert_cmpstr(told, ==, "a=1@1 b=1@2 a-@3 ");
        expect_ended(test->store, lease);
}

/* Keeps a lease past its first end. False when this machine was too slow to keep it in time. */
static bool try_to_keep(dol_store *store, int64_t ttl_usec)
{
        int64_t lease = grant(store, ttl_usec), last = dol_monotonic_usec();

        conformance_commit(store, leased("kept", "1", lease));
        for (unsigned i = 0; i < 6; i++) {
                g_autoptr(GError) error = NULL;
                int64_t before;

                g_usleep((unsigned long)ttl_usec / 3);
                before = dol_monotonic_usec();
                if (!dol_store_lease_keep(store, lease, &error)) {
                        g_assert_cmpint(dol_monotonic_usec() - last, >=, ttl_usec);
                        return false;
                }
                last = before;
        }
        g_free(conformance_get(store, "kept", NULL));
        revoke_lease(store, lease);
        return true;
}

static void test_keep(conformance *test)
{
        for (unsigned i = 0; i < 20; i++)
                if (try_to_keep(test->store, DOL_USEC_PER_SEC / 4))
                        return;
        g_test_skip("this machine is too slow to keep a lease of 250 ms");
}

/* Many leases that end at different times, the longest granted first. */
static void test_many(conformance *test)
{
        g_autoptr(conformance_log) log = conformance_log_new(test->store);

        conformance_log_watch(log, "", 0);
        for (unsigned i = 30; i > 0; i--) {
                g_autofree char *key = g_strdup_printf("k/%02u", i);
                int64_t lease = grant(test->store, i * 10000);
                g_autoptr(dol_txn) txn = leased(key, "", lease);
                g_autoptr(GError) error = NULL;

                /* The shortest ones may be over before. */
                if (!dol_store_commit(test->store, txn, NULL, &error)) {
                        conformance_expect_error(&error, DOL_ERROR_NOT_FOUND);
                        conformance_delete(test->store, key);
                        conformance_put(test->store, key, "");
                        conformance_delete(test->store, key);
                }
        }
        conformance_log_wait(log, 60);
        conformance_expect_list(test->store, "", "");
}

static void test_survives(conformance *test)
{
        int64_t long_lived = grant(test->store, LONG_USEC);
        int64_t lease = grant(test->store, DOL_USEC_PER_SEC / 2), start, later;
        g_autoptr(conformance_log) log = NULL;

        conformance_commit(test->store, leased("a", "1", long_lived));
        conformance_commit(test->store, leased("b", "1", lease));
        start = dol_monotonic_usec();
        conformance_reopen(test);
        log = conformance_log_new(test->store);
        conformance_log_watch(log, "", 0);
        conformance_log_wait(log, 1);
        g_assert_cmpint(dol_monotonic_usec() - start, >=, DOL_USEC_PER_SEC / 2);
        conformance_expect_list(test->store, "", "a=1@1 ");
        g_assert_true(dol_store_lease_keep(test->store, long_lived, NULL));
        expect_ended(test->store, lease);
        later = grant(test->store, LONG_USEC);
        g_assert_cmpint(later, !=, lease);
        g_assert_cmpint(later, !=, long_lived);
        revoke_lease(test->store, long_lived);
        conformance_expect_list(test->store, "", "");
        conformance_log_unwatch(log);
        conformance_reopen(test);
        expect_ended(test->store, long_lived);
        g_assert_true(dol_store_lease_keep(test->store, later, NULL));
}

/* Leases end by themselves while others are kept, revoked and written under. */
static void *use_leases(void *data)
{
        const conformance_worker *worker = data;

        for (unsigned i = 0; i < 60; i++) {
                g_autofree char *key = g_strdup_printf("l%u/%u", worker->number, i);
                g_autoptr(dol_txn) txn = dol_txn_new();
                int64_t lease = 0;

                g_assert_true(
                        dol_store_lease_grant(worker->store, (i % 10 + 1) * 1000, &lease, NULL));
                dol_txn_put_leased(txn, key, "", lease);
                dol_store_commit(worker->store, txn, NULL, NULL);
                dol_store_lease_keep(worker->store, lease, NULL);
                if (i % 3 == 0)
                        dol_store_lease_revoke(worker->store, lease, NULL);
        }
        return NULL;
}

static void test_race(conformance *test)
{
        int64_t until = dol_monotonic_usec() + 60 * DOL_USEC_PER_SEC;

        conformance_run_threads(test->store, 8, use_leases, NULL);
        while (dol_monotonic_usec() < until) {
                g_autofree char *left = conformance_list(test->store, "", NULL, 0);

                if (*left == '\0')
                        return;
                g_usleep(5000);
        }
        g_test_fail_printf("keys of ended leases are left");
}

const conformance_case conformance_lease_cases[] = {
        {"revoke", test_revoke},
        {"revoke-without-keys", test_revoke_without_keys},
        {"unknown", test_unknown},
        {"last-put-decides", test_last_put_decides},
        {"expires", test_expires},
        {"keep", test_keep},
        {"many", test_many},
        {"race", test_race},
        {"survives", test_survives, true},
        {NULL},
};
