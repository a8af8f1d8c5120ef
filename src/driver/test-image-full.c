/* SPDX-License-Identifier: Apache-2.0 */
/* A full embedded pool: creates fail cleanly, deletes work, no volume is damaged. */
#include "driver/test-suite.h"

#include "base/file.h"
#include "base/guard.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MIB (UINT64_C(1) << 20)
enum { VOLUMES = 4, EARLY = 100000 };

static char *xfs, *btrfs, *ext4;

static const char *on_xfs(void)
{
        return xfs;
}

static const char *on_btrfs(void)
{
        return btrfs;
}

static const char *on_ext4(void)
{
        return ext4;
}

static const suite_host plain = {
        .name = "full", .driver = "image", .ground = on_xfs, .mounts = true, .durable = true};
static const suite_host in_file = {.name = "image",
                                   .driver = "image",
                                   .ground = on_ext4,
                                   .size = 512 * MIB,
                                   .mounts = true,
                                   .durable = true};
static const suite_host on_cow = {
        .name = "image", .driver = "image", .ground = on_btrfs, .mounts = true, .durable = true};

/* Writes to a file of the pool until the pool has no room for a byte. */
static void stuff(const suite_pool *suite)
{
        g_autofree char *path = g_build_filename(suite->spec.path, "stuffing", NULL);
        dol_autofd fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

        g_assert_cmpint(fd, >=, 0);
        for (unsigned i = 0; i < 3; i++) {
                for (off_t step = 64 << 20; step >= 4096;)
                        if (fallocate(fd, 0, lseek(fd, 0, SEEK_END), step) < 0)
                                step /= 2;
                sync();
        }
}

