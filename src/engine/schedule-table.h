/* SPDX-License-Identifier: Apache-2.0 */
/* What the engine has of schedules, and what its other files ask of them. */
#pragma once

#include "engine/engine.h"

#include <pthread.h>

typedef struct {
        pthread_mutex_t lock;  /* guards what follows */
        GHashTable *by_name;   /* name -> dol_schedule, owned */
        GHashTable *doubtful;  /* names of which nobody can tell what the store has; a set */
        GHashTable *told_held; /* uids of snapshots that an event "SnapshotHeld" was written for */
        void (*on_change)(void *user);
        void *on_change_user;
} schedule_table;

/* schedule.c */
void dol_schedules_init(schedule_table *table);
void dol_schedules_clear(schedule_table *table);
bool dol_schedules_load(dol_engine *engine, GError **error);
/* schedule-prune.c: deletes the scheduled snapshot of a full pool that can be missed first; false
 * when there is none, or it cannot be. */
bool dol_schedules_relieve(dol_engine *engine, const dol_call *call, const char *pool);
