/* SPDX-License-Identifier: Apache-2.0 */
#include "store/test-conformance.h"

#include <string.h>

static void expect_value(dol_store *store, const char *key, const char *value, int64_t revision)
{
        int64_t found = 0;
        g_autofree char *text = conformance_get(store, key, &found);

        g_assert_cmpstr(text, ==, value);
        if (value)
                g_assert_cmpint(found, ==, revision);
}

static void test_put_and_get(conformance *test)
{
        g_assert_cmpint(dol_store_revision(test->store), ==, 0);
        expect_value(test->store, "a", NULL, 0);
        g_assert_cmpint(conformance_put(test->store, "a", "{\"n\":1}"), ==, 1);
        g_assert_cmpint(conformance_put(test->store, "b", "2"), ==, 2);
        expect_value(test->store, "a", "{\"n\":1}", 1);
        g_assert_cmpint(conformance_put(test->store, "a", "3"), ==, 3);
        expect_value(test->store, "a", "3", 3);
        expect_value(test->store, "b", "2", 2);
        g_assert_cmpint(dol_store_revision(test->store), ==, 3);
}

static void test_delete(conformance *test)
{
        conformance_put(test->store, "a", "1");
        g_assert_cmpint(conformance_delete(test->store, "a"), ==, 2);
        expect_value(test->store, "a", NULL, 0);
        g_assert_cmpint(conformance_put(test->store, "a", "2"), ==, 3);
        expect_value(test->store, "a", "2", 3);
}

static void test_nothing_changes(conformance *test)
{
        dol_txn *txn = dol_txn_new();

        g_assert_cmpint(conformance_commit(test->store, dol_txn_new()), ==, 0);
        conformance_put(test->store, "a", "1");
        g_assert_cmpint(conformance_delete(test->store, "absent"), ==, 1);
        dol_txn_require(txn, "a", 1);
        dol_txn_require(txn, "absent", 0);
        dol_txn_delete(txn, "absent");
        g_assert_cmpint(conformance_commit(test->store, txn), ==, 1);
        g_assert_cmpint(dol_store_revision(test->store), ==, 1);
        conformance_expect_list(test->store, "", "a=1@1 ");
}

static dol_txn *guarded(const char *guard, int64_t revision, const char *key, const char *value)
{
        dol_txn *txn = dol_txn_new();

        dol_txn_put(txn, key, value);
        dol_txn_require(txn, guard, revision);
        return txn;
}

static void test_guards(conformance *test)
{
        dol_store *store = test->store;

        g_assert_cmpint(conformance_commit(store, guarded("a", 0, "a", "1")), ==, 1);
        conformance_refuse(store, guarded("a", 0, "a", "x"), DOL_ERROR_STALE, "'a'");
        conformance_refuse(store, guarded("a", 2, "a", "x"), DOL_ERROR_STALE, "'a'");
        conformance_refuse(store, guarded("absent", 1, "a", "x"), DOL_ERROR_STALE, "'absent'");
        g_assert_cmpint(conformance_commit(store, guarded("a", 1, "a", "2")), ==, 2);
        conformance_refuse(store, guarded("a", 1, "a", "x"), DOL_ERROR_STALE, "'a'");
        g_assert_cmpint(conformance_commit(store, guarded("a", 2, "b", "3")), ==, 3);
        conformance_delete(store, "a");
        conformance_refuse(store, guarded("a", 2, "a", "x"), DOL_ERROR_STALE, "'a'");
        conformance_refuse(store, guarded("a", 4, "a", "x"), DOL_ERROR_STALE, "'a'");
        g_assert_cmpint(conformance_commit(store, guarded("a", 0, "a", "5")), ==, 5);
        conformance_expect_list(store, "", "a=5@5 b=3@3 ");
}

