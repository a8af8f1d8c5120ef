/* SPDX-License-Identifier: Apache-2.0 */
/* Snapshots read range by range, as their extents tell, and made from such ranges. */
#include "base/fault.h"
#include "base/file.h"
#include "base/guard.h"
#include "driver/image/image.h"
#include "host/extents.h"
#include "host/image.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* So much is written before the kernel is asked to begin with it: what is dirty at the end is what
 * the end waits for. */
enum { PIECE = DOL_RANGE_BYTES_MAX, WRITE_BEHIND = 32 << 20 };

/* ---- reading ---- */

typedef struct {
        const dol_call *call;
        int fd;
        char *buffer; /* PIECE bytes */
        dol_range_sink fn;
        void *user;
        GError *error; /* of fn, or of reading */
} reading;

static bool read_whole(int fd, char *to, size_t size, uint64_t at, GError **error)
{
        while (size > 0) {
                ssize_t got = pread(fd, to, size, (off_t)at);

                if (got < 0 && errno == EINTR)
                        continue;
                if (got <= 0)
                        return dol_fail_errno(error, got < 0 ? errno : EIO, "read the image");
                to += got;
                at += (uint64_t)got;
                size -= (size_t)got;
        }
        return true;
}

static bool read_range(uint64_t offset, uint64_t length, bool data, void *user)
{
        reading *state = user;
        uint64_t end = offset + length;

        if (!data)
                return state->fn(&(dol_image_range){offset, length, NULL}, state->user,
                                 &state->error);
        for (uint64_t at = offset; at < end; at += PIECE) {
                dol_image_range range = {at, MIN(end - at, PIECE), state->buffer};

                if (!dol_call_check(state->call, &state->error) ||
                    !read_whole(state->fd, state->buffer, range.length, at, &state->error) ||
                    !state->fn(&range, state->user, &state->error))
                        return false;
                /* nobody will read it again soon */
                posix_fadvise(state->fd, (off_t)at, (off_t)range.length, POSIX_FADV_DONTNEED);
        }
        return true;
}

/* What is open stays readable when the snapshot is deleted meanwhile. */
static bool open_disk(const image_pool *pool, const char *volume, const char *uid, int *ret_fd,
                      char **ret_path, GError **error)
{
        g_autofree char *disk = image_snapshot_disk(pool, volume, uid);

        *ret_fd = open(disk, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
        if (*ret_fd < 0)
                return dol_fail_errno(error, errno, "the snapshot's image '%s'", disk);
        *ret_path = g_strdup_printf("/proc/self/fd/%d", *ret_fd);
        return true;
}

bool image_snapshot_read(void *data, const dol_call *call, const char *volume, const char *uid,
                         const char *base, dol_range_sink fn, void *user, GError **error)
{
        const image_pool *pool = data;
        g_autofree char *buffer = g_malloc(PIECE), *path = NULL, *base_path = NULL;
        dol_autofd fd = -1, base_fd = -1;
        reading state = {.call = call, .buffer = buffer, .fn = fn, .user = user};
        bool done;

        if (!dol_place_still(pool->path, &pool->id, error) ||
            !open_disk(pool, volume, uid, &fd, &path, error) ||
            (base && !open_disk(pool, volume, base, &base_fd, &base_path, error)))
                return false;
        state.fd = fd;
        if (base) /* changes are scattered: what lies around them is not wanted */
                posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM);
        done = dol_extents_diff(call, base_path, path, read_range, &state, error);
        if (!state.error)
                return done;
        g_propagate_error(error, state.error);
        return false;
}

/* ---- making ---- */

static bool write_whole(int fd, const char *from, size_t size, uint64_t at, GError **error)
{
        while (size > 0) {
                ssize_t done = pwrite(fd, from, size, (off_t)at);

                if (done < 0 && errno == EINTR)
                        continue;
                if (done < 0)
                        return dol_fail_errno(error, errno, "write the image");
                from += done;
                at += (uint64_t)done;
                size -= (size_t)done;
        }
        return true;
}

