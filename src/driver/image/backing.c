/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The backing file of a pool on a host whose file systems cannot share extents: <path>.img, sparse,
 * an XFS in it, mounted at <path> through a loop device. The file system's UUID is the pool's uid,
 * which is how the file is recognised.
 */
#include "base/fault.h"
#include "base/file.h"
#include "base/guard.h"
#include "base/log.h"
#include "codec/units.h"
#include "driver/image/image.h"
#include "host/image.h"
#include "host/loop.h"
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

#define GIB            (UINT64_C(1) << 30)
#define MIB            (UINT64_C(1) << 20)
#define ZFS_MAGIC      0x2fc12fc1 /* not in linux/magic.h */
#define BCACHEFS_MAGIC 0xca451a4e
#define CHOSEN_MAX     (UINT64_C(15) << 40) /* ext4 cannot hold a larger file */

char *image_backing_path(const char *pool_path)
{
        return g_strconcat(pool_path, ".img", NULL);
}

/* 80 % of what is free, in whole GiB, or whole MiB when that is little. */
static uint64_t choose_size(uint64_t available)
{
        uint64_t share = available / 5 * 4;

        if (share > CHOSEN_MAX)
                share = CHOSEN_MAX;
        return share / (share >= 4 * GIB ? GIB : MIB) * (share >= 4 * GIB ? GIB : MIB);
}

static bool check_size(const char *directory, uint64_t asked, uint64_t *ret_size, GError **error)
{
        g_autofree char *least = dol_size_format(IMAGE_POOL_MIN);
        g_autofree char *there = NULL, *text = NULL;
        dol_space beneath;

        if (!dol_space_of(directory, &beneath, error))
                return false;
        there = dol_size_format_short(beneath.available);
        text = dol_size_format(asked);
        if (asked != 0 && asked < IMAGE_POOL_MIN)
                return dol_fail(error, DOL_ERROR_INVALID, "size: a pool has at least %s, got %s",
                                least, text);
        if (asked > beneath.available)
                return dol_fail(error, DOL_ERROR_NO_SPACE,
                                "size: %s is more than the %s that are free at '%s'", text, there,
                                directory);
        *ret_size =
                asked ? asked / DOL_SIZE_GRAIN * DOL_SIZE_GRAIN : choose_size(beneath.available);
        if (*ret_size < IMAGE_POOL_MIN)
                return dol_fail(error, DOL_ERROR_NO_SPACE,
                                "a pool takes at least %s in 80 %% of the free space, and '%s' has "
                                "%s free; free some, or give another path or a device",
                                least, directory, there);
        return true;
}

/* A loop device on a file that is copied at every write is slow and fragments: btrfs can be told
 * otherwise, for the others a word of warning is all there is. */
static void prepare_copy_on_write(int fd, const char *path)
{
        dol_space beneath;
        int flags = FS_NOCOW_FL;

        if (!dol_space_of(path, &beneath, NULL))
                return;
        if (beneath.magic == BTRFS_SUPER_MAGIC && ioctl(fd, FS_IOC_SETFLAGS, &flags) == 0)
                return;
        if (beneath.magic == BTRFS_SUPER_MAGIC || beneath.magic == ZFS_MAGIC ||
            beneath.magic == BCACHEFS_MAGIC)
                dol_log(DOL_LOG_WARNING,
                        "pool: '%s' lies on %s, which copies on write: expect it to be slow and to "
                        "grow; a device or another path is better",
                        path, beneath.fs_type);
}

static bool make_file(const char *path, uint64_t size, GError **error)
{
        dol_autofd fd = -1;

        /* a half-made one: the name holds this pool's uid, so nobody else's */
        if (unlink(path) < 0 && errno != ENOENT)
                return dol_fail_errno(error, errno, "remove '%s'", path);
        fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
                return dol_fail_errno(error, errno, "create '%s'", path);
        prepare_copy_on_write(fd, path);
        if (ftruncate(fd, (off_t)size) < 0)
                return dol_fail_errno(error, errno, "set the size of '%s'", path);
        return true;
}

