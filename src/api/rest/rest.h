/* SPDX-License-Identifier: Apache-2.0 */
/* The REST face, version 1: docs/rest.md. Route tables and translation only. */
#pragma once

#include "engine/engine.h"
#include "net/http-server.h"

typedef struct dol_rest dol_rest;

/* A face without an engine yet: it answers /healthz, and 503 to everything that needs one. */
dol_rest *dol_rest_new(void);
void dol_rest_free(dol_rest *rest);
/* From now on requests go to this engine; NULL: "shutting down" again. */
void dol_rest_set_engine(dol_rest *rest, dol_engine *engine);

/* For dol_http_config. */
extern const dol_http_route dol_rest_routes[];
void dol_rest_error(dol_http_request *request, int status, const GError *error);
