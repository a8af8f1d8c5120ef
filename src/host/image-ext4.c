/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ext4 templates and what tells their copies apart. The copy is not opened with libext2fs: that
 * would read and write all group descriptors. With the feature metadata_csum_seed no checksum but
 * the superblock's own depends on the UUID, so that a copy differs from its template in the
 * superblocks and in the block that holds the root directory's inode.
 */
#include "base/guard.h"
#include "base/random.h"
#include "host/image-private.h"

#include <errno.h>
#include <ext2fs/ext2fs.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum { BLOCK = 4096, SUPER_OFFSET = 1024, INODE_SIZE = 256 };

/* What kernels since 4.4 understand, and nothing that the distribution's mke2fs.conf adds. */
#define FEATURES                                                                          \
        "none,has_journal,ext_attr,dir_index,filetype,extent,64bit,flex_bg,sparse_super," \
        "large_file,huge_file,dir_nlink,extra_isize,metadata_csum,metadata_csum_seed"
#define EXTENDED "lazy_itable_init=1,lazy_journal_init=1,nodiscard"

/* Room for group descriptors is reserved for growth by this factor; mke2fs's own 1024 would write
 * 4 MiB into each image of a pool that cannot share extents. What grows further gets its
 * descriptors elsewhere (meta_bg), as do file systems beyond 32-bit block numbers, for which
 * nothing can be reserved. */
#define GROWTH              64
#define RESERVED_BLOCKS_MAX UINT64_C(0xffffffff)

static const char *inode_ratio(uint64_t size)
{
        if (size < UINT64_C(512) << 20)
                return "4096";
        if (size < UINT64_C(4) << 40)
                return "16384";
        return size < UINT64_C(16) << 40 ? "32768" : "65536";
}

static bool fail_ext2(GError **error, errcode_t err, const char *what, const char *path)
{
        return dol_fail(error, err == ENOSPC ? DOL_ERROR_NO_SPACE : DOL_ERROR_INTERNAL,
                        "%s in '%s': %s", what, path, error_message(err));
}

/* Docker fills a new volume from the image only when it is empty. e2fsck makes a new lost+found
 * when it repairs. */
static errcode_t remove_lost_found(ext2_filsys fs)
{
        static const char name[] = "lost+found";
        struct ext2_inode inode, root;
        ext2_ino_t number;
        errcode_t err = ext2fs_lookup(fs, EXT2_ROOT_INO, name, (int)strlen(name), NULL, &number);

        if (err == EXT2_ET_FILE_NOT_FOUND)
                return 0;
        if (err || (err = ext2fs_read_inode(fs, number, &inode)) ||
            (err = ext2fs_read_inode(fs, EXT2_ROOT_INO, &root)) ||
            (err = ext2fs_unlink(fs, EXT2_ROOT_INO, name, number, 0)) ||
            (err = ext2fs_punch(fs, number, &inode, NULL, 0, ~UINT64_C(0))))
                return err;
        memset(&inode, 0, sizeof(inode));
        root.i_links_count--;
        if ((err = ext2fs_write_inode(fs, number, &inode)) ||
            (err = ext2fs_write_inode(fs, EXT2_ROOT_INO, &root)))
                return err;
        ext2fs_inode_alloc_stats2(fs, number, -1, 1);
        return 0;
}

/* The file was all holes, so the inode tables are zero as they are: without this the kernel would
 * write them in the background after the first mount of each volume. */
static void mark_tables_zeroed(ext2_filsys fs)
{
        for (dgrp_t group = 0; group < fs->group_desc_count; group++) {
                ext2fs_bg_flags_set(fs, group, EXT2_BG_INODE_ZEROED);
                ext2fs_group_desc_csum_set(fs, group);
        }
        ext2fs_mark_super_dirty(fs);
}