static bool sync_file(const char *path, GError **error)
{
        dol_autofd fd = open(path, O_RDWR | O_CLOEXEC);

        if (fd < 0 || fsync(fd) < 0)
                return dol_fail_errno(error, errno, "sync '%s'", path);
        return true;
}

static bool fill_and_rename(const image_pool *pool, const dol_call *call, const char *temporary,
                            const char *path, uint64_t size, GError **error)
{
        if (!make_file(temporary, size, error) ||
            !image_ground_format(pool, call, temporary, true, error) ||
            !dol_fault_point("image.open.backed", error) || !sync_file(temporary, error))
                return false;
        if (renameat2(AT_FDCWD, temporary, AT_FDCWD, path, RENAME_NOREPLACE) < 0)
                return dol_fail_errno(error, errno, "rename '%s' to '%s'", temporary, path);
        return true;
}

bool image_backing_make(image_pool *pool, const dol_call *call, uint64_t size, GError **error)
{
        g_autofree char *path = image_backing_path(pool->path);
        g_autofree char *temporary = g_strdup_printf("%s.%s.new", path, pool->uid);
        g_autofree char *directory = g_path_get_dirname(path);

        if (!image_ground_is_bare(pool, error) || !dol_directory_ensure(directory, 0711, error) ||
            !check_size(directory, size, &size, error))
                return false;
        if (!fill_and_rename(pool, call, temporary, path, size, error)) {
                unlink(temporary);
                return false;
        }
        pool->made = true;
        return dol_directory_sync(directory, error);
}

void image_backing_undo(image_pool *pool, const dol_call *call)
{
        g_autofree char *path = image_backing_path(pool->path);

        if (!pool->made || !dol_unmount(call, pool->path, NULL))
                return;
        unlink(path);
        pool->made = false;
}

static bool check_file(const image_pool *pool, const char *path, GError **error)
{
        g_autofree char *type = NULL, *uuid = NULL;
        struct stat st;

        if (lstat(path, &st) < 0)
                return dol_fail_errno(error, errno, "'%s'", path);
        if (!S_ISREG(st.st_mode))
                return dol_fail(error, DOL_ERROR_CONFLICT, "'%s' is not a file", path);
        if (!dol_image_probe(path, &type, &uuid, error))
                return false;
        if (g_strcmp0(type, "xfs") != 0 || g_strcmp0(uuid, pool->uid) != 0)
                return dol_fail(error, DOL_ERROR_CONFLICT,
                                "'%s' is not this pool's backing file: it holds %s with UUID %s, "
                                "expected xfs with %s",
                                path, type ? type : "nothing known", uuid ? uuid : "none",
                                pool->uid);
        return true;
}

bool image_backing_mount(const image_pool *pool, const dol_call *call, GError **error)
{
        static const dol_loop_options options = {.autoclear = true};
        g_autofree char *path = image_backing_path(pool->path);
        g_auto(dol_loop) loop = DOL_LOOP_INIT;

        /* discard: what is freed in the pool is freed in the file */
        return check_file(pool, path, error) &&
               dol_loop_attach(call, path, &options, &loop, error) &&
               image_ground_mount(pool, call, loop.device, IMAGE_MOUNT_OPTIONS ",discard", error);
}

bool image_backing_is_mounted(const image_pool *pool, bool *ret, GError **error)
{
        g_autofree char *path = image_backing_path(pool->path);
        g_autoptr(dol_mount_entry) entry = NULL;
        g_auto(dol_loop) loop = DOL_LOOP_INIT;
        GError *local = NULL;

        *ret = false;
        if (!g_file_test(path, G_FILE_TEST_EXISTS))
                return true;
        entry = dol_mount_find(pool->path, &local);
        if (entry && dol_loop_find(path, &loop, &local))
                *ret = loop.number == entry->device;
        if (!local)
                return true;
        g_propagate_error(error, local);
        return false;
}
