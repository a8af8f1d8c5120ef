/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/doliumd/config.h"

#include "api/csi/csi.h"
#include "base/file.h"
#include "cmd/doliumd/yaml.h"
#include "model/pool.h"
#include "model/volume.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FILE_MAX = 1 << 20 };

/* A pool as people write it: its spec's fields beside its name. */
#define AT(member) offsetof(dol_pool_record, member)
static const dol_field pool_fields[] = {
        {"name", DOL_STRING, AT(name), DOL_REQUIRED},
        {"labels", DOL_MAP, AT(labels)},
        {"driver", DOL_STRING, AT(spec.driver)},
        {"path", DOL_STRING, AT(spec.path)},
        {"device", DOL_STRING, AT(spec.device)},
        {"size", DOL_SIZE, AT(spec.size)},
        {"media", DOL_ENUM, AT(spec.media), .words = dol_media_words},
        {"overcommit", DOL_DOUBLE, AT(spec.overcommit)},
        {"warn", DOL_DOUBLE, AT(spec.warn)},
        {"full", DOL_DOUBLE, AT(spec.full)},
        {"reserve", DOL_SIZE, AT(spec.reserve)},
        {NULL},
};
#undef AT
static const dol_schema pool_schema = {"ConfigPool", sizeof(dol_pool_record), pool_fields};

#define AT(member) offsetof(dol_config, member)
static const dol_field config_fields[] = {
        {"state_dir", DOL_STRING, AT(state_dir)},
        {"run_dir", DOL_STRING, AT(run_dir)},
        {"docker_socket", DOL_STRING, AT(docker_socket)},
        {"csi", DOL_STRING, AT(csi)},
        {"csi_endpoint", DOL_STRING, AT(csi_endpoint)},
        {"node", DOL_STRING, AT(node)},
        {"log_level", DOL_STRING, AT(log_level)},
        {"socket_group", DOL_STRING, AT(socket_group)},
        {"consumer_grace", DOL_DURATION, AT(consumer_grace)},
        {"check_unclean", DOL_BOOL, AT(check_unclean), DOL_SHOW_EMPTY},
        {"reconcile_period", DOL_DURATION, AT(period)},
        {"survey_period", DOL_DURATION, AT(survey)},
        {"trim_period", DOL_DURATION, AT(trim)},
        {"pools", DOL_ARRAY, AT(pools), 0, &pool_schema},
        {NULL},
};
#undef AT
static const dol_schema config_schema = {"Config", sizeof(dol_config), config_fields};

void dol_config_init(dol_config *config)
{
        char host[256] = "localhost";

        gethostname(host, sizeof(host) - 1);
        *config = (dol_config){
                .state_dir = g_strdup("/var/lib/dolium"),
                .run_dir = g_strdup("/run/dolium"),
                .docker_socket = g_strdup("/run/docker/plugins/dolium.sock"),
                .csi = g_strdup(getenv("CSI_ENDPOINT") ? "all" : "none"),
                .csi_endpoint = g_strdup(getenv("CSI_ENDPOINT")),
                .node = g_strdup(host),
                .log_level = g_strdup("info"),
                .consumer_grace = INT64_C(600) * 1000000,
                .check_unclean = true,
                .period = INT64_C(30) * 1000000,
                .survey = INT64_C(3600) * 1000000,
                .trim = INT64_C(3600) * 1000000,
        };
}

void dol_config_clear(dol_config *config)
{
        dol_schema_clear(&config_schema, config);
}

/* What a pool of the file leaves out is as `dolium pool create` has it. */
static void fill_pool(dol_pool_record *pool)
{
        dol_pool_spec defaults;

        dol_pool_spec_init(&defaults);
        if (!pool->spec.driver)
                pool->spec.driver = g_strdup(defaults.driver);
        if (pool->spec.overcommit == 0)
                pool->spec.overcommit = defaults.overcommit;
        if (pool->spec.warn == 0)
                pool->spec.warn = defaults.warn;
        if (pool->spec.full == 0)
                pool->spec.full = defaults.full;
        dol_schema_clear(&dol_pool_spec_schema, &defaults);
}

