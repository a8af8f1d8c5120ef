/* SPDX-License-Identifier: Apache-2.0 */
/* Volumes of the embedded pool: volumes/<uid>/disk, described by volume.json beside it. */
#include "base/fault.h"
#include "base/file.h"
#include "codec/units.h"
#include "driver/description.h"
#include "driver/image/image.h"
#include "host/image.h"
#include "host/loop.h"
#include "host/space.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What a volume's directory may hold besides its description. */
static const char *const known[] = {IMAGE_DISK, IMAGE_DISK_TEMPORARY, IMAGE_SNAPSHOTS, NULL};

static bool check_fs(dol_fs_kind fs, GError **error)
{
        if (fs == DOL_FS_AUTO || fs == DOL_FS_DIRECTORY)
                return dol_fail(error, DOL_ERROR_UNSUPPORTED,
                                "fs: driver 'image' makes ext4, xfs or none, not '%s'",
                                dol_fs_words[fs]);
        return true;
}

/* A thick volume that does not fit must not fill the pool before it fails. */
static bool check_room(image_pool *pool, const dol_call *call, const dol_volume_spec *spec,
                       GError **error)
{
        g_autofree char *size = dol_size_format(spec->size);
        g_autofree char *there = NULL;
        dol_pool_space space;

        if (!spec->thick)
                return true;
        if (!image_space(pool, call, &space, error))
                return false;
        there = dol_size_format_short(space.available);
        if (spec->size > space.available)
                return dol_fail(error, DOL_ERROR_NO_SPACE,
                                "a thick volume of %s does not fit: %s are free", size, there);
        return true;
}

static bool make_disk(image_pool *pool, const dol_call *call, const dol_volume *want,
                      char **ret_fs_uuid, GError **error)
{
        g_autofree char *templates = g_build_filename(pool->path, IMAGE_TEMPLATES, NULL);
        g_autofree char *disk = dol_description_path(pool->path, want->uid, IMAGE_DISK);
        dol_image_spec spec = {
                .size = want->spec.size,
                .fs = want->spec.fs,
                .thick = want->spec.thick,
                .uid = want->spec.uid,
                .gid = want->spec.gid,
                .mode = want->spec.mode,
        };

        return dol_image_create(call, templates, disk, &spec, ret_fs_uuid, error) &&
               dol_fault_point("image.create.made", error);
}

static bool make_volume(image_pool *pool, const dol_call *call, const dol_volume *want,
                        char **ret_fs_uuid, GError **error)
{
        g_autofree char *directory = dol_description_directory(pool->path, want->uid);
        g_autofree char *volumes = g_path_get_dirname(directory);
        dol_volume described = *want;

        if (!check_room(pool, call, &want->spec, error) ||
            !dol_directory_ensure(directory, 0700, error) ||
            !make_disk(pool, call, want, ret_fs_uuid, error))
                return false;
        described.status.fs_uuid = *ret_fs_uuid;
        described.status.size_enforced = true;
        return dol_description_write(pool->path, &described, error) &&
               dol_directory_sync(volumes, error);
}

static bool remove_disk(const image_pool *pool, const char *uid, GError **error)
{
        static const char *const names[] = {IMAGE_DISK, IMAGE_DISK_TEMPORARY};

        for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
                g_autofree char *path = dol_description_path(pool->path, uid, names[i]);

                if (unlink(path) < 0 && errno != ENOENT)
                        return dol_fail_errno(error, errno, "remove '%s'", path);
        }
        return true;
}

/* After a failed create: what was made goes, so that a refused create leaves nothing. */
static void undo_volume(const image_pool *pool, const char *uid)
{
        g_autofree char *directory = dol_description_directory(pool->path, uid);

        if (dol_description_remove(pool->path, uid, NULL) && remove_disk(pool, uid, NULL))
                rmdir(directory);
}

/* The volume is there already: its file system's UUID is asked of the image. */
static bool answer_existing(const image_pool *pool, const dol_volume *there, char **ret_fs_uuid,
                            GError **error)
{
        g_autofree char *disk = dol_description_path(pool->path, there->uid, IMAGE_DISK);
        g_autofree char *type = NULL;

        if (access(disk, F_OK) < 0)
                return dol_fail(error, DOL_ERROR_CONFLICT,
                                "volume '%s' is described here but its image is missing",
                                there->uid);
        return there->spec.fs == DOL_FS_NONE || dol_image_probe(disk, &type, ret_fs_uuid, error);
}

