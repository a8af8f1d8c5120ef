/* SPDX-License-Identifier: Apache-2.0 */
#include "reconcile/reconcile.h"

#include "base/clock.h"
#include "base/guard.h"
#include "reconcile/scheduler.h"

#include <signal.h>
#include <stdatomic.h>

/* How soon, and how often, a volume that somebody pointed at is looked at again. */
static const int64_t delays_usec[] = {
        DOL_USEC_PER_SEC / 4,
        DOL_USEC_PER_SEC,
        5 * DOL_USEC_PER_SEC,
};

/* While a limited volume is attached, how often its users are looked at; and how many times longer
 * than the last look took, at least. */
static const int64_t limits_usec = DOL_USEC_PER_SEC / 4;
enum { LIMITS_PAUSE = 20 };

typedef struct {
        char *uid;
        int64_t due_usec;
        unsigned attempt;
} visit;

struct dol_reconciler {
        dol_engine *engine;
        dol_reconcile_config config;
        pthread_t thread, trimmer;
        atomic_bool ending;

        pthread_mutex_t lock; /* guards what follows */
        pthread_cond_t changed, ended;
        GQueue visits; /* of visit */

        dol_scheduler *scheduler; /* from the end of the first pass on; used by the thread */
};

static void visit_free(void *data)
{
        visit *planned = data;

        g_free(planned->uid);
        g_free(planned);
}

/* With the lock held. */
static void plan(dol_reconciler *reconciler, const char *uid, unsigned attempt)
{
        visit *planned;

        if (attempt >= G_N_ELEMENTS(delays_usec))
                return; /* from here on the periodic pass looks after it */
        planned = g_new(visit, 1);
        *planned = (visit){g_strdup(uid), dol_monotonic_usec() + delays_usec[attempt], attempt};
        g_queue_push_tail(&reconciler->visits, planned);
        pthread_cond_signal(&reconciler->changed);
}

static void on_unsettled(const char *uid, void *user)
{
        dol_reconciler *reconciler = user;
        dol_lock_scope(&reconciler->lock);

        plan(reconciler, uid, 0);
}

static visit *take_due(dol_reconciler *reconciler, int64_t now)
{
        for (GList *at = reconciler->visits.head; at; at = at->next) {
                visit *planned = at->data;

                if (planned->due_usec <= now) {
                        g_queue_delete_link(&reconciler->visits, at);
                        return planned;
                }
        }
        return NULL;
}

static int64_t next_due(dol_reconciler *reconciler, int64_t latest)
{
        for (GList *at = reconciler->visits.head; at; at = at->next)
                latest = MIN(latest, ((visit *)at->data)->due_usec);
        return latest;
}

/* Waits for a visit that is due, until `until_usec`; NULL when that time has come. */
static visit *wait_for_visit(dol_reconciler *reconciler, int64_t until_usec)
{
        visit *due = NULL;
        dol_lock_scope(&reconciler->lock);

        while (!atomic_load(&reconciler->ending)) {
                int64_t now = dol_monotonic_usec();
                struct timespec wake = dol_timespec_of(next_due(reconciler, until_usec));

                due = take_due(reconciler, now);
                if (due || now >= until_usec)
                        break;
                pthread_cond_timedwait(&reconciler->changed, &reconciler->lock, &wake);
        }
        return due;
}

static void make(dol_reconciler *reconciler, visit *due, const dol_call *call)
{
        dol_engine_settle(reconciler->engine, call, due->uid);
        pthread_mutex_lock(&reconciler->lock);
        plan(reconciler, due->uid, due->attempt + 1);
        pthread_mutex_unlock(&reconciler->lock);
        visit_free(due);
}

static void pass(dol_reconciler *reconciler, bool with_survey, const dol_call *call)
{
        dol_engine_resume(reconciler->engine, call);
        dol_engine_settle_all(reconciler->engine, call);
        dol_engine_tend_pools(reconciler->engine, call);
        if (with_survey)
                dol_engine_survey(reconciler->engine, call);
}

/* Returns when to look again: not at all while no limited volume is attached. Mounting one, or
 * limiting one that is mounted, points at it. */
