/* SPDX-License-Identifier: Apache-2.0 */
/* The SQLite store's file: whose it is, its mode, and what happens when it is not there. */
#include "store/test-conformance.h"
#include "store/test-directory.h"
#include "store/test-sqlite-tools.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct {
        char *directory;
        char *path; /* of the store's file; not there yet */
} fixture;

static void set_up(fixture *fix, const void *data)
{
        fix->directory = test_directory_new();
        fix->path = g_build_filename(fix->directory, "state.db", NULL);
}

static void tear_down(fixture *fix, const void *data)
{
        g_free(fix->path);
        test_directory_free(fix->directory);
}

static char *beside(const fixture *fix, const char *suffix)
{
        return g_strconcat(fix->path, suffix, NULL);
}

static bool open_is_fresh(const char *path)
{
        g_autoptr(GError) error = NULL;
        bool is_fresh = false;
        dol_store *store = dol_sqlite_open(path, &is_fresh, &error);

        g_assert_no_error(error);
        dol_store_close(store);
        return is_fresh;
}

static void test_fresh(fixture *fix, const void *data)
{
        dol_store *store;

        g_assert_true(open_is_fresh(fix->path));
        g_assert_false(open_is_fresh(fix->path));
        store = sqlite_open(fix->path);
        conformance_put(store, "a", "1");
        dol_store_close(store);
        g_assert_false(open_is_fresh(fix->path));
        g_assert_cmpint(g_unlink(fix->path), ==, 0);
        g_assert_true(open_is_fresh(fix->path));
}

static void expect_private(const fixture *fix, const char *suffix)
{
        g_autofree char *path = beside(fix, suffix);
        struct stat st;

        g_assert_cmpint(stat(path, &st), ==, 0);
        g_assert_cmpint(st.st_mode & 0777, ==, 0600);
}

/* Nothing is left beside the file once it is closed. */
static void test_tidy(fixture *fix, const void *data)
{
        g_autoptr(GDir) directory = NULL;
        const char *name;

        g_assert_true(open_is_fresh(fix->path));
        directory = g_dir_open(fix->directory, 0, NULL);
        while ((name = g_dir_read_name(directory)))
                g_assert_true(g_str_equal(name, "state.db") || g_str_equal(name, "state.db-lock"));
}

static void test_mode(fixture *fix, const void *data)
{
        static const mode_t masks[] = {0, 022, 0377};

        for (unsigned i = 0; i < G_N_ELEMENTS(masks); i++) {
                mode_t before = umask(masks[i]);
                dol_store *store = sqlite_open(fix->path);

                conformance_put(store, "a", "1");
                expect_private(fix, "");
                expect_private(fix, "-wal");
                expect_private(fix, "-shm");
                dol_store_close(store);
                umask(before);
                g_unlink(fix->path);
        }
}

static void test_not_a_database(fixture *fix, const void *data)
{
        static const char *const contents[] = {
                "", "x", "SQLite format 3", "kind: Volume\n# a configuration file, no database\n"};
        g_autofree char *zeros = g_malloc0(8192), *text = g_strnfill(8192, 't');

        for (unsigned i = 0; i < G_N_ELEMENTS(contents); i++) {
                g_assert_true(g_file_set_contents(fix->path, contents[i], -1, NULL));
                sqlite_refuse(fix->path, DOL_ERROR_CONFLICT, "move it away");
        }
        g_assert_true(g_file_set_contents(fix->path, zeros, 8192, NULL));
        sqlite_refuse(fix->path, DOL_ERROR_CONFLICT, "not a store");
        g_assert_true(g_file_set_contents(fix->path, text, 8192, NULL));
        sqlite_refuse(fix->path, DOL_ERROR_CONFLICT, "not a store");
}

static void test_not_a_file(fixture *fix, const void *data)
{
        g_autofree char *missing = g_build_filename(fix->directory, "missing", "state.db", NULL);
        g_autoptr(GError) error = NULL;
        bool is_fresh;

        g_assert_cmpint(g_mkdir(fix->path, 0700), ==, 0);
        g_assert_null(dol_sqlite_open(fix->path, &is_fresh, &error));
        conformance_expect_error(&error, DOL_ERROR_CONFLICT);
        g_assert_cmpint(g_rmdir(fix->path), ==, 0);
        g_assert_cmpint(mkfifo(fix->path, 0600), ==, 0);
        g_assert_null(dol_sqlite_open(fix->path, &is_fresh, &error));
        conformance_expect_error(&error, DOL_ERROR_CONFLICT);
        g_assert_null(dol_sqlite_open(missing, &is_fresh, &error));
        conformance_expect_error(&error, DOL_ERROR_NOT_FOUND);
        g_assert_null(dol_sqlite_open("/dev/null", &is_fresh, &error));
        conformance_expect_error(&error, DOL_ERROR_CONFLICT);
        g_unlink("/dev/null-lock");
}

