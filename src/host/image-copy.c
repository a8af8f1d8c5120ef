/* SPDX-License-Identifier: Apache-2.0 */
/* Copies of files: with shared extents, or sparse. */
#include "base/guard.h"
#include "host/image-private.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

enum { CHUNK = 256 * 1024, BLOCK = 4096 };

bool dol_image_clone(int from, int to, GError **error)
{
        if (ioctl(to, FICLONE, from) == 0)
                return true;
        if (errno == EXDEV || errno == EINVAL || errno == ENOTTY || errno == EOPNOTSUPP)
                return dol_fail(error, DOL_ERROR_UNSUPPORTED,
                                "this file system cannot share extents between files");
        return dol_fail_errno(error, errno, "clone");
}

static bool copy_range(int from, int to, off_t at, off_t end, char *buffer, GError **error)
{
        while (at < end) {
                ssize_t got = pread(from, buffer, (size_t)MIN(end - at, CHUNK), at);
                ssize_t done = 0;

                if (got < 0 && errno == EINTR)
                        continue;
                if (got <= 0)
                        return dol_fail_errno(error, got < 0 ? errno : EIO, "read");
                while (done < got) {
                        ssize_t n = pwrite(to, buffer + done, (size_t)(got - done), at + done);

                        if (n < 0 && errno != EINTR)
                                return dol_fail_errno(error, errno, "write");
                        done += MAX(n, 0);
                }
                at += got;
        }
        return true;
}

/* The next range of data at or after `at`; false when only a hole is left. */
static bool next_data(int fd, off_t at, off_t *ret_begin, off_t *ret_end)
{
        *ret_begin = lseek(fd, at, SEEK_DATA);
        if (*ret_begin < 0)
                return false;
        *ret_end = lseek(fd, *ret_begin, SEEK_HOLE);
        return *ret_end > *ret_begin;
}

bool dol_image_copy(int from, int to, GError **error)
{
        g_autofree char *buffer = g_malloc(CHUNK);
        off_t begin, end;
        struct stat st;

        if (fstat(from, &st) < 0 || ftruncate(to, st.st_size) < 0)
                return dol_fail_errno(error, errno, "set the size of a copy");
        for (off_t at = 0; next_data(from, at, &begin, &end); at = end)
                if (!copy_range(from, to, begin, end, buffer, error))
                        return dol_fail_while(error, "copy");
        return true;
}

static bool is_zero(const char *bytes, size_t size)
{
        return size == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0);
}

static void dig_range(int fd, off_t at, off_t end, char *buffer)
{
        for (; at + BLOCK <= end; at += CHUNK) {
                ssize_t got = pread(fd, buffer, (size_t)MIN(end - at, CHUNK), at);

                for (off_t i = 0; i + BLOCK <= got; i += BLOCK)
                        if (is_zero(buffer + i, BLOCK))
                                fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at + i,
                                          BLOCK);
        }
}

void dol_image_dig(int fd)
{
        g_autofree char *buffer = g_malloc(CHUNK);
        off_t begin, end;

        for (off_t at = 0; next_data(fd, at, &begin, &end); at = end)
                dig_range(fd, begin, end, buffer);
}

/* On btrfs, files with and without copy on write share nothing. */
static void copy_nocow(int from, int to)
{
        int flags = 0, own = 0;

        if (ioctl(from, FS_IOC_GETFLAGS, &flags) == 0 && (flags & FS_NOCOW_FL) &&
            ioctl(to, FS_IOC_GETFLAGS, &own) == 0) {
                own |= FS_NOCOW_FL;
                ioctl(to, FS_IOC_SETFLAGS, &own);
        }
}

bool dol_reflink(const char *from, const char *to, GError **error)
{
        dol_autofd source = open(from, O_RDONLY | O_CLOEXEC);
        dol_autofd target = -1;

        if (source < 0)
                return dol_fail_errno(error, errno, "open '%s'", from);
        target = open(to, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (target < 0)
                return dol_fail_errno(error, errno, "create '%s'", to);
        copy_nocow(source, target);
        if (dol_image_clone(source, target, error))
                return true;
        unlink(to);
        return dol_fail_while(error, "'%s' to '%s'", from, to);
}

/* A file that has no name any more when the program ends, whenever that is. */
static int open_nameless(const char *directory)
{
        g_autofree char *path = g_build_filename(directory, ".reflink-XXXXXX", NULL);
        int fd = mkostemp(path, O_CLOEXEC);

        if (fd >= 0)
                unlink(path);
        return fd;
}

bool dol_reflink_works(const char *directory)
{
        dol_autofd from = open_nameless(directory);
        dol_autofd to = open_nameless(directory);
        const char block[BLOCK] = "dolium";

        return from >= 0 && to >= 0 && pwrite(from, block, sizeof(block), 0) == sizeof(block) &&
               ioctl(to, FICLONE, from) == 0;
}
