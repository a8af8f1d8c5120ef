/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Durable commits of the SQLite store, with 1 and 8 writers, against a bare loop of 4 KiB write +
 * fdatasync in the same directory and the same run; then reads, and opening. The rounds take turns,
 * so that a noisy machine is noisy for all of them.
 *
 *         store-bench [DIRECTORY [SECONDS]]
 */
#include "base/clock.h"
#include "base/guard.h"
#include "store/store.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <stdlib.h>

enum { ROUNDS = 3, WRITERS_MAX = 8, RECORDS = 20000, DOCUMENT_SIZE = 1500 };

/* Latencies in microseconds, and what they took together. */
typedef struct {
        const char *name;
        GArray *usec; /* of int64_t */
        int64_t total_usec;
} result;

typedef struct {
        dol_store *store;
        const char *document;
        int64_t until_usec;
        unsigned number;
        GArray *usec;
} writer;

static void check(bool done, GError *error)
{
        if (!done)
                g_error("%s", error->message);
}

static int compare(const void *left, const void *right)
{
        int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;

        return (a > b) - (a < b);
}

static double percentile(const result *of, unsigned percent)
{
        return of->usec->len
                       ? (double)g_array_index(of->usec, int64_t, of->usec->len * percent / 100)
                       : 0;
}

static void sync_loop(result *into, const char *directory, int64_t usec)
{
        g_autofree char *path = g_build_filename(directory, "fdatasync", NULL);
        dol_autofd fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        int64_t start = dol_monotonic_usec();
        static const char page[4096];

        while (dol_monotonic_usec() < start + usec) {
                int64_t before = dol_monotonic_usec(), took;

                if (write(fd, page, sizeof(page)) != sizeof(page) || fdatasync(fd) < 0)
                        g_error("cannot write '%s'", path);
                took = dol_monotonic_usec() - before;
                g_array_append_val(into->usec, took);
        }
        into->total_usec += dol_monotonic_usec() - start;
        g_unlink(path);
}

static void *write_documents(void *data)
{
        writer *own = data;
        unsigned seed = own->number + 1;
        int64_t before = dol_monotonic_usec();

        while (before < own->until_usec) {
                g_autofree char *key = g_strdup_printf("volumes/%05d", rand_r(&seed) % RECORDS);
                g_autoptr(dol_txn) txn = dol_txn_new();
                GError *error = NULL;
                int64_t took;

                dol_txn_put(txn, key, own->document);
                check(dol_store_commit(own->store, txn, NULL, &error), error);
                took = dol_monotonic_usec() - before;
                g_array_append_val(own->usec, took);
                before += took;
        }
        return NULL;
}

static void commit_loop(result *into, dol_store *store, const char *document, unsigned writers,
                        int64_t usec)
{
        pthread_t threads[WRITERS_MAX];
        writer own[WRITERS_MAX];
        int64_t start = dol_monotonic_usec();

        for (unsigned i = 0; i < writers; i++) {
                own[i] = (writer){store, document, start + usec, i,
                                  g_array_new(false, false, sizeof(int64_t))};
                pthread_create(&threads[i], NULL, write_documents, &own[i]);
        }
        for (unsigned i = 0; i < writers; i++) {
                pthread_join(threads[i], NULL);
                g_array_append_vals(into->usec, own[i].usec->data, own[i].usec->len);
                g_array_unref(own[i].usec);
        }
        into->total_usec += dol_monotonic_usec() - start;
}

static void get_loop(result *into, dol_store *store, int64_t usec)
{
        int64_t start = dol_monotonic_usec(), before = start;
        unsigned seed = 1;

        while (before < start + usec) {
                g_autofree char *key = g_strdup_printf("volumes/%05d", rand_r(&seed) % RECORDS);
                g_autofree char *value = NULL;
                GError *error = NULL;
                int64_t took;

                check(dol_store_get(store, key, &value, NULL, &error), error);
                took = dol_monotonic_usec() - before;
                g_array_append_val(into->usec, took);
                before += took;
        }
        into->total_usec += before - start;
}

static bool pass(const dol_record *record, void *user)
{
        return true;
}

