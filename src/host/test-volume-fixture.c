/* SPDX-License-Identifier: Apache-2.0 */
#include "host/test-volume-fixture.h"

#include "base/guard.h"
#include "codec/units.h"
#include "host/loop.h"
#include "host/mount.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>

enum { DIRECTORIES = 8, FILES = 40 };

static char *some_path(const char *directory, const char *what)
{
        return g_strdup_printf("%s/%s-%08x", directory, what, g_random_int());
}

char *dol_fixture_image(const char *disk, dol_fs_kind fs, uint64_t size)
{
        const dol_image_spec spec = {.size = size, .fs = fs, .mode = 0755};
        g_autofree char *templates = g_build_filename(disk, "templates", NULL);
        dol_call call = dol_call_forever("test");
        char *path = some_path(disk, "image");
        g_autofree char *uuid = NULL;
        g_autoptr(GError) error = NULL;

        dol_assert_done(dol_image_create(&call, templates, path, &spec, &uuid, &error), error);
        return path;
}

char *dol_fixture_clone(const char *image)
{
        g_autofree char *directory = g_path_get_dirname(image);
        char *path = some_path(directory, "clone");
        g_autoptr(GError) error = NULL;

        dol_assert_done(dol_reflink(image, path, &error), error);
        return path;
}

char *dol_fixture_mount(const char *image, dol_fs_kind fs)
{
        const dol_loop_options options = {.autoclear = true};
        char *at = some_path(dol_ground_directory(), "at");
        g_auto(dol_loop) loop = DOL_LOOP_INIT;
        dol_call call = dol_call_forever("test");
        g_autoptr(GError) error = NULL;

        dol_assert_done(dol_loop_attach(&call, image, &options, &loop, &error), error);
        dol_assert_done(dol_mount_device(&call, loop.device, fs == DOL_FS_XFS ? "xfs" : "ext4", at,
                                         NULL, &error),
                        error);
        return at;
}

void dol_fixture_unmount(const char *path)
{
        dol_call call = dol_call_forever("test");
        g_autoptr(GError) error = NULL;

        dol_assert_done(dol_unmount(&call, path, &error), error);
        dol_assert_done(dol_mountpoint_remove(path, &error), error);
}

/* Files of all sizes up to some blocks. */
static char *content_of(unsigned seed, unsigned directory, unsigned file, size_t *ret_size)
{
        unsigned number = seed * 7919 + directory * 613 + file * 17;
        char *content = g_malloc(40000);

        *ret_size = number % 40000;
        for (size_t i = 0; i < *ret_size; i++)
                content[i] = (char)(number + i / 7);
        return content;
}

static char *file_of(const char *path, unsigned directory, unsigned file)
{
        return g_strdup_printf("%s/directory-%u/file-%u", path, directory, file);
}

void dol_fixture_fill(const char *path, unsigned seed)
{
        for (unsigned d = 0; d < DIRECTORIES; d++) {
                g_autofree char *directory = g_strdup_printf("%s/directory-%u", path, d);

                mkdir(directory, 0755);
                for (unsigned f = 0; f < FILES; f++) {
                        g_autofree char *name = file_of(path, d, f);
                        size_t size;
                        g_autofree char *content = content_of(seed, d, f, &size);
                        dol_autofd fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

                        g_assert_cmpint(write(fd, content, size), ==, (ssize_t)size);
                }
        }
}

bool dol_fixture_is_whole(const char *path, unsigned seed)
{
        for (unsigned d = 0; d < DIRECTORIES; d++)
                for (unsigned f = 0; f < FILES; f++) {
                        g_autofree char *name = file_of(path, d, f);
                        size_t size, found_size;
                        g_autofree char *content = content_of(seed, d, f, &size);
                        g_autofree char *found = NULL;

                        if (!g_file_get_contents(name, &found, &found_size, NULL) ||
                            found_size != size || memcmp(found, content, size) != 0)
                                return false;
                }
        return true;
}

void dol_fixture_check_image(const char *image, dol_fs_kind fs, unsigned seed)
{
        g_autofree char *at = dol_fixture_mount(image, fs);

        g_assert_true(dol_fixture_is_whole(at, seed));
        dol_fixture_unmount(at);
        g_assert_true(dol_fixture_is_clean(image, fs));
}

uint64_t dol_fixture_size(const char *path)
{
        struct statvfs fs;

        g_assert_cmpint(statvfs(path, &fs), ==, 0);
        return fs.f_blocks * fs.f_frsize;
}

bool dol_fixture_is_clean(const char *image, dol_fs_kind fs)
{
        const char *const e2fsck[] = {"e2fsck", "-fn", image, NULL};
        const char *const xfs_repair[] = {"xfs_repair", "-n", "-f", image, NULL};

        return dol_ground_run(fs == DOL_FS_XFS ? xfs_repair : e2fsck);
}

void dol_fixture_kill_orphans(void)
{
        g_autofree char *path = g_strdup_printf("/proc/%d/task/%d/children", getpid(), getpid());
        g_autofree char *text = NULL;
        g_auto(GStrv) pids = NULL;

        g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
        pids = g_strsplit(g_strchomp(text), " ", -1);
        for (unsigned i = 0; pids[i]; i++) {
                uint64_t pid;

                if (dol_number_parse(pids[i], INT32_MAX, &pid, NULL))
                        kill((pid_t)pid, SIGKILL);
        }
        while (wait(NULL) > 0)
                ;
}
