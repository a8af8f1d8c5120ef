/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libmicrohttpd's callbacks. A request goes through exchange_begin (its first line is there),
 * exchange_step (once with the head, once for every piece of body, once when it is whole, and once
 * more after its answer has resumed it) and exchange_end. They run on the loop's thread.
 */
#include "net/http-private.h"

#include "base/clock.h"
#include "base/guard.h"

static dol_http_connection *connection_of(struct MHD_Connection *mhd)
{
        const union MHD_ConnectionInfo *info =
                MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

        return info ? info->socket_context : NULL;
}

void dol_http_exchange_notify(void *data, struct MHD_Connection *mhd, void **context,
                              enum MHD_ConnectionNotificationCode code)
{
        dol_http_server *server = data;
        const union MHD_ConnectionInfo *info =
                MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
        dol_lock_scope(&server->lock);

        if (code == MHD_CONNECTION_NOTIFY_STARTED)
                *context = g_hash_table_lookup(server->by_fd, GINT_TO_POINTER(info->connect_fd));
        else if (*context)
                dol_http_connection_remove(*context);
}

void *dol_http_exchange_begin(void *data, const char *target, struct MHD_Connection *mhd)
{
        dol_http_server *server = data;
        dol_http_connection *connection = connection_of(mhd);
        dol_http_request *request = dol_http_request_new(server, target);
        dol_lock_scope(&server->lock);

        request->peer = connection->peer;
        if (connection->wait != DOL_HTTP_WAIT_REQUEST && connection->wait != DOL_HTTP_WAIT_END)
                dol_http_connection_wait(connection, DOL_HTTP_WAIT_REQUEST);
        return request;
}

void dol_http_exchange_end(void *data, struct MHD_Connection *mhd, void **state,
                           enum MHD_RequestTerminationCode how)
{
        dol_http_request *request = *state;

        *state = NULL;
        if (!request)
                return;
        dol_http_request_detach(request);
        dol_http_request_abandon(request);
}

/* Hands the answer to libmicrohttpd; MHD_NO closes the connection. */
static enum MHD_Result deliver(dol_http_request *request, struct MHD_Connection *mhd)
{
        struct MHD_Response *response;
        enum MHD_Result result;
        bool is_stream;

        pthread_mutex_lock(&request->lock);
        response = g_steal_pointer(&request->response);
        is_stream = request->stream != NULL;
        if (is_stream && response)
                dol_http_stream_attach(request->stream, mhd);
        pthread_mutex_unlock(&request->lock);
        if (!response)
                return MHD_NO;
        if (!is_stream) {
                dol_lock_scope(&request->server->lock);
                dol_http_connection_wait(connection_of(mhd), DOL_HTTP_WAIT_SEND);
        }
        result = MHD_queue_response(mhd, (unsigned)request->status, response);
        MHD_destroy_response(response);
        return result;
}

/* A body of unknown length that grows too large is read on for a while, so that the client comes
 * to reading the answer; then the connection is closed. */
static enum MHD_Result take_body(dol_http_request *request, const char *bytes, size_t size)
{
        size_t max = request->server->config.body_max;

        if (request->body->len + size > max && !request->refusal_status) {
                request->refusal_status = 413;
                dol_fail(&request->refusal, DOL_ERROR_INVALID,
                         "the body is larger than the %zu bytes allowed", max);
        }
        if (!request->refusal_status) {
                g_string_append_len(request->body, bytes, (gssize)size);
                return MHD_YES;
        }
        request->thrown_bytes += size;
        return request->thrown_bytes > 4 * max + 65536 ? MHD_NO : MHD_YES;
}

/* From now on it is our turn; false when the server is stopping. */
static bool begin_answer(dol_http_request *request, dol_http_connection *connection)
{
        dol_http_server *server = request->server;
        dol_lock_scope(&server->lock);

        if (server->stopping)
                return false;
        dol_http_connection_wait(connection, DOL_HTTP_WAIT_NOTHING);
        connection->request = request;
        request->connection = connection;
        request->is_active = true;
        server->active++;
        return true;
}

