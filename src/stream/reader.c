/* SPDX-License-Identifier: Apache-2.0 */
#include "stream/parser.h"

struct dol_stream_reader {
        dol_stream_source source;
        void *user;
        dol_stream_parser parser;
        uint8_t *unit; /* DOL_STREAM_UNIT_MAX bytes */
};

dol_stream_reader *dol_stream_reader_new(dol_stream_source source, void *user)
{
        dol_stream_reader *reader = g_new0(dol_stream_reader, 1);

        reader->source = source;
        reader->user = user;
        reader->unit = g_malloc(DOL_STREAM_UNIT_MAX);
        dol_stream_parser_init(&reader->parser, true);
        return reader;
}

void dol_stream_reader_free(dol_stream_reader *reader)
{
        if (!reader)
                return;
        dol_stream_parser_clear(&reader->parser);
        g_free(reader->unit);
        g_free(reader);
}

/* Reads the next unit whole, and takes it. */
static bool step(dol_stream_reader *reader, dol_stream_piece *ret, bool *ret_any, GError **error)
{
        size_t got = 0, size;

        while (got < reader->parser.wanted) {
                if (!reader->source(reader->unit + got, reader->parser.wanted - got, &size,
                                    reader->user, error))
                        return false;
                if (size == 0)
                        return dol_stream_parser_end(&reader->parser, got, error);
                got += size;
        }
        return dol_stream_parser_take(&reader->parser, reader->unit, ret, ret_any, error);
}

const dol_stream_header *dol_stream_reader_begin(dol_stream_reader *reader, GError **error)
{
        dol_stream_piece piece;
        bool any;

        while (reader->parser.place < DOL_STREAM_AT_HEAD)
                if (!step(reader, &piece, &any, error))
                        return NULL;
        return reader->parser.header;
}

static bool expect_nothing(dol_stream_reader *reader, GError **error)
{
        size_t size;

        return reader->source(reader->unit, 1, &size, reader->user, error) &&
               (size == 0 || dol_stream_parser_fail_beyond(&reader->parser, error));
}

bool dol_stream_reader_next(dol_stream_reader *reader, dol_stream_piece *ret, bool *ret_any,
                            GError **error)
{
        *ret_any = false;
        while (reader->parser.place != DOL_STREAM_AT_END && !*ret_any)
                if (!step(reader, ret, ret_any, error))
                        return false;
        return *ret_any || expect_nothing(reader, error);
}