static void test_other_application(fixture *fix, const void *data)
{
        sqlite_execute(fix->path, "CREATE TABLE record (key TEXT); PRAGMA user_version = 1");
        sqlite_refuse(fix->path, DOL_ERROR_CONFLICT, "another application");
        sqlite_execute(fix->path, "PRAGMA application_id = 7; PRAGMA journal_mode = WAL");
        sqlite_refuse(fix->path, DOL_ERROR_CONFLICT, "another application");
}

/* Our application, but not our tables. */
static void test_other_tables(fixture *fix, const void *data)
{
        static const char *const changes[] = {
                "CREATE TABLE extra (x)",
                "DROP INDEX record_lease",
                "DELETE FROM head",
                "ALTER TABLE record ADD COLUMN more TEXT",
                "CREATE TRIGGER t AFTER INSERT ON record BEGIN DELETE FROM record; END",
                "UPDATE head SET revision = 0",
                "UPDATE record SET value = 'other'",
                "UPDATE record SET key = 'other'",
                "UPDATE record SET revision = 2; UPDATE head SET revision = 2",
                "PRAGMA journal_mode = DELETE",
                "PRAGMA user_version = 0",
        };

        for (unsigned i = 0; i < G_N_ELEMENTS(changes); i++) {
                dol_store *store = sqlite_open(fix->path);

                conformance_put(store, "a", "1");
                dol_store_close(store);
                sqlite_execute(fix->path, changes[i]);
                sqlite_refuse(fix->path, DOL_ERROR_CONFLICT, "move it away");
                g_unlink(fix->path);
        }
}

static void test_newer_schema(fixture *fix, const void *data)
{
        g_autofree char *copy = beside(fix, ".copy");
        sqlite3 *db;

        g_assert_true(open_is_fresh(fix->path));
        sqlite_execute(fix->path, "PRAGMA user_version = 2");
        sqlite_refuse(fix->path, DOL_ERROR_UNSUPPORTED, "schema version 2");
        sqlite_execute(fix->path, "PRAGMA user_version = 1");
        g_assert_false(open_is_fresh(fix->path));

        /* The same when a crash left the new version in the log only. */
        g_assert_cmpint(sqlite3_open(fix->path, &db), ==, SQLITE_OK);
        g_assert_cmpint(sqlite3_exec(db, "PRAGMA user_version = 3", NULL, NULL, NULL), ==, 0);
        sqlite_copy(fix->path, copy);
        sqlite3_close(db);
        sqlite_refuse(copy, DOL_ERROR_UNSUPPORTED, "schema version 3");
}

static void test_one_owner(fixture *fix, const void *data)
{
        g_autoptr(dol_store) store = sqlite_open(fix->path);
        g_autoptr(GError) error = NULL;
        bool is_fresh;

        conformance_put(store, "a", "1");
        g_assert_null(dol_sqlite_open(fix->path, &is_fresh, &error));
        conformance_expect_error(&error, DOL_ERROR_BUSY);
        conformance_put(store, "b", "2");
        conformance_expect_list(store, "", "a=1@1 b=2@2 ");
        dol_store_close(g_steal_pointer(&store));
        store = sqlite_open(fix->path);
        conformance_expect_list(store, "", "a=1@1 b=2@2 ");
}

/* A log without its file belongs to a store that is gone: it must neither be applied to the new
 * one nor be lost. */
static void test_stale_log(fixture *fix, const void *data)
{
        g_autofree char *copy = beside(fix, ".copy");
        g_autofree char *copy_log = beside(fix, ".copy-wal");
        g_autofree char *kept_log = beside(fix, ".copy-wal.old");
        dol_store *store = sqlite_open(fix->path);

        conformance_put(store, "old", "1");
        sqlite_copy(fix->path, copy);
        dol_store_close(store);
        g_assert_true(g_file_test(copy_log, G_FILE_TEST_EXISTS));
        g_assert_cmpint(g_unlink(copy), ==, 0);
        store = sqlite_open(copy);
        conformance_expect_list(store, "", "");
        conformance_put(store, "new", "1");
        dol_store_close(store);
        store = sqlite_open(copy);
        conformance_expect_list(store, "", "new=1@1 ");
        dol_store_close(store);
        g_assert_true(g_file_test(kept_log, G_FILE_TEST_EXISTS));
}

