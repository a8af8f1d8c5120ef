/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ground that a pool stands on. In this order: the directory is the pool already; a block
 * device was given; the pool's backing file lies beside the directory; and, when the pool is to be
 * made, the directory as it is if its file system shares extents, else a new backing file. What was
 * found or mounted counts as this pool only by its pool.json.
 */
#include "driver/image/image.h"

#include "base/fault.h"
#include "base/file.h"
#include "base/guard.h"
#include "base/run.h"
#include "host/image.h"
#include "host/mount.h"
#include "host/space.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

bool image_ground_format(const image_pool *pool, const dol_call *call, const char *where,
                         bool is_file, GError **error)
{
        g_autofree char *metadata = g_strdup_printf("crc=1,reflink=1,uuid=%s", pool->uid);
        const char *argv[] = {"mkfs.xfs", "-q", "-K", "-m", metadata, where, NULL, NULL, NULL};

        /* the loop device will have blocks of 4096 bytes, and XFS refuses a larger block than the
         * one it was made for */
        if (is_file) {
                argv[5] = "-s";
                argv[6] = "size=4096";
                argv[7] = where;
        }
        if (!dol_run(call, argv, NULL, error))
                return dol_fail_while(error, "format '%s'", where);
        return true;
}

bool image_ground_mount(const image_pool *pool, const dol_call *call, const char *device,
                        const char *options, GError **error)
{
        return dol_mount_device(call, device, "xfs", pool->path, options, error) &&
               dol_fault_point("image.open.mounted", error);
}

bool image_ground_is_bare(const image_pool *pool, GError **error)
{
        GError *local = NULL;
        g_autoptr(dol_mount_entry) entry = dol_mount_find(pool->path, &local);

        if (local) {
                g_propagate_error(error, local);
                return false;
        }
        if (entry)
                return dol_fail(error, DOL_ERROR_CONFLICT,
                                "%s of '%s' is mounted at '%s'; unmount it or give another path",
                                entry->fs_type, entry->source, pool->path);
        return true;
}

/* The path itself or the nearest directory above it that exists. */
static char *nearest_existing(const char *path)
{
        char *nearest = g_strdup(path);

        while (!g_file_test(nearest, G_FILE_TEST_EXISTS)) {
                char *parent = g_path_get_dirname(nearest);

                g_free(nearest);
                nearest = parent;
        }
        return nearest;
}

/* Whether the pool's directory can be used as it is; if so, it is made when it is not there. */
static bool shares_extents(const image_pool *pool, bool *ret, GError **error)
{
        g_autofree char *nearest = nearest_existing(pool->path);
        dol_space space;

        *ret = false;
        if (!dol_space_of(nearest, &space, error))
                return false;
        if (space.magic != XFS_SUPER_MAGIC && space.magic != BTRFS_SUPER_MAGIC)
                return true;
        if (!dol_directory_ensure(pool->path, 0700, error))
                return false;
        *ret = dol_reflink_works(pool->path);
        return true;
}

static bool make(image_pool *pool, const dol_call *call, const dol_pool_request *request,
                 GError **error)
{
        bool as_it_is = false;

        /* a size can only be kept by a file of that size */
        if (request->spec->size == 0 && !shares_extents(pool, &as_it_is, error))
                return false;
        if (as_it_is)
                return true;
        return image_backing_make(pool, call, request->spec->size, error) &&
               dol_fault_point("image.open.formatted", error) &&
               image_backing_mount(pool, call, error);
}

/* Brings the pool's file system to its path. */
static bool lay(image_pool *pool, const dol_call *call, const dol_pool_request *request,
                GError **error)
{
        g_autofree char *backing = image_backing_path(pool->path);

        if (request->spec->device)
                return image_device_mount(pool, call, request, error);
        if (g_file_test(backing, G_FILE_TEST_EXISTS))
                return image_backing_mount(pool, call, error);
        if (!request->create)
                return dol_fail(error, DOL_ERROR_NOT_FOUND,
                                "there is no pool at '%s' and no backing file '%s'; is their file "
                                "system mounted?",
                                pool->path, backing);
        return make(pool, call, request, error);
}

/* What was laid is either empty, and then is marked, or this pool. */
static bool claim(const image_pool *pool, const dol_pool_request *request, GError **error)
{
        dol_place state;

        if (!dol_place_look(pool->path, "image", pool->uid, &state, error))
                return false;
        if (state == DOL_PLACE_OURS)
                return true;
        if (state == DOL_PLACE_ABSENT || !request->create)
                return dol_fail(error, DOL_ERROR_NOT_FOUND, "'%s' is empty: there is no pool",
                                pool->path);
        if (chmod(pool->path, 0700) < 0)
                return dol_fail_errno(error, errno, "change the mode of '%s'", pool->path);
        return dol_place_mark(pool->path, "image", request, error) &&
               dol_fault_point("image.open.marked", error);
}

/* On btrfs, files made in the directory are written in place: an image under a loop device would
 * fragment without end. Shared extents are still copied. Elsewhere the flag is not known. */
static void write_in_place(const char *directory)
{
        dol_autofd fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int flags;

        if (fd < 0 || ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0 || (flags & FS_NOCOW_FL))
                return;
        flags |= FS_NOCOW_FL;
        ioctl(fd, FS_IOC_SETFLAGS, &flags);
}

static bool make_directories(const image_pool *pool, bool is_btrfs, GError **error)
{
        static const char *const names[] = {"volumes", IMAGE_TEMPLATES, NULL};

        for (unsigned i = 0; names[i]; i++) {
                g_autofree char *path = g_build_filename(pool->path, names[i], NULL);

                if (!dol_directory_ensure(path, 0700, error))
                        return false;
                if (is_btrfs)
                        write_in_place(path);
        }
        return dol_directory_sync(pool->path, error);
}

static bool describe(image_pool *pool, const dol_pool_request *request, GError **error)
{
        bool in_backing = false;
        dol_space space;

        if (!dol_space_of(pool->path, &space, error) ||
            !image_backing_is_mounted(pool, &in_backing, error))
                return false;
        if (in_backing) {
                pool->backing = image_backing_path(pool->path);
                pool->kind = "xfs in a backing file";
        } else if (request->spec->device) {
                pool->kind = "xfs on a device";
        } else {
                pool->kind = space.magic == BTRFS_SUPER_MAGIC ? "btrfs" : "xfs";
        }
        return make_directories(pool, space.magic == BTRFS_SUPER_MAGIC, error);
}

bool image_ground_prepare(image_pool *pool, const dol_call *call, const dol_pool_request *request,
                          GError **error)
{
        dol_place state;

        if (!dol_place_look(pool->path, "image", pool->uid, &state, error))
                return false;
        if (state != DOL_PLACE_OURS &&
            (!lay(pool, call, request, error) || !claim(pool, request, error))) {
                image_backing_undo(pool, call);
                if (state == DOL_PLACE_ABSENT)
                        dol_mountpoint_remove(pool->path, NULL);
                return false;
        }
        return describe(pool, request, error) && dol_place_identify(pool->path, &pool->id, error);
}