static bool tidy(const char *path, GError **error)
{
        ext2_filsys fs;
        errcode_t err =
                ext2fs_open(path, EXT2_FLAG_RW | EXT2_FLAG_64BITS, 0, 0, unix_io_manager, &fs);

        if (err)
                return fail_ext2(error, err, "open the file system", path);
        err = ext2fs_read_bitmaps(fs);
        if (!err)
                err = remove_lost_found(fs);
        mark_tables_zeroed(fs);
        if (err) {
                ext2fs_free(fs);
                return fail_ext2(error, err, "remove lost+found", path);
        }
        err = ext2fs_close_free(&fs);
        return !err || fail_ext2(error, err, "write the file system", path);
}

/* After an error within, the file system turns read-only rather than go on. */
bool dol_ext4_format(const dol_call *call, const char *path, uint64_t size, GError **error)
{
        uint64_t grown = MIN(size / BLOCK * GROWTH, RESERVED_BLOCKS_MAX);
        bool reserve = size / BLOCK < grown;
        g_autofree char *extended =
                reserve ? g_strdup_printf(EXTENDED ",resize=%" PRIu64, grown) : g_strdup(EXTENDED);
        const char *set = reserve ? FEATURES ",resize_inode" : FEATURES;
        const char *const argv[] = {
                "mkfs.ext4",       "-q", "-F", "-b", "4096",       "-I", "256", "-i",
                inode_ratio(size), "-m", "0",  "-e", "remount-ro", "-O", set,   "-E",
                extended,          path, NULL};

        return dol_image_mkfs(call, argv, path, error) && tidy(path, error);
}

static uint32_t super_checksum(const struct ext2_super_block *super)
{
        return ext2fs_crc32c_le(~0U, (const unsigned char *)super,
                                offsetof(struct ext2_super_block, s_checksum));
}

static bool is_whole(const struct ext2_super_block *super)
{
        return ext2fs_le16_to_cpu(super->s_magic) == EXT2_SUPER_MAGIC &&
               ext2fs_le32_to_cpu(super->s_checksum) == super_checksum(super) &&
               ext2fs_le32_to_cpu(super->s_log_block_size) == 2 &&
               ext2fs_le16_to_cpu(super->s_inode_size) == INODE_SIZE &&
               ext2fs_le32_to_cpu(super->s_blocks_per_group) > 0 &&
               (ext2fs_le32_to_cpu(super->s_feature_incompat) & EXT4_FEATURE_INCOMPAT_CSUM_SEED);
}

static uint64_t count_blocks(const struct ext2_super_block *super)
{
        return (uint64_t)ext2fs_le32_to_cpu(super->s_blocks_count_hi) << 32 |
               ext2fs_le32_to_cpu(super->s_blocks_count);
}

bool dol_ext4_is_template(int fd, uint64_t size)
{
        struct ext2_super_block super;
        struct stat st;

        return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (uint64_t)st.st_size == size &&
               pread(fd, &super, sizeof(super), SUPER_OFFSET) == sizeof(super) &&
               is_whole(&super) && count_blocks(&super) == size / BLOCK;
}

static bool read_block(int fd, uint64_t number, unsigned char *block, GError **error)
{
        ssize_t got = pread(fd, block, BLOCK, (off_t)(number * BLOCK));

        return got == BLOCK || dol_fail_errno(error, got < 0 ? errno : EIO, "read the template");
}

static bool write_block(int fd, uint64_t number, const unsigned char *block, GError **error)
{
        ssize_t put = pwrite(fd, block, BLOCK, (off_t)(number * BLOCK));

        return put == BLOCK || dol_fail_errno(error, put < 0 ? errno : ENOSPC, "write the image");
}

/* What is new in all superblocks of a copy. */
typedef struct {
        uint8_t uuid[16], hash_seed[16];
        uint32_t now;
} identity;

void dol_image_parse_uuid(const char *text, uint8_t *ret)
{
        unsigned n = 0;

        for (const char *c = text; *c && n < 32; c++) {
                if (*c == '-')
                        continue;
                ret[n / 2] = (uint8_t)(ret[n / 2] << 4 | g_ascii_xdigit_value(*c));
                n++;
        }
}

