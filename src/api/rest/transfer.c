/* SPDX-License-Identifier: Apache-2.0 */
/* Export and import: bodies of any length, in both directions. */
#include "api/rest/private.h"

#include "base/clock.h"

/* A tape may be changed in the middle. */
static const int64_t taker_idle_usec = 600 * DOL_USEC_PER_SEC;

enum { GATHER = 256 << 10 };

/* ---- export ---- */

typedef struct {
        dol_http_request *request;
        dol_http_stream *stream; /* NULL until the first bytes go: errors before have a status */
        GByteArray *gathered;    /* small records go together */
} download;

static bool send_gathered(download *load, GError **error)
{
        bool sent;

        if (!load->stream)
                load->stream = dol_http_stream_begin(load->request, DOL_STREAM_MEDIA_TYPE);
        sent = dol_http_stream_send(load->stream, load->gathered->data, load->gathered->len,
                                    taker_idle_usec);
        g_byte_array_set_size(load->gathered, 0);
        return sent || dol_fail(error, DOL_ERROR_UNAVAILABLE,
                                "the client went away, or took nothing for 10 minutes");
}

static bool send_bytes(const void *bytes, size_t size, void *user, GError **error)
{
        download *load = user;

        g_byte_array_append(load->gathered, bytes, (unsigned)size);
        return load->gathered->len < GATHER || send_gathered(load, error);
}

static bool export_it(dol_http_request *request, void *user, const char *volume,
                      const char *snapshot, GError **error)
{
        dol_engine *engine = dol_rest_engine(user, error);
        dol_call call = *dol_http_call(request);
        g_autoptr(GByteArray) gathered = g_byte_array_sized_new(GATHER);
        download load = {.request = request, .gathered = gathered};
        bool done;

        if (!engine)
                return false;
        call.actor = "rest";
        done = dol_engine_export(engine, &call, volume, snapshot, dol_http_query(request, "base"),
                                 send_bytes, &load, error);
        if (!done && !load.stream)
                return false;
        /* the rest: the end, or the reason why there is none */
        done = send_gathered(&load, NULL) && done;
        if (done)
                dol_http_stream_end(load.stream);
        else
                dol_http_stream_break(load.stream);
        return true;
}

DOL_REST_HANDLER(volume_export)
{
        return export_it(request, user, dol_http_argument(request, "volume"), NULL, error);
}

DOL_REST_HANDLER(snapshot_export)
{
        return export_it(request, user, NULL, dol_http_argument(request, "snapshot"), error);
}

/* ---- import ---- */

static bool read_bytes(void *to, size_t max, size_t *ret_size, void *user, GError **error)
{
        return dol_http_read(user, to, max, ret_size, error);
}

DOL_REST_HANDLER(volume_import)
{
        dol_engine *engine = dol_rest_engine(user, error);
        dol_call call = *dol_http_call(request);
        g_autoptr(dol_volume) volume = NULL;

        call.actor = "rest";
        if (!engine || !dol_engine_import(engine, &call, dol_http_argument(request, "volume"),
                                          dol_http_query(request, "pool"), read_bytes, request,
                                          &volume, error))
                return false;
        dol_rest_reply_volume(request, 200, volume);
        return true;
}
