/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plain directories, volumes/<uid>/{volume.json,data}, for hosts that allow nothing else. No size
 * is enforced and there are no block volumes; the traits say so. A volume counts as attached while
 * its directory is bind mounted somewhere on this host.
 */
#include "base/fault.h"
#include "base/file.h"
#include "driver/description.h"
#include "driver/place.h"
#include "driver/tree.h"
#include "host/mount.h"
#include "host/space.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DATA "data"

typedef struct {
        char *path;
        dol_place_id id;
        dol_media media; /* as said, or as detected at open */
} dir_pool;

static const char *const known[] = {DATA, NULL};

static void dir_pool_free(dir_pool *pool)
{
        g_free(pool->path);
        g_free(pool);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(dir_pool, dir_pool_free)

static bool prepare(const dir_pool *pool, const dol_pool_request *request, GError **error)
{
        g_autofree char *volumes = g_build_filename(pool->path, "volumes", NULL);
        dol_place state;

        if (!dol_place_look(pool->path, request->spec->driver, request->uid, &state, error))
                return false;
        if (state != DOL_PLACE_OURS) {
                if (!request->create)
                        return dol_fail(error, DOL_ERROR_NOT_FOUND,
                                        "there is no pool at '%s'; is its file system mounted?",
                                        pool->path);
                if (!dol_directory_ensure(pool->path, 0700, error) ||
                    !dol_place_mark(pool->path, request->spec->driver, request, error))
                        return false;
        }
        return dol_directory_ensure(volumes, 0700, error);
}

static bool dir_open(const dol_call *call, const dol_pool_request *request, void **ret_pool,
                     uint32_t *ret_traits, GError **error)
{
        g_autoptr(dir_pool) pool = g_new0(dir_pool, 1);

        if (request->spec->device)
                return dol_fail(error, DOL_ERROR_INVALID,
                                "device: driver 'dir' takes a directory, not a device");
        pool->path = dol_place_resolve(
                request->spec->path ? request->spec->path : request->default_path, error);
        if (!pool->path || !dol_place_check(pool->path, error) || !prepare(pool, request, error) ||
            !dol_place_identify(pool->path, &pool->id, error))
                return false;
        pool->media = request->spec->media;
        if (pool->media == DOL_MEDIA_UNKNOWN)
                pool->media = dol_space_media(pool->path);
        *ret_traits = DOL_TRAIT_FILE_SYSTEM;
        *ret_pool = g_steal_pointer(&pool);
        return true;
}

static void dir_close(void *pool)
{
        if (pool)
                dir_pool_free(pool);
}

static bool check_spec(const dol_volume_spec *spec, GError **error)
{
        if (spec->fs != DOL_FS_DIRECTORY)
                return dol_fail(error, DOL_ERROR_UNSUPPORTED,
                                "fs: driver 'dir' has plain directories, not '%s'",
                                dol_fs_words[spec->fs]);
        if (spec->thick)
                return dol_fail(error, DOL_ERROR_UNSUPPORTED,
                                "thick: driver 'dir' cannot set space aside");
        if (spec->size != 0)
                return dol_fail(error, DOL_ERROR_UNSUPPORTED,
                                "size: driver 'dir' cannot enforce a size");
        return true;
}

/* A directory that is there already must be empty: without a description it can only be half
 * made, unless somebody lost the description of a used one. */
static bool make_data(const char *path, const dol_volume_spec *spec, GError **error)
{
        g_autofree char *entries = NULL;
        GError *local = NULL;

        if (mkdir(path, 0700) < 0 && errno != EEXIST)
                return dol_fail_errno(error, errno, "create directory '%s'", path);
        entries = dol_place_entries(path, NULL, &local);
        if (local) {
                g_propagate_error(error, local);
                return false;
        }
        if (entries)
                return dol_fail(error, DOL_ERROR_CONFLICT,
                                "'%s' holds data (%s) but has no description", path, entries);
        if (chown(path, (uid_t)spec->uid, (gid_t)spec->gid) < 0)
                return dol_fail_errno(error, errno, "change the owner of '%s'", path);
        if (chmod(path, spec->mode) < 0)
                return dol_fail_errno(error, errno, "change the mode of '%s'", path);
        return dol_directory_sync(path, error);
}

static bool make_volume(const dir_pool *pool, const dol_volume *want, GError **error)
{
        g_autofree char *directory = dol_description_directory(pool->path, want->uid);
        g_autofree char *volumes = g_path_get_dirname(directory);
        g_autofree char *data = dol_description_path(pool->path, want->uid, DATA);

        return dol_directory_ensure(directory, 0700, error) &&
               make_data(data, &want->spec, error) && dol_fault_point("dir.create.made", error) &&
               dol_directory_sync(volumes, error) && dol_description_write(pool->path, want, error);
}

/* After a failed create: only what can be half made, which is empty. */
static void undo_volume(const dir_pool *pool, const char *uid)
{
        g_autofree char *directory = dol_description_directory(pool->path, uid);
        g_autofree char *data = dol_description_path(pool->path, uid, DATA);

        rmdir(data);
        rmdir(directory);
}

static bool dir_create(void *data, const dol_call *call, const dol_volume *want, char **ret_fs_uuid,
                       GError **error)
{
        const dir_pool *pool = data;
        g_autoptr(dol_volume) there = NULL;
        g_autoptr(GError) cause = NULL;

        if (!dol_place_still(pool->path, &pool->id, error) || !check_spec(&want->spec, error))
                return false;
        *ret_fs_uuid = NULL;
        there = dol_description_read(pool->path, want->uid, &cause);
        if (there)
                return true;
        if (!dol_error_is(cause, DOL_ERROR_NOT_FOUND)) {
                g_propagate_error(error, g_steal_pointer(&cause));
                return false;
        }
        if (make_volume(pool, want, error))
                return true;
        undo_volume(pool, want->uid);
        return false;
}

/* The mount that covers the path, by the id that the kernel gives both. */
static dol_mount_entry *mount_of(const char *path, GError **error)
{
        g_autoptr(GPtrArray) entries = dol_mountinfo_read("/proc/self/mountinfo", error);
        struct statx stx;

        if (!entries)
                return NULL;
        if (statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_MNT_ID, &stx) < 0) {
                dol_fail_errno(error, errno, "'%s'", path);
                return NULL;
        }
        for (unsigned i = 0; i < entries->len; i++) {
                dol_mount_entry *entry = entries->pdata[i];

                if (entry->id == stx.stx_mnt_id)
                        return g_ptr_array_steal_index(entries, i);
        }
        dol_fail(error, DOL_ERROR_INTERNAL, "'%s' is on no mount that can be seen", path);
        return NULL;
}

