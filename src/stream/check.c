/* SPDX-License-Identifier: Apache-2.0 */
#include "stream/parser.h"

#include <string.h>

struct dol_stream_check {
        dol_stream_parser parser;
        uint8_t *unit; /* DOL_STREAM_UNIT_MAX bytes ... */
        size_t got;    /* ... of which so many are there */
};

dol_stream_check *dol_stream_check_new(void)
{
        dol_stream_check *check = g_new0(dol_stream_check, 1);

        check->unit = g_malloc(DOL_STREAM_UNIT_MAX);
        dol_stream_parser_init(&check->parser, false);
        return check;
}

void dol_stream_check_free(dol_stream_check *check)
{
        if (!check)
                return;
        dol_stream_parser_clear(&check->parser);
        g_free(check->unit);
        g_free(check);
}

bool dol_stream_check_feed(dol_stream_check *check, const void *bytes, size_t size, GError **error)
{
        const uint8_t *at = bytes;
        dol_stream_piece piece;
        bool any;

        while (size > 0) {
                size_t some = MIN(size, check->parser.wanted - check->got);

                if (check->parser.wanted == 0)
                        return dol_stream_parser_fail_beyond(&check->parser, error);
                memcpy(check->unit + check->got, at, some);
                check->got += some;
                at += some;
                size -= some;
                if (check->got < check->parser.wanted)
                        break;
                check->got = 0;
                if (!dol_stream_parser_take(&check->parser, check->unit, &piece, &any, error))
                        return false;
        }
        return true;
}

bool dol_stream_check_end(const dol_stream_check *check, GError **error)
{
        return dol_stream_parser_end(&check->parser, check->got, error);
}

void dol_stream_check_progress(const dol_stream_check *check, uint64_t *ret_done, uint64_t *ret_all)
{
        const dol_stream_parser *parser = &check->parser;

        /* ranges that turned out to be zeroes were announced as data */
        *ret_done = parser->totals.data + parser->totals.zero;
        *ret_all = parser->header ? parser->header->data : 0;
}
