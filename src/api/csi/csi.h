/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The CSI face: Kubernetes, Nomad and other container orchestrators (docs/csi.md). Volumes and
 * snapshots are called by their uids. Answers are idempotent as the specification asks: the same
 * request again finds what the first one made.
 */
#pragma once

#include "engine/engine.h"
#include "net/grpc-server.h"

/* Which services are served besides Identity. */
typedef enum {
        DOL_CSI_NONE,
        DOL_CSI_CONTROLLER,
        DOL_CSI_NODE,
        DOL_CSI_ALL,
} dol_csi_mode;

extern const char *const dol_csi_mode_words[];

typedef struct dol_csi dol_csi;

dol_csi *dol_csi_new(dol_engine *engine, dol_csi_mode mode);
void dol_csi_free(dol_csi *csi);

/* For dol_grpc_config; user is the dol_csi. */
const dol_grpc_method *dol_csi_methods(const dol_csi *csi);
