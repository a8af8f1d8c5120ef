/* SPDX-License-Identifier: Apache-2.0 */
#include "store/test-conformance.h"

static void fill(dol_store *store, const char *const keys[], unsigned count)
{
        dol_txn *txn = dol_txn_new();

        for (unsigned i = 0; i < count; i++)
                dol_txn_put(txn, keys[i], "");
        conformance_commit(store, txn);
}

static const char *const mixed[] = {"a/10", "b", "a", "a0", "a/9", "a.b", "a/", "A", "a/1", "~~"};

static void test_order(conformance *test)
{
        fill(test->store, mixed, G_N_ELEMENTS(mixed));
        conformance_expect_list(test->store, "",
                                "A=@1 a=@1 a.b=@1 a/=@1 a/1=@1 a/10=@1 a/9=@1 a0=@1 b=@1 ~~=@1 ");
}

static void test_prefix(conformance *test)
{
        conformance_expect_list(test->store, "", "");
        fill(test->store, mixed, G_N_ELEMENTS(mixed));
        conformance_expect_list(test->store, "a/", "a/=@1 a/1=@1 a/10=@1 a/9=@1 ");
        conformance_expect_list(test->store, "a/1", "a/1=@1 a/10=@1 ");
        conformance_expect_list(test->store, "~", "~~=@1 ");
        conformance_expect_list(test->store, "~~~", "");
        conformance_expect_list(test->store, "a/10", "a/10=@1 ");
        conformance_expect_list(test->store, "a/100", "");
        conformance_expect_list(test->store, "B", "");
}

static void expect_page(dol_store *store, const char *prefix, const char *after, unsigned limit,
                        const char *expected)
{
        g_autofree char *text = conformance_list(store, prefix, after, limit);

        g_assert_cmpstr(text, ==, expected);
}

static void test_after(conformance *test)
{
        dol_store *store = test->store;

        fill(store, mixed, G_N_ELEMENTS(mixed));
        expect_page(store, "a/", "a/1", 0, "a/10=@1 a/9=@1 ");
        expect_page(store, "a/", "a/", 1, "a/1=@1 ");
        expect_page(store, "a/", "a/11", 0, "a/9=@1 ");
        expect_page(store, "a/", "a", 2, "a/=@1 a/1=@1 ");
        expect_page(store, "a/", "", 1, "a/=@1 ");
        expect_page(store, "a/", "a/9", 0, "");
        expect_page(store, "a/", "z", 0, "");
        expect_page(store, "", "a", 1, "a.b=@1 ");
        expect_page(store, "", "~~", 0, "");
        expect_page(store, "a/1", "A", 0, "a/1=@1 a/10=@1 ");
        expect_page(store, "", NULL, 3, "A=@1 a=@1 a.b=@1 ");
}

typedef struct {
        GPtrArray *keys;
        unsigned stop_after; /* 0 = never */
} page;

static bool add_key(const dol_record *record, void *data)
{
        page *into = data;

        g_ptr_array_add(into->keys, g_strdup(record->key));
        return into->keys->len != into->stop_after;
}

static void read_in_pages(dol_store *store, unsigned size)
{
        page all = {g_ptr_array_new_with_free_func(g_free)};
        unsigned before;

        do {
                const char *after = all.keys->len ? all.keys->pdata[all.keys->len - 1] : NULL;

                before = all.keys->len;
                g_assert_true(dol_store_list(store, "p/", after, size, add_key, &all, NULL, NULL));
                g_assert_cmpuint(all.keys->len, <=, before + size);
        } while (all.keys->len > before);
        g_assert_cmpuint(all.keys->len, ==, 50);
        for (unsigned i = 0; i < 50; i++) {
                g_autofree char *expected = g_strdup_printf("p/%02u", i);

                g_assert_cmpstr(all.keys->pdata[i], ==, expected);
        }
        g_ptr_array_unref(all.keys);
}

static void test_pages(conformance *test)
{
        static const unsigned sizes[] = {1, 2, 7, 49, 50, 51, 1000};

        for (unsigned i = 0; i < 50; i++) {
                g_autofree char *key = g_strdup_printf("p/%02u", (i * 17) % 50);

                conformance_put(test->store, key, "");
        }
        conformance_put(test->store, "o", "");
        conformance_put(test->store, "p", "");
        conformance_put(test->store, "q", "");
        for (unsigned i = 0; i < G_N_ELEMENTS(sizes); i++)
                read_in_pages(test->store, sizes[i]);
}

/* The key after which a page begins may be gone meanwhile. */
static void test_page_after_deleted(conformance *test)
{
        fill(test->store, mixed, G_N_ELEMENTS(mixed));
        conformance_delete(test->store, "a/1");
        expect_page(test->store, "a/", "a/1", 1, "a/10=@1 ");
}

static void test_stop(conformance *test)
{
        page some = {g_ptr_array_new_with_free_func(g_free), 3};
        g_autoptr(GError) error = NULL;

        fill(test->store, mixed, G_N_ELEMENTS(mixed));
        g_assert_true(dol_store_list(test->store, "", NULL, 0, add_key, &some, NULL, &error));
        g_assert_no_error(error);
        g_assert_cmpuint(some.keys->len, ==, 3);
        g_ptr_array_unref(some.keys);
        /* A walk that was stopped holds nothing up. */
        conformance_put(test->store, "a", "2");
        expect_page(test->store, "a", NULL, 1, "a=2@2 ");
}

static void test_revision(conformance *test)
{
        page all = {g_ptr_array_new_with_free_func(g_free)};
        int64_t revision = -1;

        g_assert_true(dol_store_list(test->store, "", NULL, 0, add_key, &all, &revision, NULL));
        g_assert_cmpint(revision, ==, 0);
        conformance_put(test->store, "a", "1");
        conformance_put(test->store, "b", "1");
        g_assert_true(dol_store_list(test->store, "x", NULL, 0, add_key, &all, &revision, NULL));
        g_assert_cmpint(revision, ==, 2);
        g_ptr_array_unref(all.keys);
}

const conformance_case conformance_list_cases[] = {
        {"order", test_order},
        {"prefix", test_prefix},
        {"after", test_after},
        {"pages", test_pages},
        {"page-after-deleted", test_page_after_deleted},
        {"stop", test_stop},
        {"revision", test_revision},
        {NULL},
};