/* Who has the data directory, or one in it, bind mounted. A missing one is nobody's. */
static bool holders(const char *path, unsigned *ret_count, char ***ret_names, GError **error)
{
        g_autoptr(dol_mount_entry) mount = NULL;
        g_autofree char *root = NULL;
        const char *below;

        *ret_count = 0;
        *ret_names = NULL;
        if (!g_file_test(path, G_FILE_TEST_EXISTS))
                return true;
        mount = mount_of(path, error);
        if (!mount)
                return false;
        below = strcmp(mount->path, "/") == 0 ? path : path + strlen(mount->path);
        root = g_build_filename(mount->root, below, NULL);
        return dol_mount_holders(mount->device, root, path, 3, ret_count, ret_names, error);
}

/* BUSY when something is mounted in the directory: it is not the volume's, and must survive it. */
static bool check_no_mount_in(const char *path, GError **error)
{
        g_autoptr(GPtrArray) entries = dol_mountinfo_read("/proc/self/mountinfo", error);
        size_t length = strlen(path);

        for (unsigned i = 0; entries && i < entries->len; i++) {
                const dol_mount_entry *entry = entries->pdata[i];

                if (strncmp(entry->path, path, length) == 0 &&
                    (entry->path[length] == '\0' || entry->path[length] == '/'))
                        return dol_fail(error, DOL_ERROR_BUSY, "%s is mounted at '%s'",
                                        entry->fs_type, entry->path);
        }
        return entries != NULL;
}

static bool check_free(const dir_pool *pool, const char *uid, GError **error)
{
        g_autofree char *path = dol_description_path(pool->path, uid, DATA);
        g_auto(GStrv) names = NULL;
        g_autofree char *list = NULL;
        unsigned count;

        if (!holders(path, &count, &names, error))
                return false;
        list = names ? g_strjoinv(", ", names) : g_strdup("");
        if (count > 0)
                return dol_fail(error, DOL_ERROR_BUSY, "the volume is mounted: %s", list);
        return true;
}