static bool put_range(int fd, const dol_image_range *range, bool on_zeroes, GError **error)
{
        if (range->bytes)
                return write_whole(fd, range->bytes, range->length, range->offset, error);
        return on_zeroes ||
               fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)range->offset,
                         (off_t)range->length) == 0 ||
               dol_fail_errno(error, errno, "write zeroes into the image");
}

static bool put_ranges(const dol_call *call, int fd, bool on_zeroes, dol_range_source next,
                       void *user, GError **error)
{
        uint64_t written = 0;
        dol_image_range range;
        bool any;

        for (;;) {
                if (!dol_call_check(call, error) || !next(&range, &any, user, error))
                        return false;
                if (!any)
                        break;
                if (!put_range(fd, &range, on_zeroes, error) ||
                    !dol_fault_point("image.receive.range", error))
                        return false;
                written += range.bytes ? range.length : 0;
                if (written >= WRITE_BEHIND) {
                        sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);
                        written = 0;
                }
        }
        return fsync(fd) == 0 || dol_fail_errno(error, errno, "fsync the image");
}

/* The image to begin with: what the base has, or nothing. */
static int open_new(const image_pool *pool, const dol_snapshot *want, const char *base,
                    const char *disk, GError **error)
{
        g_autofree char *base_disk = base ? image_snapshot_disk(pool, want->volume, base) : NULL;
        int flags = O_WRONLY | O_NOFOLLOW | O_CLOEXEC | (base ? 0 : O_CREAT | O_EXCL);
        dol_autofd fd = -1;

        if (unlink(disk) < 0 && errno != ENOENT) { /* half-made remains */
                dol_fail_errno(error, errno, "remove '%s'", disk);
                return -1;
        }
        if (base && !dol_reflink(base_disk, disk, error))
                return -1;
        fd = open(disk, flags, 0600);
        if (fd < 0 || ftruncate(fd, (off_t)want->size) < 0) {
                dol_fail_errno(error, errno, "create '%s'", disk);
                return -1;
        }
        return dol_steal_fd(&fd);
}

/* A stream may hold something else than it says. */
static bool find_fs(const dol_snapshot *want, const char *disk, char **ret_fs_uuid, GError **error)
{
        g_autofree char *type = NULL;

        if (want->fs == DOL_FS_NONE)
                return true;
        if (!dol_image_probe(disk, &type, ret_fs_uuid, error))
                return false;
        return g_strcmp0(type, dol_fs_words[want->fs]) == 0 ||
               dol_fail(error, DOL_ERROR_INVALID, "expected an image with %s, got one with %s",
                        dol_fs_words[want->fs], type ? type : "no file system");
}

static bool receive(const image_pool *pool, const dol_call *call, const dol_snapshot *want,
                    const char *base, dol_range_source next, void *user, char **ret_fs_uuid,
                    GError **error)
{
        g_autofree char *disk = image_snapshot_disk(pool, want->volume, want->uid);
        g_autofree char *directory = g_path_get_dirname(disk);
        g_autofree char *parent = g_path_get_dirname(directory);
        g_autofree char *fs_uuid = NULL;
        dol_snapshot described = *want;
        dol_autofd fd = -1;

        if (!dol_directory_ensure(directory, 0700, error) ||
            (fd = open_new(pool, want, base, disk, error)) < 0 ||
            !put_ranges(call, fd, !base, next, user, error) ||
            !find_fs(want, disk, &fs_uuid, error) || !dol_fault_point("image.receive.made", error))
                return false;
        described.fs_uuid = fs_uuid;
        if (!image_snapshot_describe((void *)pool, call, &described, error) ||
            !dol_directory_sync(parent, error))
                return false;
        *ret_fs_uuid = g_steal_pointer(&fs_uuid);
        return true;
}

bool image_snapshot_receive(void *data, const dol_call *call, const dol_snapshot *want,
                            const char *base, dol_range_source next, void *user, char **ret_fs_uuid,
                            GError **error)
{
        const dol_call calm = dol_call_forever(call->actor);

        if (!dol_place_still(((image_pool *)data)->path, &((image_pool *)data)->id, error))
                return false;
        if (receive(data, call, want, base, next, user, ret_fs_uuid, error))
                return true;
        image_snapshot_destroy(data, &calm, want->volume, want->uid, NULL);
        return false;
}
