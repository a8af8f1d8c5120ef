/* SPDX-License-Identifier: Apache-2.0 */
#include "net/grpc-private.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { READ_SIZE = 65536, READS_AT_ONCE = 16, OUT_SIZE = 65536 };

bool dol_grpc_allow(dol_grpc_allowance *allowance, unsigned burst, unsigned rate)
{
        int64_t now = dol_monotonic_usec();
        double more = (double)(now - allowance->filled_usec) / (double)DOL_USEC_PER_SEC * rate;

        allowance->left = MIN((double)burst, allowance->left + more);
        allowance->filled_usec = now;
        if (allowance->left < 1)
                return false;
        allowance->left -= 1;
        return true;
}

static pid_t peer_of(int fd)
{
        struct ucred cred;
        socklen_t size = sizeof(cred);

        return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &size) ? 0 : cred.pid;
}

dol_grpc_connection *dol_grpc_connection_new(dol_grpc_server *server, int fd)
{
        dol_grpc_connection *connection = g_new0(dol_grpc_connection, 1);

        connection->server = server;
        connection->id = ++server->next_id;
        connection->fd = fd;
        connection->peer = peer_of(fd);
        connection->out = g_byte_array_new();
        g_queue_init(&connection->requests);
        connection->session = dol_grpc_session_new(connection);
        dol_grpc_connection_rest(connection);
        if (connection->session)
                return connection;
        dol_grpc_connection_free(connection);
        return NULL;
}

void dol_grpc_connection_free(void *data)
{
        dol_grpc_connection *connection = data;
        dol_grpc_request *request;

        while ((request = g_queue_peek_head(&connection->requests)))
                dol_grpc_request_detach(request);
        nghttp2_session_del(connection->session);
        g_byte_array_unref(connection->out);
        close(connection->fd);
        g_free(connection);
}

static int64_t patience_of(const dol_grpc_config *config, dol_grpc_wait wait)
{
        switch (wait) {
        case DOL_GRPC_WAIT_GREETING:
                return config->receive_usec;
        case DOL_GRPC_WAIT_CALL:
                return config->idle_usec;
        case DOL_GRPC_WAIT_SEND:
                return config->send_usec;
        case DOL_GRPC_WAIT_NOTHING:
        default:
                return 0;
        }
}

static void wait_for(dol_grpc_connection *connection, dol_grpc_wait wait)
{
        int64_t patience = patience_of(&connection->server->config, wait);

        connection->wait = wait;
        connection->deadline_usec = patience ? dol_monotonic_usec() + patience : 0;
        if (patience)
                dol_grpc_check_by(connection->server, connection->deadline_usec);
}

void dol_grpc_connection_rest(dol_grpc_connection *connection)
{
        dol_grpc_wait wait = DOL_GRPC_WAIT_NOTHING;

        if (!connection->greeted)
                wait = DOL_GRPC_WAIT_GREETING;
        else if (connection->out->len > 0)
                wait = DOL_GRPC_WAIT_SEND;
        else if (g_queue_is_empty(&connection->requests))
                wait = DOL_GRPC_WAIT_CALL;
        if (wait != connection->wait)
                wait_for(connection, wait);
}

/* ---- reading ---- */

