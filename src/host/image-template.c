/* SPDX-License-Identifier: Apache-2.0 */
/* The templates: one formatted image per size, the least used of them thrown away. */
#include "base/clock.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/guard.h"
#include "host/image-private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

/* "ext4-<version>-<size>": a template that was made in another way has another name, and goes
 * when the place is needed. */
#define PREFIX     "ext4-1-"
#define UNFINISHED ".tmp"

enum { DIRECTORY_MODE = 0700, USED_GRAIN_SEC = 3600 };

static pthread_mutex_t making = PTHREAD_MUTEX_INITIALIZER;

/* The modification time tells when it was last used, to the hour. */
static void note_use(int fd)
{
        struct stat st;

        if (fstat(fd, &st) == 0 && st.st_mtime + USED_GRAIN_SEC < time(NULL))
                futimens(fd, NULL);
}

static int open_whole(const char *path, uint64_t size)
{
        dol_autofd fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

        if (fd < 0 || !dol_ext4_is_template(fd, size))
                return -1;
        note_use(fd);
        return dol_steal_fd(&fd);
}

typedef struct {
        char *name;
        time_t used;
} template;

static void template_clear(void *data)
{
        g_free(((template *)data)->name);
}

static int by_use(const void *a, const void *b)
{
        const template *first = a, *second = b;

        return (first->used < second->used) - (first->used > second->used);
}

/* Removes what a crash left unfinished, and the templates that were not used for the longest time,
 * until one more has its place. */
static void make_room(const char *directory)
{
        g_autoptr(GArray) templates = g_array_new(false, false, sizeof(template));
        DIR *listing = opendir(directory);
        const struct dirent *entry;

        if (!listing)
                return;
        g_array_set_clear_func(templates, template_clear);
        while ((entry = readdir(listing))) {
                template found;
                struct stat st;

                if (fstatat(dirfd(listing), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
                    S_ISDIR(st.st_mode))
                        continue;
                if (g_str_has_suffix(entry->d_name, UNFINISHED)) {
                        unlinkat(dirfd(listing), entry->d_name, 0);
                        continue;
                }
                found = (template){g_strdup(entry->d_name), st.st_mtime};
                g_array_append_val(templates, found);
        }
        g_array_sort(templates, by_use);
        for (unsigned i = DOL_IMAGE_TEMPLATES_MAX - 1; i < templates->len; i++)
                unlinkat(dirfd(listing), g_array_index(templates, template, i).name, 0);
        closedir(listing);
}

static bool finish(const char *temporary, const char *path, GError **error)
{
        dol_autofd fd = open(temporary, O_RDWR | O_CLOEXEC);

        if (fd < 0)
                return dol_fail_errno(error, errno, "open '%s'", temporary);
        dol_image_dig(fd);
        if (fsync(fd) < 0)
                return dol_fail_errno(error, errno, "fsync '%s'", temporary);
        if (!dol_fault_point("host.image.template.before", error))
                return false;
        if (rename(temporary, path) < 0)
                return dol_fail_errno(error, errno, "rename '%s'", temporary);
        return true;
}

static bool set_size(const char *path, uint64_t size, GError **error)
{
        dol_autofd fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);

        if (fd < 0 || ftruncate(fd, (off_t)size) < 0)
                return dol_fail_errno(error, errno, "create '%s'", path);
        return true;
}

static bool make(const dol_call *call, const char *path, uint64_t size, GError **error)
{
        g_autofree char *temporary = g_strconcat(path, UNFINISHED, NULL);

        if (set_size(temporary, size, error) && dol_ext4_format(call, temporary, size, error) &&
            finish(temporary, path, error))
                return true;
        unlink(temporary);
        return dol_fail_while(error, "template");
}

/* One template is made at a time; whoever waited finds it made. */
static int make_once(const dol_call *call, const char *directory, const char *path, uint64_t size,
                     GError **error)
{
        int fd;
        dol_lock_scope(&making);

        fd = open_whole(path, size);
        if (fd >= 0 || !dol_directory_ensure(directory, DIRECTORY_MODE, error))
                return fd;
        unlink(path);
        make_room(directory);
        if (!make(call, path, size, error))
                return -1;
        fd = open_whole(path, size);
        if (fd < 0)
                dol_fail(error, DOL_ERROR_INTERNAL, "template '%s' is damaged", path);
        return fd;
}

int dol_image_template(const dol_call *call, const char *directory, uint64_t size, GError **error)
{
        g_autofree char *name = g_strdup_printf(PREFIX "%" PRIu64, size);
        g_autofree char *path = g_build_filename(directory, name, NULL);
        int fd = open_whole(path, size);

        return fd >= 0 ? fd : make_once(call, directory, path, size, error);
}
