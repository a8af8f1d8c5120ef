/* SPDX-License-Identifier: Apache-2.0 */
/* doliumd's configuration: defaults, then the YAML file, then the command line. */
#pragma once

#include "base/error.h"
#include "base/log.h"

#include <stdint.h>

typedef struct {
        char *state_dir, *run_dir;
        char *docker_socket; /* "none" = no plugin */
        char *csi;           /* "none", "controller", "node" or "all" */
        char *csi_endpoint;  /* "unix:///path", or a path; NULL = csi.sock in run_dir */
        char *node;
        char *log_level;
        char *socket_group;           /* may use the REST socket; NULL = root only */
        int64_t consumer_grace;       /* usec; see dol_engine_config */
        bool check_unclean;           /* see dol_engine_config */
        int64_t period, survey, trim; /* usec; see dol_reconcile_config */
        GPtrArray *pools;             /* of dol_pool_record */
} dol_config;

/* Everything at its default. */
void dol_config_init(dol_config *config);
void dol_config_clear(dol_config *config);

/* Reads the file over what is in *config. Errors name the file, and the line where that is known:
 * "dolium.yaml: pools: element 0: size: expected a size ...". */
bool dol_config_read(dol_config *config, const char *path, GError **error);
/* What a value must be once all is read: absolute paths, known level, valid pools. */
bool dol_config_check(const dol_config *config, GError **error);
/* The path of the CSI socket. g_free it. */
char *dol_config_csi_path(const dol_config *config);
/* The configuration as JSON, for --check-config. */
char *dol_config_text(const dol_config *config);
