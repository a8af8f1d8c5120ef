/* SPDX-License-Identifier: Apache-2.0 */
/* What a new image is like: clean, empty, of the right size, owner and UUID. */
#include "base/guard.h"
#include "host/image.h"
#include "host/loop.h"
#include "host/mount.h"
#include "host/space.h"
#include "host/test-ground.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

enum { THREADS = 8 };

static char *disk;

static char *create_on(const char *directory, const dol_image_spec *spec, char **ret_uuid)
{
        dol_call call = dol_call_forever("test");
        g_autofree char *name = g_strdup_printf("image-%08x", g_random_int());
        g_autofree char *in = g_build_filename(directory, "templates", NULL);
        char *path = g_build_filename(directory, name, NULL);
        g_autofree char *temporary = g_strconcat(path, ".tmp", NULL);
        g_autoptr(GError) error = NULL;

        *ret_uuid = NULL;
        dol_assert_done(dol_image_create(&call, in, path, spec, ret_uuid, &error), error);
        g_assert_false(g_file_test(temporary, G_FILE_TEST_EXISTS));
        return path;
}

static void check_clean(const char *path, dol_fs_kind fs)
{
        const char *const e2fsck[] = {"e2fsck", "-fn", path, NULL};
        const char *const xfs_repair[] = {"xfs_repair", "-n", "-f", path, NULL};

        g_assert_true(dol_ground_run(fs == DOL_FS_XFS ? xfs_repair : e2fsck));
}

static void check_probe(const char *path, const char *type, const char *uuid)
{
        g_autofree char *found_type = NULL;
        g_autofree char *found_uuid = NULL;
        g_autoptr(GError) error = NULL;

        dol_assert_done(dol_image_probe(path, &found_type, &found_uuid, &error), error);
        g_assert_cmpstr(found_type, ==, type);
        g_assert_cmpstr(found_uuid, ==, uuid);
}

static void check_empty(const char *path)
{
        DIR *directory = opendir(path);
        const struct dirent *entry;
        unsigned entries = 0;

        g_assert_nonnull(directory);
        while ((entry = readdir(directory)))
                entries++;
        closedir(directory);
        g_assert_cmpuint(entries, ==, 2);
}

static void check_root(const char *path, const dol_image_spec *spec)
{
        struct statvfs fs;
        struct stat st;

        g_assert_cmpint(stat(path, &st), ==, 0);
        g_assert_cmpuint(st.st_uid, ==, spec->uid);
        g_assert_cmpuint(st.st_gid, ==, spec->gid);
        g_assert_cmphex(st.st_mode, ==, S_IFDIR | spec->mode);
        g_assert_cmpint(statvfs(path, &fs), ==, 0);
        g_assert_cmpuint(fs.f_blocks * fs.f_frsize, <=, spec->size);
        g_assert_cmpuint(fs.f_blocks * fs.f_frsize, >, spec->size / 2);
        /* nothing is kept for root; ext4 keeps about 2 % for its own metadata */
        g_assert_cmpuint(fs.f_bavail, >=, fs.f_bfree - fs.f_blocks / 30);
}

static void use(const char *directory)
{
        g_autofree char *file = g_build_filename(directory, "file", NULL);
        g_autoptr(GError) error = NULL;

        g_assert_true(g_file_set_contents(file, "data", 4, &error));
        g_assert_cmpint(unlink(file), ==, 0);
}

/* Mounts it, looks at it, writes to it. */
static void check_mounted(const char *image, const dol_image_spec *spec)
{
        g_autofree char *at = g_strdup_printf("%s/at", dol_ground_directory());
        const char *fs_type = spec->fs == DOL_FS_XFS ? "xfs" : "ext4";
        dol_loop_options options = {.autoclear = true};
        g_auto(dol_loop) loop = DOL_LOOP_INIT;
        dol_call call = dol_call_forever("test");
        g_autoptr(GError) error = NULL;

        dol_assert_done(dol_loop_attach(&call, image, &options, &loop, &error), error);
        dol_assert_done(dol_mount_device(&call, loop.device, fs_type, at, NULL, &error), error);
        check_root(at, spec);
        check_empty(at);
        use(at);
        dol_assert_done(dol_unmount(&call, at, &error), error);
}

