/* SPDX-License-Identifier: Apache-2.0 */
#include "base/worker.h"

#include "base/guard.h"

#include <glib.h>
#include <signal.h>

typedef struct {
        dol_job_fn fn;
        void *data;
} job;

struct dol_workers {
        pthread_mutex_t lock; /* guards what follows */
        pthread_cond_t added;
        GQueue jobs;
        unsigned queue_max;
        bool ending;

        char name[16]; /* of the threads, as ps shows it */
        unsigned thread_count;
        pthread_t *threads;
};

static job *take(dol_workers *workers)
{
        dol_lock_scope(&workers->lock);

        while (g_queue_is_empty(&workers->jobs) && !workers->ending)
                pthread_cond_wait(&workers->added, &workers->lock);
        return g_queue_pop_head(&workers->jobs);
}

static void *work(void *data)
{
        dol_workers *workers = data;
        job *next;

        pthread_setname_np(pthread_self(), workers->name);
        while ((next = take(workers))) {
                next->fn(next->data);
                g_free(next);
        }
        return NULL;
}

dol_workers *dol_workers_new(const char *name, unsigned threads, unsigned queue_max)
{
        dol_workers *workers = g_new0(dol_workers, 1);
        sigset_t all, before;

        pthread_mutex_init(&workers->lock, NULL);
        pthread_cond_init(&workers->added, NULL);
        g_queue_init(&workers->jobs);
        g_strlcpy(workers->name, name, sizeof(workers->name));
        workers->queue_max = queue_max;
        workers->threads = g_new0(pthread_t, threads);
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        for (; workers->thread_count < threads; workers->thread_count++)
                if (pthread_create(&workers->threads[workers->thread_count], NULL, work, workers))
                        g_error("cannot start thread %u of pool '%s'", workers->thread_count, name);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        return workers;
}

bool dol_workers_add(dol_workers *workers, dol_job_fn fn, void *data)
{
        job *added;
        dol_lock_scope(&workers->lock);

        if (workers->ending || g_queue_get_length(&workers->jobs) >= workers->queue_max)
                return false;
        added = g_new(job, 1);
        *added = (job){fn, data};
        g_queue_push_tail(&workers->jobs, added);
        pthread_cond_signal(&workers->added);
        return true;
}

void dol_workers_free(dol_workers *workers)
{
        if (!workers)
                return;
        pthread_mutex_lock(&workers->lock);
        workers->ending = true;
        pthread_cond_broadcast(&workers->added);
        pthread_mutex_unlock(&workers->lock);
        for (unsigned i = 0; i < workers->thread_count; i++)
                pthread_join(workers->threads[i], NULL);
        g_free(workers->threads);
        pthread_cond_destroy(&workers->added);
        pthread_mutex_destroy(&workers->lock);
        g_free(workers);
}