bool dol_config_read(dol_config *config, const char *path, GError **error)
{
        g_autofree char *text = NULL, *json = NULL;
        size_t size;

        if (!dol_file_read(path, FILE_MAX, &text, &size, error))
                return false;
        json = dol_yaml_to_json(text, size, error);
        if (!json ||
            !dol_json_decode(&config_schema, json, strlen(json), DOL_DECODE_MERGE, config, error))
                return dol_fail_while(error, "'%s'", path);
        for (unsigned i = 0; config->pools && i < config->pools->len; i++)
                fill_pool(config->pools->pdata[i]);
        return true;
}

static bool check_path(const char *field, const char *path, GError **error)
{
        return (path && g_path_is_absolute(path)) ||
               dol_fail(error, DOL_ERROR_INVALID, "%s: expected an absolute path, got '%s'", field,
                        path ? path : "");
}

static bool check_node(const char *node, GError **error)
{
        size_t length = node ? strlen(node) : 0;

        if (length < 1 || length > 63 || *node == '-' || *node == '.' ||
            strspn(node, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") !=
                    length)
                return dol_fail(error, DOL_ERROR_INVALID,
                                "node: expected 1 to 63 letters, digits, '.', '-' or '_', got '%s'",
                                node ? node : "");
        return true;
}

char *dol_config_csi_path(const dol_config *config)
{
        const char *endpoint = config->csi_endpoint;

        if (!endpoint || *endpoint == '\0')
                return g_build_filename(config->run_dir, "csi.sock", NULL);
        if (g_str_has_prefix(endpoint, "unix://"))
                return g_strdup(endpoint + strlen("unix://"));
        return g_strdup(g_str_has_prefix(endpoint, "unix:") ? endpoint + strlen("unix:")
                                                            : endpoint);
}

static bool check_csi(const dol_config *config, GError **error)
{
        g_autofree char *path = dol_config_csi_path(config);

        if (!config->csi || !g_strv_contains(dol_csi_mode_words, config->csi))
                return dol_fail(error, DOL_ERROR_INVALID,
                                "csi: expected all, controller, node or none, got '%s'",
                                config->csi ? config->csi : "");
        return check_path("csi_endpoint", path, error);
}

static bool check_pools(const dol_config *config, GError **error)
{
        for (unsigned i = 0; config->pools && i < config->pools->len; i++) {
                const dol_pool_record *pool = config->pools->pdata[i];

                if (!dol_pool_name_check(pool->name, error) ||
                    !dol_pool_spec_check(&pool->spec, error) ||
                    !dol_labels_check(pool->labels, error))
                        return dol_fail_while(error, "pools: element %u", i);
        }
        return true;
}

bool dol_config_check(const dol_config *config, GError **error)
{
        dol_log_level level;

        if (!check_path("state_dir", config->state_dir, error) ||
            !check_path("run_dir", config->run_dir, error) || !check_node(config->node, error) ||
            !check_csi(config, error))
                return false;
        if (g_strcmp0(config->docker_socket, "none") != 0 &&
            !check_path("docker_socket", config->docker_socket, error))
                return false;
        if (!config->log_level || !dol_log_level_parse(config->log_level, &level))
                return dol_fail(error, DOL_ERROR_INVALID,
                                "log_level: expected error, warning, info or debug, got '%s'",
                                config->log_level ? config->log_level : "");
        if (config->consumer_grace < INT64_C(1000000) || config->period < INT64_C(100000) ||
            config->survey < config->period ||
            (config->trim != 0 && config->trim < INT64_C(1000000)))
                return dol_fail(error, DOL_ERROR_INVALID,
                                "consumer_grace must be at least 1s, reconcile_period 100ms, and "
                                "survey_period not less than that; trim_period at least 1s, or 0 "
                                "for no trims");
        return check_pools(config, error);
}

char *dol_config_text(const dol_config *config)
{
        GString *text = g_string_new(NULL);

        dol_json_encode(&config_schema, config, DOL_ENCODE_STORE, text);
        return g_string_free(text, false);
}