static void check_image(const char *directory, const dol_image_spec *spec)
{
        g_autofree char *uuid = NULL;
        g_autofree char *image = create_on(directory, spec, &uuid);
        struct stat st;

        g_test_message("%s: fs %d, size %" G_GUINT64_FORMAT, image, spec->fs, spec->size);
        g_assert_cmpint(stat(image, &st), ==, 0);
        g_assert_cmpuint((uint64_t)st.st_size, ==, spec->size);
        g_assert_cmphex(st.st_mode, ==, S_IFREG | 0600);
        g_assert_true(g_uuid_string_is_valid(uuid));
        check_clean(image, spec->fs);
        check_probe(image, spec->fs == DOL_FS_XFS ? "xfs" : "ext4", uuid);
        check_mounted(image, spec);
        check_clean(image, spec->fs);
        g_assert_cmpint(unlink(image), ==, 0);
}

static void test_ext4_sizes(void)
{
        static const uint64_t sizes[] = {16 * MIB, 16 * MIB + 4096, 100 * MIB, 128 * MIB, 511 * MIB,
                                         GIB,      10 * GIB,        1024 * GIB};

        for (unsigned i = 0; i < G_N_ELEMENTS(sizes); i++) {
                dol_image_spec spec = {.size = sizes[i], .fs = DOL_FS_EXT4, .mode = 0755};

                check_image(disk, &spec);
        }
}

static void test_xfs_sizes(void)
{
        static const uint64_t sizes[] = {300 * MIB, 300 * MIB + 4096, GIB, 10 * GIB, 1024 * GIB};

        for (unsigned i = 0; i < G_N_ELEMENTS(sizes); i++) {
                dol_image_spec spec = {.size = sizes[i], .fs = DOL_FS_XFS, .mode = 0755};

                check_image(disk, &spec);
        }
}

static void test_owners(void)
{
        static const dol_image_spec specs[] = {
                {.size = 320 * MIB, .uid = 1000, .gid = 1001, .mode = 0700},
                {.size = 320 * MIB, .uid = 70000, .gid = UINT32_MAX - 1, .mode = 01777},
                {.size = 320 * MIB, .uid = 0, .gid = 33, .mode = 02775},
                {.size = 320 * MIB, .uid = 65536, .gid = 65535, .mode = 0},
                {.size = 320 * MIB, .uid = UINT32_MAX - 1, .gid = 0, .mode = 07777},
        };

        for (unsigned i = 0; i < G_N_ELEMENTS(specs); i++) {
                dol_image_spec spec = specs[i];

                spec.fs = DOL_FS_EXT4;
                check_image(disk, &spec);
                spec.fs = DOL_FS_XFS;
                check_image(disk, &spec);
        }
}

static void test_block(void)
{
        const dol_image_spec spec = {.size = 64 * MIB, .fs = DOL_FS_NONE};
        g_autofree char *uuid = NULL;
        g_autofree char *image = create_on(disk, &spec, &uuid);
        uint64_t allocated = 0;
        struct stat st;

        g_assert_null(uuid);
        g_assert_cmpint(stat(image, &st), ==, 0);
        g_assert_cmpuint((uint64_t)st.st_size, ==, spec.size);
        g_assert_true(dol_space_allocated(image, &allocated, NULL));
        g_assert_cmpuint(allocated, ==, 0);
        check_probe(image, NULL, NULL);
}

static void check_thick(const char *directory, dol_fs_kind fs)
{
        const dol_image_spec spec = {.size = 320 * MIB, .fs = fs, .thick = true, .mode = 0755};
        g_autofree char *uuid = NULL;
        g_autofree char *image = create_on(directory, &spec, &uuid);
        uint64_t allocated = 0;
        struct stat st;

        g_assert_cmpint(stat(image, &st), ==, 0);
        g_assert_cmpuint((uint64_t)st.st_size, ==, spec.size);
        g_assert_true(dol_space_allocated(image, &allocated, NULL));
        g_assert_cmpuint(allocated, >=, spec.size);
        if (fs != DOL_FS_NONE)
                check_mounted(image, &spec);
        g_assert_cmpint(unlink(image), ==, 0);
}

