/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server's own thread. It accepts connections and closes those beyond the limit at once, reads
 * and writes them, sends what workers have made ready, and keeps all deadlines.
 */
#include "net/grpc-private.h"

#include "base/clock.h"
#include "base/guard.h"
#include "base/log.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

/* What an epoll event is about: one of these, or a connection's id. */
enum { ABOUT_LISTENER = -1, ABOUT_WAKE = -2 };

enum { EVENTS_AT_ONCE = 64, ACCEPTS_AT_ONCE = 64, BREATHER_USEC = 100000 };

void dol_grpc_check_by(dol_grpc_server *server, int64_t usec)
{
        server->next_check_usec = MIN(server->next_check_usec, usec);
}

static void watch(dol_grpc_server *server, int fd, uint64_t about)
{
        struct epoll_event event = {.events = EPOLLIN, .data.u64 = about};

        epoll_ctl(server->epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

/* After anything was done with it: sends what there is, closes it when it is over. */
static void tend(dol_grpc_server *server, dol_grpc_connection *connection)
{
        dol_grpc_connection_write(connection);
        if (dol_grpc_connection_is_over(connection))
                g_hash_table_remove(server->connections, &connection->id);
}

/* Accepts one; false when there is none (any more). */
static bool accept_one(dol_grpc_server *server)
{
        dol_autofd fd = accept4(server->config.listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        dol_grpc_connection *connection;

        if (fd < 0)
                return errno == ECONNABORTED || errno == EINTR;
        if (g_hash_table_size(server->connections) >= server->config.connections_max)
                return true;
        connection = dol_grpc_connection_new(server, dol_steal_fd(&fd));
        if (!connection)
                return true;
        g_hash_table_insert(server->connections, &connection->id, connection);
        watch(server, connection->fd, connection->id);
        tend(server, connection);
        return true;
}

/* Out of descriptors, say: let some time pass instead of spinning. */
static void accept_some(dol_grpc_server *server)
{
        for (int i = 0; i < ACCEPTS_AT_ONCE; i++) {
                if (accept_one(server))
                        continue;
                if (errno != EAGAIN) {
                        dol_log(DOL_LOG_WARNING, "%s: cannot accept a connection: %s",
                                server->config.name, strerror(errno));
                        g_usleep(BREATHER_USEC);
                }
                return;
        }
}

/* What workers have made ready. */
static void send_ready(dol_grpc_server *server)
{
        dol_grpc_request *request;
        GQueue ready;

        pthread_mutex_lock(&server->lock);
        ready = server->ready;
        g_queue_init(&server->ready);
        pthread_mutex_unlock(&server->lock);
        while ((request = g_queue_pop_head(&ready))) {
                dol_grpc_answer(request);
                if (request->connection)
                        tend(server, request->connection);
                dol_grpc_request_unref(request);
        }
}

static void dispatch(dol_grpc_server *server, const struct epoll_event *event)
{
        dol_grpc_connection *connection;
        eventfd_t ignored;

        if (event->data.u64 == (uint64_t)ABOUT_LISTENER) {
                accept_some(server);
                return;
        }
        if (event->data.u64 == (uint64_t)ABOUT_WAKE) {
                eventfd_read(server->wake_fd, &ignored);
                return;
        }
        connection = g_hash_table_lookup(server->connections, &event->data.u64);
        if (!connection)
                return;
        if (event->events & ~(uint32_t)EPOLLOUT)
                dol_grpc_connection_read(connection);
        tend(server, connection);
}

/* Acts on all that is overdue, and finds out when to look again. */
static void check_deadlines(dol_grpc_server *server)
{
        int64_t now = dol_monotonic_usec();
        g_autoptr(GList) all = NULL;

        if (server->next_check_usec > now)
                return;
        server->next_check_usec = INT64_MAX;
        all = g_hash_table_get_values(server->connections);
        for (GList *at = all; at; at = at->next) {
                dol_grpc_connection_check(at->data, now);
                tend(server, at->data);
        }
}

/* false when the thread shall end: nothing is left, or it took too long. */
static bool go_on_stopping(dol_grpc_server *server)
{
        g_autoptr(GList) all = g_hash_table_get_values(server->connections);
        bool is_late = dol_monotonic_usec() >= server->stop_by_usec;

        epoll_ctl(server->epoll_fd, EPOLL_CTL_DEL, server->config.listen_fd, NULL);
        for (GList *at = all; at; at = at->next) {
                dol_grpc_connection_leave(at->data);
                tend(server, at->data);
        }
        dol_grpc_check_by(server, server->stop_by_usec);
        return !is_late && g_hash_table_size(server->connections) > 0;
}

static bool go_on(dol_grpc_server *server)
{
        bool stopping;

        pthread_mutex_lock(&server->lock);
        stopping = server->stopping;
        pthread_mutex_unlock(&server->lock);
        return !stopping || go_on_stopping(server);
}

/* Milliseconds for epoll_wait, rounded up. */
static int timeout_msec(const dol_grpc_server *server)
{
        int64_t left = server->next_check_usec;

        if (left == INT64_MAX)
                return -1;
        left -= dol_monotonic_usec();
        return (int)CLAMP((left + 999) / 1000, 0, 3600 * 1000);
}

/* Closes everything; what workers still send goes nowhere. */
static void end(dol_grpc_server *server)
{
        pthread_mutex_lock(&server->lock);
        server->ended = true;
        pthread_mutex_unlock(&server->lock);
        g_hash_table_remove_all(server->connections);
        send_ready(server);
}

void *dol_grpc_loop_run(void *data)
{
        dol_grpc_server *server = data;
        struct epoll_event events[EVENTS_AT_ONCE];

        pthread_setname_np(pthread_self(), server->config.name);
        watch(server, server->config.listen_fd, (uint64_t)ABOUT_LISTENER);
        watch(server, server->wake_fd, (uint64_t)ABOUT_WAKE);
        while (go_on(server)) {
                int count =
                        epoll_wait(server->epoll_fd, events, EVENTS_AT_ONCE, timeout_msec(server));

                for (int i = 0; i < count; i++)
                        dispatch(server, &events[i]);
                send_ready(server);
                check_deadlines(server);
        }
        end(server);
        return NULL;
}
