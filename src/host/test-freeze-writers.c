/* SPDX-License-Identifier: Apache-2.0 */
/* Those who write while it is frozen wait, and not for long; other threads go on. */
#include "base/clock.h"
#include "base/guard.h"
#include "base/run.h"
#include "host/freeze.h"
#include "host/test-ground.h"
#include "host/test-watchdog.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>

#define MIB (UINT64_C(1) << 20)

enum { LIMIT_USEC = 10000000, WATCHDOG_SECONDS = 20, ROUNDS = 50, NOISE = 3 };

static char *disks[3]; /* ext4, xfs, ext4 */

/* Writes a file again and again, and notes how long the slowest write took. */
typedef struct {
        const char *directory;
        pthread_t thread;
        atomic_bool stop;
        atomic_uint writes;
        int64_t longest_usec;
} writer;

static void *write_on(void *user)
{
        writer *w = user;
        g_autofree char *path = g_build_filename(w->directory, "written", NULL);
        dol_autofd fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        char block[4096] = {0};

        while (!atomic_load(&w->stop)) {
                int64_t before = dol_monotonic_usec();

                g_assert_cmpint(pwrite(fd, block, sizeof(block),
                                       4096 * (off_t)(atomic_load(&w->writes) % 4096)),
                                ==, sizeof(block));
                atomic_fetch_add(&w->writes, 1);
                w->longest_usec = MAX(w->longest_usec, dol_monotonic_usec() - before);
                g_usleep(200); /* about 20 MB/s */
        }
        return NULL;
}

static void writer_start(writer *w, const char *directory)
{
        *w = (writer){.directory = directory};
        g_assert_cmpint(pthread_create(&w->thread, NULL, write_on, w), ==, 0);
        while (atomic_load(&w->writes) < 10)
                g_usleep(1000);
}

static void writer_stop(writer *w)
{
        atomic_store(&w->stop, true);
        pthread_join(w->thread, NULL);
}

static void check_writer_waits(const char *path)
{
        const char *const paths[] = {path, NULL};
        dol_call call = dol_call_forever("test");
        g_autoptr(GError) error = NULL;
        unsigned writes;
        int64_t usec = 0;
        dol_freeze *freeze;
        writer w;

        dol_watchdog_alive();
        writer_start(&w, path);
        freeze = dol_freeze_begin(&call, paths, LIMIT_USEC, &error);
        g_assert_no_error(error);
        g_assert_true(dol_is_frozen(path));
        g_usleep(20000); /* a write that was under way has ended, the next one waits */
        writes = atomic_load(&w.writes);
        g_usleep(200000);
        g_assert_cmpuint(atomic_load(&w.writes), ==, writes);
        dol_assert_done(dol_freeze_end(freeze, &usec, &error), error);
        g_assert_cmpint(usec, >=, 220000);
        g_assert_cmpint(usec, <, 5000000);
        g_assert_false(dol_is_frozen(path));
        writer_stop(&w);
        g_assert_cmpuint(atomic_load(&w.writes), >, writes);
        g_assert_cmpint(w.longest_usec, >=, 200000);
}

static void test_writer_waits(void)
{
        check_writer_waits(disks[0]);
        check_writer_waits(disks[1]);
}

static int by_size(const void *a, const void *b)
{
        return (*(const int64_t *)a > *(const int64_t *)b) -
               (*(const int64_t *)a < *(const int64_t *)b);
}

static void show(const char *what, int64_t *usec)
{
        qsort(usec, ROUNDS, sizeof(*usec), by_size);
        g_test_message("%s: median %" G_GINT64_FORMAT " us, longest %" G_GINT64_FORMAT " us", what,
                       usec[ROUNDS / 2], usec[ROUNDS - 1]);
}