static void test_thick(void)
{
        check_thick(disk, DOL_FS_EXT4);
        check_thick(disk, DOL_FS_XFS);
        check_thick(disk, DOL_FS_NONE);
}

/* A thin image takes next to nothing, and mounting it writes next to nothing. */
static void test_thin(void)
{
        const dol_image_spec spec = {.size = 10 * GIB, .fs = DOL_FS_EXT4, .mode = 0755};
        g_autofree char *uuid = NULL;
        g_autofree char *image = create_on(disk, &spec, &uuid);
        uint64_t allocated = 0;

        g_assert_true(dol_space_allocated(image, &allocated, NULL));
        g_assert_cmpuint(allocated, <, MIB);
        check_mounted(image, &spec);
        g_assert_true(dol_space_allocated(image, &allocated, NULL));
        g_assert_cmpuint(allocated, <, 2 * MIB);
}

static void check_file_system(const char *fs_type, uint64_t size)
{
        const dol_image_spec ext4 = {.size = 512 * MIB, .fs = DOL_FS_EXT4, .mode = 0755};
        const dol_image_spec xfs = {.size = 320 * MIB, .fs = DOL_FS_XFS, .mode = 01777, .uid = 5};
        g_autofree char *at = dol_ground_disk(fs_type, size);

        check_image(at, &ext4);
        check_image(at, &ext4);
        check_image(at, &xfs);
        check_thick(at, DOL_FS_EXT4);
}

static void test_without_reflink(void)
{
        check_file_system("ext4", GIB);
}

static void test_on_btrfs(void)
{
        check_file_system("btrfs", 2 * GIB);
}

/* Its space is set aside, which on btrfs goes without copy on write: it can be cloned even so. */
static void test_reflink_thick(void)
{
        const dol_image_spec spec = {.size = 64 * MIB, .fs = DOL_FS_EXT4, .thick = true};
        g_autofree char *btrfs = dol_ground_disk("btrfs", 512 * MIB);
        g_autofree char *uuid = NULL;
        g_autofree char *image = create_on(btrfs, &spec, &uuid);
        g_autofree char *clone = g_strconcat(image, "-clone", NULL);
        g_autofree char *again = g_strconcat(clone, "-clone", NULL);
        g_autoptr(GError) error = NULL;

        dol_assert_done(dol_reflink(image, clone, &error), error);
        dol_assert_done(dol_reflink(clone, again, &error), error);
        check_probe(again, "ext4", uuid);
}

/* The template must not stand in the way of growing; here unmounted, because growing a mounted ext4
 * takes CAP_SYS_RESOURCE, which a container may lack. */
static void test_growing(void)
{
        dol_image_spec spec = {.size = 128 * MIB, .fs = DOL_FS_EXT4, .mode = 0755};
        g_autofree char *uuid = NULL;
        g_autofree char *image = create_on(disk, &spec, &uuid);
        const char *const resize2fs[] = {"resize2fs", "-f", image, NULL};

        g_assert_cmpint(truncate(image, 64 * GIB), ==, 0);
        g_assert_true(dol_ground_run(resize2fs));
        check_clean(image, DOL_FS_EXT4);
        check_probe(image, "ext4", uuid);
        spec.size = 64 * GIB;
        check_mounted(image, &spec);
}

static void *create_one(void *user)
{
        const dol_image_spec *spec = user;
        char *uuid;

        g_free(create_on(disk, spec, &uuid));
        return uuid;
}

static void test_threads(void)
{
        dol_image_spec spec = {.size = 777 * MIB, .fs = DOL_FS_EXT4, .mode = 0755};
        g_autoptr(GHashTable) uuids = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        pthread_t threads[THREADS];

        for (unsigned i = 0; i < THREADS; i++)
                g_assert_cmpint(pthread_create(&threads[i], NULL, create_one, &spec), ==, 0);
        for (unsigned i = 0; i < THREADS; i++) {
                void *uuid;

                pthread_join(threads[i], &uuid);
                g_assert_true(g_hash_table_add(uuids, uuid));
        }
        g_assert_cmpuint(g_hash_table_size(uuids), ==, THREADS);
}

