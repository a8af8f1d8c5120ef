/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fault.h"
#include "base/guard.h"
#include "host/mount-private.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

enum { USERS_SHOWN = 3 };

static const char *repair_program(const char *fs_type)
{
        return strcmp(fs_type, "xfs") == 0 ? "xfs_repair" : "e2fsck -f";
}

/* What the kernel's bare number means to a person. */
static bool fail_mount(int err, const char *device, const char *fs_type, const char *path,
                       const char *data, GError **error)
{
        switch (err) {
        case EUCLEAN:
        case EBADMSG:
                return dol_fail(error, DOL_ERROR_INTERNAL,
                                "the file system on '%s' is damaged: run %s %s", device,
                                repair_program(fs_type), device);
        case EINVAL:
                if (data)
                        return dol_fail(error, DOL_ERROR_INVALID,
                                        "'%s' was refused: it has no valid %s file system, or one "
                                        "of the mount options '%s' is wrong; the kernel log says "
                                        "which",
                                        device, fs_type, data);
                return dol_fail(error, DOL_ERROR_INTERNAL,
                                "'%s' has no valid %s file system; the kernel log says more",
                                device, fs_type);
        case ENODEV:
                return dol_fail(error, DOL_ERROR_UNSUPPORTED,
                                "this kernel has no file system '%s' (modprobe %s)", fs_type,
                                fs_type);
        case EBUSY:
                return dol_fail(error, DOL_ERROR_BUSY,
                                "'%s' is in use by another program, or mounted with other options",
                                device);
        case EIO:
                return dol_fail(error, DOL_ERROR_INTERNAL,
                                "reading or writing '%s' failed (I/O error); if the pool's disk is "
                                "well: run %s %s",
                                device, repair_program(fs_type), device);
        default:
                return dol_fail_errno(error, err, "mount '%s' at '%s'", device, path);
        }
}

/* *ret_there: the device's file system is at the path already. Another one: CONFLICT. */
static bool check_device_at(const char *path, dev_t device, bool *ret_there, GError **error)
{
        g_autoptr(GError) failed = NULL;
        g_autoptr(dol_mount_entry) entry = dol_mount_find(path, &failed);

        *ret_there = false;
        if (failed) {
                g_propagate_error(error, g_steal_pointer(&failed));
                return false;
        }
        if (!entry)
                return true;
        if (entry->device != device || strcmp(entry->root, "/") != 0)
                return dol_fail(error, DOL_ERROR_CONFLICT, "'%s' is mounted at '%s' already",
                                entry->source, path);
        *ret_there = true;
        return true;
}

bool dol_mount_device(const dol_call *call, const char *device, const char *fs_type,
                      const char *path, const char *options, GError **error)
{
        g_auto(dol_mount_words) words = {0};
        struct stat st;
        bool there;

        if (!dol_call_check(call, error))
                return dol_fail_while(error, "mount '%s'", path);
        if (stat(device, &st) < 0)
                return dol_fail_errno(error, errno, "stat '%s'", device);
        if (!S_ISBLK(st.st_mode))
                return dol_fail(error, DOL_ERROR_INVALID, "'%s' is not a block device", device);
        if (!dol_mountpoint_ensure(path, error) ||
            !check_device_at(path, st.st_rdev, &there, error))
                return false;
        if (there)
                return true;
        dol_mount_words_parse(options, &words);
        if (!dol_fault_point("host.mount.before", error))
                return false;
        if (mount(device, path, fs_type, words.flags, words.data) < 0)
                return fail_mount(errno, device, fs_type, path, words.data, error);
        return dol_fault_point("host.mount.after", error);
}

/* *ret_there: what is mounted at the path is this very directory. */
static bool check_directory_at(const char *path, const char *from, bool *ret_there, GError **error)
{
        struct stat wanted, found;
        bool is_root;
        uint64_t id;

        *ret_there = false;
        if (!dol_mount_is_root(path, &is_root, &id, error))
                return false;
        if (!is_root)
                return true;
        if (stat(from, &wanted) < 0 || stat(path, &found) < 0)
                return dol_fail_errno(error, errno, "compare '%s' and '%s'", from, path);
        if (wanted.st_dev != found.st_dev || wanted.st_ino != found.st_ino)
                return dol_fail(error, DOL_ERROR_CONFLICT,
                                "something else than '%s' is mounted at '%s'", from, path);
        *ret_there = true;
        return true;
}

