/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bodies that a handler reads while they come. The loop queues what arrives, and stops reading the
 * connection while the queue is full.
 *
 * libmicrohttpd 0.9 takes no answer between head and end of a body. An answer that is given there
 * (a refusal, as a rule) is written to the socket beside it: nothing else is sent then, once the
 * first bytes of the body have come. Our side of the connection ends with it; what the client still
 * sends is thrown away until it closes, so that it comes to reading the answer.
 */
#include "net/http-private.h"

#include "base/clock.h"
#include "base/guard.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

enum { QUEUE_MAX = 1 << 20 };

static size_t waiting(const dol_http_request *request)
{
        return request->upload.queue->len - request->upload.taken;
}

/* What the connection waits for now. With the request's lock held. */
static void wait_for(dol_http_request *request, dol_http_wait wait)
{
        dol_http_connection *connection;
        dol_lock_scope(&request->server->lock);

        connection = request->connection;
        if (!connection || connection->is_shut)
                return;
        if (wait == DOL_HTTP_WAIT_UPLOAD && connection->read_ended)
                wait = DOL_HTTP_WAIT_END;
        dol_http_connection_wait(connection, wait);
}

void dol_http_upload_begin(dol_http_request *request)
{
        dol_lock_scope(&request->lock);

        request->upload.queue = g_string_new(NULL);
        wait_for(request, DOL_HTTP_WAIT_UPLOAD);
}

/* ---- answers before the end ---- */

/* With the request's lock held. */
static void send_answer(dol_http_request *request)
{
        g_autoptr(GString) text = g_steal_pointer(&request->upload.answer);
        const dol_http_connection *connection;

        wait_for(request, DOL_HTTP_WAIT_REQUEST);
        dol_lock_scope(&request->server->lock);
        connection = request->connection;
        if (!connection)
                return;
        /* it fits into the empty buffer of the socket, or the client gets none */
        send(connection->fd, text->str, text->len, MSG_NOSIGNAL | MSG_DONTWAIT);
        shutdown(connection->fd, SHUT_WR);
}

static GString *wire_text(const dol_http_request *request, int status, const char *content_type,
                          const GString *body)
{
        GString *text = g_string_new(NULL);

        g_string_append_printf(text,
                               "HTTP/1.1 %d %s\r\nConnection: close\r\nContent-Length: %zu\r\n",
                               status, MHD_get_reason_phrase_for((unsigned)status), body->len);
        if (content_type)
                g_string_append_printf(text, "Content-Type: %s\r\n", content_type);
        for (unsigned i = 0; i < request->reply_headers->len; i++) {
                const dol_http_pair *pair =
                        &g_array_index(request->reply_headers, dol_http_pair, i);

                g_string_append_printf(text, "%s: %s\r\n", pair->name, pair->value);
        }
        g_string_append(text, "\r\n");
        g_string_append_len(text, body->str, (gssize)body->len);
        return text;
}

/* With the request's lock held. */
static void resume(dol_http_request *request)
{
        if (request->suspended)
                MHD_resume_connection(request->suspended);
        request->suspended = NULL;
}

bool dol_http_upload_answer(dol_http_request *request, int status, const char *content_type,
                            GString *text)
{
        dol_lock_scope(&request->lock);

        if (!request->upload.queue || request->upload.is_whole || request->state != DOL_HTTP_OPEN)
                return false;
        request->state = DOL_HTTP_ANSWERED;
        request->status = status;
        request->upload.answer = wire_text(request, status, content_type, text);
        g_string_free(text, true);
        if (request->upload.has_begun)
                send_answer(request);
        resume(request);
        return true;
}

void dol_http_upload_cut(dol_http_request *request)
{
        pthread_mutex_lock(&request->lock);
        if (!request->upload.queue || request->upload.is_whole || request->state != DOL_HTTP_OPEN) {
                pthread_mutex_unlock(&request->lock);
                return;
        }
        request->state = DOL_HTTP_DROPPED;
        atomic_store(&request->cancelled, true);
        pthread_cond_broadcast(&request->upload.arrived);
        resume(request);
        pthread_mutex_unlock(&request->lock);
        dol_http_request_shut(request);
}