static void identity_init(identity *id, const char *uuid)
{
        dol_image_parse_uuid(uuid, id->uuid);
        dol_random_bytes(id->hash_seed, sizeof(id->hash_seed));
        id->now = (uint32_t)time(NULL);
}

static void stamp_super(struct ext2_super_block *super, const identity *id)
{
        memcpy(super->s_uuid, id->uuid, sizeof(id->uuid));
        memcpy(super->s_hash_seed, id->hash_seed, sizeof(id->hash_seed));
        super->s_mkfs_time = super->s_wtime = super->s_lastcheck = ext2fs_cpu_to_le32(id->now);
        super->s_checksum = ext2fs_cpu_to_le32(super_checksum(super));
}

/* `offset` is where in the group's first block the superblock begins. */
static bool stamp_group(int from, int to, uint64_t block_number, unsigned offset,
                        const identity *id, GError **error)
{
        _Alignas(struct ext2_super_block) unsigned char block[BLOCK];
        struct ext2_super_block *super = (void *)(block + offset);

        if (!read_block(from, block_number, block, error))
                return false;
        if (!is_whole(super))
                return dol_fail(error, DOL_ERROR_INTERNAL, "damaged superblock in the template");
        stamp_super(super, id);
        return write_block(to, block_number, block, error);
}

/* The superblock's copy in group 1, which e2fsck turns to when the first is damaged. The further
 * copies keep the template's UUID until e2fsck or tune2fs writes them: each would cost a block of
 * its own, and most of the time of a create. */
static bool stamp_backup(int from, int to, const struct ext2_super_block *super, const identity *id,
                         GError **error)
{
        uint64_t group = ext2fs_le32_to_cpu(super->s_blocks_per_group);

        return group >= count_blocks(super) || stamp_group(from, to, group, 0, id, error);
}

static uint32_t inode_checksum(const struct ext2_inode_large *inode, ext2_ino_t number,
                               uint32_t seed)
{
        uint32_t le_number = ext2fs_cpu_to_le32(number);
        uint32_t crc = ext2fs_crc32c_le(seed, (unsigned char *)&le_number, sizeof(le_number));

        crc = ext2fs_crc32c_le(crc, (const unsigned char *)&inode->i_generation,
                               sizeof(inode->i_generation));
        return ext2fs_crc32c_le(crc, (const unsigned char *)inode, INODE_SIZE);
}

/* The checksum is counted with its own fields as zero. */
static void stamp_inode(struct ext2_inode_large *inode, const dol_image_spec *spec, uint32_t seed,
                        uint32_t now)
{
        uint32_t crc;

        inode->i_mode = ext2fs_cpu_to_le16((uint16_t)(LINUX_S_IFDIR | (spec->mode & 07777)));
        inode->i_uid = ext2fs_cpu_to_le16((uint16_t)spec->uid);
        inode->osd2.linux2.l_i_uid_high = ext2fs_cpu_to_le16((uint16_t)(spec->uid >> 16));
        inode->i_gid = ext2fs_cpu_to_le16((uint16_t)spec->gid);
        inode->osd2.linux2.l_i_gid_high = ext2fs_cpu_to_le16((uint16_t)(spec->gid >> 16));
        inode->i_atime = inode->i_ctime = inode->i_mtime = inode->i_crtime =
                ext2fs_cpu_to_le32(now);
        inode->osd2.linux2.l_i_checksum_lo = 0;
        inode->i_checksum_hi = 0;
        crc = inode_checksum(inode, EXT2_ROOT_INO, seed);
        inode->osd2.linux2.l_i_checksum_lo = ext2fs_cpu_to_le16((uint16_t)crc);
        inode->i_checksum_hi = ext2fs_cpu_to_le16((uint16_t)(crc >> 16));
}

