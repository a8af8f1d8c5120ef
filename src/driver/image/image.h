/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the embedded pool's driver share. Nobody outside this folder includes it. */
#pragma once

#include "driver/place.h"

#define IMAGE_DISK           "disk"            /* a volume's image in its directory */
#define IMAGE_DISK_TEMPORARY IMAGE_DISK ".tmp" /* of dol_image_create */
#define IMAGE_SNAPSHOTS      "snapshots"
#define IMAGE_BALLAST        "ballast"
#define IMAGE_TEMPLATES      "templates"
#define IMAGE_MOUNT_OPTIONS  "noatime,nosuid,nodev,noexec" /* of the pool's own file system */
#define IMAGE_POOL_MIN       (UINT64_C(512) << 20) /* smaller: XFS' own log and metadata take it all */

typedef struct {
        char *path; /* resolved */
        char *uid;
        dol_place_id id;  /* of the directory at `path`, while its file system is mounted */
        char *backing;    /* path of the backing file; NULL when there is none */
        bool made;        /* the backing file was made by this very open */
        const char *kind; /* for people: "xfs in a backing file" */
        dol_media media;  /* as said, or as detected at open */
        double full;      /* watermark above which the ballast is not taken again */
} image_pool;

/* ground.c: the file system that the pool lives on: found, mounted, or made. Sets pool->id,
 * pool->backing and pool->kind. */
bool image_ground_prepare(image_pool *pool, const dol_call *call, const dol_pool_request *request,
                          GError **error);
/* Mounts the file system of a device at the pool's path. `options` as in fstab. */
bool image_ground_mount(const image_pool *pool, const dol_call *call, const char *device,
                        const char *options, GError **error);
/* CONFLICT when something is mounted at the pool's path: nothing else can be, then. */
bool image_ground_is_bare(const image_pool *pool, GError **error);
/* Makes an XFS that shares extents, with the pool's uid as its UUID. */
bool image_ground_format(const image_pool *pool, const dol_call *call, const char *where,
                         bool is_file, GError **error);

/* backing.c: a sparse file beside the pool's path, formatted and mounted through a loop device. */
char *image_backing_path(const char *pool_path);
/* Makes it, whole or not at all. `size` 0: most of the free space beneath. */
bool image_backing_make(image_pool *pool, const dol_call *call, uint64_t size, GError **error);
/* After a failed open: removes what image_backing_make made. */
void image_backing_undo(image_pool *pool, const dol_call *call);
bool image_backing_mount(const image_pool *pool, const dol_call *call, GError **error);
/* Whether what is mounted at the pool's path is its backing file. */
bool image_backing_is_mounted(const image_pool *pool, bool *ret, GError **error);

/* device.c: a block device that the user gave. Formats it when request->create and blkid finds
 * nothing on it; mounts it when it carries this pool's file system. */
bool image_device_mount(const image_pool *pool, const dol_call *call,
                        const dol_pool_request *request, GError **error);

/* ballast.c */
bool image_relieve(void *pool, const dol_call *call, uint64_t *ret_freed, GError **error);
bool image_replenish(void *pool, const dol_call *call, GError **error);

/* space.c */
bool image_space(void *pool, const dol_call *call, dol_pool_space *ret, GError **error);

/* volume.c */
bool image_create(void *pool, const dol_call *call, const dol_volume *want, char **ret_fs_uuid,
                  GError **error);
bool image_destroy(void *pool, const dol_call *call, const char *uid, GError **error);
bool image_inspect(void *pool, const dol_call *call, const char *uid, dol_volume_info *ret,
                   GError **error);
bool image_list(void *pool, const dol_call *call, dol_found_fn fn, void *user, GError **error);
bool image_describe(void *pool, const dol_call *call, const dol_volume *volume, GError **error);

/* attach.c */
bool image_attach(void *pool, const dol_call *call, const char *uid, dol_driver_attachment *ret,
                  int *ret_hold, GError **error);
bool image_detach(void *pool, const dol_call *call, const char *uid, GError **error);
/* BUSY while the image is mounted anywhere or its loop device does not go away. */
bool image_release(const char *disk, GError **error);

/* snapshot.c */
char *image_snapshot_disk(const image_pool *pool, const char *volume, const char *uid);
bool image_snapshot_create(void *pool, const dol_call *call, const dol_snapshot *want,
                           GError **error);
bool image_snapshot_destroy(void *pool, const dol_call *call, const char *volume, const char *uid,
                            GError **error);
bool image_snapshot_inspect(void *pool, const dol_call *call, const char *volume, const char *uid,
                            dol_snapshot_info *ret, GError **error);
bool image_snapshot_list(void *pool, const dol_call *call, dol_found_snapshot_fn fn, void *user,
                         GError **error);
bool image_snapshot_describe(void *pool, const dol_call *call, const dol_snapshot *snapshot,
                             GError **error);
bool image_snapshot_attach(void *pool, const dol_call *call, const char *volume, const char *uid,
                           dol_driver_attachment *ret, int *ret_hold, GError **error);
bool image_snapshot_detach(void *pool, const dol_call *call, const char *volume, const char *uid,
                           GError **error);

/* copy.c */
bool image_copy(void *pool, const dol_call *call, const char *uid, int *ret_fd, GError **error);

/* clone.c */
bool image_clone(void *pool, const dol_call *call, const char *volume, const char *snapshot,
                 const dol_volume *want, char **ret_fs_uuid, GError **error);
bool image_revert(void *pool, const dol_call *call, const char *volume, const char *snapshot,
                  char **ret_fs_uuid, GError **error);
bool image_resize(void *pool, const dol_call *call, const char *uid, uint64_t size, GError **error);
bool image_diff(void *pool, const dol_call *call, const char *volume, const char *base,
                const char *target, dol_changed_fn fn, void *user, GError **error);

/* transfer.c */
bool image_snapshot_read(void *pool, const dol_call *call, const char *volume, const char *uid,
                         const char *base, dol_range_begin begin, dol_range_sink fn, void *user,
                         GError **error);
bool image_snapshot_receive(void *pool, const dol_call *call, const dol_snapshot *want,
                            const char *base, dol_range_source next, void *user, char **ret_fs_uuid,
                            GError **error);
