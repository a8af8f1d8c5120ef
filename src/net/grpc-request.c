/* SPDX-License-Identifier: Apache-2.0 */
#include "net/grpc-private.h"

#include "base/clock.h"
#include "base/guard.h"

#include <errno.h>
#include <string.h>

enum { OUT_MAX = 1 << 20, PREFIX_SIZE = 5 };

/* ---- life ---- */

dol_grpc_request *dol_grpc_request_new(dol_grpc_connection *connection, int32_t stream)
{
        dol_grpc_server *server = connection->server;
        dol_grpc_request *request = g_new0(dol_grpc_request, 1);

        atomic_init(&request->references, 1);
        atomic_fetch_add(&server->references, 1);
        request->server = server;
        request->peer = connection->peer;
        request->connection = connection;
        request->stream = stream;
        request->body = g_byte_array_new();
        request->deadline_usec = dol_monotonic_usec() + server->config.receive_usec;
        dol_grpc_check_by(server, request->deadline_usec);
        request->link.data = request;
        g_queue_push_tail_link(&connection->requests, &request->link);
        g_queue_init(&request->out);
        pthread_mutex_init(&request->lock, NULL);
        dol_cond_init(&request->room);
        return request;
}

dol_grpc_request *dol_grpc_request_ref(dol_grpc_request *request)
{
        atomic_fetch_add(&request->references, 1);
        return request;
}

void dol_grpc_request_unref(dol_grpc_request *request)
{
        GByteArray *message;

        if (atomic_fetch_sub(&request->references, 1) != 1)
                return;
        atomic_fetch_sub(&request->server->held, request->held);
        while ((message = g_queue_pop_head(&request->out)))
                g_byte_array_unref(message);
        g_clear_pointer(&request->body, g_byte_array_unref);
        g_clear_pointer(&request->message, g_byte_array_unref);
        g_free(request->http_method);
        g_free(request->path);
        g_free(request->content_type);
        g_free(request->timeout);
        g_free(request->encoding);
        g_free(request->text);
        pthread_cond_destroy(&request->room);
        pthread_mutex_destroy(&request->lock);
        dol_grpc_server_unref(request->server);
        g_free(request);
}

void dol_grpc_request_detach(dol_grpc_request *request)
{
        g_queue_unlink(&request->connection->requests, &request->link);
        request->connection = NULL;
        atomic_store(&request->cancelled, true);
        pthread_mutex_lock(&request->lock);
        pthread_cond_broadcast(&request->room);
        pthread_mutex_unlock(&request->lock);
        dol_grpc_request_unref(request);
}

/* ---- as its handler sees it ---- */

const uint8_t *dol_grpc_message(const dol_grpc_request *request, size_t *ret_size)
{
        *ret_size = request->message->len;
        return request->message->data;
}

const char *dol_grpc_path(const dol_grpc_request *request)
{
        return request->method->path;
}

const void *dol_grpc_about(const dol_grpc_request *request)
{
        return request->method->about;
}

const dol_call *dol_grpc_call(const dol_grpc_request *request)
{
        return &request->call;
}

pid_t dol_grpc_peer_pid(const dol_grpc_request *request)
{
        return request->peer;
}

void dol_grpc_set_code(dol_grpc_request *request, int code)
{
        request->code = code;
}

/* There is something to send: tells the loop. */
static void announce(dol_grpc_request *request)
{
        dol_grpc_server *server = request->server;
        dol_lock_scope(&server->lock);

        if (server->ended)
                return;
        g_queue_push_tail(&server->ready, dol_grpc_request_ref(request));
        dol_grpc_wake(server);
}

static GByteArray *frame(GByteArray *message)
{
        uint8_t prefix[PREFIX_SIZE] = {0, (uint8_t)(message->len >> 24),
                                       (uint8_t)(message->len >> 16), (uint8_t)(message->len >> 8),
                                       (uint8_t)message->len};

        return g_byte_array_prepend(message, prefix, sizeof(prefix));
}

