/* SPDX-License-Identifier: Apache-2.0 */
/* The points that the fault store passes. */
#include "base/fault.h"
#include "store/test-conformance.h"

static void arm(const char *plan)
{
        g_autoptr(GError) error = NULL;

        g_assert_true(dol_fault_arm(plan, &error));
        g_assert_no_error(error);
}

static bool put(dol_store *store, const char *key, GError **error)
{
        g_autoptr(dol_txn) txn = dol_txn_new();
        int64_t revision = -7;

        dol_txn_put(txn, key, "1");
        if (dol_store_commit(store, txn, &revision, error))
                return true;
        g_assert_cmpint(revision, ==, -7);
        return false;
}

static void test_commit(void)
{
        g_autoptr(dol_store) store = dol_fault_store_open(dol_memory_open());
        g_autoptr(GError) error = NULL;

        arm("store.commit.before=error:unavailable");
        g_assert_false(put(store, "a", &error));
        conformance_expect_error(&error, DOL_ERROR_UNAVAILABLE);
        conformance_expect_list(store, "", "");
        g_assert_true(put(store, "a", NULL));

        arm("store.commit.after=error:no-space,after=1");
        g_assert_true(put(store, "b", NULL));
        g_assert_false(put(store, "c", &error));
        conformance_expect_error(&error, DOL_ERROR_NO_SPACE);
        arm(NULL);
        conformance_expect_list(store, "", "a=1@1 b=1@2 c=1@3 ");
}

static bool never(const dol_record *record, void *user)
{
        g_assert_not_reached();
}

static void test_reads(void)
{
        g_autoptr(dol_store) store = dol_fault_store_open(dol_memory_open());
        g_autoptr(GError) error = NULL;
        char *value = NULL;

        g_assert_true(put(store, "a", NULL));
        arm("store.get=error:internal;store.list=error:timeout");
        g_assert_false(dol_store_get(store, "a", &value, NULL, &error));
        conformance_expect_error(&error, DOL_ERROR_INTERNAL);
        g_assert_false(dol_store_list(store, "", NULL, 0, never, NULL, NULL, &error));
        conformance_expect_error(&error, DOL_ERROR_TIMEOUT);
        g_assert_cmpuint(dol_fault_passes(), ==, 2);
        arm(NULL);
        conformance_expect_list(store, "", "a=1@1 ");
}

/* A commit that the inner store refuses does not come to the point after it. */
static void test_refused(void)
{
        g_autoptr(dol_store) store = dol_fault_store_open(dol_memory_open());
        dol_txn *txn = dol_txn_new();

        dol_txn_require(txn, "a", 1);
        dol_txn_put(txn, "a", "1");
        arm("store.commit.after=error:no-space,times=0");
        conformance_refuse(store, txn, DOL_ERROR_STALE, NULL);
        g_assert_cmpuint(dol_fault_passes(), ==, 0);
        arm(NULL);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/store/fault/commit", test_commit);
        g_test_add_func("/store/fault/reads", test_reads);
        g_test_add_func("/store/fault/refused", test_refused);
        return g_test_run();
}
