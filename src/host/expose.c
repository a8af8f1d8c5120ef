/* SPDX-License-Identifier: Apache-2.0 */
#include "host/expose.h"

#include "base/fault.h"
#include "base/guard.h"
#include "host/mount-private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

enum { DIRECTORY_MODE = 0750, FILE_MODE = 0600 };

static bool is_the_same(const struct stat *a, const struct stat *b)
{
        if (S_ISBLK(a->st_mode) && S_ISBLK(b->st_mode))
                return a->st_rdev == b->st_rdev;
        return S_ISDIR(a->st_mode) && S_ISDIR(b->st_mode) && a->st_dev == b->st_dev &&
               a->st_ino == b->st_ino;
}

bool dol_is_exposed_at(const char *path)
{
        bool is_root = false;
        uint64_t id;

        return dol_mount_is_root(path, &is_root, &id, NULL) && is_root;
}

bool dol_is_exposed(const char *from, const char *path)
{
        struct stat wanted, found;

        return dol_is_exposed_at(path) && stat(from, &wanted) == 0 && lstat(path, &found) == 0 &&
               is_the_same(&wanted, &found);
}

static bool is_empty_directory(const char *path)
{
        DIR *directory = opendir(path);
        const struct dirent *entry;
        bool empty = directory != NULL;

        while (empty && (entry = readdir(directory)))
                empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
        if (directory)
                closedir(directory);
        return empty;
}

static bool make_point(const char *path, bool directory, GError **error)
{
        dol_autofd fd = -1;

        if (directory)
                return mkdir(path, DIRECTORY_MODE) == 0 ||
                       dol_fail_errno(error, errno, "create '%s'", path);
        fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);
        return fd >= 0 || dol_fail_errno(error, errno, "create '%s'", path);
}

/* The path is there, or is made, and nothing would be hidden. */
static bool prepare_point(const char *path, bool directory, GError **error)
{
        struct stat found;

        if (lstat(path, &found) < 0)
                return errno == ENOENT ? make_point(path, directory, error)
                                       : dol_fail_errno(error, errno, "look at '%s'", path);
        if (dol_is_exposed_at(path))
                return dol_fail(error, DOL_ERROR_CONFLICT, "something else is mounted at '%s'",
                                path);
        if (directory && S_ISDIR(found.st_mode))
                return is_empty_directory(path) ||
                       dol_fail(error, DOL_ERROR_CONFLICT,
                                "'%s' is not empty; a mount would hide what is in it", path);
        if (!directory && S_ISREG(found.st_mode) && found.st_size == 0)
                return true;
        return dol_fail(error, DOL_ERROR_CONFLICT, "'%s' is not %s", path,
                        directory ? "a directory" : "an empty file");
}

/* The copy of the mount gets its options before anybody can see it. */
static bool bind(const char *from, const char *path, const dol_mount_words *words, GError **error)
{
        struct mount_attr attributes = {.attr_set = words->set, .attr_clr = words->clear};
        dol_autofd tree = open_tree(AT_FDCWD, from, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
        dol_autofd point = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);

        if (tree < 0)
                return dol_fail_errno(error, errno, "open '%s'", from);
        if (point < 0)
                return dol_fail_errno(error, errno, "open '%s'", path);
        if ((words->set || words->clear) &&
            mount_setattr(tree, "", AT_EMPTY_PATH, &attributes, sizeof(attributes)) < 0)
                return dol_fail_errno(error, errno, "set the mount options of '%s'", path);
        if (move_mount(tree, "", point, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
                return dol_fail_errno(error, errno, "bind '%s' to '%s'", from, path);
        return true;
}

bool dol_expose(const dol_call *call, const char *from, const char *path, const char *options,
                GError **error)
{
        g_auto(dol_mount_words) words = {0};
        struct stat wanted;

        if (!dol_call_check(call, error))
                return dol_fail_while(error, "bind '%s'", path);
        if (stat(from, &wanted) < 0)
                return dol_fail_errno(error, errno, "look at '%s'", from);
        if (!S_ISDIR(wanted.st_mode) && !S_ISBLK(wanted.st_mode))
                return dol_fail(error, DOL_ERROR_INVALID,
                                "'%s' is neither a directory nor a block device", from);
        if (dol_is_exposed(from, path))
                return true;
        if (!prepare_point(path, S_ISDIR(wanted.st_mode), error) ||
            !dol_fault_point("host.expose.before", error))
                return false;
        dol_mount_words_parse(options, &words);
        return bind(from, path, &words, error) && dol_fault_point("host.expose.after", error);
}

/* rmdir and an empty file's unlink: nothing that holds anything goes. */
static bool remove_point(const char *path, GError **error)
{
        struct stat found;

        if (lstat(path, &found) < 0)
                return errno == ENOENT || dol_fail_errno(error, errno, "look at '%s'", path);
        if (S_ISREG(found.st_mode) && found.st_size > 0)
                return dol_fail(error, DOL_ERROR_CONFLICT, "'%s' is not empty, and is left alone",
                                path);
        if ((S_ISDIR(found.st_mode) ? rmdir(path) : unlink(path)) == 0 || errno == ENOENT)
                return true;
        return dol_fail_errno(error, errno, "remove '%s'", path);
}

bool dol_unexpose(const dol_call *call, const char *path, bool remove, GError **error)
{
        struct stat found;

        if (lstat(path, &found) < 0 && errno == ENOENT)
                return true;
        if (!dol_unmount(call, path, error))
                return false;
        return !remove || remove_point(path, error);
}
