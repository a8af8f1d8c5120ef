/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Damage to the SQLite store's file: cut off anywhere, or single bits flipped. Opening either
 * refuses and changes nothing, or shows exactly what was stored.
 */
#include "store/test-conformance.h"
#include "store/test-directory.h"
#include "store/test-sqlite-tools.h"

#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>

enum { FLIPS = 700 };

typedef struct {
        char *directory;
        char *path;    /* a copy that can be damaged */
        char *log;     /* its log */
        GBytes *whole; /* what was in the file */
        char *list;    /* what was in the store */
} fixture;

static void fill(dol_store *store)
{
        g_autofree char *large = g_strnfill(9000, 'x');
        int64_t lease;

        for (unsigned i = 0; i < 120; i++) {
                g_autofree char *key = g_strdup_printf("volumes/%08x", i * 2654435761U);
                g_autofree char *value = g_strnfill(100 + i * 5, 'a' + (int)(i % 26));

                conformance_put(store, key, i % 40 ? value : large);
                if (i % 10 == 0)
                        conformance_delete(store, key);
        }
        conformance_put(store, "freed", large);
        conformance_delete(store, "freed");
        g_assert_true(dol_store_lease_grant(store, INT64_C(3600000000), &lease, NULL));
        for (unsigned i = 0; i < 5; i++) {
                g_autofree char *key = g_strdup_printf("nodes/%u", i);
                dol_txn *txn = dol_txn_new();

                dol_txn_put_leased(txn, key, "up", lease);
                conformance_commit(store, txn);
        }
}

static void set_up(fixture *fix, const void *data)
{
        dol_store *store;

        fix->directory = test_directory_new();
        fix->path = g_build_filename(fix->directory, "state.db", NULL);
        fix->log = g_strconcat(fix->path, "-wal", NULL);
        store = sqlite_open(fix->path);
        fill(store);
        fix->list = conformance_list(store, "", NULL, 0);
        dol_store_close(store);
        fix->whole = sqlite_bytes(fix->path);
}

static void tear_down(fixture *fix, const void *data)
{
        g_bytes_unref(fix->whole);
        g_free(fix->list);
        g_free(fix->log);
        g_free(fix->path);
        test_directory_free(fix->directory);
}

static void write_cut(const fixture *fix, size_t size)
{
        g_autoptr(GBytes) part = g_bytes_new_from_bytes(fix->whole, 0, size);

        g_unlink(fix->log);
        sqlite_write(fix->path, part);
}

static GBytes *flipped(GBytes *whole, size_t byte, unsigned bit)
{
        size_t size;
        const void *data = g_bytes_get_data(whole, &size);
        char *copy = g_memdup2(data, size);

        copy[byte] ^= (char)(1 << bit);
        return g_bytes_new_take(copy, size);
}

/* Whether the damage was noticed. */
static bool refuses_or_shows(const fixture *fix, const char *expected)
{
        g_autoptr(GBytes) before = sqlite_bytes(fix->path);
        g_autoptr(GBytes) after = NULL;
        g_autoptr(GError) error = NULL;
        bool is_fresh;
        dol_store *store = dol_sqlite_open(fix->path, &is_fresh, &error);

        if (store) {
                conformance_expect_list(store, "", expected);
                conformance_put(store, "volumes/new", "1");
                dol_store_close(store);
                return false;
        }
        after = sqlite_bytes(fix->path);
        g_assert_true(g_bytes_equal(before, after));
        if (!strstr(error->message, "move it away") &&
            !strstr(error->message, "another application") &&
            !dol_error_is(error, DOL_ERROR_UNSUPPORTED))
                g_error("unclear: %s", error->message);
        g_assert_true(dol_error_is(error, DOL_ERROR_CONFLICT) ||
                      dol_error_is(error, DOL_ERROR_UNSUPPORTED));
        return true;
}

static void test_truncated(fixture *fix, const void *data)
{
        size_t size = g_bytes_get_size(fix->whole);
        unsigned odd_noticed = 0;

        g_assert_cmpuint(size % 4096, ==, 0);
        for (size_t end = 0; end < size; end += 4096) {
                write_cut(fix, end);
                sqlite_refuse(fix->path, DOL_ERROR_CONFLICT, "move it away");
                write_cut(fix, end + 1 + end / 4096 * 997 % 4095);
                odd_noticed += refuses_or_shows(fix, fix->list);
        }
        /* The end of the last page may be unused. */
        g_assert_cmpuint(odd_noticed, >=, size / 4096 - 1);
        write_cut(fix, size);
        dol_store_close(sqlite_open(fix->path));
}

static void test_flipped(fixture *fix, const void *data)
{
        size_t size = g_bytes_get_size(fix->whole);
        unsigned noticed = 0, seed = 20240229;

        for (unsigned i = 0; i < FLIPS; i++) {
                size_t byte = i < 200 ? i / 2 : (size_t)rand_r(&seed) % size;
                g_autoptr(GBytes) bytes = flipped(fix->whole, byte, (unsigned)rand_r(&seed) % 8);

                g_unlink(fix->log);
                sqlite_write(fix->path, bytes);
                noticed += refuses_or_shows(fix, fix->list);
        }
        /* Most of the file is in use. */
        g_assert_cmpuint(noticed, >, FLIPS / 2);
}