static void list_once(result *into, dol_store *store)
{
        int64_t start = dol_monotonic_usec(), took;
        GError *error = NULL;

        check(dol_store_list(store, "volumes/", NULL, RECORDS / 2, pass, NULL, NULL, &error),
              error);
        took = dol_monotonic_usec() - start;
        g_array_append_val(into->usec, took);
        into->total_usec += took;
}

static dol_store *open_store(const char *path, result *into)
{
        int64_t start = dol_monotonic_usec(), took;
        GError *error = NULL;
        bool is_fresh;
        dol_store *store = dol_sqlite_open(path, &is_fresh, &error);

        check(store != NULL, error);
        took = dol_monotonic_usec() - start;
        if (into)
                g_array_append_val(into->usec, took);
        if (into)
                into->total_usec += took;
        return store;
}

/* All records in an order that is not theirs. */
static void fill(dol_store *store, const char *document)
{
        for (unsigned i = 0; i < RECORDS; i += 200) {
                g_autoptr(dol_txn) txn = dol_txn_new();
                GError *error = NULL;

                for (unsigned j = i; j < i + 200; j++) {
                        g_autofree char *key = g_strdup_printf("volumes/%05u", j * 7919 % RECORDS);

                        dol_txn_put(txn, key, document);
                }
                check(dol_store_commit(store, txn, NULL, &error), error);
        }
}

static void print(result *of, const result *baseline)
{
        double rate = (double)of->usec->len * 1e6 / (double)of->total_usec;

        g_array_sort(of->usec, compare);
        printf("%-24s %10.0f %10.3f %10.3f", of->name, rate, percentile(of, 50) / 1000,
               percentile(of, 99) / 1000);
        if (baseline)
                printf(" %8.2f", rate * (double)baseline->total_usec / 1e6 / baseline->usec->len);
        printf("\n");
}

enum { SYNC, ONE, EIGHT, GET, LIST, OPEN, RESULTS };

static void run(const char *directory, int64_t usec)
{
        g_autofree char *path = g_build_filename(directory, "state.db", NULL);
        g_autofree char *document = g_strnfill(DOCUMENT_SIZE, 'd');
        result results[RESULTS] = {{"write + fdatasync"}, {"commit, 1 writer"},
                                   {"commit, 8 writers"}, {"get"},
                                   {"list of 10,000"},    {"open with 20,000"}};
        dol_store *store = open_store(path, NULL);

        for (unsigned i = 0; i < RESULTS; i++)
                results[i].usec = g_array_new(false, false, sizeof(int64_t));
        fill(store, document);
        for (unsigned i = 0; i < ROUNDS; i++) {
                sync_loop(&results[SYNC], directory, usec);
                commit_loop(&results[ONE], store, document, 1, usec);
                commit_loop(&results[EIGHT], store, document, WRITERS_MAX, usec);
                get_loop(&results[GET], store, usec / 4);
                list_once(&results[LIST], store);
                dol_store_close(store);
                store = open_store(path, &results[OPEN]);
        }
        dol_store_close(store);
        printf("%-24s %10s %10s %10s %8s\n", "", "per second", "p50 ms", "p99 ms", "ratio");
        for (unsigned i = 0; i < RESULTS; i++)
                print(&results[i], i == ONE || i == EIGHT ? &results[SYNC] : NULL);
        for (unsigned i = 0; i < RESULTS; i++)
                g_array_unref(results[i].usec);
}

int main(int argc, char **argv)
{
        static const char *const names[] = {"state.db", "state.db-lock", "state.db-wal",
                                            "state.db-shm"};
        g_autofree char *template =
                g_build_filename(argc > 1 ? argv[1] : g_get_tmp_dir(), "store-bench-XXXXXX", NULL);
        double seconds = argc > 2 ? g_ascii_strtod(argv[2], NULL) : 2;

        if (!g_mkdtemp(template))
                g_error("cannot make '%s'", template);
        run(template, (int64_t)(seconds * 1e6));
        for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
                g_autofree char *path = g_build_filename(template, names[i], NULL);

                g_unlink(path);
        }
        g_rmdir(template);
        return 0;
}
