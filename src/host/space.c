/* SPDX-License-Identifier: Apache-2.0 */
#include "host/space.h"

#include "base/guard.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>

typedef struct {
        uint32_t magic;
        const char *name;
} fs_row;

static const fs_row fs_rows[] = {
        {EXT4_SUPER_MAGIC, "ext4"},         {XFS_SUPER_MAGIC, "xfs"},
        {BTRFS_SUPER_MAGIC, "btrfs"},       {TMPFS_MAGIC, "tmpfs"},
        {OVERLAYFS_SUPER_MAGIC, "overlay"}, {NFS_SUPER_MAGIC, "nfs"},
        {F2FS_SUPER_MAGIC, "f2fs"},         {0x2fc12fc1, "zfs"},
        {0xca451a4e, "bcachefs"},           {FUSE_SUPER_MAGIC, "fuse"},
};

static void name_of(uint32_t magic, char *ret, size_t size)
{
        for (unsigned i = 0; i < G_N_ELEMENTS(fs_rows); i++)
                if (fs_rows[i].magic == magic) {
                        g_strlcpy(ret, fs_rows[i].name, size);
                        return;
                }
        g_snprintf(ret, size, "0x%x", magic);
}

bool dol_space_of(const char *path, dol_space *ret, GError **error)
{
        struct statfs fs;
        uint64_t unit;

        if (statfs(path, &fs) < 0)
                return dol_fail_errno(error, errno, "statfs '%s'", path);
        unit = (uint64_t)fs.f_frsize;
        *ret = (dol_space){
                .size = fs.f_blocks * unit,
                .used = (fs.f_blocks - fs.f_bfree) * unit,
                .available = fs.f_bavail * unit,
                .inodes = fs.f_files,
                .inodes_used = fs.f_files - fs.f_ffree,
                .magic = (uint32_t)fs.f_type,
        };
        name_of(ret->magic, ret->fs_type, sizeof(ret->fs_type));
        return true;
}

bool dol_space_allocated(const char *path, uint64_t *ret, GError **error)
{
        struct stat st;

        if (stat(path, &st) < 0)
                return dol_fail_errno(error, errno, "stat '%s'", path);
        *ret = (uint64_t)st.st_blocks * 512;
        return true;
}

bool dol_space_preallocate(const char *path, uint64_t size, GError **error)
{
        dol_autofd fd = open(path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
        int err;

        if (fd < 0)
                return dol_fail_errno(error, errno, "open '%s'", path);
        do
                err = size > 0 ? posix_fallocate(fd, 0, (off_t)size) : 0;
        while (err == EINTR);
        if (err)
                return dol_fail_errno(error, err, "allocate space for '%s'", path);
        return true;
}

bool dol_space_trim(const char *path, uint64_t offset, uint64_t length, GError **error)
{
        dol_autofd fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        struct fstrim_range range = {.start = offset, .len = length};

        if (fd < 0)
                return dol_fail_errno(error, errno, "open '%s'", path);
        if (ioctl(fd, FITRIM, &range) == 0 || (errno == EINVAL && offset > 0))
                return true;
        return dol_fail_errno(error, errno, "trim '%s'", path);
}