/* ---- on the loop's thread ---- */

static enum MHD_Result throw_away(dol_http_request *request, size_t *size)
{
        request->upload.has_begun = true;
        if (request->upload.answer)
                send_answer(request);
        *size = 0;
        return MHD_YES;
}

enum MHD_Result dol_http_upload_take(dol_http_request *request, struct MHD_Connection *mhd,
                                     const char *bytes, size_t *size)
{
        size_t some;
        dol_lock_scope(&request->lock);

        if (request->state == DOL_HTTP_DROPPED)
                return MHD_NO;
        if (request->state == DOL_HTTP_ANSWERED)
                return throw_away(request, size);
        some = MIN(*size, QUEUE_MAX - MIN(waiting(request), QUEUE_MAX));
        g_string_append_len(request->upload.queue, bytes, (gssize)some);
        request->upload.has_begun = true;
        pthread_cond_broadcast(&request->upload.arrived);
        *size -= some;
        wait_for(request, *size ? DOL_HTTP_WAIT_NOTHING : DOL_HTTP_WAIT_UPLOAD);
        if (*size) {
                MHD_suspend_connection(mhd);
                request->suspended = mhd;
        }
        return MHD_YES;
}

bool dol_http_upload_end(dol_http_request *request, struct MHD_Connection *mhd)
{
        dol_lock_scope(&request->lock);

        request->upload.is_whole = true;
        pthread_cond_broadcast(&request->upload.arrived);
        if (request->upload.answer)
                send_answer(request);
        if (request->state != DOL_HTTP_OPEN)
                return false;
        wait_for(request, DOL_HTTP_WAIT_NOTHING);
        MHD_suspend_connection(mhd);
        request->suspended = mhd;
        return true;
}

/* ---- for the handler ---- */

static bool check_client(const dol_http_request *request, GError **error)
{
        if (atomic_load(&request->is_late))
                return dol_fail(error, DOL_ERROR_TIMEOUT,
                                "the client sent nothing for %" G_GINT64_FORMAT " s",
                                request->server->config.transfer_idle_usec / DOL_USEC_PER_SEC);
        if (atomic_load(&request->cancelled) || request->state != DOL_HTTP_OPEN)
                return dol_fail(error, DOL_ERROR_UNAVAILABLE,
                                "the client went away before the end of what it sent");
        return dol_call_check(&request->call, error);
}

static void wait_for_bytes(dol_http_request *request)
{
        int64_t left = dol_call_left_usec(&request->call, DOL_USEC_PER_SEC);
        struct timespec until = dol_timespec_of(dol_monotonic_usec() + MIN(left, DOL_USEC_PER_SEC));

        pthread_cond_timedwait(&request->upload.arrived, &request->lock, &until);
}

bool dol_http_read(dol_http_request *request, void *to, size_t max, size_t *ret_size,
                   GError **error)
{
        GString *queue = request->upload.queue;
        size_t size;
        dol_lock_scope(&request->lock);

        while (!request->upload.is_whole) {
                if (!check_client(request, error))
                        return false;
                if (waiting(request))
                        break;
                wait_for_bytes(request);
        }
        size = MIN(max, waiting(request));
        memcpy(to, queue->str + request->upload.taken, size);
        request->upload.taken += size;
        if (request->upload.taken > queue->len / 2) {
                g_string_erase(queue, 0, (gssize)request->upload.taken);
                request->upload.taken = 0;
        }
        if (request->suspended && !request->upload.is_whole && waiting(request) < QUEUE_MAX / 2) {
                wait_for(request, DOL_HTTP_WAIT_UPLOAD);
                resume(request);
        }
        *ret_size = size;
        return true;
}