/* btrfs counts blocks as free once the transaction that freed them is committed. */
static void settle(const suite_pool *suite)
{
        dol_autofd fd = open(suite->spec.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        g_assert_cmpint(syncfs(fd), ==, 0);
}

static void unstuff(const suite_pool *suite)
{
        g_autofree char *path = g_build_filename(suite->spec.path, "stuffing", NULL);

        g_assert_cmpint(truncate(path, 0), ==, 0);
        unlink(path);
        settle(suite);
}

static void make_volumes(suite_pool *suite, dol_volume *volumes[VOLUMES])
{
        for (unsigned i = 0; i < VOLUMES; i++) {
                volumes[i] = suite_volume(suite->host, "a");
                g_free(suite_create(suite, volumes[i]));
        }
}

/* Its errors do not matter: in a full pool a volume may run out of blocks, too. */
static void write_file(const char *at, const char *name, size_t size)
{
        g_autofree char *path = g_build_filename(at, name, NULL);
        g_autofree char *bytes = g_strnfill(size, 'x');
        dol_autofd fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

        dol_write_all(fd, bytes, size, NULL);
        fsync(fd);
}

/* What was written and synced before the pool was full is there, and the file system is sound once
 * its journal was replayed. */
static void assert_kept(suite_pool *suite, const dol_volume *volume, size_t size)
{
        g_autofree char *at = suite_mount(suite, volume);
        g_autofree char *path = g_build_filename(at, "early", NULL);
        g_autofree char *got = NULL;
        g_autofree char *bytes = g_strnfill(size, 'x');
        g_autoptr(GError) error = NULL;

        dol_assert_done(dol_file_read(path, size, &got, NULL, &error), error);
        g_assert_cmpstr(got, ==, bytes);
        suite_unmount(suite, at);
        dol_assert_done(dol_pool_detach(suite->pool, &suite->call, volume->uid, &error), error);
        suite_assert_sound(suite, volume->uid);
}

/* A create in a full pool fails as NO_SPACE, or succeeds whole. */
static void try_create(suite_pool *suite, const dol_volume *more)
{
        g_autofree char *directory = suite_path(suite, more->uid, NULL);
        g_autoptr(GError) error = NULL;

        if (dol_pool_create(suite->pool, &suite->call, more, NULL, &error)) {
                suite_assert_sound(suite, more->uid);
                suite_destroy(suite, more->uid);
                return;
        }
        g_assert_error(error, DOL_ERROR, DOL_ERROR_NO_SPACE);
        g_assert_cmpint(access(directory, F_OK), ==, -1);
}

static uint64_t relieve(suite_pool *suite)
{
        g_autoptr(GError) error = NULL;
        uint64_t freed = UINT64_MAX;

        dol_assert_done(dol_pool_relieve(suite->pool, &suite->call, &freed, &error), error);
        settle(suite);
        return freed;
}

static void replenish(suite_pool *suite)
{
        g_autoptr(GError) error = NULL;

        dol_assert_done(dol_pool_replenish(suite->pool, &suite->call, &error), error);
}

static uint64_t used(suite_pool *suite)
{
        g_autoptr(GError) error = NULL;
        dol_pool_space space;

        dol_assert_done(dol_pool_space_of(suite->pool, &suite->call, &space, &error), error);
        return space.used;
}

/* In a full pool the ballast is given back once, and not taken again. */
static void test_ballast(const void *row)
{
        g_auto(suite_pool) suite = {0};
        uint64_t before;

        suite_pool_init(&suite, row);
        suite_pool_open(&suite);
        stuff(&suite);
        before = used(&suite);
        g_assert_cmpuint(relieve(&suite), >=, MIB);
        g_assert_cmpuint(used(&suite), <, before);
        g_assert_cmpuint(relieve(&suite), ==, 0);
        replenish(&suite);
        g_assert_cmpuint(relieve(&suite), ==, 0);
        unstuff(&suite);
        replenish(&suite);
        g_assert_cmpuint(relieve(&suite), >=, MIB);
}

/* Creates are refused, deletes work, and nothing is damaged. */
static void test_full(const void *row)
{
        g_auto(suite_pool) suite = {0};
        g_autoptr(dol_volume) more = suite_volume(row, "more");
        dol_volume *volumes[VOLUMES];
        g_autofree char *at = NULL;

        suite_pool_init(&suite, row);
        suite_pool_open(&suite);
        make_volumes(&suite, volumes);
        at = suite_mount(&suite, volumes[0]);
        write_file(at, "early", EARLY);
        stuff(&suite);
        try_create(&suite, more);
        more->spec.size = 32 * MIB; /* needs a new template */
        try_create(&suite, more);
        write_file(at, "late", 20 * MIB);
        relieve(&suite);
        stuff(&suite);
        suite_destroy(&suite, volumes[1]->uid);
        suite_destroy(&suite, volumes[2]->uid);
        unstuff(&suite);
        suite_unmount(&suite, at);
        assert_kept(&suite, volumes[0], EARLY);
        suite_assert_sound(&suite, volumes[3]->uid);
        for (unsigned i = 0; i < VOLUMES; i++) {
                suite_destroy(&suite, volumes[i]->uid);
                dol_volume_free(volumes[i]);
        }
}

/* The file system under a sparse pool fills up: the pool must not promise what it cannot give. */
static void test_full_beneath(void)
{
        g_auto(suite_pool) suite = {0};
        g_autoptr(GError) error = NULL;
        g_autofree char *file = NULL;
        dol_pool_space space;

        suite_pool_init(&suite, &in_file);
        suite_pool_open(&suite);
        file = g_build_filename(ext4, "other", NULL);
        dol_assert_done(dol_pool_space_of(suite.pool, &suite.call, &space, &error), error);
        g_assert_cmpuint(space.available, >, 300 * MIB);
        {
                dol_autofd fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

                for (off_t step = 512 << 20; step >= 4096;)
                        if (fallocate(fd, 0, lseek(fd, 0, SEEK_END), step) < 0)
                                step /= 2;
        }
        dol_assert_done(dol_pool_space_of(suite.pool, &suite.call, &space, &error), error);
        unlink(file);
        g_assert_cmpuint(space.available, <, 50 * MIB);
        g_assert_cmpstr(space.kind, ==, "xfs in a backing file");
}

static void add_tests(void)
{
        xfs = dol_ground_disk("xfs", 512 * MIB);
        btrfs = dol_ground_disk("btrfs", 512 * MIB);
        ext4 = dol_ground_disk("ext4", 1024 * MIB);
        g_test_add_data_func("/full/xfs", &plain, test_full);
        g_test_add_data_func("/full/xfs-ballast", &plain, test_ballast);
        g_test_add_data_func("/full/btrfs", &on_cow, test_full);
        g_test_add_data_func("/full/btrfs-ballast", &on_cow, test_ballast);
        g_test_add_data_func("/full/file", &in_file, test_full);
        g_test_add_data_func("/full/file-ballast", &in_file, test_ballast);
        g_test_add_func("/full/beneath", test_full_beneath);
}

int main(int argc, char **argv)
{
        return dol_ground_main(argc, argv, add_tests);
}
