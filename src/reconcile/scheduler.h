/* SPDX-License-Identifier: Apache-2.0 */
/* The thread that runs schedules when they are due. Apart from the reconciler's, so that a snapshot
 * that takes long keeps nothing else waiting. */
#pragma once

#include "engine/schedule.h"

typedef struct dol_scheduler dol_scheduler;

/* Looks at once, then when the engine says that something is due or has changed, at least every
 * `period_usec`: the clock may be put forward or back. */
dol_scheduler *dol_scheduler_start(dol_engine *engine, int64_t period_usec);
/* Ends it after the snapshot it is taking. NULL is fine. */
void dol_scheduler_stop(dol_scheduler *scheduler);