/* What a crash while the file is made can leave. */
static void test_half_created(fixture *fix, const void *data)
{
        g_autofree char *left = beside(fix, ".new");

        g_assert_true(g_file_set_contents(left, "SQLite format 3 and then nothing", -1, NULL));
        g_assert_true(open_is_fresh(fix->path));
        g_assert_false(g_file_test(left, G_FILE_TEST_EXISTS));
        g_assert_false(open_is_fresh(fix->path));
}

static void test_deleted_in_use(fixture *fix, const void *data)
{
        g_autofree char *away = beside(fix, ".away");
        dol_store *store = sqlite_open(fix->path);
        dol_txn *txn = dol_txn_new();

        conformance_put(store, "a", "1");
        g_assert_cmpint(g_rename(fix->path, away), ==, 0);
        dol_txn_put(txn, "b", "2");
        conformance_refuse(store, txn, DOL_ERROR_UNAVAILABLE, "moved or deleted");
        g_assert_cmpint(g_rename(away, fix->path), ==, 0);
        conformance_put(store, "b", "2");
        g_assert_cmpint(g_unlink(fix->path), ==, 0);
        txn = dol_txn_new();
        dol_txn_put(txn, "c", "3");
        conformance_refuse(store, txn, DOL_ERROR_UNAVAILABLE, "moved or deleted");
        dol_store_close(store);
        g_assert_true(open_is_fresh(fix->path));
        store = sqlite_open(fix->path);
        conformance_expect_list(store, "", "");
        dol_store_close(store);
}

/* A backup by hand holds the file locked for a moment; commits wait. */
static void test_locked_by_somebody(fixture *fix, const void *data)
{
        g_autoptr(dol_store) store = sqlite_open(fix->path);
        sqlite3 *db;

        g_assert_cmpint(sqlite3_open(fix->path, &db), ==, SQLITE_OK);
        g_assert_cmpint(sqlite3_exec(db, "BEGIN; SELECT * FROM record", NULL, NULL, NULL), ==, 0);
        for (unsigned i = 0; i < 50; i++)
                conformance_put(store, "a", "1");
        g_assert_cmpint(sqlite3_exec(db, "COMMIT; BEGIN IMMEDIATE", NULL, NULL, NULL), ==, 0);
        conformance_expect_list(store, "", "a=1@50 ");
        g_assert_cmpint(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL), ==, 0);
        conformance_put(store, "a", "2");
        sqlite3_close(db);
        conformance_put(store, "a", "3");
        conformance_expect_list(store, "", "a=3@52 ");
}

static bool count(const dol_record *record, void *number)
{
        ++*(unsigned *)number;
        return true;
}

/* 10,000 documents must not be held in memory. */
static void test_memory(fixture *fix, const void *data)
{
        g_autoptr(dol_store) store = sqlite_open(fix->path);
        g_autofree char *value = g_strnfill(1500, 'v');
        g_autofree char *log = beside(fix, "-wal");
        unsigned counted = 0;
        struct stat st;

        for (unsigned i = 0; i < 10000; i += 200) {
                dol_txn *txn = dol_txn_new();

                for (unsigned j = i; j < i + 200; j++) {
                        g_autofree char *key = g_strdup_printf("v/%08x", j * 2654435761U);

                        dol_txn_put(txn, key, value);
                }
                conformance_commit(store, txn);
        }
        for (unsigned i = 0; i < 3; i++)
                g_assert_true(dol_store_list(store, "v/", NULL, 0, count, &counted, NULL, NULL));
        g_assert_cmpuint(counted, ==, 30000);
        g_assert_cmpint(sqlite3_memory_used(), <, 4 << 20);
        g_assert_cmpint(stat(log, &st), ==, 0);
        g_assert_cmpint(st.st_size, <, 16 << 20);
}

static void add(const char *name, void (*test)(fixture *, const void *))
{
        g_autofree char *path = g_strconcat("/store/sqlite-file/", name, NULL);

        g_test_add(path, fixture, NULL, set_up, test, tear_down);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        add("fresh", test_fresh);
        add("tidy", test_tidy);
        add("mode", test_mode);
        add("not-a-database", test_not_a_database);
        add("not-a-file", test_not_a_file);
        add("other-application", test_other_application);
        add("other-tables", test_other_tables);
        add("newer-schema", test_newer_schema);
        add("one-owner", test_one_owner);
        add("stale-log", test_stale_log);
        add("half-created", test_half_created);
        add("deleted-in-use", test_deleted_in_use);
        add("locked-by-somebody", test_locked_by_somebody);
        add("memory", test_memory);
        return test_run_cleanly();
}
