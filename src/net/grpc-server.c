/* SPDX-License-Identifier: Apache-2.0 */
#include "net/grpc-private.h"

#include "base/clock.h"
#include "base/guard.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { STACK_SIZE = 2048 * 1024 };
#else
enum { STACK_SIZE = 512 * 1024 };
#endif

void dol_grpc_wake(dol_grpc_server *server)
{
        eventfd_write(server->wake_fd, 1);
}

void dol_grpc_server_unref(dol_grpc_server *server)
{
        if (atomic_fetch_sub(&server->references, 1) != 1)
                return;
        close(server->config.listen_fd);
        if (server->epoll_fd >= 0)
                close(server->epoll_fd);
        if (server->wake_fd >= 0)
                close(server->wake_fd);
        g_hash_table_unref(server->connections);
        pthread_mutex_destroy(&server->lock);
        g_free((char *)server->config.name);
        g_free(server);
}

static dol_grpc_server *new_server(const dol_grpc_config *config)
{
        dol_grpc_server *server = g_new0(dol_grpc_server, 1);

        atomic_init(&server->references, 1);
        server->config = *config;
        server->config.name = g_strdup(config->name);
        server->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        server->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        server->next_check_usec = INT64_MAX;
        server->connections =
                g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, dol_grpc_connection_free);
        pthread_mutex_init(&server->lock, NULL);
        g_queue_init(&server->ready);
        return server;
}

/* Signals are for the main thread. */
static bool start_loop(dol_grpc_server *server)
{
        pthread_attr_t attributes;
        sigset_t all, before;
        bool started;

        pthread_attr_init(&attributes);
        pthread_attr_setstacksize(&attributes, STACK_SIZE);
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        started = pthread_create(&server->loop, &attributes, dol_grpc_loop_run, server) == 0;
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        pthread_attr_destroy(&attributes);
        return started;
}

dol_grpc_server *dol_grpc_server_start(const dol_grpc_config *config, GError **error)
{
        dol_grpc_server *server = new_server(config);
        int flags = fcntl(config->listen_fd, F_GETFL);

        if (flags >= 0 && fcntl(config->listen_fd, F_SETFL, flags | O_NONBLOCK) == 0 &&
            server->epoll_fd >= 0 && server->wake_fd >= 0 && start_loop(server))
                return server;
        dol_fail(error, DOL_ERROR_INTERNAL, "cannot start gRPC server '%s'", config->name);
        dol_grpc_server_unref(server);
        return NULL;
}

void dol_grpc_server_stop(dol_grpc_server *server, int64_t grace_usec)
{
        if (!server)
                return;
        pthread_mutex_lock(&server->lock);
        server->stopping = true;
        server->stop_by_usec = dol_monotonic_usec() + grace_usec;
        pthread_mutex_unlock(&server->lock);
        dol_grpc_wake(server);
        pthread_join(server->loop, NULL);
        dol_grpc_server_unref(server);
}
