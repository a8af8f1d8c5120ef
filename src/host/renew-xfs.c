/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A new UUID in an xfs that was unmounted cleanly. xfs_db would write all of the log for it, which
 * a clone would then no longer share: 64 MiB at least. Only two places of the log's last record
 * matter, by which the kernel knows whose log it is. Each of the writes leaves a file system that
 * can be mounted. Layouts of version 5 of the format, big endian; checksums crc32c, little endian.
 */
#include "base/guard.h"
#include "host/image-private.h"

#include <errno.h>
#include <ext2fs/ext2fs.h>
#include <string.h>

enum {
        SECTOR_MAX = 32768,
        SUPER_BLOCK_SIZE = 4, /* offsets in the superblock */
        SUPER_UUID = 32,
        SUPER_LOG_START = 48,
        SUPER_GROUP_BLOCKS = 84,
        SUPER_GROUPS = 88,
        SUPER_LOG_BLOCKS = 96,
        SUPER_VERSION = 100,
        SUPER_SECTOR = 102,
        SUPER_GROUP_BITS = 124,
        SUPER_INCOMPATIBLE = 216,
        SUPER_CRC = 224,
        SUPER_META_UUID = 248,
        SUPER_MIN = 264,
        META_UUID = 4, /* feature: metadata carries another UUID than the superblock */
        UUID_SIZE = 16,
};

enum {
        LOG_BLOCK = 512,
        RECORD_CYCLE = 4, /* offsets in a log record's header */
        RECORD_VERSION = 8,
        RECORD_LENGTH = 12,
        RECORD_LSN = 16,
        RECORD_CRC = 32,
        RECORD_UUID = 304,
        RECORD_BUFFER = 320,
        RECORD_HEADER = 328,       /* bytes that the checksum covers */
        RECORD_BUFFER_MAX = 32768, /* more, and there are further headers */
        RECORD_BLOCKS_MAX = 1 + RECORD_BUFFER_MAX / LOG_BLOCK,
        OPERATION_FLAGS = 9, /* offset in the record's first operation */
        OPERATION_UNMOUNT = 0x20,
};

#define RECORD_MAGIC 0xfeedbabe

typedef struct {
        int fd;
        unsigned char super[SUPER_MIN];
        uint64_t block_size, group_size, groups, sector; /* bytes, but for `groups` */
        uint64_t log_begin, log_blocks;                  /* bytes; blocks of LOG_BLOCK */
} volume;

/* The last record of the log: the one that says that it was unmounted. */
typedef struct {
        uint64_t offset; /* in the image */
        size_t size;
        unsigned char bytes[RECORD_BLOCKS_MAX * LOG_BLOCK];
} record;

static uint64_t big(const unsigned char *bytes, unsigned size)
{
        uint64_t value = 0;

        for (unsigned i = 0; i < size; i++)
                value = value << 8 | bytes[i];
        return value;
}

static bool read_at(int fd, void *bytes, size_t size, uint64_t offset)
{
        return pread(fd, bytes, size, (off_t)offset) == (ssize_t)size;
}

static bool write_at(int fd, const void *bytes, size_t size, uint64_t offset, GError **error)
{
        ssize_t put = pwrite(fd, bytes, size, (off_t)offset);

        return put == (ssize_t)size || dol_fail_errno(error, put < 0 ? errno : ENOSPC, "write");
}

/* false: this is none that is understood here. */
static bool volume_read(volume *v, int fd)
{
        const unsigned char *s = v->super;
        uint64_t start, bits;

        v->fd = fd;
        if (!read_at(fd, v->super, sizeof(v->super), 0) || memcmp(s, "XFSB", 4) != 0 ||
            (big(s + SUPER_VERSION, 2) & 15) != 5)
                return false;
        v->block_size = big(s + SUPER_BLOCK_SIZE, 4);
        v->group_size = big(s + SUPER_GROUP_BLOCKS, 4) * v->block_size;
        v->groups = big(s + SUPER_GROUPS, 4);
        v->sector = big(s + SUPER_SECTOR, 2);
        start = big(s + SUPER_LOG_START, 8);
        bits = s[SUPER_GROUP_BITS];
        if (start == 0 || bits > 32 || v->sector < LOG_BLOCK || v->sector > SECTOR_MAX)
                return false;
        v->log_begin = (start >> bits) * v->group_size +
                       (start & ((UINT64_C(1) << bits) - 1)) * v->block_size;
        v->log_blocks = big(s + SUPER_LOG_BLOCKS, 4) * v->block_size / LOG_BLOCK;
        return v->log_blocks > RECORD_BLOCKS_MAX;
}

/* How often the log had been written round when the block was. *ret_header: a record begins. */
static bool cycle_of(const volume *v, uint64_t block, uint64_t *ret, bool *ret_header)
{
        unsigned char words[8];

        if (!read_at(v->fd, words, sizeof(words), v->log_begin + block * LOG_BLOCK))
                return false;
        *ret_header = big(words, 4) == RECORD_MAGIC;
        *ret = big(words + (*ret_header ? RECORD_CYCLE : 0), 4);
        return true;
}

