/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/locks.h"

#include "base/clock.h"
#include "base/guard.h"

static const int64_t patience_usec = 60 * DOL_USEC_PER_SEC;

struct dol_lock {
        dol_locks *locks;
        char *key;
        pthread_cond_t freed;
        unsigned users; /* who holds it and who waits for it */
        bool held;
};

struct dol_locks {
        pthread_mutex_t lock; /* guards every dol_lock */
        GHashTable *by_key;   /* key -> dol_lock */
};

dol_locks *dol_locks_new(void)
{
        dol_locks *locks = g_new0(dol_locks, 1);

        pthread_mutex_init(&locks->lock, NULL);
        locks->by_key = g_hash_table_new(g_str_hash, g_str_equal);
        return locks;
}

void dol_locks_free(dol_locks *locks)
{
        if (!locks)
                return;
        g_hash_table_unref(locks->by_key);
        pthread_mutex_destroy(&locks->lock);
        g_free(locks);
}

/* With locks->lock held. */
static dol_lock *find_or_add(dol_locks *locks, const char *key)
{
        dol_lock *lock = g_hash_table_lookup(locks->by_key, key);

        if (!lock) {
                lock = g_new0(dol_lock, 1);
                lock->locks = locks;
                lock->key = g_strdup(key);
                dol_cond_init(&lock->freed);
                g_hash_table_insert(locks->by_key, lock->key, lock);
        }
        lock->users++;
        return lock;
}

/* With locks->lock held. */
static void leave(dol_lock *lock)
{
        if (--lock->users > 0)
                return;
        g_hash_table_remove(lock->locks->by_key, lock->key);
        pthread_cond_destroy(&lock->freed);
        g_free(lock->key);
        g_free(lock);
}

dol_lock *dol_locks_take(dol_locks *locks, const dol_call *call, const char *key, GError **error)
{
        struct timespec until =
                dol_timespec_of(dol_monotonic_usec() + dol_call_left_usec(call, patience_usec));
        dol_lock *lock;
        dol_lock_scope(&locks->lock);

        lock = find_or_add(locks, key);
        while (lock->held) {
                if (pthread_cond_timedwait(&lock->freed, &locks->lock, &until) == 0)
                        continue;
                if (!lock->held)
                        break;
                leave(lock);
                dol_fail(error, DOL_ERROR_BUSY, "another operation on it is still running");
                return NULL;
        }
        lock->held = true;
        return lock;
}

dol_lock *dol_locks_try(dol_locks *locks, const char *key)
{
        dol_lock *lock;
        dol_lock_scope(&locks->lock);

        lock = find_or_add(locks, key);
        if (lock->held) {
                leave(lock);
                return NULL;
        }
        lock->held = true;
        return lock;
}

void dol_lock_release(dol_lock *lock)
{
        dol_locks *locks;

        if (!lock)
                return;
        locks = lock->locks;
        dol_lock_scope(&locks->lock);
        lock->held = false;
        pthread_cond_signal(&lock->freed);
        leave(lock);
}
