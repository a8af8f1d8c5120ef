/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The use-cases of schedules. A run is recorded with the name of its snapshots before the first of
 * them is taken, and ended when all are there: whatever a crash interrupts is gone on with, and
 * what is there already is not taken again. Errors and threads as in engine.h.
 */
#pragma once

#include "engine/engine.h"
#include "model/schedule.h"

/* A schedule of that name: EXISTS. A wrong line: INVALID, naming it. It is due from now on. */
bool dol_engine_schedule_create(dol_engine *engine, const dol_call *call, const dol_schedule *want,
                                dol_schedule **ret_schedule, GError **error);
/* With the live fields filled. */
dol_schedule *dol_engine_schedule_get(dol_engine *engine, const char *name, GError **error);
/* All, in order of name; the array frees its elements. */
GPtrArray *dol_engine_schedule_list(dol_engine *engine);
/* Puts `spec` in the place of what it has; nothing that was due before is made up for. STALE when
 * it has another revision than `if_revision` (0 = any). */
bool dol_engine_schedule_change(dol_engine *engine, const dol_call *call, const char *name,
                                const dol_schedule_spec *spec, int64_t if_revision,
                                dol_schedule **ret_schedule, GError **error);
/* Its snapshots stay. */
bool dol_engine_schedule_delete(dol_engine *engine, const dol_call *call, const char *name,
                                GError **error);
/* Takes its snapshots now, for its first rule; goes on with a run that has not ended. Fails when
 * one of them cannot be taken; the others are. */
bool dol_engine_schedule_run(dol_engine *engine, const dol_call *call, const char *name,
                             dol_schedule **ret_schedule, GError **error);

/* For the scheduler: runs what is due at `now` (usec since 1970), once however often it was missed,
 * and prunes. Returns when something is due again; INT64_MAX = nothing is known of. */
int64_t dol_engine_schedules_tend(dol_engine *engine, const dol_call *call, int64_t now);
/* `fn` is called when that may have changed (from any thread); it must not call the engine. */
void dol_engine_on_schedule(dol_engine *engine, void (*fn)(void *user), void *user);
