/* SPDX-License-Identifier: Apache-2.0 */
#include "base/guard.h"
#include "host/extents-private.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>

enum { BATCH = 1024 };

/* Where the physical address does not tell one piece of data from another. A compressed extent's
 * address is that of its begin, whichever part of it is meant. */
#define UNLOCATED                                                                               \
        (FIEMAP_EXTENT_UNKNOWN | FIEMAP_EXTENT_DELALLOC | FIEMAP_EXTENT_ENCODED |               \
         FIEMAP_EXTENT_DATA_ENCRYPTED | FIEMAP_EXTENT_NOT_ALIGNED | FIEMAP_EXTENT_DATA_INLINE | \
         FIEMAP_EXTENT_DATA_TAIL)

bool dol_extent_cursor_open(dol_extent_cursor *cursor, const char *path, GError **error)
{
        *cursor = DOL_EXTENT_CURSOR_INIT;
        cursor->fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        if (cursor->fd < 0 || fstat(cursor->fd, &cursor->st) < 0)
                return dol_fail_errno(error, errno, "open '%s'", path);
        if (!S_ISREG(cursor->st.st_mode))
                return dol_fail(error, DOL_ERROR_INVALID, "'%s' is not a regular file", path);
        cursor->batch = g_malloc(sizeof(struct fiemap) + BATCH * sizeof(struct fiemap_extent));
        return true;
}

/* Also a batch with nothing new in it is the last: it would be read for ever. */
static bool is_last(const dol_extent_cursor *cursor)
{
        const struct fiemap_extent *final;

        if (cursor->count == 0)
                return true;
        final = &cursor->batch->fm_extents[cursor->count - 1];
        return (final->fe_flags & FIEMAP_EXTENT_LAST) ||
               final->fe_logical + final->fe_length <= cursor->end;
}

static bool read_batch(dol_extent_cursor *cursor, GError **error)
{
        struct fiemap *batch = cursor->batch;

        *batch = (struct fiemap){
                .fm_start = cursor->end,
                .fm_length = FIEMAP_MAX_OFFSET - cursor->end,
                .fm_flags = FIEMAP_FLAG_SYNC,
                .fm_extent_count = BATCH,
        };
        while (ioctl(cursor->fd, FS_IOC_FIEMAP, batch) < 0) {
                if (errno == EBADR || errno == EINVAL)
                        return dol_fail(error, DOL_ERROR_UNSUPPORTED,
                                        "this file system does not show a file's extents");
                if (errno != EINTR)
                        return dol_fail_errno(error, errno, "read the extents");
        }
        cursor->next = 0;
        cursor->count = batch->fm_mapped_extents;
        cursor->last = is_last(cursor);
        return true;
}

/* A map that changes between two batches may show what was shown already: that is cut away.
 * false: nothing of it is new. */
static bool take(dol_extent_cursor *cursor, dol_extent *ret)
{
        const struct fiemap_extent *found = &cursor->batch->fm_extents[cursor->next++];
        uint64_t begin = MAX(found->fe_logical, cursor->end);
        uint64_t end = found->fe_logical + found->fe_length;

        if (end <= begin)
                return false;
        *ret = (dol_extent){
                .offset = begin,
                .length = end - begin,
                .located = !(found->fe_flags & UNLOCATED),
                .shared = found->fe_flags & FIEMAP_EXTENT_SHARED,
                .unwritten = found->fe_flags & FIEMAP_EXTENT_UNWRITTEN,
        };
        if (ret->located)
                ret->physical = found->fe_physical + (begin - found->fe_logical);
        cursor->end = end;
        return true;
}

bool dol_extent_cursor_next(dol_extent_cursor *cursor, const dol_call *call, dol_extent *ret,
                            bool *ret_any, GError **error)
{
        *ret_any = true;
        for (;;) {
                while (cursor->next < cursor->count)
                        if (take(cursor, ret))
                                return true;
                if (cursor->last)
                        break;
                if (!dol_call_check(call, error) || !read_batch(cursor, error))
                        return false;
        }
        *ret_any = false;
        return true;
}

void dol_extent_cursor_clear(dol_extent_cursor *cursor)
{
        dol_close_fd(&cursor->fd);
        g_clear_pointer(&cursor->batch, g_free);
}

bool dol_extents_each(const dol_call *call, const char *path, dol_extent_fn fn, void *user,
                      GError **error)
{
        g_auto(dol_extent_cursor) cursor = DOL_EXTENT_CURSOR_INIT;
        dol_extent extent;
        bool any;

        if (!dol_extent_cursor_open(&cursor, path, error))
                return false;
        do {
                if (!dol_extent_cursor_next(&cursor, call, &extent, &any, error))
                        return dol_fail_while(error, "'%s'", path);
        } while (any && fn(&extent, user));
        return true;
}

static bool add(const dol_extent *extent, void *user)
{
        dol_extent_usage *usage = user;

        usage->allocated += extent->length;
        usage->shared += extent->shared ? extent->length : 0;
        usage->extents++;
        return true;
}

bool dol_extents_usage(const dol_call *call, const char *path, dol_extent_usage *ret,
                       GError **error)
{
        dol_extent_usage usage = {0};

        if (!dol_extents_each(call, path, add, &usage, error))
                return false;
        *ret = usage;
        return true;
}
