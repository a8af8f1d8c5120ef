/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/doliumd/daemon.h"

#include "api/csi/csi.h"
#include "api/docker/docker.h"
#include "api/rest/rest.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/guard.h"
#include "cmd/doliumd/listen.h"
#include "codec/units.h"
#include "net/http-server.h"
#include "reconcile/reconcile.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>

enum { WORKERS = 12, QUEUE_MAX = 4096, CONNECTIONS_MAX = 1024, BODY_MAX = 1 << 20 };
/* exports and imports at the same time, and those that wait for their turn */
enum { TRANSFERS = 8, TRANSFERS_WAITING = 8 };

typedef struct {
        const dol_config *config;
        int lock_fd;
        dol_listener rest_socket, docker_socket, csi_socket;
        dol_workers *rest_workers, *transfer_workers, *docker_workers, *csi_workers;
        dol_rest *rest;
        dol_docker *docker;
        dol_csi *csi;
        dol_http_server *rest_server, *docker_server;
        dol_grpc_server *csi_server;
        dol_engine *engine;
        dol_reconciler *reconciler;
} daemon_state;

/* ---- the state directory ---- */

/* One doliumd per state directory: whoever holds the lock. The kernel frees it when we die. */
static bool lock_state(daemon_state *daemon, GError **error)
{
        g_autofree char *path = g_build_filename(daemon->config->state_dir, "lock", NULL);

        if (!dol_directory_ensure(daemon->config->state_dir, 0711, error))
                return false;
        daemon->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (daemon->lock_fd < 0)
                return dol_fail_errno(error, errno, "open '%s'", path);
        if (flock(daemon->lock_fd, LOCK_EX | LOCK_NB) < 0)
                return dol_fail(error, DOL_ERROR_CONFLICT,
                                "another doliumd uses the state directory '%s'",
                                daemon->config->state_dir);
        return true;
}

static dol_store *open_store(const dol_config *config, GError **error)
{
        g_autofree char *path = g_build_filename(config->state_dir, "state.db", NULL);
        bool fresh = false;
        dol_store *store = dol_sqlite_open(path, &fresh, error);

        if (store && fresh)
                dol_log(DOL_LOG_INFO, "made a new store at '%s'", path);
        return store && getenv("DOLIUM_FAULT") ? dol_fault_store_open(store) : store;
}

static bool open_engine(daemon_state *daemon, GError **error)
{
        const dol_config *config = daemon->config;
        g_autofree char *boot_id = dol_file_read_line("/proc/sys/kernel/random/boot_id", error);
        dol_store *store = boot_id ? open_store(config, error) : NULL;

        if (!store)
                return false;
        daemon->engine = dol_engine_open(
                &(dol_engine_config){
                        .store = store,
                        .state_dir = config->state_dir,
                        .node = config->node,
                        .boot_id = boot_id,
                        .pools = config->pools,
                        .default_pool = !config->pools || config->pools->len == 0,
                        .consumer_grace_usec = config->consumer_grace,
                        .check_unclean = config->check_unclean,
                },
                error);
        return daemon->engine != NULL;
}

/* ---- sockets and servers ---- */

static bool find_group(const char *name, gid_t *ret_group, GError **error)
{
        struct group entry, *found = NULL;
        char buffer[16384];

        *ret_group = (gid_t)-1;
        if (!name)
                return true;
        if (getgrnam_r(name, &entry, buffer, sizeof(buffer), &found) || !found)
                return dol_fail(error, DOL_ERROR_INVALID, "socket_group: there is no group '%s'",
                                name);
        *ret_group = found->gr_gid;
        return true;
}

static bool listen_all(daemon_state *daemon, GError **error)
{
        const dol_config *config = daemon->config;
        g_autofree char *path = g_build_filename(config->run_dir, "dolium.sock", NULL);
        g_autofree char *csi_path = dol_config_csi_path(config);
        gid_t group;

        return find_group(config->socket_group, &group, error) &&
               dol_listen("rest", path, config->socket_group ? 0660 : 0600, group,
                          &daemon->rest_socket, error) &&
               (strcmp(config->docker_socket, "none") == 0 ||
                dol_listen("docker", config->docker_socket, 0600, (gid_t)-1, &daemon->docker_socket,
                           error)) &&
               (strcmp(config->csi, "none") == 0 ||
                dol_listen("csi", csi_path, 0600, (gid_t)-1, &daemon->csi_socket, error));
}

