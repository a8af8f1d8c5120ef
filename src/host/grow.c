/* SPDX-License-Identifier: Apache-2.0 */
#include "host/grow.h"

#include "base/fault.h"
#include "base/file.h"
#include "base/guard.h"
#include "host/image-private.h"
#include "host/mount-private.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <linux/falloc.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#define EXT4_IOC_RESIZE_FS _IOW('f', 16, uint64_t)

/* What the kernel's interface calls xfs_fsop_geom_v1 and xfs_growfs_data. */
typedef struct {
        uint32_t block_size, rt_extent_size, group_blocks, groups;
        uint32_t log_blocks, sector_size, inode_size, inode_percent_max;
        uint64_t blocks, rt_blocks, rt_extents, log_start;
        unsigned char uuid[16];
        uint32_t stripe_unit, stripe_width;
        int32_t version;
        uint32_t flags, log_sector_size, rt_sector_size, directory_block_size;
} xfs_geometry;

typedef struct {
        uint64_t blocks;
        uint32_t inode_percent_max;
} xfs_growth;

#define XFS_IOC_GEOMETRY _IOR('X', 100, xfs_geometry)
#define XFS_IOC_GROW     _IOW('X', 110, xfs_growth)

/* The size changes last: it says that all is done. What was allocated beyond the end in vain is
 * given back. */
static bool allocate(int fd, uint64_t end, uint64_t size, GError **error)
{
        int err;

        do
                err = fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)size) < 0 ? errno : 0;
        while (err == EINTR);
        if (err == 0)
                return true;
        if (size > end)
                fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)end,
                          (off_t)(size - end));
        return dol_fail_errno(error, err, "allocate %" PRIu64 " bytes", size);
}

static bool check_size(const struct stat *st, uint64_t size, GError **error)
{
        if (!S_ISREG(st->st_mode))
                return dol_fail(error, DOL_ERROR_INVALID, "it is not a regular file");
        if (size % DOL_SIZE_GRAIN != 0 || size > INT64_MAX)
                return dol_fail(error, DOL_ERROR_INVALID,
                                "size: %" PRIu64 " is not a multiple of %d bytes", size,
                                DOL_SIZE_GRAIN);
        if (size < (uint64_t)st->st_size)
                return dol_fail(error, DOL_ERROR_INVALID,
                                "size: %" PRIu64 " is less than its %" PRIu64
                                " bytes; volumes never shrink",
                                size, (uint64_t)st->st_size);
        return true;
}

static bool grow_file(int fd, uint64_t size, bool thick, GError **error)
{
        struct stat st;

        if (fstat(fd, &st) < 0)
                return dol_fail_errno(error, errno, "stat");
        if (!check_size(&st, size, error) ||
            (thick && !allocate(fd, (uint64_t)st.st_size, size, error)) ||
            !dol_fault_point("host.grow.image.allocated", error))
                return false;
        if (size > (uint64_t)st.st_size && ftruncate(fd, (off_t)size) < 0)
                return dol_fail_errno(error, errno, "set the size");
        return fsync(fd) == 0 || dol_fail_errno(error, errno, "fsync");
}

