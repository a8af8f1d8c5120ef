/* SPDX-License-Identifier: Apache-2.0 */
/* What extent maps say, and what reading them costs. */
#include "base/clock.h"
#include "base/guard.h"
#include "host/extents.h"
#include "host/image.h"
#include "host/test-ground.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#define MIB (UINT64_C(1) << 20)

enum { BLOCK = 4096 };

static char *xfs, *btrfs;

typedef struct {
        uint64_t offset, length;
        bool data;
} range;

static bool note_range(uint64_t offset, uint64_t length, bool data, void *user)
{
        range r = {offset, length, data};

        g_array_append_val((GArray *)user, r);
        return true;
}

static GArray *diff(const char *base, const char *target)
{
        GArray *ranges = g_array_new(false, false, sizeof(range));
        dol_call call = dol_call_forever("test");
        g_autoptr(GError) error = NULL;

        dol_assert_done(dol_extents_diff(&call, base, target, note_range, ranges, &error), error);
        return ranges;
}

static void check_ranges(const char *base, const char *target, const range *want, unsigned count)
{
        g_autoptr(GArray) found = diff(base, target);

        g_assert_cmpuint(found->len, ==, count);
        for (unsigned i = 0; i < MIN(count, found->len); i++) {
                const range *r = &g_array_index(found, range, i);

                g_assert_cmpuint(r->offset, ==, want[i].offset);
                g_assert_cmpuint(r->length, ==, want[i].length);
                g_assert_cmpint(r->data, ==, want[i].data);
        }
}

static dol_extent_usage usage_of(const char *path)
{
        dol_call call = dol_call_forever("test");
        g_autoptr(GError) error = NULL;
        dol_extent_usage usage = {0};

        dol_assert_done(dol_extents_usage(&call, path, &usage, &error), error);
        return usage;
}

static void put(const char *path, uint64_t offset, uint64_t length, char byte)
{
        dol_autofd fd = open(path, O_RDWR | O_CLOEXEC);
        g_autofree char *bytes = g_malloc(length);

        memset(bytes, byte, length);
        g_assert_cmpint(pwrite(fd, bytes, length, (off_t)offset), ==, (ssize_t)length);
        g_assert_cmpint(fsync(fd), ==, 0);
}

static void allocate(const char *path, int mode, uint64_t offset, uint64_t length)
{
        dol_autofd fd = open(path, O_RDWR | O_CLOEXEC);

        g_assert_cmpint(fallocate(fd, mode, (off_t)offset, (off_t)length), ==, 0);
}

static char *clone_of(const char *path)
{
        char *to = g_strdup_printf("%s-%08x", path, g_random_int());
        g_autoptr(GError) error = NULL;

        dol_assert_done(dol_reflink(path, to, &error), error);
        return to;
}

static void check_states(const char *disk)
{
        g_autofree char *base = dol_ground_file(disk, "base", 16 * MIB);
        g_autofree char *target = NULL;
        const range all[] = {{0, MIB, true}, {4 * MIB, BLOCK, true}};
        const range changed[] = {
                {BLOCK, 2 * BLOCK, true},   /* overwritten */
                {512 * 1024, BLOCK, false}, /* punched */
                {4 * MIB, BLOCK, false},    /* allocated anew, unwritten */
                {8 * MIB, BLOCK, true},     /* written where there was a hole */
        };

        put(base, 0, MIB, 'a');
        put(base, 4 * MIB, BLOCK, 'b');
        allocate(base, 0, 12 * MIB, MIB); /* unwritten: as good as a hole */
        check_ranges(NULL, base, all, G_N_ELEMENTS(all));
        target = clone_of(base);
        check_ranges(base, target, NULL, 0);
        check_ranges(target, target, NULL, 0);
        put(target, BLOCK, 2 * BLOCK, 'c');
        allocate(target, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 512 * 1024, BLOCK);
        allocate(target, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4 * MIB, BLOCK);
        allocate(target, 0, 4 * MIB, BLOCK);
        put(target, 8 * MIB, BLOCK, 'd');
        check_ranges(base, target, changed, G_N_ELEMENTS(changed));
}

static void test_states(void)
{
        check_states(xfs);
        check_states(btrfs);
}

