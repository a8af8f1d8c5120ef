/* SPDX-License-Identifier: Apache-2.0 */
/* Walking, copying and unpacking where somebody has laid traps. */
#include "base/guard.h"
#include "host/tar.h"
#include "host/test-ground.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

static int open_directory(const char *path)
{
        int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

        g_assert_cmpint(fd, >=, 0);
        return fd;
}

static char *new_directory(const char *disk, const char *name)
{
        char *path = g_build_filename(disk, name, NULL);

        g_assert_cmpint(mkdir(path, 0755), ==, 0);
        return path;
}

static void put_file(const char *directory, const char *name, const char *content)
{
        g_autofree char *path = g_build_filename(directory, name, NULL);

        g_assert_true(g_file_set_contents(path, content, -1, NULL));
}

static bool collect(const dol_file *file, int fd, void *user, GError **error)
{
        g_string_append_printf(user, "%s;", file->path);
        return true;
}

static char *listing(int root, const char *path, unsigned depth)
{
        dol_call call = dol_call_forever("test");
        g_autoptr(GString) found = g_string_new(NULL);
        g_autoptr(GError) error = NULL;

        dol_assert_done(dol_files_walk(&call, root, path, depth, collect, found, &error), error);
        return g_strdup(found->str);
}

static void test_walk(void)
{
        g_autofree char *disk = dol_ground_disk("ext4", 64 << 20);
        g_autofree char *top = new_directory(disk, "walk");
        g_autofree char *inner = new_directory(top, "b");
        g_autofree char *own = new_directory(top, DOL_FILES_STAGE_PREFIX "1");
        g_autofree char *loop = g_build_filename(top, "b/loop", NULL);
        dol_autofd root = open_directory(top);
        g_autofree char *all = NULL, *one = NULL, *none = NULL;

        put_file(top, "b-", "");
        put_file(top, "a", "");
        put_file(inner, "x", "");
        put_file(own, "hidden", "");
        g_assert_cmpint(symlink("..", loop), ==, 0);
        all = listing(root, "", UINT_MAX);
        g_assert_cmpstr(all, ==, ";a;b;b/loop;b/x;b-;");
        one = listing(root, "", 1);
        g_assert_cmpstr(one, ==, ";a;b;b-;");
        none = listing(root, "b", 0);
        g_assert_cmpstr(none, ==, "b;");
}

/* What is mounted in a tree belongs to somebody else. */
static void test_walk_stays_on_its_mount(void)
{
        g_autofree char *disk = dol_ground_disk("ext4", 64 << 20);
        g_autofree char *top = new_directory(disk, "outer");
        g_autofree char *other = dol_ground_disk("tmpfs", 1 << 20);
        g_autofree char *place = new_directory(top, "mounted");
        const char *const bind[] = {"mount", "--bind", other, place, NULL};
        const char *const unbind[] = {"umount", place, NULL};
        dol_autofd root = open_directory(top);
        g_autofree char *found = NULL;
        g_autoptr(GError) error = NULL;

        put_file(other, "secret", "s");
        g_assert_true(dol_ground_run(bind));
        found = listing(root, "", UINT_MAX);
        g_assert_cmpstr(found, ==, ";");
        g_assert_cmpint(dol_files_open(root, "mounted/secret", true, &error), <, 0);
        g_assert_true(dol_error_is(error, DOL_ERROR_CONFLICT));
        g_assert_true(dol_ground_run(unbind));
}

static const dol_file regular = {.type = DOL_FILE_REGULAR, .mode = 0644};

static bool put(dol_file_sink *sink, const char *path, GError **error)
{
        dol_file file = regular;

        file.path = path;
        return dol_file_sink_put(sink, &file, error) && dol_file_sink_end_file(sink, 0, error);
}

/* A directory that becomes a link between two files. */
static void test_sink_looks_each_time(void)
{
        g_autofree char *disk = dol_ground_disk("ext4", 64 << 20);
        g_autofree char *top = new_directory(disk, "sink");
        g_autofree char *outside = new_directory(disk, "outside");
        g_autofree char *link = g_build_filename(top, "d", NULL);
        g_autofree char *moved = g_build_filename(top, "moved", NULL);
        g_autofree char *escaped = g_build_filename(outside, "y", NULL);
        dol_autofd root = open_directory(top);
        g_autoptr(dol_file_sink) sink = dol_file_sink_new(root, false);
        g_autoptr(GError) error = NULL;

        dol_assert_done(put(sink, "d/x", &error), error);
        dol_assert_done(put(sink, "other/x", &error), error);
        g_assert_cmpint(rename(link, moved), ==, 0);
        g_assert_cmpint(symlink(outside, link), ==, 0);
        g_assert_false(put(sink, "d/y", &error));
        g_assert_true(dol_error_is(error, DOL_ERROR_CONFLICT));
        g_assert_false(g_file_test(escaped, G_FILE_TEST_EXISTS));
        g_assert_cmpuint(dol_file_sink_counts(sink).files, ==, 2);
}