static bool serve_rest(daemon_state *daemon, GError **error)
{
        daemon->rest = dol_rest_new();
        daemon->rest_workers = dol_workers_new("rest", WORKERS, QUEUE_MAX);
        daemon->transfer_workers = dol_workers_new("transfer", TRANSFERS, TRANSFERS_WAITING);
        daemon->rest_server = dol_http_server_start(
                &(dol_http_config){
                        .name = "rest",
                        .listen_fd = daemon->rest_socket.fd,
                        .routes = dol_rest_routes,
                        .user = daemon->rest,
                        .error = dol_rest_error,
                        .workers = daemon->rest_workers,
                        .transfer_workers = daemon->transfer_workers,
                        .transfer_usec = 24 * 3600 * DOL_USEC_PER_SEC,
                        .transfer_idle_usec = 600 * DOL_USEC_PER_SEC,
                        .body_max = BODY_MAX,
                        .receive_usec = 10 * DOL_USEC_PER_SEC,
                        .idle_usec = 60 * DOL_USEC_PER_SEC,
                        .handle_usec = 3600 * DOL_USEC_PER_SEC,
                        .connections_max = CONNECTIONS_MAX,
                },
                error);
        return daemon->rest_server != NULL;
}

/* Only when the engine knows every volume: an early "no such volume" would make dockerd shadow it
 * with a local one. Until then requests wait in the socket's backlog. */
static bool serve_docker(daemon_state *daemon, GError **error)
{
        if (daemon->docker_socket.fd < 0)
                return true;
        daemon->docker = dol_docker_new(daemon->engine);
        daemon->docker_workers = dol_workers_new("docker", WORKERS, QUEUE_MAX);
        daemon->docker_server = dol_http_server_start(
                &(dol_http_config){
                        .name = "docker",
                        .listen_fd = daemon->docker_socket.fd,
                        .routes = dol_docker_routes,
                        .user = daemon->docker,
                        .error = dol_docker_error,
                        .workers = daemon->docker_workers,
                        .body_max = BODY_MAX,
                        .receive_usec = 10 * DOL_USEC_PER_SEC,
                        /* dockerd keeps connections for ever; one closed under a request of its
                           comes back with its body lost */
                        .idle_usec = INT64_C(7) * 86400 * DOL_USEC_PER_SEC,
                        .handle_usec = 110 * DOL_USEC_PER_SEC,
                        .connections_max = CONNECTIONS_MAX,
                        .ignore_query = true,
                },
                error);
        return daemon->docker_server != NULL;
}

static dol_csi_mode csi_mode(const dol_config *config)
{
        unsigned mode = 0;

        while (strcmp(dol_csi_mode_words[mode], config->csi) != 0)
                mode++;
        return (dol_csi_mode)mode;
}

/* Like the plugin only when every volume is known. */
static bool serve_csi(daemon_state *daemon, GError **error)
{
        if (daemon->csi_socket.fd < 0)
                return true;
        daemon->csi = dol_csi_new(daemon->engine, csi_mode(daemon->config));
        daemon->csi_workers = dol_workers_new("csi", WORKERS, QUEUE_MAX);
        daemon->csi_server = dol_grpc_server_start(
                &(dol_grpc_config){
                        .name = "csi",
                        .listen_fd = daemon->csi_socket.fd,
                        .methods = dol_csi_methods(daemon->csi),
                        .user = daemon->csi,
                        .workers = daemon->csi_workers,
                        .message_max = BODY_MAX,
                        .memory_max = 64 * BODY_MAX,
                        .receive_usec = 10 * DOL_USEC_PER_SEC,
                        .send_usec = 60 * DOL_USEC_PER_SEC,
                        .idle_usec = 86400 * DOL_USEC_PER_SEC,
                        .handle_usec = 600 * DOL_USEC_PER_SEC,
                        .connections_max = CONNECTIONS_MAX,
                        .calls_max = 256,
                },
                error);
        return daemon->csi_server != NULL;
}