bool image_create(void *data, const dol_call *call, const dol_volume *want, char **ret_fs_uuid,
                  GError **error)
{
        image_pool *pool = data;
        g_autoptr(dol_volume) there = NULL;
        g_autoptr(GError) cause = NULL;
        g_autofree char *fs_uuid = NULL;
        g_autofree char *disk = dol_description_path(pool->path, want->uid, IMAGE_DISK);

        if (!dol_place_still(pool->path, &pool->id, error) || !check_fs(want->spec.fs, error))
                return false;
        there = dol_description_read(pool->path, want->uid, &cause);
        if (there)
                return answer_existing(pool, there, ret_fs_uuid, error);
        if (!dol_error_is(cause, DOL_ERROR_NOT_FOUND)) {
                g_propagate_error(error, g_steal_pointer(&cause));
                return false;
        }
        /* half-made remains may be attached still: what a device uses is never replaced */
        if (!image_release(disk, error))
                return false;
        if (!make_volume(pool, call, want, &fs_uuid, error)) {
                undo_volume(pool, want->uid);
                return false;
        }
        *ret_fs_uuid = g_steal_pointer(&fs_uuid);
        return true;
}

static bool remove_parts(const image_pool *pool, const char *uid, GError **error)
{
        g_autofree char *snapshots = dol_description_path(pool->path, uid, IMAGE_SNAPSHOTS);
        int err = rmdir(snapshots) < 0 ? errno : 0;

        if (err == ENOTEMPTY || err == EEXIST)
                return dol_fail(error, DOL_ERROR_CONFLICT,
                                "the volume has snapshots: delete them first");
        if (err != 0 && err != ENOENT)
                return dol_fail_errno(error, err, "remove directory '%s'", snapshots);
        return dol_description_remove(pool->path, uid, error) &&
               dol_fault_point("image.destroy.started", error) && remove_disk(pool, uid, error) &&
               dol_fault_point("image.destroy.emptied", error) &&
               dol_description_finish(pool->path, uid, error);
}

bool image_destroy(void *data, const dol_call *call, const char *uid, GError **error)
{
        const image_pool *pool = data;
        g_autofree char *directory = dol_description_directory(pool->path, uid);
        g_autofree char *disk = dol_description_path(pool->path, uid, IMAGE_DISK);

        if (!dol_place_still(pool->path, &pool->id, error))
                return false;
        if (!g_file_test(directory, G_FILE_TEST_EXISTS))
                return true;
        return image_release(disk, error) && dol_description_check(pool->path, uid, known, error) &&
               remove_parts(pool, uid, error);
}

bool image_inspect(void *data, const dol_call *call, const char *uid, dol_volume_info *ret,
                   GError **error)
{
        const image_pool *pool = data;
        g_autofree char *disk = dol_description_path(pool->path, uid, IMAGE_DISK);
        dol_volume_info info = {0};
        g_auto(dol_loop) loop = DOL_LOOP_INIT;
        GError *local = NULL;
        struct stat st;

        if (!dol_place_still(pool->path, &pool->id, error))
                return false;
        if (lstat(disk, &st) < 0)
                return dol_fail_errno(error, errno, "the volume's image '%s'", disk);
        info.size = (uint64_t)st.st_size;
        info.allocated = (uint64_t)st.st_blocks * 512;
        info.attached = dol_loop_find(disk, &loop, &local);
        if (local) {
                g_propagate_error(error, local);
                return false;
        }
        g_strlcpy(info.device, loop.device, sizeof(info.device));
        *ret = info;
        return true;
}

bool image_list(void *data, const dol_call *call, dol_found_fn fn, void *user, GError **error)
{
        const image_pool *pool = data;

        return dol_place_still(pool->path, &pool->id, error) &&
               dol_description_list(call, pool->path, IMAGE_DISK, fn, user, error);
}

bool image_describe(void *data, const dol_call *call, const dol_volume *volume, GError **error)
{
        const image_pool *pool = data;
        g_autofree char *disk = dol_description_path(pool->path, volume->uid, IMAGE_DISK);

        if (!dol_place_still(pool->path, &pool->id, error))
                return false;
        if (access(disk, F_OK) < 0)
                return dol_fail_errno(error, errno, "the volume's image '%s'", disk);
        return dol_description_write(pool->path, volume, error);
}
