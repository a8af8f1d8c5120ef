/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers in pieces. Writers queue bytes; libmicrohttpd asks for them when the client can take
 * more, and is suspended while there are none.
 */
#include "net/http-private.h"

#include "base/clock.h"
#include "base/guard.h"

#include <errno.h>
#include <string.h>

enum { QUEUE_MAX = 1 << 20, BLOCK_SIZE = 4096 };

struct dol_http_stream {
        atomic_uint references;  /* of the maker, the request and the response */
        dol_http_server *server; /* a reference */
        uint64_t connection_id;

        pthread_mutex_t lock;       /* guards what follows */
        pthread_cond_t told;        /* is_telling has become false */
        pthread_cond_t taken_some;  /* libmicrohttpd has, or the stream is closed */
        struct MHD_Connection *mhd; /* NULL until the answer goes out */
        bool is_suspended;          /* waits for bytes */
        GString *queue;
        size_t taken;   /* bytes of the queue that are sent */
        bool is_ended;  /* by the maker */
        bool is_broken; /* ended before it was whole */
        bool is_closed; /* by the client, the server, or for its slowness */
        void (*on_close)(void *user);
        void *user;
        bool is_telling;  /* on_close is being called ... */
        pthread_t teller; /* ... by this thread */
};

dol_http_stream *dol_http_stream_ref(dol_http_stream *stream)
{
        atomic_fetch_add(&stream->references, 1);
        return stream;
}

void dol_http_stream_unref(dol_http_stream *stream)
{
        if (!stream || atomic_fetch_sub(&stream->references, 1) > 1)
                return;
        g_string_free(stream->queue, true);
        pthread_cond_destroy(&stream->told);
        pthread_cond_destroy(&stream->taken_some);
        pthread_mutex_destroy(&stream->lock);
        dol_http_server_unref(stream->server);
        g_free(stream);
}

static void response_freed(void *data)
{
        dol_http_stream_unref(data);
}

/* With the stream's lock held. */
static void resume(dol_http_stream *stream)
{
        if (stream->is_suspended)
                MHD_resume_connection(stream->mhd);
        stream->is_suspended = false;
}

static size_t waiting(const dol_http_stream *stream)
{
        return stream->queue->len - stream->taken;
}

static ssize_t take(dol_http_stream *stream, char *to, size_t max)
{
        size_t size = MIN(max, waiting(stream));

        memcpy(to, stream->queue->str + stream->taken, size);
        stream->taken += size;
        if (stream->taken > stream->queue->len / 2) {
                g_string_erase(stream->queue, 0, (gssize)stream->taken);
                stream->taken = 0;
        }
        pthread_cond_broadcast(&stream->taken_some);
        return (ssize_t)size;
}

/* libmicrohttpd asks for bytes. */
static ssize_t read_some(void *data, uint64_t position, char *to, size_t max)
{
        dol_http_stream *stream = data;
        dol_lock_scope(&stream->lock);

        if (stream->is_closed)
                return MHD_CONTENT_READER_END_WITH_ERROR;
        if (waiting(stream))
                return take(stream, to, max);
        if (stream->is_ended)
                return stream->is_broken ? MHD_CONTENT_READER_END_WITH_ERROR
                                         : MHD_CONTENT_READER_END_OF_STREAM;
        MHD_suspend_connection(stream->mhd);
        stream->is_suspended = true;
        return 0;
}

void dol_http_stream_attach(dol_http_stream *stream, struct MHD_Connection *mhd)
{
        dol_lock_scope(&stream->lock);

        stream->mhd = mhd;
}

/* Nothing is sent any more: libmicrohttpd ends the connection when it asks next. With the stream's
 * lock held. */
static void shut(dol_http_stream *stream)
{
        stream->is_closed = true;
        pthread_cond_broadcast(&stream->taken_some);
        resume(stream);
}

/* For a client that takes nothing, so that libmicrohttpd never asks. */
static void cut_off(dol_http_stream *stream)
{
        dol_http_server *server = stream->server;
        dol_http_connection *connection;
        dol_lock_scope(&server->lock);

        connection = g_hash_table_lookup(server->by_id, &stream->connection_id);
        if (!connection)
                return;
        dol_http_connection_shut(connection);
        dol_http_accept_wake(server);
}

