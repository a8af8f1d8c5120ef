/* SPDX-License-Identifier: Apache-2.0 */
#include "host/test-mount-fixture.h"

#include <string.h>
#include <unistd.h>

char *disk;

static void (*add_tests_of_program)(void);

void fixture_set_up(fixture *f, const void *data)
{
        const char *const make[] = {"mkfs.ext4", "-q", "-F", "-b", "4096", NULL, NULL};
        const char *argv[G_N_ELEMENTS(make)];
        dol_loop_options options = {.autoclear = true};
        g_autofree char *name = g_strdup_printf("image-%08x", g_random_int());
        g_autoptr(GError) error = NULL;

        memcpy(argv, make, sizeof(make));
        f->call = dol_call_forever("test");
        f->image = dol_ground_file(disk, name, 16 * MIB);
        f->path = g_strdup_printf("%s/mnt/%s/here", disk, name);
        f->loop = DOL_LOOP_INIT;
        argv[5] = f->image;
        g_assert_true(dol_ground_run(argv));
        dol_assert_done(dol_loop_attach(&f->call, f->image, &options, &f->loop, &error), error);
}

void fixture_tear_down(fixture *f, const void *data)
{
        g_autoptr(GError) error = NULL;

        dol_assert_done(dol_unmount(&f->call, f->path, &error), error);
        dol_assert_done(dol_mountpoint_remove(f->path, &error), error);
        dol_loop_clear(&f->loop);
        unlink(f->image);
        g_free(f->image);
        g_free(f->path);
}

bool mount_ext4(fixture *f, const char *options)
{
        g_autoptr(GError) error = NULL;
        bool done = dol_mount_device(&f->call, f->loop.device, "ext4", f->path, options, &error);

        g_assert_no_error(error);
        return done;
}

unsigned mounts_at(const char *path)
{
        g_autoptr(GPtrArray) entries = dol_mountinfo_read("/proc/self/mountinfo", NULL);
        unsigned count = 0;

        for (unsigned i = 0; i < entries->len; i++)
                count += strcmp(((dol_mount_entry *)entries->pdata[i])->path, path) == 0;
        return count;
}

void fixture_test(const char *path, void (*test)(fixture *, const void *))
{
        g_test_add(path, fixture, NULL, fixture_set_up, test, fixture_tear_down);
}

static void add_tests(void)
{
        disk = dol_ground_disk("xfs", 1024 * MIB);
        add_tests_of_program();
}

int fixture_main(int argc, char **argv, void (*add)(void))
{
        int status;

        add_tests_of_program = add;
        status = dol_ground_main(argc, argv, add_tests);
        g_free(disk);
        return status;
}
