/* SPDX-License-Identifier: Apache-2.0 */
#include "base/worker.h"

#include "base/guard.h"
#include "base/random.h"
#include "base/test.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

static void count_one(void *data)
{
        atomic_fetch_add((atomic_int *)data, 1);
}

static void test_all_jobs_run(void)
{
        dol_workers *workers = dol_workers_new("test", 4, 1000);
        atomic_int count = 0;

        for (unsigned i = 0; i < 1000; i++)
                g_assert_true(dol_workers_add(workers, count_one, &count));
        dol_workers_free(workers);
        g_assert_cmpint(count, ==, 1000);
        dol_workers_free(NULL);
}

typedef struct {
        pthread_mutex_t lock;
        GString *order;
        char name;
} note;

static void write_note(void *data)
{
        note *from = data;

        g_string_append_c(from->order, from->name);
}

static void test_one_thread_keeps_the_order(void)
{
        dol_workers *workers = dol_workers_new("test", 1, 26);
        g_autoptr(GString) order = g_string_new(NULL);
        note notes[26];

        for (unsigned i = 0; i < G_N_ELEMENTS(notes); i++) {
                notes[i] = (note){.order = order, .name = (char)('a' + i)};
                g_assert_true(dol_workers_add(workers, write_note, &notes[i]));
        }
        dol_workers_free(workers);
        g_assert_cmpstr(order->str, ==, "abcdefghijklmnopqrstuvwxyz");
}

static void hold(void *data)
{
        dol_lock_scope(data);
}

static void test_full_queue(void)
{
        pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
        dol_workers *workers = dol_workers_new("test", 1, 2);
        atomic_int count = 0;
        unsigned added = 0;

        pthread_mutex_lock(&gate);
        g_assert_true(dol_workers_add(workers, hold, &gate));
        /* the thread may or may not have taken the first job yet */
        while (added < 10 && dol_workers_add(workers, count_one, &count))
                added++;
        g_assert_cmpuint(added, >=, 1);
        g_assert_cmpuint(added, <=, 2);
        pthread_mutex_unlock(&gate);
        dol_workers_free(workers);
        g_assert_cmpint(count, ==, (int)added);
}

typedef struct {
        char name[16];
        bool signals_blocked;
} facts;

static void learn(void *data)
{
        facts *to = data;
        sigset_t blocked;

        pthread_getname_np(pthread_self(), to->name, sizeof(to->name));
        pthread_sigmask(SIG_SETMASK, NULL, &blocked);
        to->signals_blocked = sigismember(&blocked, SIGTERM) && sigismember(&blocked, SIGINT);
}

static void test_threads_are_named_and_take_no_signals(void)
{
        dol_workers *workers = dol_workers_new("a-name-longer-than-16", 1, 1);
        facts learned = {0};
        sigset_t mine;

        g_assert_true(dol_workers_add(workers, learn, &learned));
        dol_workers_free(workers);
        g_assert_cmpstr(learned.name, ==, "a-name-longer-t");
        g_assert_true(learned.signals_blocked);
        pthread_sigmask(SIG_SETMASK, NULL, &mine);
        g_assert_false(sigismember(&mine, SIGTERM));
}

static void test_uids(void)
{
        g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

        for (unsigned i = 0; i < 1000; i++) {
                char *uid = dol_uid_new();

                g_assert_true(g_uuid_string_is_valid(uid));
                g_assert_cmpint(uid[14], ==, '4');
                g_assert_nonnull(strchr("89ab", uid[19]));
                g_assert_true(g_hash_table_add(seen, uid));
        }
}

static void test_random_bytes_fill_large_buffers(void)
{
        g_autofree uint8_t *bytes = g_malloc0(100001);
        unsigned zeros = 0;

        dol_random_bytes(bytes, 100000);
        for (unsigned i = 99000; i < 100000; i++)
                zeros += bytes[i] == 0;
        g_assert_cmpuint(zeros, <, 50);
        g_assert_cmpuint(bytes[100000], ==, 0);
        dol_random_bytes(NULL, 0);
}

int main(int argc, char **argv)
{
        dol_test_init(&argc, &argv);
        g_test_add_func("/worker/all", test_all_jobs_run);
        g_test_add_func("/worker/order", test_one_thread_keeps_the_order);
        g_test_add_func("/worker/full", test_full_queue);
        g_test_add_func("/worker/threads", test_threads_are_named_and_take_no_signals);
        g_test_add_func("/random/uids", test_uids);
        g_test_add_func("/random/bytes", test_random_bytes_fill_large_buffers);
        return g_test_run();
}
