/* SPDX-License-Identifier: Apache-2.0 */
/* What kind of disk lies beneath a path: down through loop devices, partitions and stacked devices,
 * by /sys/dev/block. */
#include "base/file.h"
#include "host/loop-private.h"
#include "host/mount.h"
#include "host/space.h"

#include <dirent.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

enum { DEPTH_MAX = 16 };

static dol_media media_of_path(const char *path, unsigned depth);
static dol_media media_of_device(dev_t device, unsigned depth);
static dol_media media_of_directory(const char *directory, unsigned depth);

static bool has(const char *directory, const char *name)
{
        g_autofree char *path = g_build_filename(directory, name, NULL);

        return g_file_test(path, G_FILE_TEST_EXISTS);
}

static char *read_in(const char *directory, const char *name)
{
        g_autofree char *path = g_build_filename(directory, name, NULL);

        return dol_file_read_line(path, NULL);
}

/* A whole disk. */
static dol_media media_of_disk(const char *directory)
{
        g_autofree char *name = g_path_get_basename(directory);
        g_autofree char *rotational = read_in(directory, "queue/rotational");

        if (g_str_has_prefix(name, "nvme"))
                return DOL_MEDIA_NVME;
        if (!rotational)
                return DOL_MEDIA_UNKNOWN;
        return strcmp(rotational, "0") == 0 ? DOL_MEDIA_SSD : DOL_MEDIA_HDD;
}

/* A stack is as slow as its slowest part; a part that cannot be told makes all of it unknown. */
static dol_media slower(dol_media a, dol_media b)
{
        return a == DOL_MEDIA_UNKNOWN || b == DOL_MEDIA_UNKNOWN ? DOL_MEDIA_UNKNOWN : MAX(a, b);
}

/* Of the devices a device-mapper or md device is made of; false when it is made of none. */
static bool media_of_parts(const char *directory, unsigned depth, dol_media *ret)
{
        g_autofree char *path = g_build_filename(directory, "slaves", NULL);
        DIR *parts = opendir(path);
        const struct dirent *entry;
        bool any = false;

        if (!parts)
                return false;
        while ((entry = readdir(parts))) {
                g_autofree char *part = g_build_filename(path, entry->d_name, NULL);
                dol_media media;

                if (entry->d_name[0] == '.')
                        continue;
                media = media_of_directory(part, depth + 1);
                *ret = any ? slower(*ret, media) : media;
                any = true;
        }
        closedir(parts);
        return any;
}

/* The backing file's name is asked only where its file system has no device of its own: it may be
 * deleted, or named in another mount namespace. */
static dol_media media_of_loop(const char *directory, unsigned depth)
{
        g_autofree char *name = g_path_get_basename(directory);
        g_autofree char *file = read_in(directory, "loop/backing_file");
        dev_t below;

        if (dol_loop_backing_device(
                    makedev(DOL_LOOP_MAJOR, (unsigned)strtoul(name + strlen("loop"), NULL, 10)),
                    &below) &&
            major(below) != 0)
                return media_of_device(below, depth + 1);
        return file ? media_of_path(file, depth + 1) : DOL_MEDIA_UNKNOWN;
}

static dol_media media_of_directory(const char *directory, unsigned depth)
{
        g_autofree char *real = realpath(directory, NULL);
        dol_media media = DOL_MEDIA_UNKNOWN;

        if (!real || depth > DEPTH_MAX)
                return DOL_MEDIA_UNKNOWN;
        if (has(real, "partition")) {
                g_autofree char *disk = g_path_get_dirname(real);

                return media_of_directory(disk, depth + 1);
        }
        if (has(real, "loop"))
                return media_of_loop(real, depth);
        if (media_of_parts(real, depth, &media))
                return media;
        return media_of_disk(real);
}

static dol_media media_of_device(dev_t device, unsigned depth)
{
        g_autofree char *directory =
                g_strdup_printf("/sys/dev/block/%u:%u", major(device), minor(device));

        return media_of_directory(directory, depth);
}

/* btrfs and others have no device of their own (major 0): the mount says what they are on. */
static bool device_of_mount(const char *path, dev_t *ret)
{
        g_autofree char *at = realpath(path, NULL);
        struct stat st;

        while (at) {
                g_autoptr(dol_mount_entry) entry = dol_mount_find(at, NULL);
                char *parent;

                if (entry || strcmp(at, "/") == 0) {
                        if (!entry || stat(entry->source, &st) < 0 || !S_ISBLK(st.st_mode))
                                return false;
                        *ret = st.st_rdev;
                        return true;
                }
                parent = g_path_get_dirname(at);
                g_free(at);
                at = parent;
        }
        return false;
}

static dol_media media_of_path(const char *path, unsigned depth)
{
        struct stat st;
        dev_t device;

        if (depth > DEPTH_MAX || stat(path, &st) < 0)
                return DOL_MEDIA_UNKNOWN;
        device = S_ISBLK(st.st_mode) ? st.st_rdev : st.st_dev;
        if (major(device) == 0 && !device_of_mount(path, &device))
                return DOL_MEDIA_UNKNOWN;
        return media_of_device(device, depth + 1);
}

dol_media dol_space_media(const char *path)
{
        return media_of_path(path, 0);
}
