/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Docker face: volume plugin protocol v1, as Docker and Podman speak it (docs/architecture.md
 * lists what they really send). Errors are HTTP 500 with {"Err":"..."}, which both read; Podman
 * ignores "Err" in a 200. A request with an empty body or name, and a Get that cannot be answered,
 * close the connection: to Docker an error to Get means "no such volume", and it would make an
 * empty local one.
 */
#pragma once

#include "engine/engine.h"
#include "net/http-server.h"

typedef struct dol_docker dol_docker;

dol_docker *dol_docker_new(dol_engine *engine);
void dol_docker_free(dol_docker *docker);

/* For dol_http_config; user is the dol_docker. */
extern const dol_http_route dol_docker_routes[];
void dol_docker_error(dol_http_request *request, int status, const GError *error);

/* Options of a create, as in `docker volume create -o size=10G`, into a volume that says nothing
 * yet. INVALID names the option, and the known ones when it is unknown. */
bool dol_docker_options(GHashTable *options, dol_volume *want, GError **error);
