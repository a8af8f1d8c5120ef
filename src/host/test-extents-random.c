/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The promise of a comparison of extent maps, against one of all bytes: after any changes, what is
 * not told is equal; what is told to be zero is zero; and what was not touched is not told.
 */
#include "base/guard.h"
#include "host/extents.h"
#include "host/image.h"
#include "host/test-ground.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#define MIB (UINT64_C(1) << 20)

enum { BLOCK = 4096, BLOCKS = 512, SIZE = BLOCKS * BLOCK, ROUNDS = 60, STEPS = 40 };

static char *xfs, *btrfs;

/* The files, and which blocks were changed in either of them since they were equal. */
typedef struct {
        char *base, *target;
        int fds[2];
        bool touched[2 * BLOCKS];
} pair;

static unsigned some(unsigned below)
{
        return (unsigned)g_test_rand_int_range(0, (int)below);
}

static void touch(pair *p, uint64_t begin, uint64_t end)
{
        for (uint64_t block = begin / BLOCK; block * BLOCK < end; block++)
                p->touched[block] = true;
}

static void write_some(pair *p, int fd, uint64_t begin, uint64_t length)
{
        g_autofree char *bytes = g_malloc0(length);

        if (some(4) > 0) /* else zeroes: data all the same */
                memset(bytes, 'a' + (int)some(26), length);
        g_assert_cmpint(pwrite(fd, bytes, length, (off_t)begin), ==, (ssize_t)length);
        touch(p, begin, begin + length);
}

static void allocate_some(pair *p, int fd, int mode, uint64_t begin, uint64_t length)
{
        g_assert_cmpint(fallocate(fd, mode, (off_t)begin, (off_t)length), ==, 0);
        touch(p, begin, begin + length);
}

/* Shares blocks of either file, at the same place (which makes them equal again) or another. */
static void share_some(pair *p, int fd, uint64_t begin, uint64_t length)
{
        struct file_clone_range range = {.src_fd = p->fds[some(2)]};

        range.src_offset = some(2) ? begin / BLOCK * BLOCK : (uint64_t)some(BLOCKS) * BLOCK;
        range.dest_offset = begin / BLOCK * BLOCK;
        range.src_length = (length + BLOCK - 1) / BLOCK * BLOCK;
        if (range.src_offset + range.src_length > SIZE)
                range.src_length = SIZE - range.src_offset;
        if (ioctl(fd, FICLONERANGE, &range) == 0)
                touch(p, range.dest_offset, range.dest_offset + range.src_length);
        else
                g_assert_cmpint(errno, ==, EINVAL); /* onto itself */
}

static void step(pair *p)
{
        int fd = p->fds[some(4) == 0 ? 0 : 1];
        uint64_t begin = some(SIZE - 1), length = 1 + some(some(2) ? 3 * BLOCK : 64 * BLOCK);

        if (some(2)) {
                begin = begin / BLOCK * BLOCK;
                length = MAX(length / BLOCK * BLOCK, BLOCK);
        }
        length = MIN(length, SIZE - begin);
        switch (some(6)) {
        case 0:
                allocate_some(p, fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, begin, length);
                break;
        case 1:
                allocate_some(p, fd, 0, begin, length);
                break;
        case 2:
                share_some(p, fd, begin, length);
                break;
        case 3:
                fsync(fd);
                break;
        default:
                write_some(p, fd, begin, length);
        }
}

/* Ends, too: cut or grown, in the middle of a block or not. */
static void cut(pair *p)
{
        unsigned which = some(2);
        uint64_t size = some(2) ? some(2 * SIZE) : (uint64_t)some(2 * BLOCKS) * BLOCK;

        g_assert_cmpint(ftruncate(p->fds[which], (off_t)size), ==, 0);
        touch(p, MIN(size, SIZE), MAX(size, SIZE));
}

static char *read_all(int fd, uint64_t *ret_size)
{
        struct stat st;
        char *bytes;

        g_assert_cmpint(fstat(fd, &st), ==, 0);
        bytes = g_malloc0(2 * SIZE + BLOCK);
        g_assert_cmpint(pread(fd, bytes, (size_t)st.st_size, 0), ==, st.st_size);
        *ret_size = (uint64_t)st.st_size;
        return bytes;
}

