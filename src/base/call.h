/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What travels with a request from its face down to the driver: until when, for whom, and whether
 * it was given up meanwhile. Blocking steps look at it between their sub-steps.
 */
#pragma once

#include "base/error.h"

#include <stdatomic.h>
#include <stdint.h>

typedef struct {
        int64_t deadline_usec;        /* CLOCK_MONOTONIC; 0 = none */
        const atomic_bool *cancelled; /* set by the face when the client has gone; may be NULL */
        const char *actor;            /* for events and records: "docker", "rest", "reconcile" */
        /* told the uid of the operation record that the call begins, if any; may be NULL */
        void (*on_operation)(const char *uid, void *user);
        void *user;
} dol_call;

/* A call without deadline, as the reconciler and tests use it. */
dol_call dol_call_forever(const char *actor);
/* A call that ends `usec` from now. */
dol_call dol_call_within(const char *actor, int64_t usec);
/* true while the call may go on; else TIMEOUT ("deadline passed") or UNAVAILABLE (cancelled). */
bool dol_call_check(const dol_call *call, GError **error);
/* Microseconds left, at least 0; `otherwise` when the call has no deadline. */
int64_t dol_call_left_usec(const dol_call *call, int64_t otherwise);
