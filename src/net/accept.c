/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server's own thread. It accepts connections and refuses those beyond the limit at once, by
 * closing them (an answer could be taken for one of the face). It sees clients go while their
 * request is being handled, shuts connections whose deadline has passed, and answers early for
 * handlers that take long.
 *
 * It never sleeps longer than the shortest time that a connection may take, so a new deadline is
 * never earlier than its waking; only patience has to wake it.
 */
#include "net/http-private.h"

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

void dol_http_accept_wake(dol_http_server *server)
{
        eventfd_write(server->wake_fd, 1);
}

static void watch(dol_http_server *server, int fd, uint64_t about, uint32_t events)
{
        struct epoll_event event = {.events = events, .data.u64 = about};

        epoll_ctl(server->epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

/* Listed under the lock; false when there are enough. */
static bool admit(dol_http_server *server, int fd, bool is_unix, uint64_t *ret_id)
{
        dol_http_connection *connection;
        dol_lock_scope(&server->lock);

        if (server->stopping || g_hash_table_size(server->by_fd) >= server->config.connections_max)
                return false;
        connection = dol_http_connection_add(server, fd, is_unix);
        *ret_id = connection->id;
        watch(server, fd, connection->id, EPOLLRDHUP | EPOLLONESHOT | EPOLLET);
        return true;
}

static void forget(dol_http_server *server, uint64_t id)
{
        dol_http_connection *connection;
        dol_lock_scope(&server->lock);

        connection = g_hash_table_lookup(server->by_id, &id);
        if (connection)
                dol_http_connection_remove(connection);
}

/* Accepts one; false when there is none (any more). */
static bool accept_one(dol_http_server *server)
{
        struct sockaddr_storage address = {0};
        socklen_t size = sizeof(address);
        dol_autofd fd = accept4(server->config.listen_fd, (struct sockaddr *)&address, &size,
                                SOCK_NONBLOCK | SOCK_CLOEXEC);
        struct MHD_Daemon *loop;
        uint64_t id;

        if (fd < 0)
                return errno == ECONNABORTED || errno == EINTR;
        if (!admit(server, fd, address.ss_family == AF_UNIX, &id))
                return true;
        loop = server->loops[id % DOL_HTTP_LOOPS];
        /* Closes the socket when it fails. */
        if (MHD_add_connection(loop, dol_steal_fd(&fd), (struct sockaddr *)&address, size) !=
            MHD_YES)
                forget(server, id);
        return true;
}

/* Out of descriptors, say: let some time pass instead of spinning. */
static void accept_some(dol_http_server *server)
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

/* The client has ended its side of the connection, or all of it. TCP does not tell which; a client
 * of a unix socket may have sent all it wants to send, and wait for its answer. */
static void client_ended(dol_http_server *server, uint64_t id, uint32_t events)
{
        dol_http_connection *connection;
        dol_http_request *request = NULL;
        struct epoll_event rest = {.events = EPOLLONESHOT | EPOLLET, .data.u64 = id};

        pthread_mutex_lock(&server->lock);
        connection = g_hash_table_lookup(server->by_id, &id);
        if (connection) {
                dol_http_connection_end_reading(connection);
                connection->gone = !connection->is_unix || events & (EPOLLHUP | EPOLLERR);
                /* EPOLLHUP comes without being asked for. */
                if (!connection->gone)
                        epoll_ctl(server->epoll_fd, EPOLL_CTL_MOD, connection->fd, &rest);
                else if (connection->request)
                        request = dol_http_request_ref(connection->request);
        }
        pthread_mutex_unlock(&server->lock);
        if (request)
                dol_http_request_abandon(request);
}

static void shut_overdue(dol_http_server *server)
{
        int64_t now = dol_monotonic_usec();
        dol_lock_scope(&server->lock);

        for (int wait = DOL_HTTP_WAIT_REQUEST; wait < DOL_HTTP_WAIT_COUNT; wait++) {
                dol_http_connection *first;

                while ((first = g_queue_peek_head(&server->waiting[wait])) &&
                       first->deadline_usec <= now)
                        dol_http_connection_expire(first);
        }
}

/* Until when to sleep; INT64_MAX = until something comes. */
static int64_t sleep_until(dol_http_server *server)
{
        int64_t due = dol_http_patience_next_usec(server);
        int64_t until = due ? due : INT64_MAX;

        for (int wait = DOL_HTTP_WAIT_REQUEST; wait < DOL_HTTP_WAIT_COUNT; wait++) {
                dol_http_connection *first = g_queue_peek_head(&server->waiting[wait]);

                if (first)
                        until = MIN(until, first->deadline_usec);
        }
        if (g_hash_table_size(server->by_fd))
                until = MIN(until, dol_monotonic_usec() + MIN(server->config.receive_usec,
                                                              server->config.idle_usec));
        return until;
}

/* Milliseconds for epoll_wait, rounded up; -2 = end the thread. */
static int timeout_msec(dol_http_server *server)
{
        int64_t left;
        dol_lock_scope(&server->lock);

        if (server->ended)
                return -2;
        server->sleeps_until_usec = sleep_until(server);
        if (server->sleeps_until_usec == INT64_MAX)
                return -1;
        left = server->sleeps_until_usec - dol_monotonic_usec();
        return (int)CLAMP((left + 999) / 1000, 0, 3600 * 1000);
}

static void dispatch(dol_http_server *server, const struct epoll_event *event)
{
        eventfd_t ignored;

        if (event->data.u64 == (uint64_t)ABOUT_LISTENER)
                accept_some(server);
        else if (event->data.u64 == (uint64_t)ABOUT_WAKE)
                eventfd_read(server->wake_fd, &ignored);
        else
                client_ended(server, event->data.u64, event->events);
}

void *dol_http_accept_run(void *data)
{
        dol_http_server *server = data;
        struct epoll_event events[EVENTS_AT_ONCE];
        int timeout;

        pthread_setname_np(pthread_self(), server->config.name);
        watch(server, server->config.listen_fd, (uint64_t)ABOUT_LISTENER, EPOLLIN);
        watch(server, server->wake_fd, (uint64_t)ABOUT_WAKE, EPOLLIN);
        while ((timeout = timeout_msec(server)) != -2) {
                int count = epoll_wait(server->epoll_fd, events, EVENTS_AT_ONCE, timeout);

                for (int i = 0; i < count; i++)
                        dispatch(server, &events[i]);
                shut_overdue(server);
                dol_http_patience_run_due(server);
        }
        return NULL;
}
