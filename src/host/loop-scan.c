/* SPDX-License-Identifier: Apache-2.0 */
/* Walking over the loop devices of this host, by /sys/devices/virtual/block. */
#include "base/file.h"
#include "base/guard.h"
#include "host/loop-private.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

enum { PATH_BYTES_MAX = 65536 };

#define BLOCK_DEVICES "/sys/devices/virtual/block"

/* `attachment` is the inode number of the directory loopN/loop, which appears with each attaching
 * and whose number is not used again. */
typedef bool (*name_fn)(const char *name, ino_t attachment, void *user);

/* Calls fn for "loop0", "loop1" ... that are attached. false from fn ends the walk. */
static bool each_attached(name_fn fn, void *user, GError **error)
{
        DIR *directory = opendir(BLOCK_DEVICES);
        const struct dirent *entry;

        if (!directory)
                return dol_fail_errno(error, errno, "open '%s'", BLOCK_DEVICES);
        while ((entry = readdir(directory))) {
                char inside[sizeof(entry->d_name) + 8];
                struct stat st;

                if (!g_str_has_prefix(entry->d_name, "loop") ||
                    !isdigit((unsigned char)entry->d_name[4]))
                        continue;
                snprintf(inside, sizeof(inside), "%s/loop", entry->d_name);
                if (fstatat(dirfd(directory), inside, &st, 0) < 0)
                        continue;
                if (!fn(entry->d_name, st.st_ino, user))
                        break;
        }
        closedir(directory);
        return true;
}

/* What backs a device, as seen at one attaching; so that each is opened once, not once per search:
 * that takes its time, and whoever has a device open delays its detaching. */
typedef struct {
        ino_t attachment;
        dev_t device;
        ino_t inode;
} backing;

static GArray *known; /* by the device's number; 0 = not looked at yet */

static backing *known_backing(unsigned number)
{
        if (!known)
                known = g_array_new(false, true, sizeof(backing));
        if (known->len <= number)
                g_array_set_size(known, number + 1);
        return &g_array_index(known, backing, number);
}

int dol_loop_open(const char *device, dev_t number, int flags)
{
        int fd = open(device, flags | O_CLOEXEC);

        if (fd < 0 && errno == ENOENT && mknod(device, S_IFBLK | 0600, number) == 0)
                fd = open(device, flags | O_CLOEXEC);
        return fd;
}

typedef struct {
        dev_t device;
        ino_t inode;
        dol_loop loop;
        struct loop_info64 info;
        bool found;
        GError *error;
} search;

/* Opens the device and asks what backs it. A device that cannot be looked at may be the one: that
 * is an error, not a "no". ENXIO is a device that has just been detached. */
static bool look(dol_loop *loop, struct loop_info64 *ret_info, bool *ret_attached, GError **error)
{
        loop->fd = dol_loop_open(loop->device, loop->number, O_RDONLY);
        *ret_attached = loop->fd >= 0 && ioctl(loop->fd, LOOP_GET_STATUS64, ret_info) == 0;
        return *ret_attached || errno == ENXIO ||
               dol_fail_errno(error, errno, "look at '%s'", loop->device);
}

static bool compare(const char *name, ino_t attachment, void *user)
{
        search *wanted = user;
        g_auto(dol_loop) loop = DOL_LOOP_INIT;
        unsigned number = (unsigned)strtoul(name + strlen("loop"), NULL, 10);
        backing *seen = known_backing(number);
        bool attached;

        if (seen->attachment == attachment &&
            (seen->device != wanted->device || seen->inode != wanted->inode))
                return true;
        snprintf(loop.device, sizeof(loop.device), "/dev/loop%u", number);
        loop.number = makedev(DOL_LOOP_MAJOR, number);
        if (!look(&loop, &wanted->info, &attached, &wanted->error))
                return false;
        if (!attached)
                return true;
        *seen = (backing){attachment, wanted->info.lo_device, wanted->info.lo_inode};
        if (seen->device != wanted->device || seen->inode != wanted->inode)
                return true;
        wanted->loop = loop;
        loop.fd = -1;
        wanted->found = true;
        return false;
}

bool dol_loop_scan(dev_t device, ino_t inode, dol_loop *ret, struct loop_info64 *ret_info,
                   bool *ret_found, GError **error)
{
        search wanted = {.device = device, .inode = inode};

        if (!each_attached(compare, &wanted, error))
                return false;
        if (wanted.error) {
                g_propagate_error(error, wanted.error);
                return false;
        }
        *ret_found = wanted.found;
        if (wanted.found) {
                *ret = wanted.loop;
                *ret_info = wanted.info;
        }
        return true;
}

bool dol_loop_backing_device(dev_t loop, dev_t *ret)
{
        g_autofree char *path = g_strdup_printf("/dev/loop%u", minor(loop));
        dol_autofd fd = dol_loop_open(path, loop, O_RDONLY);
        struct loop_info64 info;

        if (fd < 0 || ioctl(fd, LOOP_GET_STATUS64, &info) < 0)
                return false;
        *ret = info.lo_device;
        return true;
}

typedef struct {
        const char *prefix;
        dol_loop_fn fn;
        void *user;
} listing;

static bool show(const char *name, ino_t attachment, void *user)
{
        const listing *list = user;
        g_autofree char *path = g_strdup_printf(BLOCK_DEVICES "/%s/loop/backing_file", name);
        g_autofree char *device = g_strdup_printf("/dev/%s", name);
        g_autofree char *file = NULL;
        size_t size;

        /* gone between the walk and the reading */
        if (!dol_file_read(path, PATH_BYTES_MAX, &file, &size, NULL))
                return true;
        if (size > 0 && file[size - 1] == '\n')
                file[size - 1] = '\0';
        return !g_str_has_prefix(file, list->prefix) || list->fn(device, file, list->user);
}

bool dol_loop_each(const char *prefix, dol_loop_fn fn, void *user, GError **error)
{
        listing list = {prefix, fn, user};

        return each_attached(show, &list, error);
}