static int64_t hold_limits(dol_reconciler *reconciler)
{
        int64_t begun = dol_monotonic_usec();
        bool again = dol_engine_hold_limits(reconciler->engine);
        int64_t now = dol_monotonic_usec();

        return again ? now + MAX(limits_usec, LIMITS_PAUSE * (now - begun)) : INT64_MAX;
}

static void serve(dol_reconciler *reconciler, int64_t until_usec, const dol_call *call)
{
        int64_t look_usec = hold_limits(reconciler);

        while (!atomic_load(&reconciler->ending) && dol_monotonic_usec() < until_usec) {
                visit *due = wait_for_visit(reconciler, MIN(until_usec, look_usec));

                if (due)
                        make(reconciler, due, call);
                look_usec = hold_limits(reconciler);
        }
}

static void *run(void *data)
{
        dol_reconciler *reconciler = data;
        int64_t surveyed = INT64_MIN / 2;

        pthread_setname_np(pthread_self(), "reconcile");
        while (!atomic_load(&reconciler->ending)) {
                dol_call call = dol_call_forever("reconcile");
                int64_t now = dol_monotonic_usec();
                bool with_survey = now - surveyed >= reconciler->config.survey_usec;

                call.cancelled = &reconciler->ending;
                pass(reconciler, with_survey, &call);
                if (!reconciler->scheduler) /* what a crash left half taken is cleared away now */
                        reconciler->scheduler = dol_scheduler_start(reconciler->engine,
                                                                    reconciler->config.period_usec);
                surveyed = with_survey ? now : surveyed;
                serve(reconciler, now + reconciler->config.period_usec, &call);
        }
        return NULL;
}

/* Trims may take long, and nothing waits for them: they have a thread of their own. */
static void *run_trims(void *data)
{
        dol_reconciler *reconciler = data;
        int64_t trimmed = dol_monotonic_usec();

        pthread_setname_np(pthread_self(), "trim");
        while (!atomic_load(&reconciler->ending)) {
                struct timespec wake = dol_timespec_of(trimmed + reconciler->config.trim_usec);
                dol_call call = dol_call_forever("trim");

                call.cancelled = &reconciler->ending;
                if (dol_monotonic_usec() >= trimmed + reconciler->config.trim_usec) {
                        dol_engine_trim_all(reconciler->engine, &call);
                        trimmed = dol_monotonic_usec();
                        continue;
                }
                pthread_mutex_lock(&reconciler->lock);
                if (!atomic_load(&reconciler->ending))
                        pthread_cond_timedwait(&reconciler->ended, &reconciler->lock, &wake);
                pthread_mutex_unlock(&reconciler->lock);
        }
        return NULL;
}

dol_reconciler *dol_reconciler_start(dol_engine *engine, const dol_reconcile_config *config)
{
        dol_reconciler *reconciler = g_new0(dol_reconciler, 1);
        sigset_t all, before;

        reconciler->engine = engine;
        reconciler->config = *config;
        pthread_mutex_init(&reconciler->lock, NULL);
        dol_cond_init(&reconciler->changed);
        dol_cond_init(&reconciler->ended);
        g_queue_init(&reconciler->visits);
        dol_engine_on_unsettled(engine, on_unsettled, reconciler);
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        if (pthread_create(&reconciler->thread, NULL, run, reconciler))
                g_error("cannot start the reconciler's thread");
        if (config->trim_usec && pthread_create(&reconciler->trimmer, NULL, run_trims, reconciler))
                g_error("cannot start the thread that trims");
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        return reconciler;
}

void dol_reconciler_stop(dol_reconciler *reconciler)
{
        if (!reconciler)
                return;
        pthread_mutex_lock(&reconciler->lock);
        atomic_store(&reconciler->ending, true);
        pthread_cond_broadcast(&reconciler->changed);
        pthread_cond_broadcast(&reconciler->ended);
        pthread_mutex_unlock(&reconciler->lock);
        pthread_join(reconciler->thread, NULL);
        if (reconciler->config.trim_usec)
                pthread_join(reconciler->trimmer, NULL);
        dol_scheduler_stop(reconciler->scheduler);
        dol_engine_on_unsettled(reconciler->engine, NULL, NULL);
        g_queue_clear_full(&reconciler->visits, visit_free);
        pthread_cond_destroy(&reconciler->changed);
        pthread_cond_destroy(&reconciler->ended);
        pthread_mutex_destroy(&reconciler->lock);
        g_free(reconciler);
}
