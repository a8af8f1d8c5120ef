/* SPDX-License-Identifier: Apache-2.0 */
/* Locks by key: one per volume uid or volume name, made when wanted and gone when nobody waits. */
#pragma once

#include "base/call.h"

typedef struct dol_locks dol_locks;
typedef struct dol_lock dol_lock;

dol_locks *dol_locks_new(void);
void dol_locks_free(dol_locks *locks);

/* Waits for the key until the call's deadline (BUSY when it passes), at most a minute. */
dol_lock *dol_locks_take(dol_locks *locks, const dol_call *call, const char *key, GError **error);
/* Takes it only when it is free at once; NULL otherwise. */
dol_lock *dol_locks_try(dol_locks *locks, const char *key);
void dol_lock_release(dol_lock *lock); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(dol_lock, dol_lock_release)
