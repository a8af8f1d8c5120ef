/* SPDX-License-Identifier: Apache-2.0 */
#include "base/guard.h"
#include "host/loop.h"
#include "host/space.h"
#include "host/test-ground.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#define MIB (UINT64_C(1) << 20)

static void test_space_of(void)
{
        static const struct {
                const char *fs_type;
                uint32_t magic;
        } rows[] = {{"xfs", XFS_SUPER_MAGIC},
                    {"ext4", EXT4_SUPER_MAGIC},
                    {"btrfs", BTRFS_SUPER_MAGIC},
                    {"tmpfs", TMPFS_MAGIC}};

        for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
                g_autofree char *at = dol_ground_disk(rows[i].fs_type, 400 * MIB);
                g_autoptr(GError) error = NULL;
                dol_space space;

                dol_assert_done(dol_space_of(at, &space, &error), error);
                g_assert_cmpstr(space.fs_type, ==, rows[i].fs_type);
                g_assert_cmphex(space.magic, ==, rows[i].magic);
                g_assert_cmpuint(space.size, >, 200 * MIB);
                g_assert_cmpuint(space.size, <=, 400 * MIB);
                g_assert_cmpuint(space.used + space.available, <=, space.size);
                g_assert_cmpint(umount(at), ==, 0);
        }
}

static void test_errors(void)
{
        g_autoptr(GError) error = NULL;
        dol_space space;
        uint64_t allocated;

        g_assert_false(dol_space_of("/no/such", &space, &error));
        g_assert_error(error, DOL_ERROR, DOL_ERROR_NOT_FOUND);
        g_clear_error(&error);
        g_assert_false(dol_space_allocated("/no/such", &allocated, &error));
        g_assert_error(error, DOL_ERROR, DOL_ERROR_NOT_FOUND);
        g_clear_error(&error);
        g_assert_false(dol_space_preallocate("/no/such", 4096, &error));
        g_assert_error(error, DOL_ERROR, DOL_ERROR_NOT_FOUND);
        g_assert_cmpint(dol_space_media("/no/such"), ==, DOL_MEDIA_UNKNOWN);
}

static uint64_t allocated_of(const char *path)
{
        g_autoptr(GError) error = NULL;
        uint64_t allocated = 0;

        dol_assert_done(dol_space_allocated(path, &allocated, &error), error);
        return allocated;
}

static void test_preallocate(void)
{
        g_autofree char *at = dol_ground_disk("ext4", 64 * MIB);
        g_autofree char *larger = dol_ground_file(at, "larger", 32 * MIB);
        g_autofree char *fresh = g_build_filename(at, "fresh", NULL);
        g_autoptr(GError) error = NULL;
        struct stat st;

        g_assert_cmpuint(allocated_of(larger), ==, 0);
        dol_assert_done(dol_space_preallocate(larger, 4 * MIB, &error), error);
        g_assert_cmpuint(allocated_of(larger), ==, 4 * MIB);
        g_assert_cmpint(stat(larger, &st), ==, 0);
        g_assert_cmpuint((uint64_t)st.st_size, ==, 32 * MIB);
        dol_assert_done(dol_space_preallocate(fresh, 2 * MIB, &error), error);
        g_assert_cmpuint(allocated_of(fresh), ==, 2 * MIB);
        dol_assert_done(dol_space_preallocate(fresh, 0, &error), error);
        g_assert_false(dol_space_preallocate(fresh, 1024 * MIB, &error));
        g_assert_error(error, DOL_ERROR, DOL_ERROR_NO_SPACE);
        g_assert_cmpint(umount(at), ==, 0);
}

/* Whatever is stacked on the disk of /var/tmp, it stays that disk. */
static void test_media(void)
{
        dol_media below = dol_space_media("/var/tmp");
        g_autofree char *xfs = dol_ground_disk("xfs", 512 * MIB);
        g_autofree char *btrfs = dol_ground_disk("btrfs", 256 * MIB);
        g_autofree char *image = dol_ground_file(btrfs, "image", 64 * MIB);
        g_autofree char *directory = g_build_filename(btrfs, "directory", NULL);
        dol_loop_options options = {.autoclear = true};
        g_auto(dol_loop) loop = DOL_LOOP_INIT;
        dol_call call = dol_call_forever("test");
        g_autoptr(GError) error = NULL;

        g_assert_cmpint(dol_space_media(xfs), ==, below);
        g_assert_cmpint(mkdir(directory, 0755), ==, 0);
        g_assert_cmpint(dol_space_media(directory), ==, below);
        dol_assert_done(dol_loop_attach(&call, image, &options, &loop, &error), error);
        g_assert_cmpint(dol_space_media(loop.device), ==, below);
        g_assert_cmpint(dol_space_media("/proc"), ==, DOL_MEDIA_UNKNOWN);
        g_assert_cmpint(dol_space_media(dol_ground_directory()), ==, DOL_MEDIA_UNKNOWN);
        dol_loop_clear(&loop);
        g_assert_cmpint(umount(btrfs), ==, 0);
        g_assert_cmpint(umount(xfs), ==, 0);
}

static void add_tests(void)
{
        g_test_add_func("/space/of", test_space_of);
        g_test_add_func("/space/errors", test_errors);
        g_test_add_func("/space/preallocate", test_preallocate);
        g_test_add_func("/space/media", test_media);
}

int main(int argc, char **argv)
{
        return dol_ground_main(argc, argv, add_tests);
}