bool dol_grow_image(const dol_call *call, const char *image, uint64_t size, bool thick,
                    GError **error)
{
        dol_autofd fd = -1;

        if (!dol_call_check(call, error) || !dol_fault_point("host.grow.image.before", error))
                return dol_fail_while(error, "grow '%s'", image);
        fd = open(image, O_RDWR | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        if (fd < 0)
                return dol_fail_errno(error, errno, "open '%s'", image);
        if (!grow_file(fd, size, thick, error))
                return dol_fail_while(error, "grow '%s'", image);
        return dol_fault_point("host.grow.image.after", error);
}

static bool fs_size(int fd, dol_fs_kind fs, uint64_t *ret, GError **error)
{
        dol_ext4_info info;

        if (fs == DOL_FS_XFS)
                return dol_xfs_inspect(fd, ret, error);
        if (fs != DOL_FS_EXT4)
                return dol_fail(error, DOL_ERROR_INVALID,
                                "size: it has more, and without a file system that says where it "
                                "ends nothing may shrink");
        if (!dol_ext4_inspect(fd, &info, error))
                return false;
        *ret = info.size;
        return true;
}

bool dol_grow_give_up(const dol_call *call, dol_fs_kind fs, const char *image, uint64_t size,
                      GError **error)
{
        dol_autofd fd = -1;
        uint64_t end;

        if (!dol_fault_point("host.grow.give-up.before", error) ||
            (fs != DOL_FS_NONE && !dol_image_replay(call, fs, image, error)))
                return dol_fail_while(error, "cut '%s'", image);
        fd = open(image, O_RDWR | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        if (fd < 0)
                return dol_fail_errno(error, errno, "open '%s'", image);
        if (!fs_size(fd, fs, &end, error))
                return dol_fail_while(error, "cut '%s'", image);
        if (end > size)
                return dol_fail(error, DOL_ERROR_INVALID,
                                "size: the file system has %" PRIu64 " bytes and never shrinks",
                                end);
        if (ftruncate(fd, (off_t)size) < 0 || fsync(fd) < 0)
                return dol_fail_errno(error, errno, "cut '%s'", image);
        return dol_fault_point("host.grow.give-up.after", error);
}

/* capget(2) */
static bool has_capability(unsigned number)
{
        struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
        struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = {{0}};

        return syscall(SYS_capget, &header, sets) == 0 &&
               (sets[CAP_TO_INDEX(number)].effective & CAP_TO_MASK(number));
}

bool dol_grow_mounted_allowed(dol_fs_kind fs, GError **error)
{
        return fs != DOL_FS_EXT4 || has_capability(CAP_SYS_RESOURCE) ||
               dol_fail(error, DOL_ERROR_DENIED,
                        "growing ext4 while it is mounted needs the capability CAP_SYS_RESOURCE, "
                        "which doliumd does not have here; unmount it first");
}

/* Not by a node in /dev, which a container may lack. */
static bool device_size(dev_t device, uint64_t *ret, GError **error)
{
        g_autofree char *path =
                g_strdup_printf("/sys/dev/block/%u:%u/size", major(device), minor(device));
        g_autofree char *text = dol_file_read_line(path, error);
        uint64_t sectors;

        if (!text)
                return false;
        if (!g_ascii_string_to_unsigned(text, 10, 0, UINT64_MAX / 512, &sectors, NULL))
                return dol_fail(error, DOL_ERROR_INTERNAL, "'%s' says '%s'", path, text);
        *ret = sectors * 512;
        return true;
}

/* Where the capability is missing, there may be nothing to do. */
static bool is_grown_ext4(dev_t device, uint64_t size)
{
        g_autofree char *link =
                g_strdup_printf("/sys/dev/block/%u:%u", major(device), minor(device));
        g_autofree char *target = g_file_read_link(link, NULL);
        g_autofree char *name = target ? g_path_get_basename(target) : NULL;
        g_autofree char *path = g_strdup_printf("/dev/%s", name ? name : "");
        dol_autofd fd = open(path, O_RDONLY | O_CLOEXEC);
        dol_ext4_info info;
        struct stat st;

        return fd >= 0 && fstat(fd, &st) == 0 && st.st_rdev == device &&
               dol_ext4_inspect(fd, &info, NULL) && info.size == size;
}

static bool grow_ext4(int fd, uint64_t block, GError **error)
{
        uint64_t size, blocks;
        struct stat st;

        if (fstat(fd, &st) < 0)
                return dol_fail_errno(error, errno, "stat");
        if (!device_size(st.st_dev, &size, error))
                return false;
        blocks = size / block;
        if (ioctl(fd, EXT4_IOC_RESIZE_FS, &blocks) == 0)
                return true;
        if (errno != EPERM)
                return dol_fail_errno(error, errno, "grow ext4");
        return is_grown_ext4(st.st_dev, blocks * block) ||
               (dol_grow_mounted_allowed(DOL_FS_EXT4, error) &&
                dol_fail(error, DOL_ERROR_DENIED, "the kernel refuses to grow ext4"));
}

bool dol_xfs_grow(int root, GError **error)
{
        xfs_geometry now;
        xfs_growth want;
        struct stat st;
        uint64_t size;

        if (fstat(root, &st) < 0 || ioctl(root, XFS_IOC_GEOMETRY, &now) < 0)
                return dol_fail_errno(error, errno, "ask for the geometry of xfs");
        if (!device_size(st.st_dev, &size, error))
                return false;
        want = (xfs_growth){size / now.block_size, now.inode_percent_max};
        if (want.blocks <= now.blocks || ioctl(root, XFS_IOC_GROW, &want) == 0)
                return true;
        if (errno == EWOULDBLOCK)
                return dol_fail(error, DOL_ERROR_BUSY, "xfs is being grown already");
        return dol_fail_errno(error, errno, "grow xfs");
}

static bool check_kind(int fd, dol_fs_kind fs, const char *path, struct statfs *ret, GError **error)
{
        bool is_root;
        uint64_t id;

        if (fs != DOL_FS_EXT4 && fs != DOL_FS_XFS)
                return dol_fail(error, DOL_ERROR_UNSUPPORTED, "only ext4 and xfs can be grown");
        if (!dol_mount_is_root(path, &is_root, &id, error))
                return false;
        if (!is_root)
                return dol_fail(error, DOL_ERROR_NOT_FOUND, "nothing is mounted there");
        if (fstatfs(fd, ret) < 0)
                return dol_fail_errno(error, errno, "statfs");
        if ((uint32_t)ret->f_type != (fs == DOL_FS_EXT4 ? EXT4_SUPER_MAGIC : XFS_SUPER_MAGIC))
                return dol_fail(error, DOL_ERROR_CONFLICT, "another file system is mounted there");
        return true;
}

static bool grow_mounted(dol_fs_kind fs, const char *path, GError **error)
{
        dol_autofd fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        struct statfs now;

        if (fd < 0)
                return dol_fail_errno(error, errno, "open");
        if (!check_kind(fd, fs, path, &now, error))
                return false;
        return fs == DOL_FS_EXT4 ? grow_ext4(fd, (uint64_t)now.f_bsize, error)
                                 : dol_xfs_grow(fd, error);
}

bool dol_grow_mounted(const dol_call *call, dol_fs_kind fs, const char *path, GError **error)
{
        if (!dol_call_check(call, error) || !dol_fault_point("host.grow.fs.before", error) ||
            !grow_mounted(fs, path, error))
                return dol_fail_while(error, "grow the file system at '%s'", path);
        return dol_fault_point("host.grow.fs.after", error);
}
