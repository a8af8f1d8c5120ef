/* SPDX-License-Identifier: Apache-2.0 */
/* What two extent maps have in common: both are walked once, side by side. */
#include "host/extents-private.h"

/* One of the two files. */
typedef struct {
        const dol_call *call;
        dol_extent_cursor cursor;
        bool any;       /* `extent` is one */
        dol_extent now; /* the extent that the walk is in, or comes to next */
} side;

/* What a side has from a place on. */
typedef struct {
        uint64_t end; /* so far it goes */
        bool data;    /* else it reads as zeroes */
        bool located;
        uint64_t physical;
} piece;

typedef struct {
        uint64_t offset, length; /* told later, when its end is known; length 0 = none */
        bool data;
        dol_range_fn fn;
        void *user;
} pending;

static bool side_open(side *s, const dol_call *call, const char *path, GError **error)
{
        s->call = call;
        return dol_extent_cursor_open(&s->cursor, path, error) &&
               dol_extent_cursor_next(&s->cursor, call, &s->now, &s->any, error);
}

static void side_clear(side *s)
{
        dol_extent_cursor_clear(&s->cursor);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(side, side_clear)

static bool side_at(side *s, uint64_t at, piece *ret, GError **error)
{
        *ret = (piece){.end = UINT64_MAX};
        while (s->any && s->now.offset + s->now.length <= at)
                if (!dol_extent_cursor_next(&s->cursor, s->call, &s->now, &s->any, error))
                        return false;
        if (!s->any || at >= (uint64_t)s->cursor.st.st_size)
                return true;
        if (at < s->now.offset) {
                ret->end = s->now.offset;
                return true;
        }
        ret->end = MIN(s->now.offset + s->now.length, (uint64_t)s->cursor.st.st_size);
        ret->data = !s->now.unwritten;
        ret->located = s->now.located;
        ret->physical = s->now.physical + (at - s->now.offset);
        return true;
}

static bool is_same(const piece *base, const piece *target)
{
        if (!base->data || !target->data)
                return base->data == target->data;
        return base->located && target->located && base->physical == target->physical;
}

/* false: whoever is told wants no more. */
static bool tell(pending *last)
{
        bool more =
                last->length == 0 || last->fn(last->offset, last->length, last->data, last->user);

        last->length = 0;
        return more;
}

static bool add(pending *last, uint64_t at, uint64_t end, bool data)
{
        if (last->length > 0 && last->offset + last->length == at && last->data == data) {
                last->length = end - last->offset;
                return true;
        }
        if (!tell(last))
                return false;
        last->offset = at;
        last->length = end - at;
        last->data = data;
        return true;
}

static bool walk(side *base, side *target, pending *last, GError **error)
{
        uint64_t size = (uint64_t)target->cursor.st.st_size, end;

        for (uint64_t at = 0; at < size; at = end) {
                piece b, t;

                if (!side_at(base, at, &b, error) || !side_at(target, at, &t, error))
                        return false;
                end = MIN(MIN(b.end, t.end), size);
                if (!is_same(&b, &t) && !add(last, at, end, t.data))
                        return true;
        }
        tell(last);
        return true;
}

bool dol_extents_diff(const dol_call *call, const char *base, const char *target, dol_range_fn fn,
                      void *user, GError **error)
{
        g_auto(side) from = {.cursor = DOL_EXTENT_CURSOR_INIT};
        g_auto(side) to = {.cursor = DOL_EXTENT_CURSOR_INIT};
        pending last = {.fn = fn, .user = user};

        if (base && !side_open(&from, call, base, error))
                return dol_fail_while(error, "'%s'", base);
        if (!side_open(&to, call, target, error))
                return dol_fail_while(error, "'%s'", target);
        if (base && from.cursor.st.st_dev != to.cursor.st.st_dev)
                return dol_fail(error, DOL_ERROR_INVALID,
                                "'%s' and '%s' are not on the same file system", base, target);
        return walk(&from, &to, &last, error) ||
               dol_fail_while(error, "compare '%s' with '%s'", target, base ? base : "nothing");
}
