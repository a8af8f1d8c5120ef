/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When the SQLite store syncs. This program's own fdatasync and fsync, which SQLite calls too,
 * count the calls, fail on demand, and keep an image of what a loss of power would leave: each file
 * as it was when it was synced last.
 */
#include "base/guard.h"
#include "store/test-conformance.h"
#include "store/test-directory.h"
#include "store/test-sqlite-tools.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

static atomic_uint syncs;
static atomic_int fail_with;        /* errno of the next syncs that fail */
static atomic_int fail_count;       /* how many will fail */
static atomic_uint slow_msec;       /* how long a sync takes */
static _Atomic(const char *) image; /* the directory with what was synced; NULL = not kept */

static atomic_bool keeps_log; /* the image has the log too; it is large */

static void keep_image(int fd)
{
        g_autofree char *link = g_strdup_printf("/proc/self/fd/%d", fd);
        g_autofree char *path = g_file_read_link(link, NULL);
        g_autofree char *name = path ? g_path_get_basename(path) : NULL;
        g_autofree char *to = name ? g_build_filename(image, name, NULL) : NULL;

        if (name && g_str_has_suffix(name, "-wal") && !keeps_log)
                return;
        if (to && g_file_test(path, G_FILE_TEST_IS_REGULAR)) {
                g_autoptr(GBytes) bytes = sqlite_bytes(path);

                sqlite_write(to, bytes);
        }
}

static bool take_failure(void)
{
        int left = fail_count;

        while (left > 0)
                if (atomic_compare_exchange_weak(&fail_count, &left, left - 1))
                        return true;
        return false;
}

static int sync_with(long call, int fd)
{
        bool fails = take_failure();

        syncs++;
        if (slow_msec)
                g_usleep(slow_msec * 1000UL);
        if (fails) {
                errno = fail_with;
                return -1;
        }
        if (image)
                keep_image(fd);
        return (int)syscall(call, fd);
}

int fdatasync(int fd)
{
        return sync_with(SYS_fdatasync, fd);
}

int fsync(int fd)
{
        return sync_with(SYS_fsync, fd);
}

typedef struct {
        char *directory;
        char *path;
        dol_store *store;
} fixture;

static void set_up(fixture *fix, const void *data)
{
        fix->directory = test_directory_new();
        fix->path = g_build_filename(fix->directory, "state.db", NULL);
        fix->store = sqlite_open(fix->path);
        slow_msec = 0;
}

static void tear_down(fixture *fix, const void *data)
{
        slow_msec = 0;
        image = NULL;
        dol_store_close(fix->store);
        g_free(fix->path);
        test_directory_free(fix->directory);
}

static void test_each_commit_syncs(fixture *fix, const void *data)
{
        unsigned before = syncs;

        for (unsigned i = 0; i < 50; i++) {
                conformance_put(fix->store, "a", "1");
                g_assert_cmpuint(syncs - before, >=, i + 1);
        }
        /* Once, not more: a commit costs one flush. */
        g_assert_cmpuint(syncs - before, <, 60);
        before = syncs;
        conformance_delete(fix->store, "absent");
        conformance_commit(fix->store, dol_txn_new());
        g_free(conformance_get(fix->store, "a", NULL));
        g_assert_cmpuint(syncs, ==, before);
}

static void *put_often(void *data)
{
        const conformance_worker *worker = data;
        g_autofree char *key = g_strdup_printf("w/%u", worker->number);

        for (unsigned i = 0; i < 40; i++)
                conformance_put(worker->store, key, "1");
        return NULL;
}

static void test_writers_share_syncs(fixture *fix, const void *data)
{
        unsigned before = syncs;

        slow_msec = 2;
        conformance_run_threads(fix->store, 8, put_often, NULL);
        g_assert_cmpuint(syncs - before, <, 8 * 40 / 2);
        g_assert_cmpint(dol_store_revision(fix->store), ==, 8 * 40);
}

static void refuse_sync(fixture *fix, int err, dol_error_kind kind)
{
        g_autoptr(dol_txn) txn = dol_txn_new();
        g_autoptr(GError) error = NULL;

        dol_txn_put(txn, "a", "not durable");
        fail_with = err;
        fail_count = 1;
        g_assert_false(dol_store_commit(fix->store, txn, NULL, &error));
        conformance_expect_error(&error, kind);
        conformance_expect_list(fix->store, "", "a=1@1 ");
        g_assert_cmpint(dol_store_revision(fix->store), ==, 1);
}

