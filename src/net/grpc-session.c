/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nghttp2's callbacks, on the loop's thread: a request begins with its first header, is checked
 * when its head is complete, grows with its data, and is handed over at its end. nghttp2 itself
 * refuses what is not valid HTTP/2.
 */
#include "net/grpc-private.h"

#include "base/clock.h"
#include "base/log.h"

#include <string.h>

enum {
        HEAD_MAX = 16384, /* bytes of a request's headers */
        RESETS_BURST = 200,
        RESETS_PER_SEC = 50, /* calls that a client takes back */
        CONTROLS_BURST = 4000,
        CONTROLS_PER_SEC = 1000, /* pings, settings, empty frames ... */
        PREFIX_SIZE = 5,
};

static dol_grpc_request *request_of(nghttp2_session *session, int32_t stream)
{
        return nghttp2_session_get_stream_user_data(session, stream);
}

static int begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *data)
{
        dol_grpc_connection *connection = data;

        if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
                return 0;
        nghttp2_session_set_stream_user_data(session, frame->hd.stream_id,
                                             dol_grpc_request_new(connection, frame->hd.stream_id));
        dol_grpc_connection_rest(connection);
        return 0;
}

static void keep(char **field, const uint8_t *value, size_t size)
{
        g_free(*field);
        *field = g_strndup((const char *)value, size);
}

static int take_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                       size_t name_size, const uint8_t *value, size_t size, uint8_t flags,
                       void *data)
{
        dol_grpc_request *request = request_of(session, frame->hd.stream_id);

        if (!request || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
                return 0;
        request->head_size += name_size + size;
        if (request->head_size > HEAD_MAX)
                return 0;
        if (strcmp((const char *)name, ":method") == 0)
                keep(&request->http_method, value, size);
        else if (strcmp((const char *)name, ":path") == 0)
                keep(&request->path, value, size);
        else if (strcmp((const char *)name, "content-type") == 0)
                keep(&request->content_type, value, size);
        else if (strcmp((const char *)name, "grpc-timeout") == 0)
                keep(&request->timeout, value, size);
        else if (strcmp((const char *)name, "grpc-encoding") == 0)
                keep(&request->encoding, value, size);
        return 0;
}

/* "application/grpc", also with a codec ("+proto") or parameters. */
static bool is_grpc(const char *content_type)
{
        static const char wanted[] = "application/grpc";

        if (!content_type || g_ascii_strncasecmp(content_type, wanted, strlen(wanted)) != 0)
                return false;
        content_type += strlen(wanted);
        return *content_type == '\0' || *content_type == '+' || *content_type == ';';
}

static void find_method(dol_grpc_request *request)
{
        const dol_grpc_method *method = request->server->config.methods;

        while (method->path && strcmp(method->path, request->path) != 0)
                method++;
        request->method = method->path ? method : NULL;
}

/* The head is complete. */
static void check_head(dol_grpc_request *request)
{
        if (request->head_size > HEAD_MAX) {
                dol_grpc_refuse(request, DOL_GRPC_RESOURCE_EXHAUSTED,
                                "the request's headers are too large");
                return;
        }
        if (g_strcmp0(request->http_method, "POST") != 0) {
                dol_grpc_refuse_http(request, "405");
                return;
        }
        if (!is_grpc(request->content_type)) {
                dol_grpc_refuse_http(request, "415");
                return;
        }
        find_method(request);
        if (!request->method) {
                g_autofree char *text = g_strdup_printf("there is no method '%.200s'",
                                                        request->path ? request->path : "");

                dol_grpc_refuse(request, DOL_GRPC_UNIMPLEMENTED, text);
        }
}

static int take_data(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *bytes,
                     size_t size, void *data)
{
        dol_grpc_request *request = request_of(session, stream);
        const dol_grpc_config *config;

        if (!request || request->phase != DOL_GRPC_RECEIVING)
                return 0;
        config = &request->server->config;
        if (request->body->len + size > config->message_max + PREFIX_SIZE) {
                dol_grpc_refuse(request, DOL_GRPC_RESOURCE_EXHAUSTED, "the message is too large");
                return 0;
        }
        request->held += size;
        if (atomic_fetch_add(&request->server->held, size) + size > config->memory_max) {
                dol_grpc_refuse(request, DOL_GRPC_RESOURCE_EXHAUSTED,
                                "too much is being received; try again in a moment");
                return 0;
        }
        g_byte_array_append(request->body, bytes, (guint)size);
        return 0;
}

static void take_end(dol_grpc_request *request)
{
        request->whole = true;
        if (request->phase == DOL_GRPC_RECEIVING)
                dol_grpc_request_dispatch(request);
}

/* false: the client does too much of what costs it nothing. */
static bool is_allowed(dol_grpc_connection *connection, const nghttp2_frame *frame)
{
        switch (frame->hd.type) {
        case NGHTTP2_RST_STREAM:
                return dol_grpc_allow(&connection->resets, RESETS_BURST, RESETS_PER_SEC);
        case NGHTTP2_HEADERS:
                return true;
        case NGHTTP2_DATA:
                if (frame->hd.length > 0)
                        return true;
                break;
        default:
                break;
        }
        return dol_grpc_allow(&connection->controls, CONTROLS_BURST, CONTROLS_PER_SEC);
}

static int take_frame(nghttp2_session *session, const nghttp2_frame *frame, void *data)
{
        dol_grpc_connection *connection = data;
        dol_grpc_request *request = request_of(session, frame->hd.stream_id);

        if (!is_allowed(connection, frame)) {
                dol_log(DOL_LOG_WARNING, "%s: process %d sends too many frames of type %d",
                        connection->server->config.name, (int)connection->peer, frame->hd.type);
                nghttp2_session_terminate_session(session, NGHTTP2_ENHANCE_YOUR_CALM);
                return 0;
        }
        if (frame->hd.type == NGHTTP2_SETTINGS && !connection->greeted) {
                connection->greeted = true;
                dol_grpc_connection_rest(connection);
        }
        if (!request)
                return 0;
        if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST)
                check_head(request);
        if ((frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) &&
            frame->hd.flags & NGHTTP2_FLAG_END_STREAM)
                take_end(request);
        return 0;
}