/* Makes the connection wait for the answer; false when it is given up already. */
static bool suspend(dol_http_request *request, struct MHD_Connection *mhd)
{
        dol_lock_scope(&request->lock);

        if (request->state != DOL_HTTP_OPEN)
                return false;
        MHD_suspend_connection(mhd);
        request->suspended = mhd;
        return true;
}

static void set_deadline(dol_http_request *request)
{
        const dol_http_config *config = &request->server->config;
        int64_t usec = request->route->flags & DOL_ROUTE_TRANSFER ? config->transfer_usec
                                                                  : config->handle_usec;

        if (usec)
                request->call.deadline_usec = dol_monotonic_usec() + usec;
}

/* When there are too many, that is the answer. */
static void add_to_workers(dol_http_request *request)
{
        const dol_http_config *config = &request->server->config;
        dol_workers *workers = request->route->flags & DOL_ROUTE_TRANSFER ? config->transfer_workers
                                                                          : config->workers;
        g_autoptr(GError) error = NULL;

        dol_http_request_ref(request);
        if (dol_workers_add(workers, dol_http_handle, request))
                return;
        dol_http_reply_header(request, "Retry-After", "1");
        dol_fail(&error, DOL_ERROR_UNAVAILABLE,
                 "too many requests are waiting; try again in a moment");
        dol_http_refuse(request, 503, error);
        dol_http_request_unref(request);
}

static enum MHD_Result hand_to_worker(dol_http_request *request, struct MHD_Connection *mhd)
{
        if (!suspend(request, mhd))
                return MHD_NO;
        add_to_workers(request);
        return MHD_YES;
}

/* The handler begins now, and takes the body as it comes. */
static enum MHD_Result begin_upload(dol_http_request *request, struct MHD_Connection *mhd)
{
        if (!begin_answer(request, connection_of(mhd)))
                return MHD_NO;
        set_deadline(request);
        dol_http_upload_begin(request);
        add_to_workers(request);
        return MHD_YES;
}

static enum MHD_Result take_head(dol_http_request *request, struct MHD_Connection *mhd,
                                 const char *method, const char *version)
{
        int status = 400;
        g_autoptr(GError) error = NULL;

        request->has_head = true;
        request->method = g_strdup(method);
        if (!dol_http_gate(request, mhd, method, version, &error)) {
                dol_http_refuse(request, 400, error);
                return deliver(request, mhd);
        }
        if (!dol_http_route_find(request, &status, &request->refusal))
                request->refusal_status = status;
        if (!dol_http_gate_body(request, &error)) {
                dol_http_refuse(request, 413, error);
                return deliver(request, mhd);
        }
        if (!request->refusal_status && request->route->flags & DOL_ROUTE_UPLOAD)
                return begin_upload(request, mhd);
        return MHD_YES;
}

static enum MHD_Result take_whole(dol_http_request *request, struct MHD_Connection *mhd)
{
        if (!begin_answer(request, connection_of(mhd)))
                return MHD_NO;
        if (request->refusal_status) {
                dol_http_refuse(request, request->refusal_status, request->refusal);
                return deliver(request, mhd);
        }
        set_deadline(request);
        if (request->route->flags & DOL_ROUTE_INLINE) {
                dol_http_handle(dol_http_request_ref(request));
                return deliver(request, mhd);
        }
        return hand_to_worker(request, mhd);
}

enum MHD_Result dol_http_exchange_step(void *data, struct MHD_Connection *mhd, const char *url,
                                       const char *method, const char *version, const char *bytes,
                                       size_t *size, void **state)
{
        dol_http_request *request = *state;

        if (!request)
                return MHD_NO;
        if (!request->has_head)
                return take_head(request, mhd, method, version);
        if (request->upload.queue && !request->upload.is_whole) {
                if (*size)
                        return dol_http_upload_take(request, mhd, bytes, size);
                return dol_http_upload_end(request, mhd) ? MHD_YES : deliver(request, mhd);
        }
        if (*size) {
                enum MHD_Result result = take_body(request, bytes, *size);

                *size = 0;
                return result;
        }
        return request->is_active ? deliver(request, mhd) : take_whole(request, mhd);
}