/* ---- start, wait, stop ---- */

/* For tests: DOLIUM_CLOCK=26h puts the clock forward, as after so long a time without doliumd. */
static bool shift_clock(GError **error)
{
        const char *text = getenv("DOLIUM_CLOCK");
        int64_t ahead;

        if (!text)
                return true;
        if (!dol_duration_parse(text, &ahead, error))
                return dol_fail_while(error, "DOLIUM_CLOCK");
        dol_log(DOL_LOG_WARNING, "the clock is put forward: %s", text);
        dol_clock_shift(ahead);
        return true;
}

static bool start(daemon_state *daemon, GError **error)
{
        const char *faults = getenv("DOLIUM_FAULT");

        if (!shift_clock(error))
                return false;
        if (!dol_fault_arm(faults, error))
                return dol_fail_while(error, "DOLIUM_FAULT");
        if (faults)
                dol_log(DOL_LOG_WARNING, "faults are armed: %s", faults);
        if (!lock_state(daemon, error) || !listen_all(daemon, error) ||
            !serve_rest(daemon, error) || !open_engine(daemon, error))
                return false;
        daemon->reconciler = dol_reconciler_start(
                daemon->engine, &(dol_reconcile_config){.period_usec = daemon->config->period,
                                                        .survey_usec = daemon->config->survey,
                                                        .trim_usec = daemon->config->trim});
        if (!serve_docker(daemon, error) || !serve_csi(daemon, error))
                return false;
        dol_rest_set_engine(daemon->rest, daemon->engine);
        return true;
}

static void stop(daemon_state *daemon)
{
        const int64_t grace_usec = 10 * DOL_USEC_PER_SEC;

        dol_grpc_server_stop(daemon->csi_server, grace_usec);
        if (daemon->docker_server)
                dol_http_server_stop(daemon->docker_server, grace_usec);
        if (daemon->rest_server)
                dol_http_server_stop(daemon->rest_server, grace_usec);
        dol_workers_free(daemon->csi_workers);
        dol_workers_free(daemon->docker_workers);
        dol_workers_free(daemon->rest_workers);
        dol_workers_free(daemon->transfer_workers);
        dol_reconciler_stop(daemon->reconciler);
        dol_engine_close(daemon->engine);
        dol_csi_free(daemon->csi);
        dol_docker_free(daemon->docker);
        dol_rest_free(daemon->rest);
        dol_listener_clear(&daemon->csi_socket);
        dol_listener_clear(&daemon->docker_socket);
        dol_listener_clear(&daemon->rest_socket);
        dol_close_fd(&daemon->lock_fd);
}

bool dol_daemon_run(const dol_config *config, GError **error)
{
        daemon_state daemon = {
                .config = config,
                .lock_fd = -1,
                .rest_socket.fd = -1,
                .docker_socket.fd = -1,
                .csi_socket.fd = -1,
        };
        int64_t began = dol_monotonic_usec();
        sigset_t signals;
        int signal = 0;

        sigemptyset(&signals);
        sigaddset(&signals, SIGTERM);
        sigaddset(&signals, SIGINT);
        pthread_sigmask(SIG_BLOCK, &signals, NULL);
        if (!start(&daemon, error)) {
                stop(&daemon);
                return false;
        }
        dol_log(DOL_LOG_INFO, "doliumd %s is ready after %" G_GINT64_FORMAT " ms", DOL_VERSION,
                (dol_monotonic_usec() - began) / DOL_USEC_PER_MSEC);
        dol_notify("READY=1");
        while (sigwait(&signals, &signal))
                ;
        dol_log(DOL_LOG_INFO, "stopping: %s", strsignal(signal));
        dol_notify("STOPPING=1");
        stop(&daemon);
        return true;
}
