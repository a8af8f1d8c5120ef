/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes of a file, without its holes. */
#include "host/files-private.h"

#include <errno.h>
#include <unistd.h>

enum { BLOCK = 256 * 1024 };

typedef struct {
        const dol_call *call;
        int fd;
        const char *path;
        dol_file_bytes_fn fn;
        void *user;
        char *block;
} reading;

/* A file that is cut off meanwhile ends there. */
static bool read_range(const reading *from, off_t offset, off_t end, GError **error)
{
        while (offset < end) {
                size_t wanted = (size_t)MIN((off_t)BLOCK, end - offset);
                ssize_t size = pread(from->fd, from->block, wanted, offset);

                if (size < 0 && errno == EINTR)
                        continue;
                if (size < 0)
                        return dol_fail_errno(error, errno, "read '/%s'", from->path);
                if (size == 0)
                        return true;
                if (!dol_call_check(from->call, error) ||
                    !from->fn((uint64_t)offset, from->block, (size_t)size, from->user, error))
                        return false;
                offset += size;
        }
        return true;
}

/* A file system that does not know about holes has none. */
static bool read_ranges(const reading *from, off_t size, GError **error)
{
        off_t end = 0;

        while (end < size) {
                off_t begin = lseek(from->fd, end, SEEK_DATA);

                if (begin < 0 && errno == ENXIO)
                        return true;
                if (begin < 0)
                        begin = end;
                end = lseek(from->fd, begin, SEEK_HOLE);
                end = end < 0 ? size : MIN(end, size);
                if (!read_range(from, begin, end, error))
                        return false;
        }
        return true;
}

bool dol_files_content(const dol_call *call, int fd, const char *path, dol_file_bytes_fn fn,
                       void *user, uint64_t *ret_size, GError **error)
{
        g_autofree char *block = g_malloc(BLOCK);
        reading from = {call, fd, path, fn, user, block};
        struct stat info;

        if (fstat(fd, &info) < 0)
                return dol_fail_errno(error, errno, "stat '/%s'", path);
        *ret_size = (uint64_t)info.st_size;
        return read_ranges(&from, info.st_size, error);
}
