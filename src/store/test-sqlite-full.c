/* SPDX-License-Identifier: Apache-2.0 */
/* A full disk: a small tmpfs in this process's own mount namespace. Needs root. */
#include "store/test-conformance.h"
#include "store/test-directory.h"
#include "store/test-sqlite-tools.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

typedef struct {
        char *directory; /* the mount point */
        char *path;      /* of the store's file */
        char *filler;    /* takes the space that is left */
} fixture;

static void set_up(fixture *fix, const void *data)
{
        fix->directory = test_directory_new();
        if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) < 0 ||
            mount("dolium-test", fix->directory, "tmpfs", 0, "size=16m") < 0)
                g_error("cannot mount a tmpfs (these tests need root): %s", g_strerror(errno));
        fix->path = g_build_filename(fix->directory, "state.db", NULL);
        fix->filler = g_build_filename(fix->directory, "filler", NULL);
}

static void tear_down(fixture *fix, const void *data)
{
        g_assert_cmpint(umount(fix->directory), ==, 0);
        g_free(fix->filler);
        g_free(fix->path);
        test_directory_free(fix->directory);
}

static void fill_disk(const fixture *fix)
{
        int fd = open(fix->filler, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        static const char page[4096];

        g_assert_cmpint(fd, >=, 0);
        while (write(fd, page, sizeof(page)) > 0)
                continue;
        g_assert_cmpint(errno, ==, ENOSPC);
        close(fd);
}

static bool try_put(dol_store *store, const char *key, const char *value)
{
        g_autoptr(dol_txn) txn = dol_txn_new();
        g_autoptr(GError) error = NULL;

        dol_txn_put(txn, key, value);
        if (dol_store_commit(store, txn, NULL, &error))
                return true;
        conformance_expect_error(&error, DOL_ERROR_NO_SPACE);
        return false;
}

static void expect_count(dol_store *store, unsigned count)
{
        g_autofree char *list = conformance_list(store, "new/", NULL, 0);
        unsigned found = 0;

        for (const char *at = list; (at = strchr(at, '@')); at++)
                found++;
        g_assert_cmpuint(found, ==, count);
}

/* New records until there is no space; then the store still answers, and works again as soon as
 * there is. */
static void test_new_records(fixture *fix, const void *data)
{
        g_autofree char *value = g_strnfill(3000, 'v');
        dol_store *store = sqlite_open(fix->path);
        unsigned count = 0;
        bool done = true;

        fill_disk(fix);
        while (done) {
                g_autofree char *key = g_strdup_printf("new/%u", count);

                done = try_put(store, key, value);
                count += done;
                g_assert_cmpuint(count, <, 10000);
        }
        expect_count(store, count);
        g_assert_cmpint(dol_store_revision(store), ==, count);
        g_assert_false(try_put(store, "new/more", value));
        g_assert_cmpint(g_unlink(fix->filler), ==, 0);
        g_assert_true(try_put(store, "new/more", value));
        dol_store_close(store);
        store = sqlite_open(fix->path);
        expect_count(store, count + 1);
        dol_store_close(store);
}

/* Changes and deletes need no new space, for as long as one likes. */
static void test_changes(fixture *fix, const void *data)
{
        dol_store *store = sqlite_open(fix->path);

        for (unsigned i = 0; i < 200; i++) {
                g_autofree char *key = g_strdup_printf("new/%03u", i);

                g_assert_true(try_put(store, key, "a document of some size"));
        }
        fill_disk(fix);
        for (unsigned i = 0; i < 2000; i++) {
                g_autofree char *key = g_strdup_printf("new/%03u", i % 200);

                g_assert_true(try_put(store, key, "another document, like it"));
        }
        for (unsigned i = 0; i < 200; i++) {
                g_autofree char *key = g_strdup_printf("new/%03u", i);

                conformance_delete(store, key);
        }
        expect_count(store, 0);
        dol_store_close(store);
}

static void refuse_large(dol_store *store)
{
        g_autofree char *large = g_strnfill(1 << 20, 'x');
        g_autoptr(dol_txn) txn = dol_txn_new();
        g_autoptr(GError) error = NULL;

        for (unsigned i = 0; i < 8; i++) {
                g_autofree char *key = g_strdup_printf("large/%u", i);

                dol_txn_put(txn, key, large);
        }
        g_assert_false(dol_store_commit(store, txn, NULL, &error));
        conformance_expect_error(&error, DOL_ERROR_NO_SPACE);
}

static void *put_large_or_small(void *data)
{
        const conformance_worker *worker = data;
        g_autofree char *key = g_strdup_printf("w/%u", worker->number);

        for (unsigned i = 0; i < 8; i++)
                if (worker->number < 6)
                        conformance_put(worker->store, key, "small");
                else
                        refuse_large(worker->store);
        return NULL;
}

/* A commit that is too big for the disk does not fail the small ones that go with it. */
static void test_large_and_small(fixture *fix, const void *data)
{
        dol_store *store = sqlite_open(fix->path);

        fill_disk(fix);
        conformance_run_threads(store, 8, put_large_or_small, NULL);
        g_assert_cmpint(dol_store_revision(store), ==, 6 * 8);
        dol_store_close(store);
}

static void test_create(fixture *fix, const void *data)
{
        g_autoptr(GError) error = NULL;
        bool is_fresh = false;
        dol_store *store;

        fill_disk(fix);
        g_assert_null(dol_sqlite_open(fix->path, &is_fresh, &error));
        conformance_expect_error(&error, DOL_ERROR_NO_SPACE);
        g_assert_false(g_file_test(fix->path, G_FILE_TEST_EXISTS));
        g_assert_cmpint(g_unlink(fix->filler), ==, 0);
        store = dol_sqlite_open(fix->path, &is_fresh, &error);
        g_assert_no_error(error);
        g_assert_true(is_fresh);
        dol_store_close(store);
}

static void test_open(fixture *fix, const void *data)
{
        g_autoptr(GError) error = NULL;
        bool is_fresh;
        dol_store *store = sqlite_open(fix->path);

        conformance_put(store, "a", "1");
        dol_store_close(store);
        fill_disk(fix);
        store = dol_sqlite_open(fix->path, &is_fresh, &error);
        if (!store)
                conformance_expect_error(&error, DOL_ERROR_NO_SPACE);
        dol_store_close(store);
        g_assert_cmpint(g_unlink(fix->filler), ==, 0);
        store = sqlite_open(fix->path);
        conformance_expect_list(store, "", "a=1@1 ");
        conformance_put(store, "b", "2");
        dol_store_close(store);
}

/* A lease that ends while the disk is full ends for good when there is space. */
static void test_lease_ends(fixture *fix, const void *data)
{
        g_autofree char *value = g_strnfill(30000, 'v');
        dol_store *store = sqlite_open(fix->path);
        g_autoptr(conformance_log) log = conformance_log_new(store);
        dol_txn *txn = dol_txn_new();
        int64_t lease;

        g_assert_true(dol_store_lease_grant(store, 1500000, &lease, NULL));
        dol_txn_put_leased(txn, "leased", "1", lease);
        conformance_commit(store, txn);
        fill_disk(fix);
        for (unsigned i = 0; i < 10000; i++) {
                g_autofree char *key = g_strdup_printf("new/%u", i);

                if (!try_put(store, key, value))
                        break;
        }
        while (try_put(store, "small", "1"))
                continue;
        g_usleep(2500000);
        conformance_expect_list(store, "leased", "leased=1@1 ");
        g_assert_false(dol_store_lease_keep(store, lease, NULL));
        conformance_log_watch(log, "leased", 0);
        g_assert_cmpint(g_unlink(fix->filler), ==, 0);
        conformance_log_wait(log, 1);
        conformance_expect_list(store, "leased", "");
        conformance_log_unwatch(log);
        dol_store_close(store);
}

static void add(const char *name, void (*test)(fixture *, const void *))
{
        g_autofree char *path = g_strconcat("/store/sqlite-full/", name, NULL);

        g_test_add(path, fixture, NULL, set_up, test, tear_down);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        add("new-records", test_new_records);
        add("changes", test_changes);
        add("large-and-small", test_large_and_small);
        add("create", test_create);
        add("open", test_open);
        add("lease-ends", test_lease_ends);
        return test_run_cleanly();
}
