/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scope guards for what GLib's g_auto* do not cover: file descriptors and pthread locks.
 * Threads and locks are pthread's everywhere (ThreadSanitizer cannot see into GMutex).
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

/* An fd that closes itself at the end of its scope; -1 = none. */
#define dol_autofd   __attribute__((cleanup(dol_autofd_cleanup))) int
#define dol_autofile __attribute__((cleanup(dol_autofile_cleanup))) FILE

static inline void dol_autofd_cleanup(int *fd)
{
        if (*fd >= 0)
                close(*fd);
}

/* Takes the fd out of its guard. */
static inline int dol_steal_fd(int *fd)
{
        int taken = *fd;

        *fd = -1;
        return taken;
}

static inline void dol_close_fd(int *fd)
{
        dol_autofd_cleanup(fd);
        *fd = -1;
}

static inline void dol_autofile_cleanup(FILE **file)
{
        if (*file)
                fclose(*file);
}

/* Locks a mutex until the end of the scope: dol_lock_scope(&engine->lock); */
#define dol_lock_scope(mutex)     dol_lock_scope_(mutex, __COUNTER__)
#define dol_lock_scope_(mutex, n) dol_lock_scope__(mutex, n)
#define dol_lock_scope__(mutex, n)                                                           \
        __attribute__((cleanup(dol_unlock_cleanup), unused)) pthread_mutex_t *dol_lock_##n = \
                dol_lock_taken(mutex)

/* The same for the two sides of a read-write lock. */
#define dol_read_scope(lock)     dol_read_scope_(lock, __COUNTER__)
#define dol_read_scope_(lock, n) dol_read_scope__(lock, n)
#define dol_read_scope__(lock, n)                                                                \
        __attribute__((cleanup(dol_rwunlock_cleanup), unused)) pthread_rwlock_t *dol_rlock_##n = \
                dol_read_taken(lock)
#define dol_write_scope(lock)     dol_write_scope_(lock, __COUNTER__)
#define dol_write_scope_(lock, n) dol_write_scope__(lock, n)
#define dol_write_scope__(lock, n)                                                               \
        __attribute__((cleanup(dol_rwunlock_cleanup), unused)) pthread_rwlock_t *dol_wlock_##n = \
                dol_write_taken(lock)

static inline pthread_mutex_t *dol_lock_taken(pthread_mutex_t *mutex)
{
        pthread_mutex_lock(mutex);
        return mutex;
}

static inline void dol_unlock_cleanup(pthread_mutex_t **mutex)
{
        pthread_mutex_unlock(*mutex);
}

static inline pthread_rwlock_t *dol_read_taken(pthread_rwlock_t *lock)
{
        pthread_rwlock_rdlock(lock);
        return lock;
}

static inline pthread_rwlock_t *dol_write_taken(pthread_rwlock_t *lock)
{
        pthread_rwlock_wrlock(lock);
        return lock;
}

static inline void dol_rwunlock_cleanup(pthread_rwlock_t **lock)
{
        pthread_rwlock_unlock(*lock);
}