static void test_devices_are_not_opened(void)
{
        g_autofree char *disk = dol_ground_disk("ext4", 64 << 20);
        g_autofree char *fifo = g_build_filename(disk, "fifo", NULL);
        dol_autofd root = open_directory(disk);
        g_autoptr(GError) error = NULL;
        dol_autofd fd = -1;

        g_assert_cmpint(mkfifo(fifo, 0600), ==, 0);
        fd = dol_files_open(root, "fifo", true, &error); /* would wait for a writer */
        g_assert_no_error(error);
        g_assert_cmpint(dol_files_reopen(fd, O_RDONLY, "fifo", &error), <, 0);
        g_assert_true(dol_error_is(error, DOL_ERROR_INVALID));
}

/* ---- tar ---- */

typedef struct {
        GByteArray *bytes;
        size_t at;
} reel;

static bool record(const void *bytes, size_t size, void *user, GError **error)
{
        g_byte_array_append(((reel *)user)->bytes, bytes, (guint)size);
        return true;
}

static bool play(void *to, size_t max, size_t *ret_size, void *user, GError **error)
{
        reel *from = user;

        *ret_size = MIN(max, from->bytes->len - from->at);
        memcpy(to, from->bytes->data + from->at, *ret_size);
        from->at += *ret_size;
        return true;
}

static bool unpack(reel *from, const char *top, GError **error)
{
        dol_call call = dol_call_forever("test");
        dol_autofd root = open_directory(top);
        g_autoptr(dol_file_sink) sink = dol_file_sink_new(root, false);

        from->at = 0;
        return dol_tar_read(&call, play, from, NULL, sink, error);
}

/* A sparse terabyte goes through in a moment and takes no room. */
static void test_tar_of_holes(void)
{
        g_autofree char *disk = dol_ground_disk("xfs", 320 << 20);
        g_autofree char *from = new_directory(disk, "from"), *to = new_directory(disk, "to");
        g_autofree char *big = dol_ground_file(from, "big", UINT64_C(1) << 40);
        g_autofree char *copy = g_build_filename(to, "big", NULL);
        dol_call call = dol_call_forever("test");
        dol_autofd root = open_directory(from);
        reel tape = {.bytes = g_byte_array_new()};
        g_autoptr(GError) error = NULL;
        struct stat info;

        dol_assert_done(dol_tar_write(&call, root, "", record, &tape, &error), error);
        g_assert_cmpuint(tape.bytes->len, <, 65536);
        dol_assert_done(unpack(&tape, to, &error), error);
        g_assert_cmpint(stat(big, &info), ==, 0);
        g_assert_cmpint(info.st_size, ==, INT64_C(1) << 40);
        g_assert_cmpint(stat(copy, &info), ==, 0);
        g_assert_cmpint(info.st_size, ==, INT64_C(1) << 40);
        g_assert_cmpint(info.st_blocks, <, 64);
        g_byte_array_unref(tape.bytes);
}

/* Wherever a tar is cut off, it is told. */
static void test_tar_cut_off(void)
{
        g_autofree char *disk = dol_ground_disk("ext4", 64 << 20);
        g_autofree char *from = new_directory(disk, "from"), *to = new_directory(disk, "to");
        dol_call call = dol_call_forever("test");
        dol_autofd root = open_directory(from);
        reel tape = {.bytes = g_byte_array_new()};
        g_autoptr(GError) error = NULL;
        guint whole;

        put_file(from, "a", "content");
        put_file(from, "b", "");
        dol_assert_done(dol_tar_write(&call, root, "", record, &tape, &error), error);
        whole = tape.bytes->len;
        for (guint length = 0; length <= whole - 1024; length++) {
                tape.bytes->len = length;
                g_assert_false(unpack(&tape, to, &error));
                g_assert_true(dol_error_is(error, DOL_ERROR_INVALID));
                g_clear_error(&error);
        }
        tape.bytes->len = whole;
        dol_assert_done(unpack(&tape, to, &error), error);
        g_byte_array_unref(tape.bytes);
}

static void add_tests(void)
{
        g_test_add_func("/files/walk", test_walk);
        g_test_add_func("/files/walk-stays-on-its-mount", test_walk_stays_on_its_mount);
        g_test_add_func("/files/sink-looks-each-time", test_sink_looks_each_time);
        g_test_add_func("/files/devices-are-not-opened", test_devices_are_not_opened);
        g_test_add_func("/tar/holes", test_tar_of_holes);
        g_test_add_func("/tar/cut-off", test_tar_cut_off);
}

int main(int argc, char **argv)
{
        return dol_ground_main(argc, argv, add_tests);
}