/* With the request's lock held: waits until the client has taken enough. */
static bool wait_for_room(dol_grpc_request *request, GError **error)
{
        struct timespec until =
                dol_timespec_of(dol_monotonic_usec() + request->server->config.send_usec);
        int result = 0;

        while (!request->ended && !atomic_load(&request->cancelled) &&
               request->out_size >= OUT_MAX && result != ETIMEDOUT)
                result = pthread_cond_timedwait(&request->room, &request->lock, &until);
        if (request->ended || atomic_load(&request->cancelled))
                return dol_fail(error, DOL_ERROR_UNAVAILABLE, "the client has gone");
        return request->out_size < OUT_MAX ||
               dol_fail(error, DOL_ERROR_UNAVAILABLE, "the client does not take its answer");
}

bool dol_grpc_send(dol_grpc_request *request, GByteArray *message, GError **error)
{
        bool sent;

        pthread_mutex_lock(&request->lock);
        sent = wait_for_room(request, error);
        if (sent) {
                request->out_size += message->len + PREFIX_SIZE;
                g_queue_push_tail(&request->out, frame(message));
        }
        pthread_mutex_unlock(&request->lock);
        if (sent)
                announce(request);
        else
                g_byte_array_unref(message);
        return sent;
}

bool dol_grpc_request_end(dol_grpc_request *request, int status, const char *text)
{
        dol_lock_scope(&request->lock);

        if (request->ended)
                return false;
        request->ended = true;
        request->status = status;
        request->text = text ? dol_grpc_percent_encode(text) : NULL;
        pthread_cond_broadcast(&request->room);
        return true;
}

/* ---- on a worker ---- */

static bool run(dol_grpc_request *request, GError **error)
{
        const dol_grpc_config *config = &request->server->config;

        if (!dol_grpc_unframe(request->body, request->encoding, config->message_max,
                              &request->message, &request->code, error))
                return false;
        return request->method->handle(request, config->user, error);
}

static void handle(void *data)
{
        dol_grpc_request *request = data;
        g_autoptr(GError) error = NULL;
        int code = DOL_GRPC_OK;

        if (!atomic_load(&request->cancelled)) {
                if (!run(request, &error))
                        code = request->code ? request->code
                                             : dol_error_info_of(dol_error_kind_of(error))->grpc;
                if (dol_grpc_request_end(request, code, error ? error->message : NULL))
                        announce(request);
        }
        dol_grpc_request_unref(request);
}

/* *ret_usec: when the call must have ended; false = the time-out cannot be read. */
static bool deadline_of(const dol_grpc_request *request, int64_t *ret_usec)
{
        int64_t now = dol_monotonic_usec(), timeout;

        *ret_usec = now + request->server->config.handle_usec;
        if (!request->timeout)
                return true;
        if (!dol_grpc_timeout_parse(request->timeout, &timeout))
                return false;
        *ret_usec = MIN(*ret_usec, now + timeout);
        return true;
}

void dol_grpc_request_dispatch(dol_grpc_request *request)
{
        int64_t deadline;

        if (!deadline_of(request, &deadline)) {
                dol_grpc_refuse(request, DOL_GRPC_INTERNAL, "grpc-timeout cannot be read");
                return;
        }
        if (deadline <= dol_monotonic_usec()) {
                dol_grpc_refuse(request, DOL_GRPC_DEADLINE_EXCEEDED, "the deadline has passed");
                return;
        }
        request->phase = DOL_GRPC_RUNNING;
        request->deadline_usec = deadline;
        dol_grpc_check_by(request->server, deadline);
        request->call = (dol_call){.deadline_usec = deadline, .cancelled = &request->cancelled};
        request->call.actor = request->server->config.name;
        dol_grpc_request_ref(request);
        if (dol_workers_add(request->server->config.workers, handle, request))
                return;
        dol_grpc_request_unref(request);
        dol_grpc_refuse(request, DOL_GRPC_UNAVAILABLE,
                        "too many requests are waiting; try again in a moment");
}