static void check_sizes(const char *disk)
{
        g_autofree char *base = dol_ground_file(disk, "short", 2 * MIB);
        g_autofree char *target = NULL;
        const range grown[] = {{3 * MIB, 100, true}};
        const range shrunk[] = {{BLOCK, BLOCK, true}};

        put(base, 0, 2 * MIB, 'a');
        target = clone_of(base);
        put(target, 3 * MIB, 100, 'b'); /* the last byte is the end */
        check_ranges(base, target, grown, G_N_ELEMENTS(grown));
        put(target, BLOCK, BLOCK, 'c');
        g_assert_cmpint(truncate(target, MIB), ==, 0);
        check_ranges(base, target, shrunk, G_N_ELEMENTS(shrunk));
        g_assert_cmpint(truncate(target, 0), ==, 0);
        check_ranges(base, target, NULL, 0);
        check_ranges(NULL, target, NULL, 0);
}

static void test_sizes(void)
{
        check_sizes(xfs);
        check_sizes(btrfs);
}

/* btrfs frees what was unlinked in a later transaction, not always in the next. */
static void await_unshared(const char *path)
{
        int64_t end = dol_monotonic_usec() + 20 * DOL_USEC_PER_SEC;

        do
                sync();
        while (usage_of(path).shared > 0 && dol_monotonic_usec() < end);
        g_assert_cmpuint(usage_of(path).shared, ==, 0);
}

static void check_usage(const char *disk)
{
        g_autofree char *file = dol_ground_file(disk, "used", 16 * MIB);
        g_autofree char *copy = NULL;
        dol_extent_usage usage = usage_of(file);

        g_assert_cmpuint(usage.allocated | usage.shared | usage.extents, ==, 0);
        put(file, 0, MIB, 'a');
        put(file, 8 * MIB, MIB, 'b');
        usage = usage_of(file);
        g_assert_cmpuint(usage.allocated, ==, 2 * MIB);
        g_assert_cmpuint(usage.shared, ==, 0);
        g_assert_cmpuint(usage.extents, ==, 2);
        copy = clone_of(file);
        usage = usage_of(file);
        g_assert_cmpuint(usage.shared, ==, 2 * MIB);
        put(copy, 8 * MIB, MIB, 'c');
        g_assert_cmpuint(usage_of(file).shared, ==, MIB);
        g_assert_cmpuint(usage_of(copy).shared, ==, MIB);
        g_assert_cmpint(unlink(copy), ==, 0);
        await_unshared(file);
}

static void test_usage(void)
{
        check_usage(xfs);
        check_usage(btrfs);
}

/* Data whose place says nothing is never taken for equal. */
static void test_unlocated(void)
{
        g_autofree char *inline_file = dol_ground_file(btrfs, "inline", 100);
        g_autofree char *packed = dol_ground_file(btrfs, "packed", MIB);
        const char *const pack[] = {"btrfs",       "property", "set", packed,
                                    "compression", "zlib",     NULL};
        const range whole_inline[] = {{0, 100, true}};
        const range whole_packed[] = {{0, MIB, true}};
        g_autofree char *copy = NULL;
        g_autofree char *packed_copy = NULL;

        put(inline_file, 0, 100, 'a');
        copy = clone_of(inline_file);
        check_ranges(inline_file, copy, whole_inline, 1);
        g_assert_true(dol_ground_run(pack));
        put(packed, 0, MIB, 'a');
        packed_copy = clone_of(packed);
        check_ranges(packed, packed_copy, whole_packed, 1);
}

static bool stop_at_once(const dol_extent *extent, void *user)
{
        (*(unsigned *)user)++;
        return false;
}

static bool stop_range(uint64_t offset, uint64_t length, bool data, void *user)
{
        (*(unsigned *)user)++;
        return false;
}

static void test_stopping(void)
{
        g_autofree char *file = dol_ground_file(xfs, "stopped", 16 * MIB);
        atomic_bool cancelled = true;
        dol_call call = dol_call_forever("test");
        dol_call given_up = {.cancelled = &cancelled};
        g_autoptr(GError) error = NULL;
        dol_extent_usage usage;
        unsigned told = 0;

        for (unsigned i = 0; i < 16; i += 2)
                put(file, i * MIB, BLOCK, 'a');
        dol_assert_done(dol_extents_each(&call, file, stop_at_once, &told, &error), error);
        g_assert_cmpuint(told, ==, 1);
        dol_assert_done(dol_extents_diff(&call, NULL, file, stop_range, &told, &error), error);
        g_assert_cmpuint(told, ==, 2);
        g_assert_false(dol_extents_usage(&given_up, file, &usage, &error));
        g_assert_error(error, DOL_ERROR, DOL_ERROR_UNAVAILABLE);
}

