/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"
#include "cmd/doliumd/config.h"
#include "cmd/doliumd/daemon.h"
#include "driver/driver.h"

#include <getopt.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char default_config[] = "/etc/dolium/dolium.yaml";

static const char help[] =
        "Usage: doliumd [OPTION]...\n"
        "Container storage: volumes that outlive containers.\n"
        "\n"
        "  --config FILE          configuration (default: /etc/dolium/dolium.yaml, if it is "
        "there)\n"
        "  --state-dir DIR        store, pools and mounts (default: /var/lib/dolium)\n"
        "  --run-dir DIR          REST and CSI sockets (default: /run/dolium)\n"
        "  --docker-socket PATH   volume plugin, or \"none\"\n"
        "                         (default: /run/docker/plugins/dolium.sock)\n"
        "  --csi WHAT             serve CSI: all, controller, node or none (default: none, or\n"
        "                         all when CSI_ENDPOINT names a socket)\n"
        "  --node NAME            name of this node (default: host name)\n"
        "  --log-level LEVEL      error, warning, info or debug (default: info)\n"
        "  --check-config         check the configuration, print what is in force, and exit\n"
        "  --version, --help\n"
        "\n"
        "It runs in the foreground until SIGTERM or SIGINT, and leaves all mounts in place.\n";

enum {
        OPTION_CONFIG = 256,
        OPTION_STATE_DIR,
        OPTION_RUN_DIR,
        OPTION_DOCKER_SOCKET,
        OPTION_CSI,
        OPTION_NODE,
        OPTION_LOG_LEVEL,
        OPTION_CHECK,
        OPTION_FAKE_DRIVER,
        OPTION_VERSION,
        OPTION_HELP,
};

static const struct option options[] = {
        {"config", required_argument, NULL, OPTION_CONFIG},
        {"state-dir", required_argument, NULL, OPTION_STATE_DIR},
        {"run-dir", required_argument, NULL, OPTION_RUN_DIR},
        {"docker-socket", required_argument, NULL, OPTION_DOCKER_SOCKET},
        {"csi", required_argument, NULL, OPTION_CSI},
        {"node", required_argument, NULL, OPTION_NODE},
        {"log-level", required_argument, NULL, OPTION_LOG_LEVEL},
        {"check-config", no_argument, NULL, OPTION_CHECK},
        {"fake-driver", no_argument, NULL, OPTION_FAKE_DRIVER}, /* for tests: driver "fake" */
        {"version", no_argument, NULL, OPTION_VERSION},
        {"help", no_argument, NULL, OPTION_HELP},
        {NULL, 0, NULL, 0},
};

typedef struct {
        const char *values[OPTION_HELP - OPTION_CONFIG + 1]; /* of the options that take one */
        bool check, fake_driver;
} arguments;

/* Reads the command line; exits for --help, --version and mistakes. */
static void read_arguments(int argc, char **argv, arguments *ret)
{
        int option;

        while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
                switch (option) {
                case OPTION_CHECK:
                        ret->check = true;
                        break;
                case OPTION_FAKE_DRIVER:
                        ret->fake_driver = true;
                        break;
                case OPTION_VERSION:
                        puts("doliumd " DOL_VERSION);
                        exit(0);
                case OPTION_HELP:
                        fputs(help, stdout);
                        exit(0);
                case '?':
                        fputs("Try 'doliumd --help'.\n", stderr);
                        exit(64);
                default:
                        ret->values[option - OPTION_CONFIG] = optarg;
                }
        }
        if (optind < argc) {
                fprintf(stderr, "doliumd: unexpected argument '%s'\nTry 'doliumd --help'.\n",
                        argv[optind]);
                exit(64);
        }
}

static void override(char **field, const arguments *given, int option)
{
        const char *value = given->values[option - OPTION_CONFIG];

        if (!value)
                return;
        g_free(*field);
        *field = g_strdup(value);
}

static bool read_config(const arguments *given, dol_config *config, GError **error)
{
        const char *file = given->values[0];

        dol_config_init(config);
        if (!file && g_file_test(default_config, G_FILE_TEST_EXISTS))
                file = default_config;
        if (file && !dol_config_read(config, file, error))
                return false;
        override(&config->state_dir, given, OPTION_STATE_DIR);
        override(&config->run_dir, given, OPTION_RUN_DIR);
        override(&config->docker_socket, given, OPTION_DOCKER_SOCKET);
        override(&config->csi, given, OPTION_CSI);
        override(&config->node, given, OPTION_NODE);
        override(&config->log_level, given, OPTION_LOG_LEVEL);
        return dol_config_check(config, error);
}

static int fail(const GError *error)
{
        dol_log(DOL_LOG_ERROR, "%s", error->message);
        return dol_error_info_of(dol_error_kind_of(error))->exit;
}

int main(int argc, char **argv)
{
        arguments given = {0};
        dol_config config;
        g_autoptr(GError) error = NULL;
        dol_log_level level;
        bool ok;

        read_arguments(argc, argv, &given);
        /* two arenas: the threads are many and mostly idle, and each arena keeps its peak */
        mallopt(M_ARENA_MAX, 2);
        signal(SIGPIPE, SIG_IGN);
        if (!read_config(&given, &config, &error)) {
                dol_config_clear(&config);
                return fail(error);
        }
        if (given.check) {
                g_autofree char *text = dol_config_text(&config);

                puts(text);
                dol_config_clear(&config);
                return 0;
        }
        if (dol_log_level_parse(config.log_level, &level))
                dol_log_set_level(level);
        if (given.fake_driver)
                dol_driver_allow_fake();
        ok = dol_daemon_run(&config, &error);
        dol_config_clear(&config);
        return ok ? 0 : fail(error);
}
