/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loop that makes what is into what should be: at the start, then periodically, and soon after
 * somebody said that a volume needs it. It only calls the engine's idempotent steps; requests do
 * not wait for it.
 */
#pragma once

#include "engine/engine.h"

typedef struct dol_reconciler dol_reconciler;

typedef struct {
        int64_t period_usec; /* between passes over operations, mounts and pools; 30 s */
        int64_t survey_usec; /* between comparisons of pools and records; 1 h */
        int64_t trim_usec;   /* between trims of all mounted volumes; 1 h; 0 = none */
} dol_reconcile_config;

/* Starts the thread. The first pass begins at once. */
dol_reconciler *dol_reconciler_start(dol_engine *engine, const dol_reconcile_config *config);
/* Ends it after the step it is in. NULL is fine. */
void dol_reconciler_stop(dol_reconciler *reconciler);
