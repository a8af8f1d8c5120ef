/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The snapshot: a read-only image of a volume at a point in time. It belongs to its volume, and is
 * called VOLUME@NAME; the name is unique among the volume's snapshots. No I/O here.
 */
#pragma once

#include "model/volume.h"

/* How much the image may be trusted.
 * file-system  the file system was frozen: clean, nothing to replay
 * crash        as after a power cut: the file system's journal is replayed at the first mount
 * unmounted    nobody had it mounted: clean */
typedef enum {
        DOL_CONSISTENCY_FILE_SYSTEM,
        DOL_CONSISTENCY_CRASH,
        DOL_CONSISTENCY_UNMOUNTED,
} dol_consistency;

/* creating -> ready -> deleting */
typedef enum {
        DOL_SNAPSHOT_CREATING,
        DOL_SNAPSHOT_READY,
        DOL_SNAPSHOT_DELETING,
} dol_snapshot_phase;

typedef struct {
        char *name;
        char *uid;
        int64_t revision;
        GHashTable *labels;
        char *volume;      /* uid of the volume it belongs to */
        char *volume_name; /* its name now; filled when shown */
        char *reference;   /* "VOLUME@NAME"; filled when shown */
        bool protect;      /* cannot be deleted until cleared */
        char *group;       /* uid of the group that was taken at one moment; NULL = none */
        char *source;      /* uid of the snapshot that it was imported as; NULL = taken here */
        char *schedule;    /* name of the schedule that made it; NULL = none */
        char **rules;      /* of the schedule, that it was taken for: "daily 02:00"; NULL = none */
        dol_snapshot_phase phase;
        dol_consistency consistency;
        uint64_t size; /* of the volume at that time, bytes */
        dol_fs_kind fs;
        char *fs_uuid; /* of the file system at that time */
        int64_t created;
        uint64_t frozen_usec;       /* how long writers waited */
        uint64_t exclusive;         /* bytes that only it has; filled when shown */
        uint64_t shared;            /* bytes it shares with others; filled when shown */
        uint64_t extents;           /* in its image: what a clone of it takes time for */
        dol_attachment *attachment; /* where it is mounted read-only; kept apart in the store */
} dol_snapshot;

extern const dol_schema dol_snapshot_schema;
extern const char *const dol_consistency_words[];
extern const char *const dol_snapshot_phase_words[];

dol_snapshot *dol_snapshot_copy(const dol_snapshot *snapshot);
void dol_snapshot_free(dol_snapshot *snapshot); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(dol_snapshot, dol_snapshot_free)

/* The rules of volume names, shorter: at most 64 bytes. */
bool dol_snapshot_name_check(const char *name, GError **error);
/* Splits "VOLUME@NAME" at its '@' (volume names have none). INVALID when there is no '@' or a side
 * is empty. The parts are the caller's to g_free. */
bool dol_snapshot_reference_parse(const char *text, char **ret_volume, char **ret_name,
                                  GError **error);
