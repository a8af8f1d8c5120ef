/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kill -9: a child process commits pairs of keys and says so; it is killed at any moment, and the
 * store is opened again. Both keys of a pair are always equal, and what was said to be committed
 * is there. With "--write PATH" this program is the child.
 */
#include "base/file.h"
#include "base/guard.h"
#include "store/test-conformance.h"
#include "store/test-directory.h"
#include "store/test-sqlite-tools.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

enum { WRITERS = 4, ROUNDS = 25 };

static const char *program; /* the path of this one */

/* What the child writes to its standard output. */
typedef struct {
        uint32_t writer;
        uint32_t number;
} report;

static uint32_t number_of(dol_store *store, const char *kind, unsigned writer)
{
        g_autofree char *key = g_strdup_printf("%s/%u", kind, writer);
        g_autofree char *value = conformance_get(store, key, NULL);

        return value ? (uint32_t)strtoul(value, NULL, 10) : 0;
}

static void *write_pairs(void *data)
{
        const conformance_worker *worker = data;
        report said = {worker->number, number_of(worker->store, "left", worker->number)};
        g_autofree char *left = g_strdup_printf("left/%u", worker->number);
        g_autofree char *right = g_strdup_printf("right/%u", worker->number);
        g_autofree char *padding = g_strnfill(worker->number * 700, ' ');

        for (;;) {
                g_autofree char *value = g_strdup_printf("%u%s", ++said.number, padding);
                dol_txn *txn = dol_txn_new();

                dol_txn_put(txn, left, value);
                dol_txn_put(txn, right, value);
                conformance_commit(worker->store, txn);
                if (!dol_write_all(STDOUT_FILENO, &said, sizeof(said), NULL))
                        abort();
        }
}

static int write_until_killed(const char *path)
{
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        conformance_run_threads(sqlite_open(path), WRITERS, write_pairs, NULL);
        return EXIT_FAILURE;
}

static pid_t start(const char *path, int *ret_reports)
{
        int ends[2];
        pid_t child;

        g_assert_cmpint(pipe2(ends, 0), ==, 0);
        child = fork();
        g_assert_cmpint(child, >=, 0);
        if (child == 0) {
                dup2(ends[1], STDOUT_FILENO);
                close(ends[0]);
                close(ends[1]);
                execl(program, program, "--write", path, NULL);
                _exit(127);
        }
        close(ends[1]);
        *ret_reports = ends[0];
        return child;
}

/* Reads up to `count` reports; notes the last number of each writer. */
static void read_reports(int fd, unsigned count, uint32_t acknowledged[])
{
        report said;

        while (count-- > 0 && read(fd, &said, sizeof(said)) == sizeof(said)) {
                g_assert_cmpuint(said.writer, <, WRITERS);
                acknowledged[said.writer] = said.number;
        }
}

static void check(const char *path, uint32_t acknowledged[])
{
        dol_store *store = sqlite_open(path);

        for (unsigned i = 0; i < WRITERS; i++) {
                uint32_t left = number_of(store, "left", i), right = number_of(store, "right", i);

                g_assert_cmpuint(left, ==, right);
                g_assert_cmpuint(left, >=, acknowledged[i]);
                g_assert_cmpuint(left, <=, acknowledged[i] + 1);
                acknowledged[i] = left;
        }
        dol_store_close(store);
}

static void run_and_kill(const char *path, unsigned reports, unsigned usec, uint32_t acknowledged[])
{
        int status, fd;
        pid_t child = start(path, &fd);

        read_reports(fd, reports, acknowledged);
        g_usleep(usec);
        g_assert_cmpint(kill(child, SIGKILL), ==, 0);
        g_assert_cmpint(waitpid(child, &status, 0), ==, child);
        g_assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        read_reports(fd, UINT32_MAX, acknowledged);
        close(fd);
        check(path, acknowledged);
}

static void test_writing(void)
{
        char *directory = test_directory_new();
        g_autofree char *path = g_build_filename(directory, "state.db", NULL);
        uint32_t acknowledged[WRITERS] = {0};
        unsigned seed = 4711;

        for (unsigned i = 0; i < ROUNDS; i++)
                run_and_kill(path, 1 + (unsigned)rand_r(&seed) % 400,
                             (unsigned)rand_r(&seed) % 2000, acknowledged);
        test_directory_free(directory);
}

/* Killed while the file is made, or while it is opened again. */
static void test_opening(void)
{
        for (unsigned i = 0; i < ROUNDS; i++) {
                char *directory = test_directory_new();
                g_autofree char *path = g_build_filename(directory, "state.db", NULL);
                uint32_t acknowledged[WRITERS] = {0};

                run_and_kill(path, 0, 1000 + i * 400, acknowledged);
                run_and_kill(path, 0, 1000 + i * 400, acknowledged);
                test_directory_free(directory);
        }
}

int main(int argc, char **argv)
{
        if (argc == 3 && strcmp(argv[1], "--write") == 0)
                return write_until_killed(argv[2]);
        program = argv[0];
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/store/sqlite-kill/writing", test_writing);
        g_test_add_func("/store/sqlite-kill/opening", test_opening);
        return test_run_cleanly();
}
