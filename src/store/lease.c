/* SPDX-License-Identifier: Apache-2.0 */
#include "store/lease.h"

#include "base/clock.h"
#include "base/guard.h"
#include "base/log.h"
#include "store/thread.h"
#include "store/txn.h"

#define RETRY_USEC DOL_USEC_PER_SEC /* after the store refused to end a lease */

typedef struct {
        int64_t id;
        int64_t ttl_usec;
        int64_t deadline_usec; /* CLOCK_MONOTONIC: when the thread has to do with it next */
        bool over;             /* nobody can keep it any more */
} lease;

struct dol_leases {
        dol_lease_end_fn end;
        dol_store *store;

        pthread_mutex_t lock; /* guards what follows */
        pthread_cond_t changed;
        GHashTable *by_id; /* &lease->id -> lease */
        bool started, stopping;
        pthread_t thread; /* runs once there is a lease */
};

static int64_t later(int64_t usec)
{
        int64_t now = dol_monotonic_usec();

        return usec < INT64_MAX - now ? now + usec : INT64_MAX;
}

static lease *earliest(dol_leases *leases)
{
        lease *found = NULL, *each;
        GHashTableIter iter;

        g_hash_table_iter_init(&iter, leases->by_id);
        while (g_hash_table_iter_next(&iter, NULL, (void **)&each))
                if (!found || each->deadline_usec < found->deadline_usec)
                        found = each;
        return found;
}

/* Called with the lock held, which is open while the store works. */
static bool end(dol_leases *leases, lease *gone, GError **error)
{
        bool done;

        gone->over = true;
        gone->deadline_usec = INT64_MAX;
        pthread_mutex_unlock(&leases->lock);
        done = leases->end(leases->store, gone->id, error);
        pthread_mutex_lock(&leases->lock);
        if (done)
                g_hash_table_remove(leases->by_id, &gone->id);
        return done;
}

static void expire(dol_leases *leases, lease *expired)
{
        bool is_first_try = !expired->over;
        g_autoptr(GError) error = NULL;

        if (end(leases, expired, &error))
                return;
        expired->deadline_usec = later(RETRY_USEC);
        if (is_first_try)
                dol_log(DOL_LOG_WARNING,
                        "lease %" G_GINT64_FORMAT " is over but its keys cannot be deleted yet: %s",
                        expired->id, error->message);
}

static void wait_for(dol_leases *leases, const lease *next)
{
        struct timespec until;

        if (!next || next->deadline_usec == INT64_MAX) {
                pthread_cond_wait(&leases->changed, &leases->lock);
                return;
        }
        until = dol_timespec_of(next->deadline_usec);
        pthread_cond_timedwait(&leases->changed, &leases->lock, &until);
}

static void *run(void *data)
{
        dol_leases *leases = data;
        dol_lock_scope(&leases->lock);

        while (!leases->stopping) {
                lease *next = earliest(leases);

                if (next && next->deadline_usec <= dol_monotonic_usec())
                        expire(leases, next);
                else
                        wait_for(leases, next);
        }
        return NULL;
}

dol_leases *dol_leases_new(dol_lease_end_fn end_fn, dol_store *store)
{
        dol_leases *leases = g_new0(dol_leases, 1);

        leases->end = end_fn;
        leases->store = store;
        pthread_mutex_init(&leases->lock, NULL);
        dol_cond_init(&leases->changed);
        leases->by_id = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, g_free);
        return leases;
}

void dol_leases_free(dol_leases *leases)
{
        if (!leases)
                return;
        pthread_mutex_lock(&leases->lock);
        leases->stopping = true;
        pthread_cond_signal(&leases->changed);
        pthread_mutex_unlock(&leases->lock);
        if (leases->started)
                pthread_join(leases->thread, NULL);
        g_hash_table_unref(leases->by_id);
        pthread_cond_destroy(&leases->changed);
        pthread_mutex_destroy(&leases->lock);
        g_free(leases);
}

void dol_leases_add(dol_leases *leases, int64_t id, int64_t ttl_usec)
{
        lease *added = g_new(lease, 1);
        dol_lock_scope(&leases->lock);

        *added = (lease){.id = id, .ttl_usec = ttl_usec, .deadline_usec = later(ttl_usec)};
        g_hash_table_insert(leases->by_id, &added->id, added);
        if (!leases->started)
                leases->thread = dol_thread_start("store-lease", run, leases);
        leases->started = true;
        pthread_cond_signal(&leases->changed);
}

static lease *find(dol_leases *leases, int64_t id, GError **error)
{
        lease *found = g_hash_table_lookup(leases->by_id, &id);

        if (!found || found->over) {
                dol_lease_fail_ended(id, error);
                return NULL;
        }
        return found;
}

bool dol_leases_keep(dol_leases *leases, int64_t id, GError **error)
{
        lease *kept;
        dol_lock_scope(&leases->lock);

        kept = find(leases, id, error);
        if (!kept)
                return false;
        kept->deadline_usec = later(kept->ttl_usec);
        return true;
}

bool dol_leases_revoke(dol_leases *leases, int64_t id, GError **error)
{
        lease *gone;
        dol_lock_scope(&leases->lock);

        gone = find(leases, id, error);
        if (!gone)
                return false;
        if (end(leases, gone, error))
                return true;
        gone->over = false;
        gone->deadline_usec = later(gone->ttl_usec);
        pthread_cond_signal(&leases->changed);
        return false;
}