static void measure_stall(const char *path)
{
        const char *const paths[] = {path, NULL};
        dol_call call = dol_call_forever("test");
        int64_t begins[ROUNDS], frozen[ROUNDS];
        writer w;

        dol_watchdog_alive();
        writer_start(&w, path);
        for (unsigned i = 0; i < ROUNDS; i++) {
                g_autoptr(GError) error = NULL;
                int64_t before = dol_monotonic_usec();
                dol_freeze *freeze = dol_freeze_begin(&call, paths, LIMIT_USEC, &error);

                g_assert_no_error(error);
                begins[i] = dol_monotonic_usec() - before;
                dol_assert_done(dol_freeze_end(freeze, &frozen[i], &error), error);
                g_usleep(20000);
        }
        writer_stop(&w);
        g_test_message("%s, under a writer of %u writes in all", path, atomic_load(&w.writes));
        show("begin", begins);
        show("frozen", frozen);
        g_test_message("longest write %" G_GINT64_FORMAT " us", w.longest_usec);
        g_assert_cmpint(w.longest_usec, <, 2000000);
}

static void test_stall(void)
{
        measure_stall(disks[0]);
        measure_stall(disks[1]);
}

/* Threads that hold the locks of malloc and start programs while another forks a guard. */
static void *make_noise(void *user)
{
        const char *const program[] = {"true", NULL};
        dol_call call = dol_call_forever("test");
        atomic_bool *stop = user;

        for (unsigned i = 0; !atomic_load(stop); i++) {
                g_free(g_malloc(1 + i * 37 % 200000));
                if (i % 1000 == 0)
                        dol_run(&call, program, NULL, NULL);
        }
        return NULL;
}

static void *freeze_often(void *user)
{
        const char *const paths[] = {user, NULL};
        dol_call call = dol_call_forever("test");

        for (unsigned i = 0; i < ROUNDS; i++) {
                g_autoptr(GError) error = NULL;
                dol_freeze *freeze = dol_freeze_begin(&call, paths, LIMIT_USEC, &error);

                g_assert_no_error(error);
                dol_assert_done(dol_freeze_end(freeze, NULL, &error), error);
        }
        return NULL;
}

/* Nobody waits for a lock that a thread had which is not there in the guard; no guard keeps another
 * one's channel open; and no guard stays as a zombie. */
static void test_threads(void)
{
        pthread_t noise[NOISE], freezers[G_N_ELEMENTS(disks)];
        atomic_bool stop = false;
        unsigned zombies = 0;
        siginfo_t info;

        dol_watchdog_alive();
        for (unsigned i = 0; i < NOISE; i++)
                pthread_create(&noise[i], NULL, make_noise, &stop);
        for (unsigned i = 0; i < G_N_ELEMENTS(disks); i++)
                pthread_create(&freezers[i], NULL, freeze_often, disks[i]);
        for (unsigned i = 0; i < G_N_ELEMENTS(disks); i++)
                pthread_join(freezers[i], NULL);
        atomic_store(&stop, true);
        for (unsigned i = 0; i < NOISE; i++)
                pthread_join(noise[i], NULL);
        info.si_pid = 0;
        if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0)
                zombies += info.si_pid != 0;
        g_assert_cmpuint(zombies, ==, 0);
        for (unsigned i = 0; i < G_N_ELEMENTS(disks); i++)
                g_assert_false(dol_is_frozen(disks[i]));
}

static void add_tests(void)
{
        disks[0] = dol_ground_disk("ext4", 256 * MIB);
        disks[1] = dol_ground_disk("xfs", 512 * MIB);
        disks[2] = dol_ground_disk("ext4", 64 * MIB);
        dol_watchdog_start((const char *const[]){disks[0], disks[1], disks[2], NULL},
                           WATCHDOG_SECONDS);
        g_test_add_func("/freeze-writers/wait", test_writer_waits);
        g_test_add_func("/freeze-writers/stall", test_stall);
        g_test_add_func("/freeze-writers/threads", test_threads);
}

int main(int argc, char **argv)
{
        int status = dol_ground_main(argc, argv, add_tests);

        for (unsigned i = 0; i < G_N_ELEMENTS(disks); i++)
                g_free(disks[i]);
        return status;
}