/* false: there is no more for now, or it is broken. */
static bool read_some(dol_grpc_connection *connection)
{
        uint8_t bytes[READ_SIZE];
        ssize_t size = recv(connection->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
        ssize_t used;

        if (size < 0 && (errno == EAGAIN || errno == EINTR))
                return false;
        if (size <= 0) {
                connection->broken = true;
                return false;
        }
        used = nghttp2_session_mem_recv(connection->session, bytes, (size_t)size);
        if (used == size)
                return (size_t)size == sizeof(bytes);
        dol_log(DOL_LOG_DEBUG, "%s: process %d is refused: %s", connection->server->config.name,
                (int)connection->peer, used < 0 ? nghttp2_strerror((int)used) : "bytes left");
        if (used == NGHTTP2_ERR_BAD_CLIENT_MAGIC || used == NGHTTP2_ERR_NOMEM)
                connection->broken = true;
        else
                nghttp2_session_terminate_session(
                        connection->session, used == NGHTTP2_ERR_FLOODED ? NGHTTP2_ENHANCE_YOUR_CALM
                                                                         : NGHTTP2_PROTOCOL_ERROR);
        return false;
}

void dol_grpc_connection_read(dol_grpc_connection *connection)
{
        for (int i = 0; i < READS_AT_ONCE && read_some(connection); i++)
                ;
}

/* ---- writing ---- */

/* Gathers frames, so that a whole answer goes out at once. */
static void gather(dol_grpc_connection *connection)
{
        const uint8_t *bytes;
        ssize_t size;

        while (connection->out->len < OUT_SIZE &&
               (size = nghttp2_session_mem_send(connection->session, &bytes)) != 0) {
                if (size < 0) {
                        connection->broken = true;
                        return;
                }
                g_byte_array_append(connection->out, bytes, (guint)size);
        }
}

/* Nothing more is read from a client that does not take what it asked for. */
static void choose_events(dol_grpc_connection *connection)
{
        bool reads =
                connection->out->len < OUT_SIZE && nghttp2_session_want_read(connection->session);
        struct epoll_event event = {
                .events = (reads ? EPOLLIN : 0) | (connection->out->len > 0 ? EPOLLOUT : 0),
                .data.u64 = connection->id,
        };

        if (connection->events == event.events)
                return;
        connection->events = event.events;
        epoll_ctl(connection->server->epoll_fd, EPOLL_CTL_MOD, connection->fd, &event);
}

/* false: nothing more can be sent now. */
static bool write_some(dol_grpc_connection *connection)
{
        ssize_t size;

        gather(connection);
        if (connection->out->len == 0 || connection->broken)
                return false;
        size = send(connection->fd, connection->out->data, connection->out->len,
                    MSG_DONTWAIT | MSG_NOSIGNAL);
        if (size < 0) {
                connection->broken = errno != EAGAIN && errno != EINTR;
                return false;
        }
        if (connection->wait == DOL_GRPC_WAIT_SEND)
                wait_for(connection, DOL_GRPC_WAIT_SEND);
        g_byte_array_remove_range(connection->out, 0, (guint)size);
        return true;
}

void dol_grpc_connection_write(dol_grpc_connection *connection)
{
        while (write_some(connection))
                ;
        choose_events(connection);
        dol_grpc_connection_rest(connection);
}

/* ---- its end ---- */

void dol_grpc_connection_leave(dol_grpc_connection *connection)
{
        if (connection->leaving)
                return;
        connection->leaving = true;
        nghttp2_submit_goaway(connection->session, NGHTTP2_FLAG_NONE,
                              nghttp2_session_get_last_proc_stream_id(connection->session),
                              NGHTTP2_NO_ERROR, NULL, 0);
}

bool dol_grpc_connection_is_over(dol_grpc_connection *connection)
{
        if (connection->broken)
                return true;
        if (connection->out->len > 0)
                return false;
        if (connection->leaving && g_queue_is_empty(&connection->requests))
                return true;
        return !nghttp2_session_want_read(connection->session) &&
               !nghttp2_session_want_write(connection->session);
}

static void check_request(dol_grpc_request *request, int64_t now)
{
        if (!request->deadline_usec)
                return;
        if (request->deadline_usec > now) {
                dol_grpc_check_by(request->server, request->deadline_usec);
                return;
        }
        request->deadline_usec = 0;
        switch (request->phase) {
        case DOL_GRPC_RECEIVING:
                dol_grpc_refuse(request, DOL_GRPC_DEADLINE_EXCEEDED,
                                "the request was not received in time");
                break;
        case DOL_GRPC_RUNNING:
                atomic_store(&request->cancelled, true);
                dol_grpc_refuse(request, DOL_GRPC_DEADLINE_EXCEEDED, "the deadline has passed");
                break;
        case DOL_GRPC_ANSWERING:
        default:
                nghttp2_submit_rst_stream(request->connection->session, NGHTTP2_FLAG_NONE,
                                          request->stream, NGHTTP2_CANCEL);
        }
}

void dol_grpc_connection_check(dol_grpc_connection *connection, int64_t now)
{
        for (GList *at = connection->requests.head, *next; at; at = next) {
                next = at->next;
                check_request(at->data, now);
        }
        if (!connection->deadline_usec)
                return;
        if (connection->deadline_usec > now) {
                dol_grpc_check_by(connection->server, connection->deadline_usec);
                return;
        }
        if (connection->wait == DOL_GRPC_WAIT_CALL && !connection->leaving)
                dol_grpc_connection_leave(connection);
        else
                connection->broken = true;
}