static void check_refused(const char *base, const char *target, dol_error_kind kind)
{
        dol_call call = dol_call_forever("test");
        g_autoptr(GError) error = NULL;
        unsigned told = 0;

        g_assert_false(dol_extents_diff(&call, base, target, stop_range, &told, &error));
        g_assert_error(error, DOL_ERROR, (int)kind);
        g_assert_cmpuint(told, ==, 0);
}

static void test_refused(void)
{
        g_autofree char *tmpfs = dol_ground_disk("tmpfs", 8 * MIB);
        g_autofree char *no_map = dol_ground_file(tmpfs, "file", MIB);
        g_autofree char *here = dol_ground_file(xfs, "here", MIB);
        g_autofree char *there = dol_ground_file(btrfs, "there", MIB);

        check_refused(NULL, no_map, DOL_ERROR_UNSUPPORTED);
        check_refused(here, there, DOL_ERROR_INVALID);
        check_refused(NULL, "/dev/null", DOL_ERROR_INVALID);
        check_refused(NULL, xfs, DOL_ERROR_INVALID);
        check_refused(NULL, "/no/such/file", DOL_ERROR_NOT_FOUND);
        check_refused("/no/such/file", here, DOL_ERROR_NOT_FOUND);
        umount(tmpfs);
}

/* A file of so many extents, made without writing much: each shares one block. */
static char *fragmented(unsigned extents)
{
        g_autofree char *name = g_strdup_printf("fragments-%u", extents);
        char *path = dol_ground_file(xfs, name, (uint64_t)extents * 2 * BLOCK);
        g_autofree char *block = dol_ground_file(xfs, "block", BLOCK);
        dol_autofd from = open(block, O_RDWR | O_CLOEXEC);
        dol_autofd to = open(path, O_RDWR | O_CLOEXEC);
        char bytes[BLOCK] = "x";

        g_assert_cmpint(pwrite(from, bytes, BLOCK, 0), ==, BLOCK);
        for (unsigned i = 0; i < extents; i++) {
                struct file_clone_range one = {.src_fd = from,
                                               .src_length = BLOCK,
                                               .dest_offset = (uint64_t)i * 2 * BLOCK};

                g_assert_cmpint(ioctl(to, FICLONERANGE, &one), ==, 0);
        }
        return path;
}

static void measure(unsigned extents)
{
        g_autofree char *file = fragmented(extents);
        int64_t begin = dol_monotonic_usec(), cloned, used, compared;
        g_autofree char *copy = clone_of(file);
        dol_extent_usage usage;

        cloned = dol_monotonic_usec();
        usage = usage_of(file);
        used = dol_monotonic_usec();
        g_assert_cmpuint(usage.extents, ==, extents);
        check_ranges(file, copy, NULL, 0);
        compared = dol_monotonic_usec();
        g_test_message("%u extents: clone %" G_GINT64_FORMAT " us, usage %" G_GINT64_FORMAT
                       " us, diff %" G_GINT64_FORMAT " us",
                       extents, cloned - begin, used - cloned, compared - used);
}

static void test_cost(void)
{
        static const unsigned counts[] = {1, 1000, 10000, 100000};

        for (unsigned i = 0; i < G_N_ELEMENTS(counts); i++)
                measure(counts[i]);
}

static void add_tests(void)
{
        xfs = dol_ground_disk("xfs", 1024 * MIB);
        btrfs = dol_ground_disk("btrfs", 512 * MIB);
        g_test_add_func("/extents/states", test_states);
        g_test_add_func("/extents/sizes", test_sizes);
        g_test_add_func("/extents/usage", test_usage);
        g_test_add_func("/extents/unlocated", test_unlocated);
        g_test_add_func("/extents/stopping", test_stopping);
        g_test_add_func("/extents/refused", test_refused);
        g_test_add_func("/extents/cost", test_cost);
}

int main(int argc, char **argv)
{
        int status = dol_ground_main(argc, argv, add_tests);

        g_free(xfs);
        g_free(btrfs);
        return status;
}
