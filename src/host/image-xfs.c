/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xfs images. They are formatted one by one: a copy of a template would need a new UUID, and on
 * xfs that is a feature bit of its own (meta_uuid). mkfs.xfs cannot give the root directory all
 * modes (a prototype file knows no sticky bit), so that its inode is written here: the layout of
 * version 5 of the format, big endian, checksum crc32c.
 */
#include "base/guard.h"
#include "host/image-private.h"

#include <errno.h>
#include <ext2fs/ext2fs.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

enum {
        SUPER_SIZE = 512,
        SUPER_BLOCK_SIZE = 4, /* offsets in the superblock */
        SUPER_BLOCKS = 8,
        SUPER_ROOT_INODE = 56,
        SUPER_AG_BLOCKS = 84,
        SUPER_INODE_SIZE = 104,
        SUPER_INODE_BITS = 123, /* log2 of inodes per block */
        SUPER_AG_BITS = 124,    /* log2 of blocks per allocation group, rounded up */
        INODE_MODE = 2,         /* offsets in an inode */
        INODE_VERSION = 4,
        INODE_UID = 8,
        INODE_GID = 12,
        INODE_CRC = 100,
        INODE_SIZE_MAX = 2048,
};

static uint64_t big(const unsigned char *bytes, unsigned size)
{
        uint64_t value = 0;

        for (unsigned i = 0; i < size; i++)
                value = value << 8 | bytes[i];
        return value;
}

static void put_big(unsigned char *bytes, unsigned size, uint64_t value)
{
        for (unsigned i = 0; i < size; i++)
                bytes[i] = (unsigned char)(value >> (8 * (size - 1 - i)));
}

/* The checksum is counted with its own field as zero, and stored little endian. */
static void seal(unsigned char *inode, unsigned size)
{
        uint32_t crc;

        memset(inode + INODE_CRC, 0, sizeof(crc));
        crc = ~ext2fs_crc32c_le(~0U, inode, size);
        crc = ext2fs_cpu_to_le32(crc);
        memcpy(inode + INODE_CRC, &crc, sizeof(crc));
}

/* Where the root directory's inode is: its number is made of the allocation group, the block in it
 * and the index in the block. */
static bool find_root(int fd, off_t *ret_offset, unsigned *ret_size)
{
        unsigned char super[SUPER_SIZE];
        uint64_t number, block, group;
        unsigned inode_bits, ag_bits;

        if (pread(fd, super, sizeof(super), 0) != sizeof(super) || memcmp(super, "XFSB", 4) != 0)
                return false;
        number = big(super + SUPER_ROOT_INODE, 8);
        inode_bits = super[SUPER_INODE_BITS];
        ag_bits = super[SUPER_AG_BITS];
        *ret_size = (unsigned)big(super + SUPER_INODE_SIZE, 2);
        if (inode_bits > 16 || ag_bits > 32 || *ret_size < 256 || *ret_size > INODE_SIZE_MAX)
                return false;
        group = number >> (inode_bits + ag_bits);
        block = (number >> inode_bits) & ((UINT64_C(1) << ag_bits) - 1);
        block += group * big(super + SUPER_AG_BLOCKS, 4);
        *ret_offset = (off_t)(block * big(super + SUPER_BLOCK_SIZE, 4) +
                              (number & ((UINT64_C(1) << inode_bits) - 1)) * *ret_size);
        return true;
}

bool dol_xfs_inspect(int fd, uint64_t *ret_size, GError **error)
{
        unsigned char super[SUPER_SIZE];

        if (pread(fd, super, sizeof(super), 0) != sizeof(super) || memcmp(super, "XFSB", 4) != 0)
                return dol_fail(error, DOL_ERROR_INTERNAL, "there is no xfs file system");
        *ret_size = big(super + SUPER_BLOCKS, 8) * big(super + SUPER_BLOCK_SIZE, 4);
        return true;
}

static bool set_root(const char *path, const dol_image_spec *spec, GError **error)
{
        dol_autofd fd = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
        unsigned char inode[INODE_SIZE_MAX];
        off_t offset;
        unsigned size;

        if (fd < 0)
                return dol_fail_errno(error, errno, "open '%s'", path);
        if (!find_root(fd, &offset, &size) || pread(fd, inode, size, offset) != (ssize_t)size ||
            inode[0] != 'I' || inode[1] != 'N' || inode[INODE_VERSION] != 3 ||
            !S_ISDIR(big(inode + INODE_MODE, 2)))
                return dol_fail(error, DOL_ERROR_INTERNAL, "no root directory in '%s'", path);
        put_big(inode + INODE_MODE, 2, S_IFDIR | (spec->mode & 07777));
        put_big(inode + INODE_UID, 4, spec->uid);
        put_big(inode + INODE_GID, 4, spec->gid);
        seal(inode, size);
        if (pwrite(fd, inode, size, offset) != (ssize_t)size)
                return dol_fail_errno(error, errno, "write the root directory of '%s'", path);
        return true;
}

bool dol_xfs_format(const dol_call *call, const char *path, const char *uuid,
                    const dol_image_spec *spec, GError **error)
{
        /* what kernels since 5.10 understand */
        g_autofree char *metadata = g_strdup_printf(
                "uuid=%s,crc=1,finobt=1,rmapbt=0,reflink=1,bigtime=1,inobtcount=1", uuid);
        const char *const argv[] = {"mkfs.xfs", "-q",        "-f", "-K",        "-m", metadata,
                                    "-i",       "nrext64=0", "-s", "size=4096", path, NULL};

        return dol_image_mkfs(call, argv, path, error) && set_root(path, spec, error);
}
