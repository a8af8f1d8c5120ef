/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The driver contract: the code for one kind of pool, as one const row at the foot of one file.
 *
 * Slots are called by driver/pool.c only; everybody else calls dol_pool_*. true = done; false =
 * *error set, and ret_* untouched. Every call is idempotent: the reconciler repeats it after a
 * crash at any point. Volumes are identified by uid; what a call touches on the host it identifies
 * by uid, file-system UUID or inode, never by a /dev name that it remembers. Calls for different
 * volumes run at the same time; the engine serialises those for one volume.
 */
#pragma once

#include "base/call.h"
#include "model/pool.h"
#include "model/snapshot.h"
#include "model/volume.h"

/* What a pool can do on this host today; answered by open(). */
typedef enum {
        DOL_TRAIT_FILE_SYSTEM = 1 << 0,   /* volumes with a file system */
        DOL_TRAIT_BLOCK = 1 << 1,         /* volumes without (fs=none) */
        DOL_TRAIT_SIZE_ENFORCED = 1 << 2, /* the kernel holds a volume to its size */
        DOL_TRAIT_THICK = 1 << 3,         /* space can be set aside */
        DOL_TRAIT_DIRECT_IO = 1 << 4,     /* volumes bypass the page cache of the pool */
} dol_trait;

typedef struct {
        const char *uid; /* of the pool; what is on disk must carry the same one */
        const char *name;
        const char *default_path; /* where it lives when the spec has no path */
        const dol_pool_spec *spec;
        bool create; /* make it when it is not there yet */
} dol_pool_request;

typedef struct {
        uint64_t capacity, used, available; /* bytes, as the kernel counts now */
        char kind[48];                      /* "xfs in a backing file" */
        dol_media media;
} dol_pool_space;

typedef struct {
        uint64_t size;      /* real size of the image; 0 for directories */
        uint64_t allocated; /* bytes it takes in the pool */
        bool attached;
        char device[32]; /* while attached; "" for directories */
} dol_volume_info;

/* Where attach put it: exactly one of the two is set. */
typedef struct {
        char device[32]; /* a block device, to be mounted or bound */
        char *directory; /* a directory, to be bound; g_free it */
} dol_driver_attachment;

/* One volume found by list. `description` is NULL when it is missing or damaged (`reason` says
 * how; the data is left alone). false stops the walk. */
typedef bool (*dol_found_fn)(const char *uid, const dol_volume *description, const char *reason,
                             void *user);

/* One snapshot found by snapshot_list; as dol_found_fn. */
typedef bool (*dol_found_snapshot_fn)(const char *volume, const char *uid,
                                      const dol_snapshot *description, const char *reason,
                                      void *user);

typedef struct {
        uint64_t size;      /* of the image */
        uint64_t exclusive; /* bytes that only this snapshot has */
        uint64_t shared;    /* bytes that its volume, another snapshot or a clone has too */
        uint64_t extents;
        bool attached;
} dol_snapshot_info;

/* A range of bytes that may differ; `data` is false where the target reads as zeroes. false stops
 * the walk. */
typedef bool (*dol_changed_fn)(uint64_t offset, uint64_t length, bool data, void *user);

#define DOL_RANGE_BYTES_MAX (1 << 20)

/* A range of an image with what is in it. */
typedef struct {
        uint64_t offset, length; /* bytes, multiples of DOL_SIZE_GRAIN */
        const void *bytes;       /* at most DOL_RANGE_BYTES_MAX; NULL: it reads as zeroes */
} dol_image_range;

/* Told once, before the first range: how many bytes of data come. */
typedef bool (*dol_range_begin)(uint64_t data, void *user, GError **error);
/* Takes a range; its bytes live during the call. false: *error set, and no more is wanted. */
typedef bool (*dol_range_sink)(const dol_image_range *range, void *user, GError **error);
/* Gives the next range, in order of offset; its bytes live until the next call. *ret_any false:
 * there is none left. */
typedef bool (*dol_range_source)(dol_image_range *ret, bool *ret_any, void *user, GError **error);

