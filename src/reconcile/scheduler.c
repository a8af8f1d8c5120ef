/* SPDX-License-Identifier: Apache-2.0 */
#include "reconcile/scheduler.h"

#include "base/clock.h"
#include "base/guard.h"

#include <signal.h>
#include <stdatomic.h>

struct dol_scheduler {
        dol_engine *engine;
        int64_t period_usec;
        pthread_t thread;
        atomic_bool ending;

        pthread_mutex_t lock; /* guards what follows */
        pthread_cond_t changed;
        bool has_changed; /* something may be due earlier than was thought */
};

static void on_change(void *user)
{
        dol_scheduler *scheduler = user;
        dol_lock_scope(&scheduler->lock);

        scheduler->has_changed = true;
        pthread_cond_signal(&scheduler->changed);
}

/* Until `next` (usec since 1970), a change, or the end of the period. */
static void wait_until(dol_scheduler *scheduler, int64_t next)
{
        int64_t left = CLAMP(next - dol_now_usec(), 0, scheduler->period_usec);
        struct timespec wake = dol_timespec_of(dol_monotonic_usec() + left);
        dol_lock_scope(&scheduler->lock);

        while (!atomic_load(&scheduler->ending) && !scheduler->has_changed)
                if (pthread_cond_timedwait(&scheduler->changed, &scheduler->lock, &wake))
                        break;
        scheduler->has_changed = false;
}

static void *run(void *data)
{
        dol_scheduler *scheduler = data;
        dol_call call = dol_call_forever("schedule");

        pthread_setname_np(pthread_self(), "scheduler");
        call.cancelled = &scheduler->ending;
        while (!atomic_load(&scheduler->ending))
                wait_until(scheduler,
                           dol_engine_schedules_tend(scheduler->engine, &call, dol_now_usec()));
        return NULL;
}

dol_scheduler *dol_scheduler_start(dol_engine *engine, int64_t period_usec)
{
        dol_scheduler *scheduler = g_new0(dol_scheduler, 1);
        sigset_t all, before;

        scheduler->engine = engine;
        scheduler->period_usec = period_usec;
        pthread_mutex_init(&scheduler->lock, NULL);
        dol_cond_init(&scheduler->changed);
        dol_engine_on_schedule(engine, on_change, scheduler);
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        if (pthread_create(&scheduler->thread, NULL, run, scheduler))
                g_error("cannot start the scheduler's thread");
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        return scheduler;
}

void dol_scheduler_stop(dol_scheduler *scheduler)
{
        if (!scheduler)
                return;
        pthread_mutex_lock(&scheduler->lock);
        atomic_store(&scheduler->ending, true);
        pthread_cond_broadcast(&scheduler->changed);
        pthread_mutex_unlock(&scheduler->lock);
        pthread_join(scheduler->thread, NULL);
        dol_engine_on_schedule(scheduler->engine, NULL, NULL);
        pthread_cond_destroy(&scheduler->changed);
        pthread_mutex_destroy(&scheduler->lock);
        g_free(scheduler);
}
