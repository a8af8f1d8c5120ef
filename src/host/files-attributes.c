/* SPDX-License-Identifier: Apache-2.0 */
/* What a file has beside its content: read and set through O_PATH descriptors, so that nothing is
 * opened and no link followed. */
#include "base/guard.h"
#include "host/files-private.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

enum { LIST_MAX = 65536, TARGET_MAX = 4096 };

static bool read_target(int fd, const char *path, char **ret, GError **error)
{
        g_autofree char *target = g_malloc(TARGET_MAX + 1);
        ssize_t length = readlinkat(fd, "", target, TARGET_MAX);

        if (length < 0)
                return dol_fail_errno(error, errno, "read the link '/%s'", path);
        target[length] = '\0';
        *ret = g_steal_pointer(&target);
        return true;
}

static struct timespec time_of(const struct statx_timestamp *time)
{
        return (struct timespec){.tv_sec = time->tv_sec, .tv_nsec = time->tv_nsec};
}

bool dol_files_stat(int fd, const char *path, dol_file *ret, GError **error)
{
        struct statx info;

        if (statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_BTIME, &info) < 0)
                return dol_fail_errno(error, errno, "stat '/%s'", path);
        *ret = (dol_file){
                .path = path,
                .type = dol_file_type_of(info.stx_mode),
                .mode = info.stx_mode & 07777,
                .uid = info.stx_uid,
                .gid = info.stx_gid,
                .size = S_ISREG(info.stx_mode) ? info.stx_size : 0,
                .links = info.stx_nlink,
                .inode = info.stx_ino,
                .device = makedev(info.stx_rdev_major, info.stx_rdev_minor),
                .mtime = time_of(&info.stx_mtime),
                .ctime = time_of(&info.stx_ctime),
                .btime = time_of(&info.stx_btime),
        };
        return ret->type != DOL_FILE_SYMLINK || read_target(fd, path, &ret->target, error);
}

/* ---- extended attributes ---- */

void dol_file_xattr_free(void *data)
{
        dol_file_xattr *xattr = data;

        g_free(xattr->name);
        g_free(xattr->value);
        g_free(xattr);
}

static bool add_xattr(const char *self, const char *name, GPtrArray *to, GError **error)
{
        g_autofree char *value = g_malloc(LIST_MAX);
        ssize_t size = getxattr(self, name, value, LIST_MAX);
        dol_file_xattr *xattr;

        if (size < 0)
                return errno == ENODATA ||
                       dol_fail_errno(error, errno, "read the attribute '%s'", name);
        xattr = g_new0(dol_file_xattr, 1);
        xattr->name = g_strdup(name);
        xattr->size = (size_t)size;
        xattr->value = g_memdup2(value, (size_t)size);
        g_ptr_array_add(to, xattr);
        return true;
}

GPtrArray *dol_files_xattrs(int fd, const char *path, GError **error)
{
        g_autoptr(GPtrArray) found = NULL;
        g_autofree char *self = dol_files_proc_path(fd);
        g_autofree char *names = g_malloc(LIST_MAX);
        ssize_t size = listxattr(self, names, LIST_MAX);

        if (size < 0 && errno != ENOTSUP) {
                dol_fail_errno(error, errno, "list the attributes of '/%s'", path);
                return NULL;
        }
        if (size <= 0)
                return NULL;
        found = g_ptr_array_new_with_free_func(dol_file_xattr_free);
        for (const char *name = names; name < names + size; name += strlen(name) + 1)
                if (!add_xattr(self, name, found, error)) {
                        dol_fail_while(error, "'/%s'", path);
                        return NULL;
                }
        return g_steal_pointer(&found);
}

static bool is_refusal(int err)
{
        return err == EPERM || err == EACCES || err == ENOTSUP;
}

static bool set_xattrs(const char *self, const dol_file *file, bool lenient, uint64_t *kept_back,
                       GError **error)
{
        for (unsigned i = 0; file->xattrs && i < file->xattrs->len; i++) {
                const dol_file_xattr *xattr = file->xattrs->pdata[i];

                if (setxattr(self, xattr->name, xattr->value, xattr->size, 0) == 0)
                        continue;
                if (!lenient || !is_refusal(errno))
                        return dol_fail_errno(error, errno, "set the attribute '%s' of '/%s'",
                                              xattr->name, file->path);
                (*kept_back)++;
        }
        return true;
}

/* ---- setting ---- */

/* What a file has from the directory it was made in. */
static void drop_inherited(const char *self, const dol_file *file)
{
        static const char *const acls[] = {"system.posix_acl_access", "system.posix_acl_default"};

        for (unsigned i = 0; i < G_N_ELEMENTS(acls); i++) {
                bool wanted = false;

                for (unsigned j = 0; file->xattrs && j < file->xattrs->len; j++) {
                        const dol_file_xattr *xattr = file->xattrs->pdata[j];

                        wanted = wanted || strcmp(xattr->name, acls[i]) == 0;
                }
                if (!wanted)
                        removexattr(self, acls[i]);
        }
}

/* The mode comes after the owner, whose change takes set-id bits away, and after the ACLs, which
 * are part of it. */
bool dol_files_set_attributes(int fd, const dol_file *file, bool lenient, uint64_t *kept_back,
                              GError **error)
{
        g_autofree char *self = dol_files_proc_path(fd);
        mode_t mode = file->mode;

        if (fchownat(fd, "", (uid_t)file->uid, (gid_t)file->gid, AT_EMPTY_PATH) < 0) {
                if (!lenient || !is_refusal(errno))
                        return dol_fail_errno(error, errno, "set the owner of '/%s'", file->path);
                mode &= (mode_t) ~(S_ISUID | S_ISGID);
                (*kept_back)++;
        }
        drop_inherited(self, file);
        if (!set_xattrs(self, file, lenient, kept_back, error))
                return false;
        if (file->type != DOL_FILE_SYMLINK && chmod(self, mode) < 0)
                return dol_fail_errno(error, errno, "set the mode of '/%s'", file->path);
        return true;
}

bool dol_files_set_time(int fd, const dol_file *file, GError **error)
{
        g_autofree char *self = dol_files_proc_path(fd);
        const struct timespec times[] = {{.tv_nsec = UTIME_OMIT}, file->mtime};

        return utimensat(AT_FDCWD, self, times, 0) == 0 ||
               dol_fail_errno(error, errno, "set the time of '/%s'", file->path);
}
