/* SPDX-License-Identifier: Apache-2.0 */
/* What the files about schedules share. The lock of a schedule is taken before those of volumes. */
#pragma once

#include "engine/private.h"
#include "engine/schedule.h"
#include "policy/retention.h"

/* ---- schedule.c ---- */

/* A copy; NOT_FOUND. */
dol_schedule *dol_schedule_find(dol_engine *engine, const char *name, GError **error);
/* The lock of a name, of a schedule or of none; BUSY while it takes snapshots. */
dol_lock *dol_schedule_lock(dol_engine *engine, const dol_call *call, const char *name,
                            GError **error);
/* Sorted; free with g_strfreev. */
char **dol_schedules_names(dol_engine *engine);
/* Its lock, and a copy for changing. NOT_FOUND; BUSY while it takes snapshots. */
dol_lock *dol_schedule_take(dol_engine *engine, const dol_call *call, const char *name,
                            dol_schedule **ret_schedule, GError **error);
/* The same when its lock is free at once; NULL otherwise, or when there is none. */
dol_lock *dol_schedule_try(dol_engine *engine, const char *name, dol_schedule **ret_schedule);
/* Writes it, guarded by the revision it was read with. */
bool dol_schedule_commit(dol_engine *engine, dol_schedule *schedule, GError **error);
/* Removes it, in the same way. */
bool dol_schedule_commit_delete(dol_engine *engine, const dol_schedule *schedule, GError **error);
/* Tells whom dol_engine_on_schedule named. */
void dol_schedules_tell_change(dol_engine *engine);

/* ---- schedule-run.c ---- */

/* The rules of its lines, at most DOL_RULES_MAX; how many. */
unsigned dol_schedule_rules(const dol_schedule_spec *spec, dol_rule *ret_rules);
/* The uids of the volumes it has now; the array frees them. */
GPtrArray *dol_schedule_volumes(dol_engine *engine, const dol_schedule_spec *spec);

/* ---- schedule-prune.c ---- */

/* Fills the live fields, and names of volumes in the place of their uids. */
void dol_schedule_fill(dol_engine *engine, dol_schedule *schedule, int64_t now);
/* Deletes what its rules do not keep; tells once about what is protected or mounted. */
void dol_schedule_prune(dol_engine *engine, const dol_call *call, const dol_schedule *schedule);