/* Where the log's newest part ends: there the cycle changes. */
static bool find_head(const volume *v, uint64_t *ret_block, uint64_t *ret_cycle)
{
        uint64_t low = 0, high = v->log_blocks - 1, oldest, cycle;
        bool header;

        if (!cycle_of(v, low, ret_cycle, &header) || !cycle_of(v, high, &oldest, &header) ||
            *ret_cycle == oldest || *ret_cycle == 0)
                return false;
        while (high - low > 1) {
                uint64_t middle = low + (high - low) / 2;

                if (!cycle_of(v, middle, &cycle, &header) ||
                    (cycle != *ret_cycle && cycle != oldest))
                        return false;
                if (cycle == *ret_cycle)
                        low = middle;
                else
                        high = middle;
        }
        *ret_block = high;
        return true;
}

/* The checksum is counted with its own field as zero. */
static uint32_t record_checksum(const record *r)
{
        unsigned char header[RECORD_HEADER];
        uint32_t crc;

        memcpy(header, r->bytes, sizeof(header));
        memset(header + RECORD_CRC, 0, sizeof(crc));
        crc = ext2fs_crc32c_le(~0U, header, sizeof(header));
        crc = ext2fs_crc32c_le(crc, r->bytes + LOG_BLOCK, r->size - LOG_BLOCK);
        return ext2fs_cpu_to_le32(~crc);
}

static bool is_unmount(const record *r, uint64_t cycle, uint64_t block)
{
        const unsigned char *b = r->bytes;
        uint32_t crc = record_checksum(r);

        return big(b + RECORD_VERSION, 4) == 2 && big(b + RECORD_LSN, 8) == (cycle << 32 | block) &&
               big(b + RECORD_BUFFER, 4) <= RECORD_BUFFER_MAX &&
               memcmp(b + RECORD_CRC, &crc, sizeof(crc)) == 0 &&
               (b[LOG_BLOCK + OPERATION_FLAGS] & OPERATION_UNMOUNT);
}

static bool record_read(record *r, const volume *v, uint64_t block, uint64_t cycle)
{
        uint64_t length;

        r->offset = v->log_begin + block * LOG_BLOCK;
        if (!read_at(v->fd, r->bytes, LOG_BLOCK, r->offset))
                return false;
        length = big(r->bytes + RECORD_LENGTH, 4);
        if (length < LOG_BLOCK || length > RECORD_BUFFER_MAX)
                return false;
        r->size = LOG_BLOCK + length;
        return read_at(v->fd, r->bytes, r->size, r->offset) && is_unmount(r, cycle, block);
}

/* The record that ends at the log's head. */
static bool find_unmount(const volume *v, record *ret)
{
        uint64_t head, cycle, block_cycle;
        bool header = false;

        if (!find_head(v, &head, &cycle))
                return false;
        for (uint64_t block = head; block-- > 0 && head - block <= RECORD_BLOCKS_MAX;) {
                if (!cycle_of(v, block, &block_cycle, &header))
                        return false;
                if (header)
                        return record_read(ret, v, block, cycle);
        }
        return false;
}

static bool record_set_uuid(record *r, const volume *v, const unsigned char *uuid, GError **error)
{
        uint32_t crc;

        memcpy(r->bytes + RECORD_UUID, uuid, UUID_SIZE);
        crc = record_checksum(r);
        memcpy(r->bytes + RECORD_CRC, &crc, sizeof(crc));
        return write_at(v->fd, r->bytes, LOG_BLOCK, r->offset, error);
}

static bool super_set_uuid(const volume *v, uint64_t group, const unsigned char *uuid,
                           GError **error)
{
        g_autofree unsigned char *sector = g_malloc(v->sector);
        uint64_t offset = group * v->group_size;
        uint32_t crc;

        if (!read_at(v->fd, sector, v->sector, offset) || memcmp(sector, "XFSB", 4) != 0)
                return dol_fail(error, DOL_ERROR_INTERNAL, "damaged superblock");
        if (!(big(sector + SUPER_INCOMPATIBLE, 4) & META_UUID)) {
                memcpy(sector + SUPER_META_UUID, sector + SUPER_UUID, UUID_SIZE);
                sector[SUPER_INCOMPATIBLE + 3] |= META_UUID;
        }
        memcpy(sector + SUPER_UUID, uuid, UUID_SIZE);
        memset(sector + SUPER_CRC, 0, sizeof(crc));
        crc = ext2fs_cpu_to_le32(~ext2fs_crc32c_le(~0U, sector, v->sector));
        memcpy(sector + SUPER_CRC, &crc, sizeof(crc));
        return write_at(v->fd, sector, v->sector, offset, error);
}

/* A log without a UUID belongs to any file system: so it does between two that have one. */
static bool set_uuid(const volume *v, record *r, const unsigned char *uuid, GError **error)
{
        static const unsigned char none[UUID_SIZE];

        for (uint64_t group = 1; group < v->groups; group++)
                if (!super_set_uuid(v, group, uuid, error))
                        return false;
        return record_set_uuid(r, v, none, error) && super_set_uuid(v, 0, uuid, error) &&
               record_set_uuid(r, v, uuid, error);
}

bool dol_xfs_set_uuid(int fd, const char *uuid, bool *ret_done, GError **error)
{
        g_autofree record *last = g_new0(record, 1);
        uint8_t bytes[UUID_SIZE] = {0};
        volume v;

        *ret_done = false;
        if (!volume_read(&v, fd) || !find_unmount(&v, last))
                return true;
        dol_image_parse_uuid(uuid, bytes);
        *ret_done = true;
        return set_uuid(&v, last, bytes, error);
}