static dol_http_stream *new_stream(dol_http_request *request)
{
        dol_http_stream *stream = g_new0(dol_http_stream, 1);
        dol_http_server *server = request->server;
        dol_lock_scope(&server->lock);

        atomic_init(&stream->references, 3);
        atomic_fetch_add(&server->references, 1);
        stream->server = server;
        stream->connection_id = request->connection ? request->connection->id : 0;
        stream->queue = g_string_new(NULL);
        pthread_mutex_init(&stream->lock, NULL);
        pthread_cond_init(&stream->told, NULL);
        dol_cond_init(&stream->taken_some);
        return stream;
}

/* May the stream not live? Asked once it can be found by those who would close it. */
static bool is_too_late(dol_http_request *request)
{
        dol_lock_scope(&request->server->lock);

        return request->server->stopping || !request->connection || request->connection->gone;
}

dol_http_stream *dol_http_stream_begin(dol_http_request *request, const char *content_type)
{
        dol_http_stream *stream = new_stream(request);
        struct MHD_Response *response = MHD_create_response_from_callback(
                MHD_SIZE_UNKNOWN, BLOCK_SIZE, read_some, stream, response_freed);

        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, content_type);
        if (!dol_http_answer_with(request, 200, response, stream) || is_too_late(request))
                dol_http_stream_close(stream);
        return stream;
}

bool dol_http_stream_write(dol_http_stream *stream, const char *bytes, size_t size)
{
        dol_lock_scope(&stream->lock);

        if (stream->is_closed)
                return false;
        if (waiting(stream) + size > QUEUE_MAX) {
                shut(stream);
                cut_off(stream);
                return false;
        }
        g_string_append_len(stream->queue, bytes, (gssize)size);
        resume(stream);
        return true;
}

bool dol_http_stream_send(dol_http_stream *stream, const void *bytes, size_t size,
                          int64_t idle_usec)
{
        dol_lock_scope(&stream->lock);

        while (!stream->is_closed && waiting(stream) && waiting(stream) + size > QUEUE_MAX) {
                struct timespec until = dol_timespec_of(dol_monotonic_usec() + idle_usec);

                if (pthread_cond_timedwait(&stream->taken_some, &stream->lock, &until) ==
                    ETIMEDOUT) {
                        shut(stream);
                        cut_off(stream);
                }
        }
        if (stream->is_closed)
                return false;
        g_string_append_len(stream->queue, bytes, (gssize)size);
        resume(stream);
        return true;
}

/* Calls on_close once, unless the stream was ended before. */
static void tell(dol_http_stream *stream)
{
        void (*fn)(void *user);

        pthread_mutex_lock(&stream->lock);
        fn = stream->is_ended || !stream->is_closed ? NULL : stream->on_close;
        stream->on_close = NULL;
        stream->is_telling = fn != NULL;
        stream->teller = pthread_self();
        pthread_mutex_unlock(&stream->lock);
        if (!fn)
                return;
        fn(stream->user);
        pthread_mutex_lock(&stream->lock);
        stream->is_telling = false;
        pthread_cond_broadcast(&stream->told);
        pthread_mutex_unlock(&stream->lock);
}

bool dol_http_stream_close(dol_http_stream *stream)
{
        bool was_ended;

        pthread_mutex_lock(&stream->lock);
        was_ended = stream->is_ended;
        shut(stream);
        pthread_mutex_unlock(&stream->lock);
        tell(stream);
        return !was_ended;
}

void dol_http_stream_on_close(dol_http_stream *stream, void (*fn)(void *user), void *user)
{
        bool is_closed;

        pthread_mutex_lock(&stream->lock);
        stream->on_close = fn;
        stream->user = user;
        is_closed = stream->is_closed;
        pthread_mutex_unlock(&stream->lock);
        if (is_closed)
                tell(stream);
}

void dol_http_stream_end(dol_http_stream *stream)
{
        pthread_mutex_lock(&stream->lock);
        stream->is_ended = true;
        resume(stream);
        while (stream->is_telling && !pthread_equal(stream->teller, pthread_self()))
                pthread_cond_wait(&stream->told, &stream->lock);
        pthread_mutex_unlock(&stream->lock);
        dol_http_stream_unref(stream);
}

void dol_http_stream_break(dol_http_stream *stream)
{
        pthread_mutex_lock(&stream->lock);
        stream->is_broken = true;
        pthread_mutex_unlock(&stream->lock);
        dol_http_stream_end(stream);
}
