/* SPDX-License-Identifier: Apache-2.0 */
#include "host/loop.h"

#include "base/fault.h"
#include "base/file.h"
#include "base/guard.h"
#include "host/loop-private.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

enum { BLOCK_SIZE = 4096, TRIES_MAX = 200, RETRY_USEC = 500 };

/* Looking for an image's device and attaching it must be one step: two threads that both find
 * nothing would attach it twice. And who looks has devices open for a moment, which delays their
 * detaching: whoever comes next shall not see that. */
static pthread_mutex_t scanning = PTHREAD_MUTEX_INITIALIZER;

/* Opens an image and learns its identity. */
static bool open_image(const char *path, bool read_only, int *ret_fd, struct stat *ret,
                       GError **error)
{
        dol_autofd fd =
                open(path, (read_only ? O_RDONLY : O_RDWR) | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

        if (fd < 0 || fstat(fd, ret) < 0)
                return dol_fail_errno(error, errno, "open image '%s'", path);
        if (!S_ISREG(ret->st_mode))
                return dol_fail(error, DOL_ERROR_INVALID, "image '%s' is not a regular file", path);
        *ret_fd = dol_steal_fd(&fd);
        return true;
}

/* Brings a device that was attached by somebody else into the state that is asked for. */
static bool adopt(dol_loop *loop, const struct loop_info64 *found, const dol_loop_options *options,
                  GError **error)
{
        struct loop_info64 info = *found;

        if (info.lo_offset != 0 || info.lo_sizelimit != 0)
                return dol_fail(error, DOL_ERROR_CONFLICT,
                                "'%s' is attached to a part of the image; detach it (losetup -d)",
                                loop->device);
        if (!options->read_only && (info.lo_flags & LO_FLAGS_READ_ONLY))
                return dol_fail(error, DOL_ERROR_CONFLICT,
                                "'%s' is attached to the image read-only; detach it (losetup -d)",
                                loop->device);
        loop->reused = true;
        if (!!(info.lo_flags & LO_FLAGS_AUTOCLEAR) == options->autoclear)
                return true;
        info.lo_flags ^= LO_FLAGS_AUTOCLEAR;
        if (ioctl(loop->fd, LOOP_SET_STATUS64, &info) < 0)
                return dol_fail_errno(error, errno, "change '%s'", loop->device);
        return true;
}

/* Takes the number of a device that was free a moment ago. */
static bool free_number(unsigned *ret, GError **error)
{
        dol_autofd control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
        int number;

        if (control < 0 && (errno == ENOENT || errno == ENODEV))
                return dol_fail(error, DOL_ERROR_UNSUPPORTED,
                                "there are no loop devices here (modprobe loop)");
        if (control < 0)
                return dol_fail_errno(error, errno, "open '/dev/loop-control'");
        number = ioctl(control, LOOP_CTL_GET_FREE);
        if (number < 0)
                return dol_fail_errno(error, errno, "find a free loop device");
        *ret = (unsigned)number;
        return true;
}

static int configure(int device, int image, const char *path, const dol_loop_options *options)
{
        struct loop_config config = {.fd = (uint32_t)image, .block_size = BLOCK_SIZE};

        config.info.lo_flags = LO_FLAGS_DIRECT_IO;
        if (options->autoclear)
                config.info.lo_flags |= LO_FLAGS_AUTOCLEAR;
        if (options->read_only)
                config.info.lo_flags |= LO_FLAGS_READ_ONLY;
        g_strlcpy((char *)config.info.lo_file_name, path, LO_NAME_SIZE);
        if (ioctl(device, LOOP_CONFIGURE, &config) == 0)
                return 0;
        if (errno != EINVAL && errno != EOPNOTSUPP)
                return errno;
        config.info.lo_flags &= ~(uint32_t)LO_FLAGS_DIRECT_IO;
        return ioctl(device, LOOP_CONFIGURE, &config) == 0 ? 0 : errno;
}

/* One try at a free device. *ret_retry: another process was faster (EBUSY) or the device was just
 * going away (ENXIO); the next free number may do. */
static bool try_attach(int image, const char *path, const dol_loop_options *options, dol_loop *ret,
                       bool *ret_retry, GError **error)
{
        g_auto(dol_loop) loop = DOL_LOOP_INIT;
        unsigned number = 0;
        int err;

        *ret_retry = false;
        if (!free_number(&number, error))
                return false;
        snprintf(loop.device, sizeof(loop.device), "/dev/loop%u", number);
        loop.number = makedev(DOL_LOOP_MAJOR, number);
        loop.fd = dol_loop_open(loop.device, loop.number, O_RDWR);
        err = loop.fd < 0 ? errno : configure(loop.fd, image, path, options);
        if (err) {
                *ret_retry = err == EBUSY || err == ENXIO || err == EAGAIN;
                return dol_fail_errno(error, err, "attach '%s' to '%s'", path, loop.device);
        }
        *ret = loop;
        loop.fd = -1;
        return true;
}

static bool attach_new(const dol_call *call, int image, const char *path,
                       const dol_loop_options *options, dol_loop *ret, GError **error)
{
        for (unsigned i = 0;; i++) {
                g_autoptr(GError) failed = NULL;
                bool retry;

                if (try_attach(image, path, options, ret, &retry, &failed))
                        return true;
                if (!retry || i >= TRIES_MAX) {
                        g_propagate_error(error, g_steal_pointer(&failed));
                        return false;
                }
                if (!dol_call_check(call, error))
                        return dol_fail_while(error, "attach '%s'", path);
                if (i > 2)
                        g_usleep(RETRY_USEC);
        }
}

static bool find_or_attach(const dol_call *call, int image, const struct stat *identity,
                           const char *path, const dol_loop_options *options, dol_loop *ret,
                           GError **error)
{
        struct loop_info64 info;
        bool found;
        dol_lock_scope(&scanning);

        if (!dol_loop_scan(identity->st_dev, identity->st_ino, ret, &info, &found, error))
                return false;
        if (found)
                return adopt(ret, &info, options, error);
        return attach_new(call, image, path, options, ret, error);
}

bool dol_loop_attach(const dol_call *call, const char *image, const dol_loop_options *options,
                     dol_loop *ret, GError **error)
{
        g_auto(dol_loop) loop = DOL_LOOP_INIT;
        dol_autofd fd = -1;
        struct stat identity;

        if (!dol_call_check(call, error) || !dol_fault_point("host.loop.attach.before", error))
                return dol_fail_while(error, "attach '%s'", image);
        if (!open_image(image, options->read_only, &fd, &identity, error))
                return false;
        if (!find_or_attach(call, fd, &identity, image, options, &loop, error))
                return dol_fail_while(error, "image '%s'", image);
        if (!dol_fault_point("host.loop.attach.after", error))
                return false;
        *ret = loop;
        loop.fd = -1;
        return true;
}

bool dol_loop_find(const char *image, dol_loop *ret, GError **error)
{
        struct loop_info64 info;
        struct stat identity;
        bool found;
        dol_lock_scope(&scanning);

        if (stat(image, &identity) < 0) {
                if (errno != ENOENT && errno != ENOTDIR)
                        dol_fail_errno(error, errno, "stat image '%s'", image);
                return false;
        }
        return dol_loop_scan(identity.st_dev, identity.st_ino, ret, &info, &found, error) && found;
}

bool dol_loop_detach(const char *device, GError **error)
{
        dol_autofd fd = open(device, O_RDONLY | O_CLOEXEC);

        if (fd < 0 && (errno == ENOENT || errno == ENXIO))
                return true;
        if (fd < 0)
                return dol_fail_errno(error, errno, "open '%s'", device);
        if (ioctl(fd, LOOP_CLR_FD) < 0 && errno != ENXIO)
                return dol_fail_errno(error, errno, "detach '%s'", device);
        return true;
}

bool dol_loop_resize(const char *device, GError **error)
{
        dol_autofd fd = open(device, O_RDONLY | O_CLOEXEC);

        if (fd < 0 || ioctl(fd, LOOP_SET_CAPACITY) < 0)
                return dol_fail_errno(error, errno, "resize '%s'", device);
        return true;
}

bool dol_loop_is_direct(const char *device)
{
        g_autofree char *name = g_path_get_basename(device);
        g_autofree char *path = g_strdup_printf("/sys/block/%s/loop/dio", name);
        g_autofree char *text = dol_file_read_line(path, NULL);

        return text && strcmp(text, "1") == 0;
}

void dol_loop_clear(dol_loop *loop)
{
        dol_close_fd(&loop->fd);
}
