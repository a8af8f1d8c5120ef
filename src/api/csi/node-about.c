/* SPDX-License-Identifier: Apache-2.0 */
/* csi.v1.Node: what can be asked about this node and the volumes on it. */
#include "api/csi/private.h"

#include <string.h>

/* Is it staged or published at this path? */
static bool is_at(const dol_volume *volume, const char *path)
{
        const dol_attachment *attachment = volume->status.attachment;

        for (unsigned i = 0; i < dol_attachment_count(attachment); i++) {
                const dol_consumer *consumer = attachment->consumers->pdata[i];
                const char *space = strchr(consumer->id, ' ');

                if (consumer->client == DOL_CLIENT_CSI && space && strcmp(space + 1, path) == 0)
                        return true;
        }
        return false;
}

/* The volume, when it is at the path. */
static dol_volume *find_at(csi_call *call, const char *volume_id, const char *path, GError **error)
{
        g_autoptr(dol_volume) volume = NULL;

        if (!dol_csi_required("volume_id", volume_id, error))
                return NULL;
        if (!path || *path == '\0') {
                dol_fail(error, DOL_ERROR_INVALID, "volume_path: is required");
                return NULL;
        }
        volume = dol_csi_find(call, volume_id, error);
        if (volume && !is_at(volume, path)) {
                dol_fail(error, DOL_ERROR_NOT_FOUND, "volume '%s' is not at '%s'", volume->name,
                         path);
                return NULL;
        }
        return g_steal_pointer(&volume);
}

static Csi__V1__VolumeUsage *usage(csi_call *call, Csi__V1__VolumeUsage__Unit unit, uint64_t used,
                                   uint64_t total, uint64_t available)
{
        Csi__V1__VolumeUsage *shown = dol_csi_message(call, &csi__v1__volume_usage__descriptor);

        shown->unit = unit;
        shown->used = (int64_t)used;
        shown->total = (int64_t)total;
        shown->available = (int64_t)available;
        return shown;
}

static bool get_stats(csi_call *call, const void *message, void *answer, GError **error)
{
        const Csi__V1__NodeGetVolumeStatsRequest *asked = message;
        Csi__V1__NodeGetVolumeStatsResponse *response = answer;
        g_autoptr(dol_volume) volume = find_at(call, asked->volume_id, asked->volume_path, error);
        const dol_volume_status *status = volume ? &volume->status : NULL;

        if (!volume)
                return false;
        response->volume_condition = dol_csi_condition(call, volume);
        response->usage = dol_csi_alloc(call, 2 * sizeof(*response->usage));
        if (volume->spec.fs == DOL_FS_NONE) {
                response->usage[response->n_usage++] =
                        usage(call, CSI__V1__VOLUME_USAGE__UNIT__BYTES, 0, status->size, 0);
                return true;
        }
        response->usage[response->n_usage++] =
                usage(call, CSI__V1__VOLUME_USAGE__UNIT__BYTES, status->used,
                      status->used + status->available, status->available);
        response->usage[response->n_usage++] =
                usage(call, CSI__V1__VOLUME_USAGE__UNIT__INODES, status->inodes_used,
                      status->inodes, status->inodes - status->inodes_used);
        return true;
}

static bool expand(csi_call *call, const void *message, void *answer, GError **error)
{
        const Csi__V1__NodeExpandVolumeRequest *asked = message;
        Csi__V1__NodeExpandVolumeResponse *response = answer;
        g_autoptr(dol_volume) volume = find_at(call, asked->volume_id, asked->volume_path, error);
        int64_t required = asked->capacity_range ? asked->capacity_range->required_bytes : 0;

        if (!volume)
                return false;
        if (required > (int64_t)volume->status.size)
                return dol_csi_fail(call, DOL_GRPC_OUT_OF_RANGE, error,
                                    "volume '%s' has %" G_GUINT64_FORMAT
                                    " bytes: ControllerExpandVolume comes first",
                                    volume->name, volume->status.size);
        response->capacity_bytes = (int64_t)volume->status.size;
        return true;
}

static bool get_capabilities(csi_call *call, const void *message, void *answer, GError **error)
{
#define HAS(name) CSI__V1__NODE_SERVICE_CAPABILITY__RPC__TYPE__##name
        static const Csi__V1__NodeServiceCapability__RPC__Type types[] = {
                HAS(STAGE_UNSTAGE_VOLUME), HAS(GET_VOLUME_STATS),         HAS(EXPAND_VOLUME),
                HAS(VOLUME_CONDITION),     HAS(SINGLE_NODE_MULTI_WRITER),
        };
#undef HAS
        Csi__V1__NodeGetCapabilitiesResponse *response = answer;

        response->capabilities =
                dol_csi_alloc(call, G_N_ELEMENTS(types) * sizeof(*response->capabilities));
        for (unsigned i = 0; i < G_N_ELEMENTS(types); i++) {
                Csi__V1__NodeServiceCapability *has =
                        dol_csi_message(call, &csi__v1__node_service_capability__descriptor);

                has->type_case = CSI__V1__NODE_SERVICE_CAPABILITY__TYPE_RPC;
                has->rpc =
                        dol_csi_message(call, &csi__v1__node_service_capability__rpc__descriptor);
                has->rpc->type = types[i];
                response->capabilities[response->n_capabilities++] = has;
        }
        return true;
}

static bool get_info(csi_call *call, const void *message, void *answer, GError **error)
{
        Csi__V1__NodeGetInfoResponse *response = answer;

        response->node_id = dol_csi_text(call, dol_engine_node(call->csi->engine));
        response->accessible_topology = dol_csi_topology(call);
        return true;
}

#define ROW(name, lower, handle) DOL_CSI_ROW(DOL_CSI_NODE, "Node", name, lower, handle)

const csi_method dol_csi_node_about[] = {
        ROW(NodeGetVolumeStats, node_get_volume_stats, get_stats),
        ROW(NodeExpandVolume, node_expand_volume, expand),
        ROW(NodeGetCapabilities, node_get_capabilities, get_capabilities),
        ROW(NodeGetInfo, node_get_info, get_info),
        {.path = NULL},
};
