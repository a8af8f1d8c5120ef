/* SPDX-License-Identifier: Apache-2.0 */
/* The pool: where volumes live. One driver, one place, a capacity. */
#pragma once

#include "codec/schema.h"

typedef enum { DOL_MEDIA_UNKNOWN, DOL_MEDIA_NVME, DOL_MEDIA_SSD, DOL_MEDIA_HDD } dol_media;

typedef struct {
        char *driver;      /* exact name of the driver; never changes */
        char *path;        /* the directory it lives in */
        char *device;      /* block device given by the user; NULL otherwise */
        uint64_t size;     /* of the backing file, when the pool has one; 0 = chosen for you */
        dol_media media;   /* DOL_MEDIA_UNKNOWN = detect */
        double overcommit; /* sum of volume sizes may be this many times the capacity */
        double warn, full; /* watermarks of the fill level, 0 < warn < full <= 1 */
        uint64_t reserve;  /* bytes kept free for delete and metadata; 0 = chosen for you */
} dol_pool_spec;

typedef enum { DOL_POOL_READY, DOL_POOL_UNAVAILABLE } dol_pool_phase;

typedef struct {
        dol_pool_phase phase;
        char *reason; /* why it is unavailable */
        int64_t created;
        char *kind;                /* "xfs", "btrfs", "xfs in a backing file", "directory" */
        dol_media media;           /* detected, or as said */
        uint64_t capacity;         /* bytes of the pool's file system */
        uint64_t used, available;  /* of them, as the kernel counts */
        uint64_t reserve;          /* in force */
        uint64_t allocated;        /* sum of the sizes promised to volumes */
        uint64_t allocatable;      /* what may still be promised */
        uint64_t trash;            /* bytes held by trashed volumes */
        uint64_t volumes, trashed; /* how many */
} dol_pool_status;

typedef struct {
        char *name;
        char *uid;
        int64_t revision;
        GHashTable *labels;
        dol_pool_spec spec;
        dol_pool_status status;
} dol_pool_record;

extern const dol_schema dol_pool_schema;
extern const dol_schema dol_pool_spec_schema;
extern const char *const dol_media_words[];

void dol_pool_record_free(dol_pool_record *pool);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(dol_pool_record, dol_pool_record_free)

/* Defaults: driver "image", overcommit 2, warn 0.80, full 0.95. */
void dol_pool_spec_init(dol_pool_spec *spec);
/* Pool names are 1-63 of a-z, 0-9 and '-', beginning with a letter. */
bool dol_pool_name_check(const char *name, GError **error);
bool dol_pool_spec_check(const dol_pool_spec *spec, GError **error);