/* The answer has gone out before the request came in: the client need not send the rest. */
static int sent_frame(nghttp2_session *session, const nghttp2_frame *frame, void *data)
{
        dol_grpc_request *request = request_of(session, frame->hd.stream_id);

        if (frame->hd.type == NGHTTP2_HEADERS && frame->hd.flags & NGHTTP2_FLAG_END_STREAM &&
            request && !request->whole)
                nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id,
                                          NGHTTP2_NO_ERROR);
        return 0;
}

static int close_stream(nghttp2_session *session, int32_t stream, uint32_t code, void *data)
{
        dol_grpc_connection *connection = data;
        dol_grpc_request *request = request_of(session, stream);

        if (!request)
                return 0;
        dol_grpc_request_detach(request);
        dol_grpc_connection_rest(connection);
        return 0;
}

/* Why nghttp2 refuses something by itself. */
static int note_error(nghttp2_session *session, int code, const char *text, size_t size, void *data)
{
        dol_grpc_connection *connection = data;

        dol_log(DOL_LOG_DEBUG, "%s: process %d: %.*s", connection->server->config.name,
                (int)connection->peer, (int)MIN(size, 200), text);
        return 0;
}

static nghttp2_session *make_session(dol_grpc_connection *connection)
{
        nghttp2_session_callbacks *callbacks;
        nghttp2_session *session = NULL;

        if (nghttp2_session_callbacks_new(&callbacks))
                return NULL;
        nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, begin_headers);
        nghttp2_session_callbacks_set_on_header_callback(callbacks, take_header);
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, take_data);
        nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, take_frame);
        nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, sent_frame);
        nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, close_stream);
        nghttp2_session_callbacks_set_error_callback2(callbacks, note_error);
        nghttp2_session_server_new(&session, callbacks, connection);
        nghttp2_session_callbacks_del(callbacks);
        return session;
}

nghttp2_session *dol_grpc_session_new(dol_grpc_connection *connection)
{
        const nghttp2_settings_entry settings[] = {
                {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, connection->server->config.calls_max},
                {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, HEAD_MAX},
        };
        nghttp2_session *session = make_session(connection);

        if (session)
                nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, settings,
                                        G_N_ELEMENTS(settings));
        return session;
}