static bool dir_destroy(void *data, const dol_call *call, const char *uid, GError **error)
{
        const dir_pool *pool = data;
        g_autofree char *directory = dol_description_directory(pool->path, uid);
        g_autofree char *path = dol_description_path(pool->path, uid, DATA);

        if (!dol_place_still(pool->path, &pool->id, error))
                return false;
        if (!g_file_test(directory, G_FILE_TEST_EXISTS))
                return true;
        return check_free(pool, uid, error) && check_no_mount_in(path, error) &&
               dol_description_check(pool->path, uid, known, error) &&
               dol_description_remove(pool->path, uid, error) &&
               dol_fault_point("dir.destroy.started", error) &&
               dol_tree_remove(call, path, error) &&
               dol_fault_point("dir.destroy.emptied", error) &&
               dol_description_finish(pool->path, uid, error);
}

/* NOT_FOUND unless the volume's data is there. */
static bool check_data(const dir_pool *pool, const char *path, GError **error)
{
        struct stat st;

        if (!dol_place_still(pool->path, &pool->id, error))
                return false;
        if (lstat(path, &st) < 0)
                return dol_fail_errno(error, errno, "the volume's directory '%s'", path);
        if (!S_ISDIR(st.st_mode))
                return dol_fail(error, DOL_ERROR_CONFLICT, "'%s' is not a directory", path);
        return true;
}

static bool dir_inspect(void *data, const dol_call *call, const char *uid, dol_volume_info *ret,
                        GError **error)
{
        const dir_pool *pool = data;
        g_autofree char *path = dol_description_path(pool->path, uid, DATA);
        g_auto(GStrv) names = NULL;
        unsigned count;

        if (!check_data(pool, path, error) || !holders(path, &count, &names, error))
                return false;
        *ret = (dol_volume_info){.attached = count > 0};
        return true;
}

static bool dir_list(void *data, const dol_call *call, dol_found_fn fn, void *user, GError **error)
{
        const dir_pool *pool = data;

        return dol_place_still(pool->path, &pool->id, error) &&
               dol_description_list(call, pool->path, DATA, fn, user, error);
}

static bool dir_describe(void *data, const dol_call *call, const dol_volume *volume, GError **error)
{
        const dir_pool *pool = data;
        g_autofree char *path = dol_description_path(pool->path, volume->uid, DATA);

        return check_data(pool, path, error) && dol_description_write(pool->path, volume, error);
}

static bool dir_attach(void *data, const dol_call *call, const char *uid,
                       dol_driver_attachment *ret, int *ret_hold, GError **error)
{
        const dir_pool *pool = data;
        g_autofree char *path = dol_description_path(pool->path, uid, DATA);

        if (!check_data(pool, path, error))
                return false;
        *ret = (dol_driver_attachment){.directory = g_steal_pointer(&path)};
        *ret_hold = -1;
        return true;
}

static bool dir_detach(void *data, const dol_call *call, const char *uid, GError **error)
{
        const dir_pool *pool = data;

        return dol_place_still(pool->path, &pool->id, error) && check_free(pool, uid, error);
}

static bool dir_space(void *data, const dol_call *call, dol_pool_space *ret, GError **error)
{
        const dir_pool *pool = data;
        dol_space space;

        if (!dol_place_still(pool->path, &pool->id, error) ||
            !dol_space_of(pool->path, &space, error))
                return false;
        *ret = (dol_pool_space){
                .capacity = space.size,
                .used = space.used,
                .available = space.available,
                .media = pool->media,
        };
        g_snprintf(ret->kind, sizeof(ret->kind), "directory on %s", space.fs_type);
        return true;
}

const dol_driver dol_driver_dir = {
        .name = "dir",
        .title = "plain directories, no enforced size",
        .open = dir_open,
        .close = dir_close,
        .create = dir_create,
        .destroy = dir_destroy,
        .inspect = dir_inspect,
        .list = dir_list,
        .describe = dir_describe,
        .attach = dir_attach,
        .detach = dir_detach,
        .space = dir_space,
};