static void test_sync_fails(fixture *fix, const void *data)
{
        conformance_put(fix->store, "a", "1");
        refuse_sync(fix, EIO, DOL_ERROR_UNAVAILABLE);
        refuse_sync(fix, ENOSPC, DOL_ERROR_NO_SPACE);
        refuse_sync(fix, EDQUOT, DOL_ERROR_NO_SPACE);
        g_assert_cmpint(conformance_put(fix->store, "b", "2"), ==, 2);
        dol_store_close(fix->store);
        fix->store = sqlite_open(fix->path);
        conformance_expect_list(fix->store, "", "a=1@1 b=2@2 ");
}

enum { SHARED_KEYS = 30 };

/* Everybody creates the same keys, and some syncs fail. */
static void *create_all(void *data)
{
        const conformance_worker *worker = data;
        atomic_uint *wins = worker->user;

        for (unsigned i = 0; i < SHARED_KEYS; i++) {
                g_autofree char *key = g_strdup_printf("k/%u", i);
                g_autoptr(dol_txn) txn = dol_txn_new();
                g_autoptr(GError) error = NULL;

                dol_txn_require(txn, key, 0);
                dol_txn_put(txn, key, "1");
                if (worker->number == 0 && i % 5 == 0)
                        fail_count = 2;
                if (dol_store_commit(worker->store, txn, NULL, &error))
                        wins[i]++;
                else if (!dol_error_is(error, DOL_ERROR_UNAVAILABLE))
                        conformance_expect_error(&error, DOL_ERROR_STALE);
        }
        return NULL;
}

/* Commits that went together into a sync that failed are tried again one by one. Those whose guard
 * failed only because of another one in the group are among them, and succeed when that one fails
 * again. */
static void test_group_fails(fixture *fix, const void *data)
{
        atomic_uint wins[SHARED_KEYS] = {0};

        slow_msec = 2;
        fail_with = EIO;
        conformance_run_threads(fix->store, 8, create_all, wins);
        for (unsigned i = 0; i < SHARED_KEYS; i++)
                g_assert_cmpuint(wins[i], ==, 1);
        g_assert_cmpint(dol_store_revision(fix->store), ==, SHARED_KEYS);
}

/* The store as it would be found: `file_from` and `log_from` are directories, the live one or the
 * image of what was synced. */
static void expect_after_power_loss(const char *file_from, const char *log_from, const char *key,
                                    const char *value)
{
        g_autofree char *directory = test_directory_new();
        g_autofree char *path = g_build_filename(directory, "state.db", NULL);
        g_autofree char *log = g_strconcat(path, "-wal", NULL);
        g_autofree char *from = g_build_filename(file_from, "state.db", NULL);
        g_autofree char *from_log = g_build_filename(log_from, "state.db-wal", NULL);
        g_autoptr(GBytes) bytes = sqlite_bytes(from), log_bytes = sqlite_bytes(from_log);
        g_autofree char *found = NULL;
        dol_store *store;

        sqlite_write(path, bytes);
        sqlite_write(log, log_bytes);
        store = sqlite_open(path);
        found = conformance_get(store, key, NULL);
        g_assert_cmpstr(found, ==, value);
        dol_store_close(store);
        test_directory_free(g_steal_pointer(&directory));
}

/* Every commit that returned is there after a loss of power, whichever of the two files reached
 * the disk beyond what was synced; also around checkpoints. */
static void test_power_loss(fixture *fix, const void *data)
{
        char *synced = test_directory_new();
        g_autofree char *image_path = g_build_filename(synced, "state.db", NULL);
        g_autofree char *large = g_strnfill(5000, 'x');
        unsigned seed = 7;

        sqlite_copy(fix->path, image_path);
        image = synced;
        for (unsigned i = 0; i < 700; i++) {
                g_autofree char *key = g_strdup_printf("k/%d", rand_r(&seed) % 100);
                g_autofree char *value = g_strdup_printf("%u %s", i, i % 4 ? "" : large);

                keeps_log = i % 23 == 0;
                conformance_put(fix->store, key, value);
                if (!keeps_log)
                        continue;
                expect_after_power_loss(synced, synced, key, value);
                expect_after_power_loss(fix->directory, synced, key, value);
                expect_after_power_loss(synced, fix->directory, key, value);
        }
        image = NULL;
        test_directory_free(synced);
}

static void add(const char *name, void (*test)(fixture *, const void *))
{
        g_autofree char *path = g_strconcat("/store/sqlite-sync/", name, NULL);

        g_test_add(path, fixture, NULL, set_up, test, tear_down);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        add("each-commit-syncs", test_each_commit_syncs);
        add("writers-share-syncs", test_writers_share_syncs);
        add("sync-fails", test_sync_fails);
        add("group-fails", test_group_fails);
        add("power-loss", test_power_loss);
        return test_run_cleanly();
}
