/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An answer is a head, the messages, and trailers with the status; without messages all of it is in
 * one head ("trailers only"). nghttp2 asks for the bytes when the client has room for them.
 */
#include "net/grpc-private.h"

#include "base/clock.h"
#include "base/guard.h"

#include <string.h>

#define HEADER(name_, value_)                                                           \
        {                                                                               \
                (uint8_t *)(name_), (uint8_t *)(value_), strlen(name_), strlen(value_), \
                        NGHTTP2_NV_FLAG_NONE                                            \
        }

enum { HEADERS_MAX = 6 };

/* Fills grpc-status and, if there is one, grpc-message; how many. */
static size_t status_headers(const dol_grpc_request *request, char number[16], nghttp2_nv *ret)
{
        const nghttp2_nv status = HEADER("grpc-status", number);

        g_snprintf(number, 16, "%d", request->status);
        ret[0] = status;
        ret[0].valuelen = strlen(number);
        if (!request->text)
                return 1;
        ret[1] = (nghttp2_nv)HEADER("grpc-message", request->text);
        return 2;
}

/* With the request's lock held: moves up to `size` bytes out. */
static size_t take(dol_grpc_request *request, uint8_t *to, size_t size)
{
        size_t taken = 0;

        while (taken < size && !g_queue_is_empty(&request->out)) {
                GByteArray *first = g_queue_peek_head(&request->out);
                size_t piece = MIN(first->len - request->out_taken, size - taken);

                memcpy(to + taken, first->data + request->out_taken, piece);
                taken += piece;
                request->out_taken += piece;
                if (request->out_taken == first->len) {
                        g_byte_array_unref(g_queue_pop_head(&request->out));
                        request->out_taken = 0;
                }
        }
        request->out_size -= taken;
        return taken;
}

static ssize_t read_answer(nghttp2_session *session, int32_t stream, uint8_t *to, size_t size,
                           uint32_t *flags, nghttp2_data_source *source, void *connection)
{
        dol_grpc_request *request = source->ptr;
        nghttp2_nv trailers[HEADERS_MAX];
        char number[16];
        size_t taken;
        dol_lock_scope(&request->lock);

        taken = take(request, to, size);
        if (taken)
                pthread_cond_broadcast(&request->room);
        if (request->phase == DOL_GRPC_ANSWERING) {
                request->deadline_usec = dol_monotonic_usec() + request->server->config.send_usec;
                dol_grpc_check_by(request->server, request->deadline_usec);
        }
        if (!g_queue_is_empty(&request->out))
                return (ssize_t)taken;
        if (!request->ended)
                return taken ? (ssize_t)taken : NGHTTP2_ERR_DEFERRED;
        *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
        nghttp2_submit_trailer(session, stream, trailers,
                               status_headers(request, number, trailers));
        return (ssize_t)taken;
}

static void begin(dol_grpc_request *request)
{
        nghttp2_session *session = request->connection->session;
        nghttp2_data_provider provider = {.source.ptr = request, .read_callback = read_answer};
        nghttp2_nv headers[HEADERS_MAX] = {
                HEADER(":status", "200"),
                HEADER("content-type", "application/grpc"),
                HEADER("grpc-accept-encoding", "identity,gzip,deflate"),
        };
        size_t count = 3;
        char number[16];
        bool empty;

        pthread_mutex_lock(&request->lock);
        empty = request->ended && g_queue_is_empty(&request->out);
        if (empty)
                count += status_headers(request, number, headers + count);
        pthread_mutex_unlock(&request->lock);
        request->head_sent = true;
        nghttp2_submit_response(session, request->stream, headers, count, empty ? NULL : &provider);
}

void dol_grpc_answer(dol_grpc_request *request)
{
        bool ended;

        if (!request->connection)
                return;
        pthread_mutex_lock(&request->lock);
        ended = request->ended;
        pthread_mutex_unlock(&request->lock);
        if (ended && request->phase != DOL_GRPC_ANSWERING) {
                request->phase = DOL_GRPC_ANSWERING;
                request->deadline_usec = dol_monotonic_usec() + request->server->config.send_usec;
                dol_grpc_check_by(request->server, request->deadline_usec);
        }
        if (!request->head_sent)
                begin(request);
        else
                nghttp2_session_resume_data(request->connection->session, request->stream);
}

void dol_grpc_refuse(dol_grpc_request *request, int status, const char *text)
{
        if (dol_grpc_request_end(request, status, text))
                dol_grpc_answer(request);
}

void dol_grpc_refuse_http(dol_grpc_request *request, const char *http_status)
{
        nghttp2_nv header = HEADER(":status", http_status);

        if (!dol_grpc_request_end(request, DOL_GRPC_INTERNAL, NULL))
                return;
        request->phase = DOL_GRPC_ANSWERING;
        request->head_sent = true;
        nghttp2_submit_response(request->connection->session, request->stream, &header, 1, NULL);
}
