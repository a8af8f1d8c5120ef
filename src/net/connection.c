/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The connections of a server. Each waits for one thing at a time, in the queue of that thing: all
 * in one queue wait equally long, so its head is the first to be due.
 */
#include "net/http-private.h"

#include "base/clock.h"
#include "base/guard.h"

#include <poll.h>
#include <sys/socket.h>

/* Until libmicrohttpd has read what came before the end, as a rule; a busy machine takes longer. */
enum { NUDGE_USEC = 5000, NUDGES_MAX = 200 };

/* For a client that takes its answer slowly or not at all. */
#define SEND_MAX_USEC (600 * DOL_USEC_PER_SEC)

static int64_t patience_of(const dol_http_config *config, dol_http_wait wait)
{
        switch (wait) {
        case DOL_HTTP_WAIT_REQUEST:
                return config->receive_usec;
        case DOL_HTTP_WAIT_UPLOAD:
                return config->transfer_idle_usec;
        case DOL_HTTP_WAIT_IDLE:
                return config->idle_usec;
        case DOL_HTTP_WAIT_SEND:
                return MAX(config->receive_usec, MIN(config->idle_usec, SEND_MAX_USEC));
        case DOL_HTTP_WAIT_END:
                return NUDGE_USEC;
        case DOL_HTTP_WAIT_NOTHING:
        case DOL_HTTP_WAIT_COUNT:
                break;
        }
        return 0;
}

static dol_http_peer peer_of(int fd, bool is_unix)
{
        struct ucred cred;
        socklen_t size = sizeof(cred);

        if (!is_unix || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &size))
                return (dol_http_peer){.uid = (uid_t)-1, .gid = (gid_t)-1};
        return (dol_http_peer){cred.pid, cred.uid, cred.gid};
}

void dol_http_connection_wait(dol_http_connection *connection, dol_http_wait wait)
{
        dol_http_server *server = connection->server;

        g_queue_unlink(&server->waiting[connection->wait], &connection->link);
        connection->wait = wait;
        connection->deadline_usec = dol_monotonic_usec() + patience_of(&server->config, wait);
        g_queue_push_tail_link(&server->waiting[wait], &connection->link);
}

dol_http_connection *dol_http_connection_add(dol_http_server *server, int fd, bool is_unix)
{
        dol_http_connection *connection = g_hash_table_lookup(server->by_fd, GINT_TO_POINTER(fd));

        if (connection)
                dol_http_connection_remove(connection);
        connection = g_new0(dol_http_connection, 1);
        connection->server = server;
        connection->id = ++server->next_id;
        connection->fd = fd;
        connection->is_unix = is_unix;
        connection->peer = peer_of(fd, is_unix);
        connection->link.data = connection;
        g_queue_push_tail_link(&server->waiting[DOL_HTTP_WAIT_NOTHING], &connection->link);
        dol_http_connection_wait(connection, DOL_HTTP_WAIT_REQUEST);
        g_hash_table_insert(server->by_fd, GINT_TO_POINTER(fd), connection);
        g_hash_table_insert(server->by_id, &connection->id, connection);
        return connection;
}

void dol_http_connection_remove(dol_http_connection *connection)
{
        dol_http_server *server = connection->server;

        if (connection->request)
                connection->request->connection = NULL;
        g_queue_unlink(&server->waiting[connection->wait], &connection->link);
        g_hash_table_remove(server->by_id, &connection->id);
        g_hash_table_remove(server->by_fd, GINT_TO_POINTER(connection->fd));
        g_free(connection);
}

/* libmicrohttpd misses an end that comes together with bytes, and looks again only when the socket
 * changes once more. So a moment later it is changed, again and again. */
static void nudge(dol_http_connection *connection)
{
        shutdown(connection->fd, connection->is_shut ? SHUT_RDWR : SHUT_RD);
        connection->nudges++;
        dol_http_connection_wait(connection, connection->nudges < NUDGES_MAX
                                                     ? DOL_HTTP_WAIT_END
                                                     : DOL_HTTP_WAIT_REQUEST);
}

void dol_http_connection_shut(dol_http_connection *connection)
{
        connection->is_shut = true;
        connection->nudges = 0;
        nudge(connection);
}

void dol_http_connection_end_reading(dol_http_connection *connection)
{
        connection->read_ended = true;
        connection->nudges = 0;
        if (connection->wait == DOL_HTTP_WAIT_UPLOAD ||
            (!connection->request && connection->wait != DOL_HTTP_WAIT_NOTHING))
                dol_http_connection_wait(connection, DOL_HTTP_WAIT_END);
}

void dol_http_connection_expire(dol_http_connection *connection)
{
        if (connection->wait == DOL_HTTP_WAIT_END) {
                nudge(connection);
                return;
        }
        if (connection->wait == DOL_HTTP_WAIT_UPLOAD && connection->request)
                atomic_store(&connection->request->is_late, true);
        dol_http_connection_shut(connection);
}

bool dol_http_connection_ask_gone(dol_http_connection *connection)
{
        struct pollfd poller = {.fd = connection->fd};

        poller.events = connection->is_unix ? 0 : POLLRDHUP;
        if (!connection->gone && poll(&poller, 1, 0) > 0)
                connection->gone = true;
        return connection->gone;
}

void dol_http_request_shut(dol_http_request *request)
{
        dol_lock_scope(&request->server->lock);

        if (request->connection)
                dol_http_connection_shut(request->connection);
}

/* An exchange on it has ended. */
static void release(dol_http_connection *connection)
{
        dol_http_server *server = connection->server;

        dol_http_connection_wait(connection, DOL_HTTP_WAIT_IDLE);
        if (connection->read_ended) {
                dol_http_connection_end_reading(connection);
                dol_http_accept_wake(server);
        }
        if (server->stopping)
                dol_http_connection_shut(connection);
}

void dol_http_request_detach(dol_http_request *request)
{
        dol_http_server *server = request->server;
        dol_lock_scope(&server->lock);

        if (request->connection) {
                request->connection->request = NULL;
                release(request->connection);
                request->connection = NULL;
        }
        if (request->is_active && --server->active == 0)
                pthread_cond_broadcast(&server->changed);
        request->is_active = false;
}