/* What was told, byte by byte: 0 = nothing, else 1 + data. */
typedef struct {
        char told[2 * SIZE + BLOCK];
        uint64_t end;
        bool last_data;
        unsigned ranges;
} answer;

static bool note(uint64_t offset, uint64_t length, bool data, void *user)
{
        answer *a = user;

        g_assert_cmpuint(length, >, 0);
        g_assert_cmpuint(offset, >=, a->end);
        if (a->ranges++ > 0 && offset == a->end)
                g_assert_true(data != a->last_data); /* neighbours are merged */
        a->end = offset + length;
        a->last_data = data;
        g_assert_cmpuint(a->end, <=, 2 * SIZE);
        memset(a->told + offset, 1 + data, length);
        return true;
}

static void check(const pair *p, const char *base_path, bool precisely)
{
        g_autofree answer *a = g_new0(answer, 1);
        dol_call call = dol_call_forever("test");
        g_autoptr(GError) error = NULL;
        uint64_t base_size, size, wrong_equal = 0, wrong_zero = 0, untouched = 0;
        g_autofree char *target = read_all(p->fds[1], &size);
        g_autofree char *base = read_all(p->fds[0], &base_size);

        if (!base_path)
                memset(base, 0, 2 * SIZE);
        dol_assert_done(dol_extents_diff(&call, base_path, p->target, note, a, &error), error);
        g_assert_cmpuint(a->end, <=, size);
        for (uint64_t i = 0; i < size; i++) {
                wrong_equal += a->told[i] == 0 && base[i] != target[i];
                wrong_zero += a->told[i] == 1 && target[i] != 0;
                untouched += precisely && a->told[i] != 0 && !p->touched[i / BLOCK];
        }
        g_assert_cmpuint(wrong_equal, ==, 0);
        g_assert_cmpuint(wrong_zero, ==, 0);
        g_assert_cmpuint(untouched, ==, 0);
}

static void pair_open(pair *p, const char *disk)
{
        g_autoptr(GError) error = NULL;

        memset(p, 0, sizeof(*p));
        p->base = dol_ground_file(disk, "base", SIZE);
        p->target = g_build_filename(disk, "target", NULL);
        p->fds[0] = p->fds[1] = open(p->base, O_RDWR | O_CLOEXEC);
        for (unsigned i = 0; i < STEPS; i++)
                step(p);
        dol_assert_done(dol_reflink(p->base, p->target, &error), error);
        p->fds[1] = open(p->target, O_RDWR | O_CLOEXEC);
        memset(p->touched, 0, sizeof(p->touched));
}

static void pair_close(pair *p)
{
        close(p->fds[0]);
        close(p->fds[1]);
        unlink(p->base);
        unlink(p->target);
        g_free(p->base);
        g_free(p->target);
}

static void run(const char *disk)
{
        for (unsigned round = 0; round < ROUNDS; round++) {
                pair p;

                pair_open(&p, disk);
                check(&p, p.base, true);
                for (unsigned i = 0; i < 1 + some(STEPS); i++)
                        step(&p);
                check(&p, p.base, true);
                check(&p, NULL, false);
                cut(&p);
                check(&p, p.base, true);
                pair_close(&p);
                if (g_test_failed())
                        break;
        }
}

static void test_xfs(void)
{
        run(xfs);
}

static void test_btrfs(void)
{
        run(btrfs);
}

static void add_tests(void)
{
        xfs = dol_ground_disk("xfs", 512 * MIB);
        btrfs = dol_ground_disk("btrfs", 512 * MIB);
        g_test_add_func("/extents-random/xfs", test_xfs);
        g_test_add_func("/extents-random/btrfs", test_btrfs);
}

int main(int argc, char **argv)
{
        int status = dol_ground_main(argc, argv, add_tests);

        g_free(xfs);
        g_free(btrfs);
        return status;
}
