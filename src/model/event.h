/* SPDX-License-Identifier: Apache-2.0 */
/* One line of the event log: what happened to what, and why. */
#pragma once

#include "codec/schema.h"

typedef enum { DOL_EVENT_NORMAL, DOL_EVENT_WARNING } dol_event_level;

typedef struct {
        uint64_t sequence; /* grows by one per event; never reused */
        int64_t time;
        dol_event_level level;
        char *reason;     /* one CamelCase word for programs: "VolumeCreated", "PoolLow" */
        char *object;     /* "volume", "pool", "schedule" or "node" */
        char *name, *uid; /* of the object; may be NULL */
        char *message;    /* for people */
        char *actor;
} dol_event;

extern const dol_schema dol_event_schema;

void dol_event_free(dol_event *event);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(dol_event, dol_event_free)
