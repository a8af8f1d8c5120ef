/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Snapshots of the embedded pool: volumes/<volume>/snapshots/<uid>/disk shares the extents of the
 * volume's image, and snapshot.json beside it, written last and removed first, describes it.
 */
#include "base/fault.h"
#include "base/file.h"
#include "driver/description.h"
#include "driver/image/image.h"
#include "host/extents.h"
#include "host/image.h"
#include "host/loop.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DESCRIPTION "snapshot.json"

enum { DESCRIPTION_MAX = 1 << 20 };

static char *directory_of(const image_pool *pool, const char *volume, const char *uid)
{
        return g_build_filename(pool->path, "volumes", volume, IMAGE_SNAPSHOTS, uid, NULL);
}

static char *description_of(const image_pool *pool, const char *volume, const char *uid)
{
        return g_build_filename(pool->path, "volumes", volume, IMAGE_SNAPSHOTS, uid, DESCRIPTION,
                                NULL);
}

char *image_snapshot_disk(const image_pool *pool, const char *volume, const char *uid)
{
        return g_build_filename(pool->path, "volumes", volume, IMAGE_SNAPSHOTS, uid, IMAGE_DISK,
                                NULL);
}

/* ---- descriptions ---- */

static dol_snapshot *read_description(const image_pool *pool, const char *volume, const char *uid,
                                      GError **error)
{
        g_autofree char *path = description_of(pool, volume, uid);
        g_autofree char *text = NULL;
        g_autoptr(GError) why = NULL;
        g_autoptr(dol_snapshot) snapshot = NULL;
        dol_snapshot decoded;
        size_t size;

        if (!dol_file_read(path, DESCRIPTION_MAX, &text, &size, error))
                return NULL;
        if (!dol_json_decode(&dol_snapshot_schema, text, size, DOL_DECODE_LENIENT, &decoded,
                             &why)) {
                dol_fail(error, DOL_ERROR_CONFLICT, "the description is damaged: '%s': %s", path,
                         why->message);
                return NULL;
        }
        snapshot = g_memdup2(&decoded, sizeof(decoded));
        if (g_strcmp0(snapshot->uid, uid) != 0 || g_strcmp0(snapshot->volume, volume) != 0) {
                dol_fail(error, DOL_ERROR_CONFLICT, "'%s' describes another snapshot", path);
                return NULL;
        }
        return g_steal_pointer(&snapshot);
}

static bool write_description(const image_pool *pool, const dol_snapshot *snapshot, GError **error)
{
        g_autofree char *path = description_of(pool, snapshot->volume, snapshot->uid);
        g_autoptr(GString) text = g_string_new(NULL);
        dol_snapshot lasting = *snapshot;

        lasting.attachment = NULL;
        lasting.volume_name = NULL;
        lasting.reference = NULL;
        lasting.exclusive = lasting.shared = 0;
        lasting.phase = DOL_SNAPSHOT_READY;
        dol_json_encode(&dol_snapshot_schema, &lasting, DOL_ENCODE_STORE, text);
        g_string_append_c(text, '\n');
        return dol_file_replace(path, text->str, text->len, 0600, error);
}

/* ---- create ---- */

static bool make(const image_pool *pool, const dol_snapshot *want, GError **error)
{
        g_autofree char *source = dol_description_path(pool->path, want->volume, IMAGE_DISK);
        g_autofree char *directory = directory_of(pool, want->volume, want->uid);
        g_autofree char *disk = image_snapshot_disk(pool, want->volume, want->uid);
        g_autofree char *parent = g_path_get_dirname(directory);

        if (!dol_directory_ensure(directory, 0700, error))
                return false;
        if (unlink(disk) < 0 && errno != ENOENT) /* half-made remains */
                return dol_fail_errno(error, errno, "remove '%s'", disk);
        return dol_reflink(source, disk, error) && dol_fault_point("image.snapshot.made", error) &&
               write_description(pool, want, error) && dol_directory_sync(parent, error);
}

bool image_snapshot_create(void *data, const dol_call *call, const dol_snapshot *want,
                           GError **error)
{
        const image_pool *pool = data;
        g_autofree char *description = description_of(pool, want->volume, want->uid);

        if (!dol_place_still(pool->path, &pool->id, error))
                return false;
        if (access(description, F_OK) == 0)
                return true;
        if (make(pool, want, error))
                return true;
        image_snapshot_destroy(data, call, want->volume, want->uid, NULL);
        return false;
}

/* ---- destroy ---- */

static bool remove_file(const char *path, GError **error)
{
        return unlink(path) == 0 || errno == ENOENT || errno == ENOTDIR ||
               dol_fail_errno(error, errno, "remove '%s'", path);
}

static bool remove_directory(const char *path, GError **error)
{
        return rmdir(path) == 0 || errno == ENOENT ||
               dol_fail_errno(error, errno, "remove directory '%s'", path);
}

