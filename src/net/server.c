/* SPDX-License-Identifier: Apache-2.0 */
#include "net/http-private.h"

#include "base/clock.h"
#include "base/guard.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

/* The head and the pieces of a body must fit; a larger head is answered with 431. */
enum { CONNECTION_MEMORY = 32 * 1024 };

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { STACK_SIZE = 2048 * 1024 };
#else
enum { STACK_SIZE = 256 * 1024 };
#endif

static void free_server(dol_http_server *server)
{
        if (server->config.listen_fd >= 0)
                close(server->config.listen_fd);
        if (server->epoll_fd >= 0)
                close(server->epoll_fd);
        if (server->wake_fd >= 0)
                close(server->wake_fd);
        g_hash_table_unref(server->by_fd);
        g_hash_table_unref(server->by_id);
        pthread_cond_destroy(&server->changed);
        pthread_mutex_destroy(&server->lock);
        g_free((char *)server->config.name);
        g_free(server);
}

void dol_http_server_unref(dol_http_server *server)
{
        if (atomic_fetch_sub(&server->references, 1) == 1)
                free_server(server);
}

static dol_http_server *new_server(const dol_http_config *config)
{
        dol_http_server *server = g_new0(dol_http_server, 1);

        atomic_init(&server->references, 1);
        server->config = *config;
        server->config.name = g_strdup(config->name);
        server->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        server->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        server->by_fd = g_hash_table_new(NULL, NULL);
        server->by_id = g_hash_table_new(g_int64_hash, g_int64_equal);
        pthread_mutex_init(&server->lock, NULL);
        dol_cond_init(&server->changed);
        return server;
}

static struct MHD_Daemon *start_loop(dol_http_server *server)
{
        return MHD_start_daemon(
                MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME,
                0, NULL, NULL, dol_http_exchange_step, server, MHD_OPTION_CONNECTION_LIMIT,
                server->config.connections_max + 1, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
                (size_t)CONNECTION_MEMORY, MHD_OPTION_THREAD_STACK_SIZE, (size_t)STACK_SIZE,
                MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_URI_LOG_CALLBACK,
                dol_http_exchange_begin, server, MHD_OPTION_NOTIFY_COMPLETED, dol_http_exchange_end,
                server, MHD_OPTION_NOTIFY_CONNECTION, dol_http_exchange_notify, server,
                MHD_OPTION_END);
}

static bool start_loops(dol_http_server *server)
{
        for (int i = 0; i < DOL_HTTP_LOOPS; i++) {
                server->loops[i] = start_loop(server);
                if (!server->loops[i])
                        return false;
        }
        return true;
}

static void stop_loops(dol_http_server *server)
{
        for (int i = 0; i < DOL_HTTP_LOOPS; i++) {
                if (server->loops[i])
                        MHD_stop_daemon(server->loops[i]);
        }
}

static bool start_acceptor(dol_http_server *server)
{
        pthread_attr_t attributes;
        bool started;

        pthread_attr_init(&attributes);
        pthread_attr_setstacksize(&attributes, STACK_SIZE);
        started = pthread_create(&server->acceptor, &attributes, dol_http_accept_run, server) == 0;
        pthread_attr_destroy(&attributes);
        return started;
}

/* Signals are for the main thread. */
static bool start_threads(dol_http_server *server)
{
        sigset_t all, before;
        bool started;

        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        started = start_loops(server) && start_acceptor(server);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        return started;
}

dol_http_server *dol_http_server_start(const dol_http_config *config, GError **error)
{
        dol_http_server *server = new_server(config);
        int flags = fcntl(config->listen_fd, F_GETFL);

        if (flags < 0 || fcntl(config->listen_fd, F_SETFL, flags | O_NONBLOCK) ||
            server->epoll_fd < 0 || server->wake_fd < 0) {
                dol_fail_errno(error, errno, "cannot start HTTP server '%s'", config->name);
                dol_http_server_unref(server);
                return NULL;
        }
        if (!start_threads(server)) {
                dol_fail(error, DOL_ERROR_INTERNAL, "cannot start the threads of HTTP server '%s'",
                         config->name);
                stop_loops(server);
                dol_http_server_unref(server);
                return NULL;
        }
        return server;
}

/* All requests that are being answered, each with a reference. With the server's lock held. */
static GPtrArray *requests_of(dol_http_server *server)
{
        GPtrArray *requests = g_ptr_array_new();
        GHashTableIter iter;
        void *each;

        g_hash_table_iter_init(&iter, server->by_id);
        while (g_hash_table_iter_next(&iter, NULL, &each)) {
                dol_http_connection *connection = each;

                if (connection->request)
                        g_ptr_array_add(requests, dol_http_request_ref(connection->request));
                else
                        dol_http_connection_shut(connection);
        }
        return requests;
}

static void close_stream_of(dol_http_request *request)
{
        dol_http_stream *stream = dol_http_request_stream(request);

        if (stream && dol_http_stream_close(stream))
                dol_http_request_shut(request);
        dol_http_stream_unref(stream);
}

/* Refuses what is new, ends streams, uploads and connections between requests. */
static void begin_stop(dol_http_server *server)
{
        g_autoptr(GPtrArray) requests = NULL;

        pthread_mutex_lock(&server->lock);
        server->stopping = true;
        epoll_ctl(server->epoll_fd, EPOLL_CTL_DEL, server->config.listen_fd, NULL);
        requests = requests_of(server);
        pthread_mutex_unlock(&server->lock);
        for (unsigned i = 0; i < requests->len; i++) {
                close_stream_of(requests->pdata[i]);
                dol_http_upload_cut(requests->pdata[i]);
                dol_http_request_unref(requests->pdata[i]);
        }
}

static void wait_for_active(dol_http_server *server, int64_t grace_usec)
{
        struct timespec until = dol_timespec_of(dol_monotonic_usec() + grace_usec);
        dol_lock_scope(&server->lock);

        while (server->active &&
               pthread_cond_timedwait(&server->changed, &server->lock, &until) != ETIMEDOUT)
                ;
}

/* Gives up what still runs: nothing may be suspended when the loops end. */
static void abandon_rest(dol_http_server *server)
{
        g_autoptr(GPtrArray) requests = NULL;

        pthread_mutex_lock(&server->lock);
        requests = requests_of(server);
        pthread_mutex_unlock(&server->lock);
        for (unsigned i = 0; i < requests->len; i++) {
                dol_http_request_shut(requests->pdata[i]);
                dol_http_drop(requests->pdata[i]);
                dol_http_request_abandon(requests->pdata[i]);
        }
}

void dol_http_server_stop(dol_http_server *server, int64_t grace_usec)
{
        if (!server)
                return;
        begin_stop(server);
        wait_for_active(server, grace_usec);
        abandon_rest(server);
        pthread_mutex_lock(&server->lock);
        server->ended = true;
        pthread_mutex_unlock(&server->lock);
        dol_http_accept_wake(server);
        pthread_join(server->acceptor, NULL);
        stop_loops(server);
        dol_http_server_unref(server);
}