typedef struct dol_driver {
        const char *name;  /* exact, lower case, stored with every pool, never renamed */
        const char *title; /* for people */

        /* required */

        /* Opens the pool at its place, and makes it first when request->create. A place that holds
         * something else: CONFLICT with what was found; nothing is written. */
        bool (*open)(const dol_call *call, const dol_pool_request *request, void **ret_pool,
                     uint32_t *ret_traits, GError **error);
        /* Never fails, accepts NULL. Mounts and devices of volumes stay. */
        void (*close)(void *pool);
        /* Makes the volume's data and its description. Half-made remains are replaced; a whole one
         * (its description is there) is left as it is. ret_fs_uuid as dol_image_create. */
        bool (*create)(void *pool, const dol_call *call, const dol_volume *want, char **ret_fs_uuid,
                       GError **error);
        /* Removes it all. Absent: true. Must work in a full pool. Attached: BUSY. */
        bool (*destroy)(void *pool, const dol_call *call, const char *uid, GError **error);
        /* NOT_FOUND when the pool has no such volume. */
        bool (*inspect)(void *pool, const dol_call *call, const char *uid, dol_volume_info *ret,
                        GError **error);
        bool (*list)(void *pool, const dol_call *call, dol_found_fn fn, void *user, GError **error);
        /* Replaces the description that lies beside the data, durably. */
        bool (*describe)(void *pool, const dol_call *call, const dol_volume *volume,
                         GError **error);
        /* Makes it reachable on this host. Attached already: the same answer again. *ret_hold is a
         * file descriptor (or -1) that keeps a device attached until the caller has mounted it and
         * closes the descriptor; a block volume (fs=none) stays attached without it. */
        bool (*attach)(void *pool, const dol_call *call, const char *uid,
                       dol_driver_attachment *ret, int *ret_hold, GError **error);
        /* The opposite. Not attached: true. Still mounted somewhere: BUSY. */
        bool (*detach)(void *pool, const dol_call *call, const char *uid, GError **error);
        bool (*space)(void *pool, const dol_call *call, dol_pool_space *ret, GError **error);

        /* optional: NULL = UNSUPPORTED, said by pool.c before anything is touched */

        /* Can this host run the driver at all? If not: why, and what would help. */
        bool (*probe)(const dol_call *call, GError **error);
        /* The pool is full: give back space that was kept for this moment (ballast). Nothing left
         * to give: true. *ret_freed bytes. */
        bool (*relieve)(void *pool, const dol_call *call, uint64_t *ret_freed, GError **error);
        /* Takes the ballast again when there is room. */
        bool (*replenish)(void *pool, const dol_call *call, GError **error);

        /* Makes the volume's data larger, and its device where it is attached; the file system in
         * it is the caller's. The description is not touched. Has that size: true. Smaller:
         * INVALID, but for what a grow added in vain, beyond the end of the file system; that goes
         * while the volume is not attached, else BUSY. */
        bool (*resize)(void *pool, const dol_call *call, const char *uid, uint64_t size,
                       GError **error);

        /* Snapshots lie beside their volume, each with a description of its own that is written
         * last. All of these slots or none of them are set. */

        /* Keeps the volume's data as they are now. The caller has frozen the file system where that
         * matters. A whole snapshot of this uid: true, left as it is. */
        bool (*snapshot_create)(void *pool, const dol_call *call, const dol_snapshot *want,
                                GError **error);
        /* Absent: true. Attached: BUSY. Must work in a full pool. */
        bool (*snapshot_destroy)(void *pool, const dol_call *call, const char *volume,
                                 const char *uid, GError **error);
        /* NOT_FOUND when there is none. */
        bool (*snapshot_inspect)(void *pool, const dol_call *call, const char *volume,
                                 const char *uid, dol_snapshot_info *ret, GError **error);
        /* Every snapshot of every volume. */
        bool (*snapshot_list)(void *pool, const dol_call *call, dol_found_snapshot_fn fn,
                              void *user, GError **error);
        bool (*snapshot_describe)(void *pool, const dol_call *call, const dol_snapshot *snapshot,
                                  GError **error);
        /* As attach and detach, read-only: writes to the device fail. */
        bool (*snapshot_attach)(void *pool, const dol_call *call, const char *volume,
                                const char *uid, dol_driver_attachment *ret, int *ret_hold,
                                GError **error);
        bool (*snapshot_detach)(void *pool, const dol_call *call, const char *volume,
                                const char *uid, GError **error);
        /* Makes the new volume `want` from a snapshot (or, with snapshot NULL, from the volume as
         * it is now), sharing its blocks; grown to want's size, with a file-system UUID of its own.
         * Half-made remains are replaced; a whole one is left as it is. */
        bool (*clone)(void *pool, const dol_call *call, const char *volume, const char *snapshot,
                      const dol_volume *want, char **ret_fs_uuid, GError **error);
        /* Puts the snapshot's data in the place of the volume's, at once or not at all; the size
         * becomes the snapshot's. With ret_fs_uuid the file system gets a UUID of its own, as that
         * of a clone. A device that nobody has open is detached; else: BUSY. */
        bool (*revert)(void *pool, const dol_call *call, const char *volume, const char *snapshot,
                       char **ret_fs_uuid, GError **error);
        /* An unnamed copy of the volume's data as they are now, sharing blocks, that goes with its
         * descriptor. The caller has frozen the file system where that matters. */
        bool (*copy)(void *pool, const dol_call *call, const char *uid, int *ret_fd,
                     GError **error);
        /* Ranges in which two images of one volume may differ: base is a snapshot (NULL: nothing,
         * so all that is allocated), target a snapshot (NULL: the volume as it is now). */
        bool (*diff)(void *pool, const dol_call *call, const char *volume, const char *base,
                     const char *target, dol_changed_fn fn, void *user, GError **error);
        /* The same ranges of a snapshot with what is in them. Nothing else is read. It goes on when
         * the snapshot is destroyed meanwhile. */
        bool (*snapshot_read)(void *pool, const dol_call *call, const char *volume, const char *uid,
                              const char *base, dol_range_begin begin, dol_range_sink fn,
                              void *user, GError **error);
        /* Makes the snapshot `want` of these ranges, over what the snapshot `base` of the same
         * volume has (NULL: zeroes), or nothing at all. Half-made remains, and a whole one, are
         * replaced. INVALID when it has another file system than want->fs; *ret_fs_uuid is that
         * one's UUID. */
        bool (*snapshot_receive)(void *pool, const dol_call *call, const dol_snapshot *want,
                                 const char *base, dol_range_source next, void *user,
                                 char **ret_fs_uuid, GError **error);
} dol_driver;

extern const dol_driver dol_driver_image; /* image files on XFS or btrfs: image/ */
extern const dol_driver dol_driver_dir;   /* plain directories, no enforced size: dir.c */
extern const dol_driver dol_driver_fake;  /* in memory; for tests: fake.c */

/* registry.c: NULL-terminated. The fake driver is in it only while tests asked for it. */
extern const dol_driver *const dol_drivers[];
/* INVALID with the list of known drivers when there is none of that name. */
const dol_driver *dol_driver_find(const char *name, GError **error);
/* Lets dol_driver_find know the fake driver. */
void dol_driver_allow_fake(void);