/* The inode table's place is in the first group descriptor, which is in block 1. */
static bool stamp_root(int from, int to, const struct ext2_super_block *super,
                       const dol_image_spec *spec, uint32_t now, GError **error)
{
        const struct ext4_group_desc *group;
        unsigned char block[BLOCK];
        uint64_t table;

        if (!read_block(from, 1, block, error))
                return false;
        group = (const struct ext4_group_desc *)block;
        table = (uint64_t)ext2fs_le32_to_cpu(group->bg_inode_table_hi) << 32 |
                ext2fs_le32_to_cpu(group->bg_inode_table);
        if (table < 2 || table >= count_blocks(super))
                return dol_fail(error, DOL_ERROR_INTERNAL, "damaged group in the template");
        if (!read_block(from, table, block, error))
                return false;
        stamp_inode((struct ext2_inode_large *)(block + (EXT2_ROOT_INO - 1) * INODE_SIZE), spec,
                    ext2fs_le32_to_cpu(super->s_checksum_seed), now);
        return write_block(to, table, block, error);
}

bool dol_ext4_personalise(int from, int to, const char *uuid, const dol_image_spec *spec,
                          GError **error)
{
        struct ext2_super_block super;
        identity id = {0};

        if (pread(from, &super, sizeof(super), SUPER_OFFSET) != sizeof(super) || !is_whole(&super))
                return dol_fail(error, DOL_ERROR_INTERNAL, "the template is damaged");
        identity_init(&id, uuid);
        return stamp_root(from, to, &super, spec, id.now, error) &&
               stamp_group(from, to, 0, SUPER_OFFSET, &id, error) &&
               stamp_backup(from, to, &super, &id, error);
}

bool dol_ext4_inspect(int fd, dol_ext4_info *ret, GError **error)
{
        struct ext2_super_block super;

        if (pread(fd, &super, sizeof(super), SUPER_OFFSET) != sizeof(super) ||
            ext2fs_le16_to_cpu(super.s_magic) != EXT2_SUPER_MAGIC ||
            ext2fs_le32_to_cpu(super.s_log_block_size) > 6)
                return dol_fail(error, DOL_ERROR_INTERNAL, "there is no ext4 file system");
        ret->plain = is_whole(&super);
        ret->needs_replay =
                ext2fs_le32_to_cpu(super.s_feature_incompat) & EXT3_FEATURE_INCOMPAT_RECOVER;
        ret->errors = ext2fs_le16_to_cpu(super.s_state) & EXT2_ERROR_FS;
        ret->size = count_blocks(&super) << (10 + ext2fs_le32_to_cpu(super.s_log_block_size));
        return true;
}

/* What hashes of names begin with stays: directories are sorted by it. */
static bool set_uuid_at(int fd, uint64_t offset, const identity *id, GError **error)
{
        struct ext2_super_block super;

        if (pread(fd, &super, sizeof(super), (off_t)offset) != sizeof(super) || !is_whole(&super))
                return dol_fail(error, DOL_ERROR_INTERNAL, "damaged superblock");
        memcpy(super.s_uuid, id->uuid, sizeof(id->uuid));
        super.s_checksum = ext2fs_cpu_to_le32(super_checksum(&super));
        if (pwrite(fd, &super, sizeof(super), (off_t)offset) != sizeof(super))
                return dol_fail_errno(error, errno, "write the superblock");
        return true;
}

/* A damaged copy in group 1 is e2fsck's to mend. */
bool dol_ext4_set_uuid(int fd, const char *uuid, GError **error)
{
        struct ext2_super_block super;
        identity id = {0};
        uint64_t group;

        identity_init(&id, uuid);
        if (pread(fd, &super, sizeof(super), SUPER_OFFSET) != sizeof(super))
                return dol_fail_errno(error, errno ? errno : EIO, "read the superblock");
        group = ext2fs_le32_to_cpu(super.s_blocks_per_group);
        if (is_whole(&super) && group < count_blocks(&super))
                set_uuid_at(fd, group * BLOCK, &id, NULL);
        return set_uuid_at(fd, SUPER_OFFSET, &id, error);
}