/* Guards speak of the store as it is before the transaction. */
static void test_guards_and_own_writes(conformance *test)
{
        dol_txn *txn = dol_txn_new();

        conformance_put(test->store, "a", "1");
        conformance_put(test->store, "b", "2");
        dol_txn_delete(txn, "a");
        dol_txn_require(txn, "a", 1);
        dol_txn_put(txn, "c", "3");
        dol_txn_require(txn, "c", 0);
        dol_txn_require(txn, "b", 2);
        dol_txn_require(txn, "b", 2);
        g_assert_cmpint(conformance_commit(test->store, txn), ==, 3);
        conformance_expect_list(test->store, "", "b=2@2 c=3@3 ");
}

static void test_all_or_nothing(conformance *test)
{
        dol_txn *txn = dol_txn_new();

        conformance_put(test->store, "old", "1");
        dol_txn_put(txn, "a", "1");
        dol_txn_delete(txn, "old");
        dol_txn_put(txn, "b", "2");
        dol_txn_require(txn, "a", 0);
        dol_txn_require(txn, "old", 7);
        conformance_refuse(test->store, txn, DOL_ERROR_STALE, "'old'");

        txn = dol_txn_new();
        dol_txn_put(txn, "a", "1");
        dol_txn_delete(txn, "old");
        dol_txn_put(txn, "b", "2");
        g_assert_cmpint(conformance_commit(test->store, txn), ==, 2);
        conformance_expect_list(test->store, "", "a=1@2 b=2@2 ");
}

/* A transaction can be committed again, for instance after it failed. */
static void test_txn_is_not_used_up(conformance *test)
{
        g_autoptr(dol_txn) txn = guarded("a", 0, "a", "1");
        g_autoptr(GError) error = NULL;

        g_assert_true(dol_store_commit(test->store, txn, NULL, NULL));
        g_assert_false(dol_store_commit(test->store, txn, NULL, &error));
        conformance_expect_error(&error, DOL_ERROR_STALE);
        conformance_delete(test->store, "a");
        g_assert_true(dol_store_commit(test->store, txn, NULL, NULL));
        expect_value(test->store, "a", "1", 3);
}

static bool ignore(const dol_record *record, void *user)
{
        return true;
}

static void refuse_key(dol_store *store, const char *key)
{
        dol_txn *txn = dol_txn_new();
        g_autoptr(GError) error = NULL;
        char *value = NULL;
        int64_t watch;

        dol_txn_put(txn, key, "1");
        conformance_refuse(store, txn, DOL_ERROR_INVALID, NULL);
        txn = dol_txn_new();
        dol_txn_delete(txn, key);
        conformance_refuse(store, txn, DOL_ERROR_INVALID, NULL);
        conformance_refuse(store, guarded(key, 0, "good", "1"), DOL_ERROR_INVALID, NULL);
        g_assert_false(dol_store_get(store, key, &value, NULL, &error));
        conformance_expect_error(&error, DOL_ERROR_INVALID);
        if (key && *key == '\0')
                return; /* a good prefix */
        g_assert_false(dol_store_list(store, key, NULL, 0, ignore, NULL, NULL, &error));
        conformance_expect_error(&error, DOL_ERROR_INVALID);
        g_assert_false(dol_store_watch(store, key, 0, ignore, NULL, &watch, &error));
        conformance_expect_error(&error, DOL_ERROR_INVALID);
        if (!key)
                return;
        g_assert_false(dol_store_list(store, "", key, 0, ignore, NULL, NULL, &error));
        conformance_expect_error(&error, DOL_ERROR_INVALID);
}

static void test_bad_keys(conformance *test)
{
        static const char *const bad[] = {"",     " ",     "a b",  "a\n",  "\ta",
                                          "\x01", "a\x1f", "\x7f", "\x80", "caf\xc3\xa9"};
        g_autofree char *too_long = g_strnfill(513, 'k');

        conformance_put(test->store, "kept", "1");
        for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++)
                refuse_key(test->store, bad[i]);
        refuse_key(test->store, too_long);
        refuse_key(test->store, NULL);
}

