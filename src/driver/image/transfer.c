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
enum { PIECE = DOL_RANGE_BYTES_MAX, WRITE_BEHIND = 32 << 20, FORGET_AFTER = 32 << 20 };

/* ---- reading ---- */

/* The kernel is asked for pieces before they are read: changes are scattered, and the disk should
 * look for many of them at once. */
enum { AHEAD_MAX = 64, AHEAD_BYTES = 8 << 20 };

/* A place in the ranges that are to be read, piece by piece. */
typedef struct {
        const GArray *ranges; /* of dol_image_range; bytes not NULL: has data */
        unsigned index;
        uint64_t done; /* bytes of that range */
} walker;

typedef struct {
        const dol_call *call;
        int fd;
        char *buffer; /* PIECE bytes */
        walker ahead; /* up to here it was asked for ... */
        walker now;   /* ... and up to here it was read */
        unsigned asked_count;
        uint64_t asked_bytes; /* of data in between */
        uint64_t kept_from;   /* what was read from here on is in memory still */
        dol_range_sink fn;
        void *user;
} reading;

static bool next_piece(walker *at, dol_image_range *ret)
{
        const dol_image_range *range;

        if (at->index == at->ranges->len)
                return false;
        range = &g_array_index(at->ranges, dol_image_range, at->index);
        *ret = *range;
        ret->offset += at->done;
        ret->length = range->bytes ? MIN(range->length - at->done, PIECE) : range->length;
        at->done += ret->length;
        if (at->done == range->length) {
                at->index++;
                at->done = 0;
        }
        return true;
}

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

static void ask_ahead(reading *state)
{
        dol_image_range piece;

        while (state->asked_count < AHEAD_MAX && state->asked_bytes < AHEAD_BYTES &&
               next_piece(&state->ahead, &piece)) {
                state->asked_count++;
                if (!piece.bytes)
                        continue;
                state->asked_bytes += piece.length;
                posix_fadvise(state->fd, (off_t)piece.offset, (off_t)piece.length,
                              POSIX_FADV_WILLNEED);
        }
}

/* Nobody will read again soon what was read up to here. */
static void forget(reading *state, uint64_t end)
{
        if (end - state->kept_from < FORGET_AFTER)
                return;
        posix_fadvise(state->fd, (off_t)state->kept_from, (off_t)(end - state->kept_from),
                      POSIX_FADV_DONTNEED);
        state->kept_from = end;
}

static bool read_pieces(reading *state, GError **error)
{
        dol_image_range piece;

        ask_ahead(state);
        while (next_piece(&state->now, &piece)) {
                state->asked_count--;
                if (piece.bytes) {
                        state->asked_bytes -= piece.length;
                        piece.bytes = state->buffer;
                        if (!read_whole(state->fd, state->buffer, piece.length, piece.offset,
                                        error))
                                return false;
                }
                ask_ahead(state);
                if (!dol_call_check(state->call, error) || !state->fn(&piece, state->user, error))
                        return false;
                forget(state, piece.offset + piece.length);
        }
        posix_fadvise(state->fd, (off_t)state->kept_from, 0, POSIX_FADV_DONTNEED);
        return true;
}

static bool note_range(uint64_t offset, uint64_t length, bool data, void *user)
{
        dol_image_range range = {offset, length, data ? user : NULL};

        g_array_append_val((GArray *)user, range);
        return true;
}

static uint64_t data_in(const GArray *ranges)
{
        uint64_t sum = 0;

        for (unsigned i = 0; i < ranges->len; i++) {
                const dol_image_range *range = &g_array_index(ranges, dol_image_range, i);

                sum += range->bytes ? range->length : 0;
        }
        return sum;
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
                         const char *base, dol_range_begin begin, dol_range_sink fn, void *user,
                         GError **error)
{
        const image_pool *pool = data;
        g_autofree char *buffer = g_malloc(PIECE), *path = NULL, *base_path = NULL;
        g_autoptr(GArray) ranges = g_array_new(false, false, sizeof(dol_image_range));
        dol_autofd fd = -1, base_fd = -1;
        reading state = {.call = call,
                         .buffer = buffer,
                         .ahead.ranges = ranges,
                         .now.ranges = ranges,
                         .fn = fn,
                         .user = user};

        if (!dol_place_still(pool->path, &pool->id, error) ||
            !open_disk(pool, volume, uid, &fd, &path, error) ||
            (base && !open_disk(pool, volume, base, &base_fd, &base_path, error)) ||
            !dol_extents_diff(call, base_path, path, note_range, ranges, error) ||
            !begin(data_in(ranges), user, error))
                return false;
        state.fd = fd;
        posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM); /* nothing but what is asked for */
        return read_pieces(&state, error);
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