static void test_probe(void)
{
        static const char boot_sector[] = {0x55, (char)0xaa};
        g_autofree char *empty = dol_ground_file(disk, "empty", 0);
        g_autofree char *zero = dol_ground_file(disk, "zero", MIB);
        const char *const swap[] = {"mkswap", zero, NULL};
        dol_autofd fd = open(zero, O_RDWR | O_CLOEXEC);
        char *type = NULL, *uuid = NULL;
        g_autoptr(GError) error = NULL;

        check_probe(empty, NULL, NULL);
        check_probe(zero, NULL, NULL);
        g_assert_true(dol_ground_run(swap));
        dol_assert_done(dol_image_probe(zero, &type, &uuid, &error), error);
        g_assert_cmpstr(type, ==, "swap");
        g_free(type);
        g_free(uuid);
        g_assert_cmpint(ftruncate(fd, 0) | ftruncate(fd, MIB), ==, 0);
        g_assert_cmpint(pwrite(fd, boot_sector, 2, 510), ==, 2);
        g_assert_cmpint(pwrite(fd, "\x83", 1, 450), ==, 1);
        g_assert_cmpint(pwrite(fd, "\x01\0\0\0\x10\0\0\0", 8, 454), ==, 8);
        dol_assert_done(dol_image_probe(zero, &type, &uuid, &error), error);
        g_assert_cmpstr(type, ==, "dos");
        g_free(type);
        g_free(uuid);
        g_assert_false(dol_image_probe("/no/such/file", &type, &uuid, &error));
        g_assert_error(error, DOL_ERROR, DOL_ERROR_NOT_FOUND);
}

static void test_reflink(void)
{
        g_autofree char *ext4 = dol_ground_disk("ext4", 64 * MIB);
        g_autofree char *from = dol_ground_file(disk, "reflink-from", 4 * MIB);
        g_autofree char *to = g_build_filename(disk, "reflink-to", NULL);
        g_autofree char *far = g_build_filename(ext4, "far", NULL);
        g_autoptr(GError) error = NULL;

        g_assert_true(dol_reflink_works(disk));
        g_assert_false(dol_reflink_works(ext4));
        g_assert_false(dol_reflink_works("/no/such/directory"));
        dol_assert_done(dol_reflink(from, to, &error), error);
        g_assert_false(dol_reflink(from, to, &error));
        g_assert_error(error, DOL_ERROR, DOL_ERROR_EXISTS);
        g_clear_error(&error);
        g_assert_false(dol_reflink(from, far, &error));
        g_assert_error(error, DOL_ERROR, DOL_ERROR_UNSUPPORTED);
        g_assert_false(g_file_test(far, G_FILE_TEST_EXISTS));
}

static void add_tests(void)
{
        disk = dol_ground_disk("xfs", 4 * GIB);
        g_test_add_func("/image/ext4-sizes", test_ext4_sizes);
        g_test_add_func("/image/xfs-sizes", test_xfs_sizes);
        g_test_add_func("/image/owners", test_owners);
        g_test_add_func("/image/block", test_block);
        g_test_add_func("/image/thick", test_thick);
        g_test_add_func("/image/thin", test_thin);
        g_test_add_func("/image/without-reflink", test_without_reflink);
        g_test_add_func("/image/on-btrfs", test_on_btrfs);
        g_test_add_func("/image/growing", test_growing);
        g_test_add_func("/image/threads", test_threads);
        g_test_add_func("/image/probe", test_probe);
        g_test_add_func("/image/reflink", test_reflink);
        g_test_add_func("/image/reflink-thick", test_reflink_thick);
}

int main(int argc, char **argv)
{
        int status = dol_ground_main(argc, argv, add_tests);

        g_free(disk);
        return status;
}