static void expect_one_of(dol_store *store, const GPtrArray *lists)
{
        g_autofree char *text = conformance_list(store, "", NULL, 0);
        int64_t revision = dol_store_revision(store);

        g_assert_cmpint(revision, <, lists->len);
        g_assert_cmpstr(text, ==, g_ptr_array_index(lists, revision));
}

/* A damaged log ends where the damage is, as after a loss of power: the store is then what it was
 * at an earlier commit, never a mixture. */
static void test_flipped_log(fixture *fix, const void *data)
{
        g_autofree char *live = g_build_filename(fix->directory, "live.db", NULL);
        g_autoptr(GPtrArray) lists = g_ptr_array_new_with_free_func(g_free);
        g_autoptr(GBytes) log = NULL;
        dol_store *store = sqlite_open(live);
        unsigned seed = 19840101;

        g_ptr_array_add(lists, conformance_list(store, "", NULL, 0));
        for (unsigned i = 0; i < 40; i++) {
                g_autofree char *key = g_strdup_printf("k/%u", i % 7);
                g_autofree char *value = g_strdup_printf("%u", i);

                conformance_put(store, key, value);
                g_ptr_array_add(lists, conformance_list(store, "", NULL, 0));
        }
        sqlite_copy(live, fix->path);
        log = sqlite_bytes(fix->log);
        for (unsigned i = 0; i < FLIPS / 4; i++) {
                size_t byte = (size_t)rand_r(&seed) % g_bytes_get_size(log);
                g_autoptr(GBytes) bytes = flipped(log, byte, (unsigned)rand_r(&seed) % 8);
                dol_store *damaged;

                sqlite_copy(live, fix->path);
                sqlite_write(fix->log, bytes);
                damaged = sqlite_open(fix->path);
                expect_one_of(damaged, lists);
                conformance_put(damaged, "k/0", "again");
                dol_store_close(damaged);
        }
        dol_store_close(store);
}

/* The file is damaged, and a log of an earlier crash is there too: both must stay as they are. */
static void test_damaged_with_log(fixture *fix, const void *data)
{
        g_autofree char *copy = g_build_filename(fix->directory, "copy.db", NULL);
        g_autoptr(GBytes) damaged = NULL, file = NULL;
        dol_store *store = sqlite_open(fix->path);
        size_t byte;

        conformance_put(store, "volumes/later", "1");
        sqlite_copy(fix->path, copy);
        dol_store_close(store);
        file = sqlite_bytes(copy);
        byte = g_bytes_get_size(file) / 2;
        while (((const char *)g_bytes_get_data(file, NULL))[byte] != 'k')
                byte++;
        damaged = flipped(file, byte, 1);
        sqlite_write(copy, damaged);
        sqlite_refuse(copy, DOL_ERROR_CONFLICT, "damaged");
}

static unsigned number_at(const char *bytes, size_t at)
{
        return (unsigned)(unsigned char)bytes[at] << 8 | (unsigned char)bytes[at + 1];
}

static void refuse_bytes(const fixture *fix, char *bytes)
{
        g_autoptr(GBytes) changed = g_bytes_new_take(bytes, g_bytes_get_size(fix->whole));

        g_unlink(fix->log);
        sqlite_write(fix->path, changed);
        sqlite_refuse(fix->path, DOL_ERROR_CONFLICT, "move it away");
}

/* Two entries of the key index change places: all that is stored is whole, but some keys would not
 * be found any more. */
static void test_index_order(fixture *fix, const void *data)
{
        enum { INDEX_LEAF = 0x0a, COUNT = 3, FIRST = 8, SECOND = 10 };
        size_t size, page = 4096;
        const char *whole = g_bytes_get_data(fix->whole, &size);
        char *bytes = g_memdup2(whole, size);

        while (whole[page] != INDEX_LEAF || number_at(whole, page + COUNT) < 20)
                page += 4096;
        memcpy(bytes + page + FIRST, whole + page + SECOND, 2);
        memcpy(bytes + page + SECOND, whole + page + FIRST, 2);
        refuse_bytes(fix, bytes);
}

/* A page in use is in the list of free pages too, and would be overwritten one day. */
static void test_free_list(fixture *fix, const void *data)
{
        enum { FIRST_FREE = 32, COUNT = 4, FIRST = 8 };
        size_t size, page;
        const char *whole = g_bytes_get_data(fix->whole, &size);
        char *bytes = g_memdup2(whole, size);

        page = 4096 * (number_at(whole, FIRST_FREE + 2) - 1UL);
        g_assert_cmpuint(page, >, 4096);
        g_assert_cmpuint(number_at(whole, page + COUNT + 2), >, 0);
        bytes[page + FIRST + 2] = 0;
        bytes[page + FIRST + 3] = 2;
        refuse_bytes(fix, bytes);
}

static void add(const char *name, void (*test)(fixture *, const void *))
{
        g_autofree char *path = g_strconcat("/store/sqlite-damage/", name, NULL);

        g_test_add(path, fixture, NULL, set_up, test, tear_down);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        add("truncated", test_truncated);
        add("flipped", test_flipped);
        add("flipped-log", test_flipped_log);
        add("index-order", test_index_order);
        add("free-list", test_free_list);
        add("damaged-with-log", test_damaged_with_log);
        return test_run_cleanly();
}
