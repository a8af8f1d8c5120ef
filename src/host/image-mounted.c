/* SPDX-License-Identifier: Apache-2.0 */
#include "host/image-mounted.h"

#include "base/fault.h"
#include "base/guard.h"
#include "host/grow.h"
#include "host/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

enum { MESSAGE_MAX = 512, GONE_TRIES = 100, GONE_PAUSE_USEC = 5000 };

/* Mounts claim their devices; a device that nobody claims may be about to go. */
static bool is_claimed(const char *device)
{
        dol_autofd fd = open(device, O_RDONLY | O_EXCL | O_CLOEXEC);

        return fd < 0 && errno == EBUSY;
}

bool dol_image_is_free(const char *image, GError **error)
{
        for (unsigned i = 0;; i++) {
                g_auto(dol_loop) loop = DOL_LOOP_INIT;
                g_autoptr(GError) failed = NULL;

                if (!dol_loop_find(image, &loop, &failed)) {
                        if (!failed)
                                return true;
                        g_propagate_error(error, g_steal_pointer(&failed));
                        return false;
                }
                if (i >= GONE_TRIES || is_claimed(loop.device))
                        return dol_fail(error, DOL_ERROR_BUSY, "'%s' is attached to '%s'", image,
                                        loop.device);
                dol_loop_clear(&loop);
                g_usleep(GONE_PAUSE_USEC);
        }
}

/* What the kernel has to say about a mount that failed, if anything. */
static bool fail_mount(int context, int err, const char *device, GError **error)
{
        char text[MESSAGE_MAX];
        ssize_t size = read(context, text, sizeof(text) - 1);

        text[MAX(size, 0)] = '\0';
        if (err == EUCLEAN || err == EBADMSG || err == EINVAL || err == EIO)
                return dol_fail(error, DOL_ERROR_INTERNAL,
                                "the file system on '%s' is damaged: %s%s%s", device,
                                g_strerror(err), size > 0 ? ": " : "", g_strchomp(text));
        return dol_fail_errno(error, err, "mount '%s' for a moment", device);
}

/* With the superblock made, all is done that a mount does, the journal's replay too. It goes again
 * with the context. */
static bool make_super(int context, const char *device, dol_fs_kind fs, GError **error)
{
        if (fsconfig(context, FSCONFIG_SET_STRING, "source", device, 0) < 0 ||
            (fs == DOL_FS_XFS && fsconfig(context, FSCONFIG_SET_FLAG, "nouuid", NULL, 0) < 0) ||
            fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
                return fail_mount(context, errno, device, error);
        return true;
}

static bool call_with_root(int context, dol_mounted_fn fn, GError **error)
{
        dol_autofd mounted = fsmount(context, FSMOUNT_CLOEXEC, 0);
        dol_autofd root = -1;

        if (mounted < 0)
                return dol_fail_errno(error, errno, "fsmount");
        root = openat(mounted, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (root < 0)
                return dol_fail_errno(error, errno, "open the root directory");
        return fn(root, error);
}

static bool mount_device(const char *device, dol_fs_kind fs, dol_mounted_fn fn, GError **error)
{
        dol_autofd context = fsopen(fs == DOL_FS_XFS ? "xfs" : "ext4", FSOPEN_CLOEXEC);

        if (context < 0)
                return dol_fail_errno(error, errno, "fsopen");
        return make_super(context, device, fs, error) &&
               (!fn || call_with_root(context, fn, error));
}

bool dol_image_mounted(const dol_call *call, dol_fs_kind fs, const char *image, dol_mounted_fn fn,
                       GError **error)
{
        const dol_loop_options options = {.autoclear = true};
        g_auto(dol_loop) loop = DOL_LOOP_INIT;
        struct stat st;

        if (stat(image, &st) < 0)
                return dol_fail_errno(error, errno, "stat '%s'", image);
        if (S_ISBLK(st.st_mode))
                return mount_device(image, fs, fn, error);
        return dol_image_is_free(image, error) &&
               dol_loop_attach(call, image, &options, &loop, error) &&
               mount_device(loop.device, fs, fn, error);
}

bool dol_image_replay(const dol_call *call, dol_fs_kind fs, const char *image, GError **error)
{
        if (fs != DOL_FS_EXT4 && fs != DOL_FS_XFS)
                return true;
        if (!dol_call_check(call, error) || !dol_fault_point("host.replay.before", error) ||
            !dol_image_mounted(call, fs, image, NULL, error))
                return dol_fail_while(error, "replay the journal in '%s'", image);
        return dol_fault_point("host.replay.after", error);
}
