/* SPDX-License-Identifier: Apache-2.0 */
/* One running change, recorded in the same commit as the phase it begins, so that a crash can be
 * finished or undone. */
#pragma once

#include "codec/schema.h"

typedef enum {
        DOL_OPERATION_RUNNING,
        DOL_OPERATION_DONE,
        DOL_OPERATION_FAILED
} dol_operation_phase;

typedef enum {
        DOL_OPERATION_CREATE,
        DOL_OPERATION_CHANGE,  /* rename, labels, settings */
        DOL_OPERATION_DELETE,  /* to the trash, or for good */
        DOL_OPERATION_RESTORE, /* from the trash */
        DOL_OPERATION_MOUNT,
        DOL_OPERATION_UNMOUNT,
        DOL_OPERATION_ADOPT,
        DOL_OPERATION_RESIZE,
        DOL_OPERATION_SNAPSHOT, /* create; `snapshots` are its uids */
        DOL_OPERATION_SNAPSHOT_DELETE,
        DOL_OPERATION_REVERT,        /* to the first of `snapshots` */
        DOL_OPERATION_EXPORT,        /* of `snapshots`, which go with it */
        DOL_OPERATION_IMPORT,        /* through the first of `snapshots` */
        DOL_OPERATION_FILES_RESTORE, /* of files from the first of `snapshots` */
        DOL_OPERATION_CHECK,         /* of its file system, or its repair */
} dol_operation_kind;

typedef struct {
        char *uid;
        int64_t revision;
        dol_operation_kind operation;
        char *volume;      /* uid of the volume it changes */
        char *volume_name; /* its name at the time, for people */
        char **snapshots;  /* uids of the snapshots it is about */
        char *actor;       /* who asked: "docker", "rest", "reconcile" */
        dol_operation_phase phase;
        char *error_kind;       /* of a failed one: a word of base/error.h */
        char *message;          /* why it failed */
        int64_t started, ended; /* usec since 1970; ended 0 while it runs */
} dol_operation;

extern const dol_schema dol_operation_schema;
extern const char *const dol_operation_words[];
extern const char *const dol_operation_phase_words[];

void dol_operation_free(dol_operation *operation);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(dol_operation, dol_operation_free)
