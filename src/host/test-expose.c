/* SPDX-License-Identifier: Apache-2.0 */
#include "host/expose.h"

#include "base/fault.h"
#include "host/test-mount-fixture.h"

#include <errno.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

/* A path beside the fixture's mount point, which is not there yet. */
static char *target_of(const fixture *f)
{
        return g_strconcat(f->path, "-target", NULL);
}

/* The parent is there, as an orchestrator sees to it. */
static void make_parent(const fixture *f)
{
        g_autofree char *parent = g_path_get_dirname(f->path);

        g_assert_cmpint(g_mkdir_with_parents(parent, 0700), ==, 0);
}

static void expect_failure(const fixture *f, const char *from, const char *path,
                           dol_error_kind kind, const char *text)
{
        g_autoptr(GError) error = NULL;

        g_assert_false(dol_expose(&f->call, from, path, NULL, &error));
        g_assert_true(dol_error_is(error, kind));
        g_assert_nonnull(strstr(error->message, text));
}

static void take_away(const fixture *f, const char *path)
{
        g_autoptr(GError) error = NULL;

        for (int i = 0; i < 2; i++)
                dol_assert_done(dol_unexpose(&f->call, path, true, &error), error);
        g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
}

static void test_directory(fixture *f, const void *data)
{
        g_autofree char *target = target_of(f), *inside = NULL;
        g_autoptr(dol_mount_entry) entry = NULL;
        g_autoptr(GError) error = NULL;

        g_assert_true(mount_ext4(f, NULL));
        g_assert_false(dol_is_exposed(f->path, target));
        for (int i = 0; i < 3; i++)
                dol_assert_done(dol_expose(&f->call, f->path, target, "ro,noexec", &error), error);
        g_assert_cmpuint(mounts_at(target), ==, 1);
        g_assert_true(dol_is_exposed(f->path, target));
        entry = dol_mount_find(target, NULL);
        g_assert_nonnull(strstr(entry->options, "ro"));
        g_assert_nonnull(strstr(entry->options, "noexec"));
        inside = g_build_filename(target, "file", NULL);
        g_assert_cmpint(mkdir(inside, 0700), ==, -1);
        g_assert_cmpint(errno, ==, EROFS);
        take_away(f, target);
        g_assert_cmpuint(mounts_at(f->path), ==, 1);
}

static void test_device(fixture *f, const void *data)
{
        g_autofree char *target = target_of(f);
        g_autoptr(GError) error = NULL;
        struct stat found;

        make_parent(f);
        for (int i = 0; i < 3; i++)
                dol_assert_done(dol_expose(&f->call, f->loop.device, target, NULL, &error), error);
        g_assert_cmpint(stat(target, &found), ==, 0);
        g_assert_true(S_ISBLK(found.st_mode) && found.st_rdev == f->loop.number);
        g_assert_true(dol_is_exposed(f->loop.device, target));
        take_away(f, target);
}

/* What is there and is not ours stays as it is. */
static void test_others(fixture *f, const void *data)
{
        g_autofree char *target = target_of(f), *file = NULL, *missing = NULL;
        g_autoptr(GError) error = NULL;

        g_assert_true(mount_ext4(f, NULL));
        missing = g_build_filename(target, "no", NULL);
        expect_failure(f, f->path, missing, DOL_ERROR_NOT_FOUND, "create");
        expect_failure(f, "/dev/null", target, DOL_ERROR_INVALID, "neither");
        g_assert_cmpint(mkdir(target, 0700), ==, 0);
        expect_failure(f, f->loop.device, target, DOL_ERROR_CONFLICT, "not an empty file");
        file = g_build_filename(target, "file", NULL);
        g_assert_true(g_file_set_contents(file, "keep", -1, NULL));
        expect_failure(f, f->path, target, DOL_ERROR_CONFLICT, "not empty");
        expect_failure(f, f->path, file, DOL_ERROR_CONFLICT, "not a directory");
        expect_failure(f, f->loop.device, file, DOL_ERROR_CONFLICT, "not an empty file");
        g_assert_false(dol_unexpose(&f->call, file, true, &error));
        g_assert_true(dol_error_is(error, DOL_ERROR_CONFLICT));
        g_clear_error(&error);
        g_assert_false(dol_unexpose(&f->call, target, true, &error));
        g_clear_error(&error);
        g_assert_cmpint(mount(disk, target, NULL, MS_BIND, NULL), ==, 0);
        expect_failure(f, f->path, target, DOL_ERROR_CONFLICT, "something else");
        g_assert_cmpint(umount(target), ==, 0);
        g_assert_true(g_file_test(file, G_FILE_TEST_IS_REGULAR));
        g_assert_cmpint(unlink(file), ==, 0);
        take_away(f, target);
}

static void test_faults(fixture *f, const void *data)
{
        g_autofree char *target = target_of(f);
        g_autoptr(GError) error = NULL;

        g_assert_true(mount_ext4(f, NULL));
        for (unsigned i = 0; i < 2; i++) {
                g_assert_true(dol_fault_arm(i ? "host.expose.after=error:busy"
                                              : "host.expose.before=error:busy",
                                            NULL));
                expect_failure(f, f->path, target, DOL_ERROR_BUSY, "host.expose");
                g_assert_cmpuint(mounts_at(target), ==, i);
        }
        dol_assert_done(dol_expose(&f->call, f->path, target, NULL, &error), error);
        g_assert_cmpuint(mounts_at(target), ==, 1);
        take_away(f, target);
}

static void add(void)
{
        fixture_test("/expose/directory", test_directory);
        fixture_test("/expose/device", test_device);
        fixture_test("/expose/others", test_others);
        fixture_test("/expose/faults", test_faults);
}

int main(int argc, char **argv)
{
        return fixture_main(argc, argv, add);
}