/* The copy of the mount gets its options before anybody can see it. */
static bool bind(const char *from, const char *path, const dol_mount_words *words, GError **error)
{
        struct mount_attr attributes = {.attr_set = words->set, .attr_clr = words->clear};
        dol_autofd tree = open_tree(AT_FDCWD, from, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

        if (tree < 0)
                return dol_fail_errno(error, errno, "open '%s'", from);
        if ((words->set || words->clear) &&
            mount_setattr(tree, "", AT_EMPTY_PATH, &attributes, sizeof(attributes)) < 0)
                return dol_fail_errno(error, errno, "set the mount options of '%s'", path);
        if (move_mount(tree, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH) < 0)
                return dol_fail_errno(error, errno, "bind '%s' to '%s'", from, path);
        return true;
}

bool dol_mount_bind(const dol_call *call, const char *from, const char *path, const char *options,
                    GError **error)
{
        g_auto(dol_mount_words) words = {0};
        bool there;

        if (!dol_call_check(call, error))
                return dol_fail_while(error, "bind '%s'", path);
        if (!g_file_test(from, G_FILE_TEST_IS_DIR))
                return dol_fail(error, DOL_ERROR_NOT_FOUND, "there is no directory '%s'", from);
        if (!dol_mountpoint_ensure(path, error) || !check_directory_at(path, from, &there, error))
                return false;
        if (there)
                return true;
        dol_mount_words_parse(options, &words);
        if (!dol_fault_point("host.mount.before", error))
                return false;
        if (!bind(from, path, &words, error))
                return false;
        return dol_fault_point("host.mount.after", error);
}

/* *ret_mounted; a path that is not there has nothing mounted. */
static bool is_mounted(const char *path, bool *ret_mounted, GError **error)
{
        g_autoptr(GError) failed = NULL;
        uint64_t id;

        *ret_mounted = false;
        if (dol_mount_is_root(path, ret_mounted, &id, &failed) ||
            dol_error_is(failed, DOL_ERROR_NOT_FOUND))
                return true;
        g_propagate_error(error, g_steal_pointer(&failed));
        return false;
}

static bool fail_unmount(int err, const char *path, GError **error)
{
        g_autofree char *users = NULL;

        if (err != EBUSY)
                return dol_fail_errno(error, err, "unmount '%s'", path);
        users = dol_mount_users(path, USERS_SHOWN);
        return dol_fail(error, DOL_ERROR_BUSY, "'%s' is in use%s%s", path, users ? " by " : "",
                        users ? users : "");
}

/* Takes the topmost mount away. One that somebody else has taken away meanwhile is fine. */
static bool unmount_once(const char *path, int flags, bool *ret_mounted, GError **error)
{
        int err = umount2(path, flags | UMOUNT_NOFOLLOW) < 0 ? errno : 0;

        if (!is_mounted(path, ret_mounted, error))
                return false;
        return err == 0 || !*ret_mounted || fail_unmount(err, path, error);
}

bool dol_unmount(const dol_call *call, const char *path, GError **error)
{
        bool mounted;

        if (!is_mounted(path, &mounted, error))
                return false;
        if (!mounted)
                return true;
        if (!dol_fault_point("host.unmount.before", error))
                return false;
        while (mounted) {
                if (!dol_call_check(call, error))
                        return dol_fail_while(error, "unmount '%s'", path);
                if (!unmount_once(path, 0, &mounted, error))
                        return false;
        }
        return dol_fault_point("host.unmount.after", error);
}

bool dol_unmount_lazy(const char *path, GError **error)
{
        bool mounted;

        if (!is_mounted(path, &mounted, error))
                return false;
        while (mounted)
                if (!unmount_once(path, MNT_DETACH, &mounted, error))
                        return false;
        return true;
}
