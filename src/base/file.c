/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"

#include "base/guard.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

bool dol_write_all(int fd, const void *bytes, size_t size, GError **error)
{
        const char *from = bytes;

        while (size > 0) {
                ssize_t n = write(fd, from, size);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return dol_fail_errno(error, errno, "write");
                from += n;
                size -= (size_t)n;
        }
        return true;
}

bool dol_directory_sync(const char *path, GError **error)
{
        dol_autofd fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (fd < 0)
                return dol_fail_errno(error, errno, "open directory '%s'", path);
        if (fsync(fd) < 0)
                return dol_fail_errno(error, errno, "fsync directory '%s'", path);
        return true;
}

static bool write_temporary(const char *path, const void *bytes, size_t size, mode_t mode,
                            GError **error)
{
        dol_autofd fd = -1;

        /* one that a crash left behind may have another mode */
        if (unlink(path) < 0 && errno != ENOENT)
                return dol_fail_errno(error, errno, "remove '%s'", path);
        fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);

        if (fd < 0)
                return dol_fail_errno(error, errno, "create '%s'", path);
        if (!dol_write_all(fd, bytes, size, error))
                return dol_fail_while(error, "'%s'", path);
        if (fsync(fd) < 0)
                return dol_fail_errno(error, errno, "fsync '%s'", path);
        return true;
}

bool dol_file_replace(const char *path, const void *bytes, size_t size, mode_t mode, GError **error)
{
        g_autofree char *temporary = g_strconcat(path, ".tmp", NULL);
        g_autofree char *directory = g_path_get_dirname(path);

        if (!write_temporary(temporary, bytes, size, mode, error)) {
                unlink(temporary);
                return false;
        }
        if (rename(temporary, path) < 0) {
                int err = errno;

                unlink(temporary);
                return dol_fail_errno(error, err, "rename '%s' to '%s'", temporary, path);
        }
        return dol_directory_sync(directory, error);
}

bool dol_file_read(const char *path, size_t max, char **ret_bytes, size_t *ret_size, GError **error)
{
        /* O_NONBLOCK: a FIFO in the place of a file does not hold us */
        dol_autofd fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        g_autoptr(GString) bytes = g_string_new(NULL);
        char chunk[8192];
        ssize_t n;

        if (fd < 0)
                return dol_fail_errno(error, errno, "open '%s'", path);
        while ((n = read(fd, chunk, sizeof(chunk))) != 0) {
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return dol_fail_errno(error, errno, "read '%s'", path);
                if (bytes->len + (size_t)n > max)
                        return dol_fail(error, DOL_ERROR_INVALID, "'%s' is larger than %zu bytes",
                                        path, max);
                g_string_append_len(bytes, chunk, n);
        }
        if (ret_size)
                *ret_size = bytes->len;
        *ret_bytes = g_string_free(g_steal_pointer(&bytes), false);
        return true;
}

char *dol_file_read_line(const char *path, GError **error)
{
        char *text = NULL;

        if (!dol_file_read(path, 65536, &text, NULL, error))
                return NULL;
        return g_strchomp(text);
}

bool dol_directory_ensure(const char *path, mode_t mode, GError **error)
{
        g_autofree char *parent = NULL;

        if (mkdir(path, mode) == 0)
                return true;
        if (errno == EEXIST) {
                if (!g_file_test(path, G_FILE_TEST_IS_DIR))
                        return dol_fail(error, DOL_ERROR_CONFLICT,
                                        "'%s' exists and is not a directory", path);
                return true;
        }
        if (errno != ENOENT)
                return dol_fail_errno(error, errno, "create directory '%s'", path);
        parent = g_path_get_dirname(path);
        if (strcmp(parent, path) == 0)
                return dol_fail_errno(error, ENOENT, "create directory '%s'", path);
        if (!dol_directory_ensure(parent, mode, error))
                return false;
        if (mkdir(path, mode) < 0 && errno != EEXIST)
                return dol_fail_errno(error, errno, "create directory '%s'", path);
        return true;
}