bool image_snapshot_destroy(void *data, const dol_call *call, const char *volume, const char *uid,
                            GError **error)
{
        const image_pool *pool = data;
        g_autofree char *directory = directory_of(pool, volume, uid);
        g_autofree char *disk = image_snapshot_disk(pool, volume, uid);
        g_autofree char *description = description_of(pool, volume, uid);
        g_autofree char *temporary = g_strconcat(description, ".tmp", NULL);
        g_autofree char *parent = g_path_get_dirname(directory);

        if (!dol_place_still(pool->path, &pool->id, error))
                return false;
        if (access(directory, F_OK) < 0)
                return true;
        if (!image_release(disk, error) || !remove_file(description, error) ||
            !remove_file(temporary, error) ||
            !dol_fault_point("image.snapshot-destroy.started", error) ||
            !remove_file(disk, error) || !remove_directory(directory, error))
                return false;
        rmdir(parent); /* the last one of the volume */
        return true;
}

/* ---- look ---- */

bool image_snapshot_inspect(void *data, const dol_call *call, const char *volume, const char *uid,
                            dol_snapshot_info *ret, GError **error)
{
        const image_pool *pool = data;
        g_autofree char *disk = image_snapshot_disk(pool, volume, uid);
        g_auto(dol_loop) loop = DOL_LOOP_INIT;
        dol_extent_usage usage;
        GError *local = NULL;
        struct stat info;
        bool attached;

        if (!dol_place_still(pool->path, &pool->id, error))
                return false;
        if (lstat(disk, &info) < 0)
                return dol_fail_errno(error, errno, "the snapshot's image '%s'", disk);
        attached = dol_loop_find(disk, &loop, &local);
        if (local) {
                g_propagate_error(error, local);
                return false;
        }
        if (!dol_extents_usage(call, disk, &usage, error))
                return false;
        *ret = (dol_snapshot_info){
                .size = (uint64_t)info.st_size,
                .exclusive = usage.allocated - usage.shared,
                .shared = usage.shared,
                .extents = usage.extents,
                .attached = attached,
        };
        return true;
}

/* Calls fn for the snapshots in one volume's directory. false: stop. */
static bool list_volume(const image_pool *pool, const char *volume, dol_found_snapshot_fn fn,
                        void *user)
{
        g_autofree char *directory = dol_description_path(pool->path, volume, IMAGE_SNAPSHOTS);
        g_autoptr(GDir) dir = g_dir_open(directory, 0, NULL);
        const char *uid;
        bool more = true;

        while (dir && more && (uid = g_dir_read_name(dir))) {
                g_autoptr(GError) why = NULL;
                g_autoptr(dol_snapshot) snapshot = read_description(pool, volume, uid, &why);

                more = fn(volume, uid, snapshot, why ? why->message : NULL, user);
        }
        return more;
}

bool image_snapshot_list(void *data, const dol_call *call, dol_found_snapshot_fn fn, void *user,
                         GError **error)
{
        const image_pool *pool = data;
        g_autofree char *volumes = g_build_filename(pool->path, "volumes", NULL);
        g_autoptr(GDir) dir = NULL;
        const char *volume;

        if (!dol_place_still(pool->path, &pool->id, error))
                return false;
        dir = g_dir_open(volumes, 0, NULL);
        while (dir && (volume = g_dir_read_name(dir))) {
                if (!dol_call_check(call, error))
                        return false;
                if (!list_volume(pool, volume, fn, user))
                        break;
        }
        return true;
}

bool image_snapshot_describe(void *data, const dol_call *call, const dol_snapshot *snapshot,
                             GError **error)
{
        const image_pool *pool = data;

        return dol_place_still(pool->path, &pool->id, error) &&
               write_description(pool, snapshot, error);
}

/* ---- attach ---- */

bool image_snapshot_attach(void *data, const dol_call *call, const char *volume, const char *uid,
                           dol_driver_attachment *ret, int *ret_hold, GError **error)
{
        const image_pool *pool = data;
        g_autofree char *disk = image_snapshot_disk(pool, volume, uid);
        g_autoptr(dol_snapshot) snapshot = NULL;
        g_auto(dol_loop) loop = DOL_LOOP_INIT;
        dol_loop_options options = {.read_only = true};

        if (!dol_place_still(pool->path, &pool->id, error) ||
            !(snapshot = read_description(pool, volume, uid, error)))
                return false;
        options.autoclear = snapshot->fs != DOL_FS_NONE;
        if (!dol_loop_attach(call, disk, &options, &loop, error))
                return false;
        g_strlcpy(ret->device, loop.device, sizeof(ret->device));
        *ret_hold = loop.fd;
        loop.fd = -1;
        return true;
}

bool image_snapshot_detach(void *data, const dol_call *call, const char *volume, const char *uid,
                           GError **error)
{
        const image_pool *pool = data;
        g_autofree char *disk = image_snapshot_disk(pool, volume, uid);

        if (!dol_place_still(pool->path, &pool->id, error))
                return false;
        return access(disk, F_OK) < 0 || image_release(disk, error);
}
