/* SPDX-License-Identifier: Apache-2.0 */
/* Bringing a finished copy to its place: by renames, so that each file is the old one or the new.
 */
#include "base/guard.h"
#include "host/files-private.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <string.h>

/* Joining directories holds two descriptors for each level. */
enum { JOIN_DEPTH_MAX = 200 };

static const uint64_t strictly = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;

typedef struct {
        const dol_call *call;
        bool overwrite, check;
} placing;

/* The two names of one file: in the copy and in its place. */
typedef struct {
        int from, to; /* directories */
        const char *from_name, *to_name;
        const char *path; /* for messages */
} place;

static bool place_one(const placing *how, const place *here, unsigned depth, GError **error);

static bool place_children(const placing *how, int from, int to, const char *path, unsigned depth,
                           GError **error)
{
        g_autoptr(GPtrArray) names = dol_files_names(from, path, error);

        if (!names)
                return false;
        if (depth == JOIN_DEPTH_MAX)
                return dol_fail(error, DOL_ERROR_INVALID,
                                "'/%.100s...' is there in more than %d levels: restore it to "
                                "another place",
                                path, JOIN_DEPTH_MAX);
        for (unsigned i = 0; i < names->len; i++) {
                const char *name = names->pdata[i];
                g_autofree char *child = g_strconcat(path, *path ? "/" : "", name, NULL);

                if (!place_one(how, &(place){from, to, name, name, child}, depth + 1, error))
                        return false;
        }
        return true;
}

/* The directory that is there gets what the copy holds, and its attributes. */
static bool join(const placing *how, int from, int to, const char *path, unsigned depth,
                 GError **error)
{
        g_autoptr(GPtrArray) xattrs = NULL;
        dol_file as_was;

        if (!dol_files_stat(from, path, &as_was, error))
                return false;
        as_was.xattrs = xattrs = dol_files_xattrs(from, path, NULL);
        if (!place_children(how, from, to, path, depth, error))
                return false;
        return how->check || (dol_files_set_attributes(to, &as_was, false, NULL, error) &&
                              dol_files_set_time(to, &as_was, error));
}

static bool join_directories(const placing *how, const place *here, unsigned depth, GError **error)
{
        dol_autofd from =
                dol_files_openat2(here->from, here->from_name, O_PATH | O_DIRECTORY, strictly);
        dol_autofd to = dol_files_openat2(here->to, here->to_name, O_PATH | O_DIRECTORY, strictly);

        if (from < 0 || to < 0)
                return dol_fail_errno(error, errno, "open directory '/%s'", here->path);
        return join(how, from, to, here->path, depth, error);
}

static bool move(const place *here, unsigned flags, GError **error)
{
        if (renameat2(here->from, here->from_name, here->to, here->to_name, flags) == 0)
                return true;
        if (errno == EEXIST || errno == ENOENT)
                return dol_fail(error, DOL_ERROR_BUSY, "'/%s' was changed meanwhile", here->path);
        return dol_fail_errno(error, errno, "put '/%s' into its place", here->path);
}

static bool place_one(const placing *how, const place *here, unsigned depth, GError **error)
{
        struct stat from, to;

        if (!dol_call_check(how->call, error))
                return false;
        if (fstatat(here->from, here->from_name, &from, AT_SYMLINK_NOFOLLOW) < 0)
                return dol_fail_errno(error, errno, "stat the copy of '/%s'", here->path);
        if (fstatat(here->to, here->to_name, &to, AT_SYMLINK_NOFOLLOW) < 0)
                return errno != ENOENT ? dol_fail_errno(error, errno, "stat '/%s'", here->path)
                                       : how->check || move(here, RENAME_NOREPLACE, error);
        if (!how->overwrite)
                return dol_fail(error, DOL_ERROR_EXISTS,
                                "'/%s' is there already: overwrite it, or restore to another place",
                                here->path);
        if (S_ISDIR(from.st_mode) && S_ISDIR(to.st_mode))
                return join_directories(how, here, depth, error);
        if (S_ISDIR(from.st_mode) || S_ISDIR(to.st_mode))
                return dol_fail(error, DOL_ERROR_CONFLICT,
                                "'/%s' is a %s, and would become a %s: move it away first",
                                here->path, dol_file_type_words[dol_file_type_of(to.st_mode)],
                                dol_file_type_words[dol_file_type_of(from.st_mode)]);
        return how->check || move(here, RENAME_EXCHANGE, error);
}

bool dol_files_place(const dol_call *call, int stage, const char *name, int root, const char *path,
                     bool overwrite, bool check, GError **error)
{
        const placing how = {call, overwrite, check};
        place here = {.from = stage, .to = root, .from_name = name, .to_name = ".", .path = path};
        g_autoptr(GError) why = NULL;
        dol_autofd parent = -1;

        if (!*path)
                return place_one(&how, &here, 0, error);
        parent = dol_files_open_parent(root, path, &here.to_name, &why);
        if (parent < 0 && check && dol_error_is(why, DOL_ERROR_NOT_FOUND))
                return true;
        if (parent < 0) {
                g_propagate_error(error, g_steal_pointer(&why));
                return false;
        }
        here.to = parent;
        return place_one(&how, &here, 0, error);
}

/* ---- directories on the way ---- */

static bool like_model(int model, int fd, const char *path, GError **error)
{
        dol_autofd original = model < 0 ? -1 : dol_files_open_strictly(model, path, NULL);
        g_autoptr(GPtrArray) xattrs = NULL;
        dol_file as_was;

        if (original < 0 || !dol_files_stat(original, path, &as_was, NULL))
                return true;
        if (as_was.type != DOL_FILE_DIRECTORY) {
                g_free(as_was.target);
                return true;
        }
        as_was.xattrs = xattrs = dol_files_xattrs(original, path, NULL);
        return dol_files_set_attributes(fd, &as_was, false, NULL, error);
}

bool dol_files_make_parents(int model, int root, const char *path, GError **error)
{
        dol_autofd at = fcntl(root, F_DUPFD_CLOEXEC, 0);

        for (const char *slash = path; at >= 0 && (slash = strchr(slash, '/')); slash++) {
                g_autofree char *directory = g_strndup(path, (size_t)(slash - path));
                const char *name = strrchr(directory, '/');
                bool made;
                int next;

                name = name ? name + 1 : directory;
                made = mkdirat(at, name, 0755) == 0;
                next = dol_files_openat2(at, name, O_PATH | O_DIRECTORY | O_NOFOLLOW, strictly);
                if (next < 0)
                        return dol_fail(error, DOL_ERROR_CONFLICT,
                                        "'/%s' is not a directory that can be used: %s", directory,
                                        g_strerror(errno));
                dol_close_fd(&at);
                at = next;
                if (made && !like_model(model, at, directory, error))
                        return false;
        }
        return at >= 0 || dol_fail_errno(error, errno, "open the root");
}