static void test_bad_transactions(conformance *test)
{
        g_autofree char *too_big = g_strnfill((1 << 20) + 1, 'v');
        dol_txn *txn = guarded("a", -1, "a", "1");

        conformance_refuse(test->store, txn, DOL_ERROR_INVALID, "'a'");
        conformance_refuse(test->store, guarded("a", 0, "a", NULL), DOL_ERROR_INVALID, "'a'");
        conformance_refuse(test->store, guarded("b", 0, "a", too_big), DOL_ERROR_INVALID, "'a'");
        txn = guarded("x", 0, "twice", "1");
        dol_txn_put(txn, "twice", "1");
        conformance_refuse(test->store, txn, DOL_ERROR_INVALID, "'twice'");
        txn = guarded("x", 0, "twice", "1");
        dol_txn_delete(txn, "twice");
        conformance_refuse(test->store, txn, DOL_ERROR_INVALID, "'twice'");
}

static void test_largest(conformance *test)
{
        g_autofree char *key = g_strnfill(512, '~');
        g_autofree char *value = g_strnfill(1 << 20, 'v');
        g_autofree char *listed = NULL, *expected = g_strconcat(key, "=", value, "@1 ", NULL);

        value[12345] = '\n';
        expected[513 + 12345] = '\n';
        conformance_put(test->store, key, value);
        expect_value(test->store, key, value, 1);
        listed = conformance_list(test->store, key, NULL, 0);
        g_assert_true(strcmp(listed, expected) == 0);
        conformance_put(test->store, key, "");
        expect_value(test->store, key, "", 2);
}

/* Nothing in keys and values has a meaning to the store. */
static void test_strange_text(conformance *test)
{
        static const char *const keys[] = {"%", "_", "*", "?", "'", "\"", ";--", "/", "//", "~"};
        static const char *const values[] = {
                "'; DROP TABLE record; --", "\xff\xfe\x80", "123", "1e5", "NULL", "\n\t\x01"};

        for (unsigned i = 0; i < G_N_ELEMENTS(keys); i++) {
                const char *value = values[i % G_N_ELEMENTS(values)];
                g_autofree char *expected = g_strdup_printf("%s=%s@%u ", keys[i], value, i + 1);

                g_assert_cmpint(conformance_put(test->store, keys[i], value), ==, i + 1);
                expect_value(test->store, keys[i], value, i + 1);
                if (strcmp(keys[i], "//") != 0 && strcmp(keys[i], "/") != 0)
                        conformance_expect_list(test->store, keys[i], expected);
        }
}

static void test_many_in_one(conformance *test)
{
        dol_txn *txn = dol_txn_new();
        char key[32];

        for (unsigned i = 0; i < 3000; i++) {
                g_snprintf(key, sizeof(key), "many/%04u", i);
                dol_txn_require(txn, key, 0);
                dol_txn_put(txn, key, key);
        }
        g_assert_cmpint(conformance_commit(test->store, txn), ==, 1);
        expect_value(test->store, "many/0000", "many/0000", 1);
        expect_value(test->store, "many/2999", "many/2999", 1);
}

static void test_survives(conformance *test)
{
        g_autofree char *before = NULL;

        for (unsigned i = 0; i < 200; i++) {
                g_autofree char *key = g_strdup_printf("k/%u", i * 7919 % 100);

                conformance_put(test->store, key, key);
        }
        conformance_delete(test->store, "k/50");
        before = conformance_list(test->store, "", NULL, 0);
        conformance_reopen(test);
        g_assert_cmpint(dol_store_revision(test->store), ==, 201);
        conformance_expect_list(test->store, "", before);
        g_assert_cmpint(conformance_put(test->store, "k/50", "again"), ==, 202);
}

const conformance_case conformance_commit_cases[] = {
        {"put-and-get", test_put_and_get},
        {"delete", test_delete},
        {"nothing-changes", test_nothing_changes},
        {"guards", test_guards},
        {"guards-and-own-writes", test_guards_and_own_writes},
        {"all-or-nothing", test_all_or_nothing},
        {"txn-is-not-used-up", test_txn_is_not_used_up},
        {"bad-keys", test_bad_keys},
        {"bad-transactions", test_bad_transactions},
        {"largest", test_largest},
        {"strange-text", test_strange_text},
        {"many-in-one", test_many_in_one},
        {"survives", test_survives, true},
        {NULL},
};
