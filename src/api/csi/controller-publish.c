/* SPDX-License-Identifier: Apache-2.0 */
/* csi.v1.Controller: attaching volumes to this node, and what can be asked about them. */
#include "api/csi/private.h"

#include <string.h>

static bool check_publish(csi_call *call, const Csi__V1__ControllerPublishVolumeRequest *asked,
                          GError **error)
{
        if (!dol_csi_required("volume_id", asked->volume_id, error) ||
            !dol_csi_required("node_id", asked->node_id, error))
                return false;
        if (!asked->volume_capability)
                return dol_fail(error, DOL_ERROR_INVALID, "volume_capability: is required");
        return true;
}

/* It stays attached until it is unpublished, whatever its consumers do. */
static bool attach(csi_call *call, const Csi__V1__ControllerPublishVolumeRequest *asked,
                   GError **error)
{
        bool read_only = asked->readonly || dol_csi_is_reader(asked->volume_capability);
        g_autofree char *reference = dol_csi_reference(asked->volume_id);
        g_autofree char *id = dol_csi_node_consumer(call);
        g_autofree char *terms = dol_csi_terms(asked->volume_capability, read_only);
        g_autoptr(dol_volume) volume = NULL;

        return dol_engine_mount(call->csi->engine, &call->call, reference,
                                &(dol_consumer_request){
                                        .client = DOL_CLIENT_CSI,
                                        .id = id,
                                        .generation = "",
                                        .exclusive = dol_csi_is_exclusive(asked->volume_capability),
                                        .terms = terms},
                                &volume, error) ||
               dol_csi_recode(call, error, DOL_ERROR_BUSY, DOL_GRPC_FAILED_PRECONDITION);
}

static bool publish(csi_call *call, const void *message, void *answer, GError **error)
{
        const Csi__V1__ControllerPublishVolumeRequest *asked = message;
        const char *node = dol_engine_node(call->csi->engine);
        g_autoptr(csi_pending) pending = NULL;
        g_autoptr(dol_volume) volume = NULL;

        if (!check_publish(call, asked, error) ||
            !(pending = dol_csi_begin(call, asked->volume_id, error)) ||
            !(volume = dol_csi_find(call, asked->volume_id, error)))
                return false;
        if (strcmp(asked->node_id, node) != 0)
                return dol_fail(error, DOL_ERROR_NOT_FOUND,
                                "node_id: '%s' is not known here; this is node '%s'",
                                asked->node_id, node);
        return dol_csi_capability_check(asked->volume_capability, volume, error) &&
               attach(call, asked, error);
}

static bool unpublish(csi_call *call, const void *message, void *answer, GError **error)
{
        const Csi__V1__ControllerUnpublishVolumeRequest *asked = message;
        g_autofree char *reference = dol_csi_reference(asked->volume_id);
        g_autofree char *id = dol_csi_node_consumer(call);
        g_autoptr(csi_pending) pending = NULL;
        g_autoptr(dol_volume) volume = NULL;
        g_autoptr(GError) why = NULL;

        if (!dol_csi_required("volume_id", asked->volume_id, error))
                return false;
        if (*asked->node_id && strcmp(asked->node_id, dol_engine_node(call->csi->engine)) != 0)
                return true; /* it was never there */
        if (!(pending = dol_csi_begin(call, asked->volume_id, error)))
                return false;
        if (dol_engine_unmount(
                    call->csi->engine, &call->call, reference,
                    &(dol_consumer_request){.client = DOL_CLIENT_CSI, .id = id, .generation = ""},
                    DOL_UNMOUNT_LINGER, &volume, &why) ||
            dol_error_is(why, DOL_ERROR_NOT_FOUND))
                return true;
        g_propagate_error(error, g_steal_pointer(&why));
        return false;
}

/* ---- questions ---- */

static void confirm(csi_call *call, const Csi__V1__ValidateVolumeCapabilitiesRequest *asked,
                    Csi__V1__ValidateVolumeCapabilitiesResponse *response)
{
        Csi__V1__ValidateVolumeCapabilitiesResponse__Confirmed *confirmed = dol_csi_message(
                call, &csi__v1__validate_volume_capabilities_response__confirmed__descriptor);

        /* borrowed from the request, which lives as long */
        confirmed->n_volume_capabilities = asked->n_volume_capabilities;
        confirmed->volume_capabilities = asked->volume_capabilities;
        response->confirmed = confirmed;
}

static bool validate(csi_call *call, const void *message, void *answer, GError **error)
{
        const Csi__V1__ValidateVolumeCapabilitiesRequest *asked = message;
        Csi__V1__ValidateVolumeCapabilitiesResponse *response = answer;
        g_autoptr(dol_volume) volume = NULL;
        g_autoptr(GError) why = NULL;

        if (!dol_csi_required("volume_id", asked->volume_id, error))
                return false;
        if (asked->n_volume_capabilities == 0)
                return dol_fail(error, DOL_ERROR_INVALID, "volume_capabilities: are required");
        if (!(volume = dol_csi_find(call, asked->volume_id, error)))
                return false;
        if (dol_csi_capabilities_check(asked->volume_capabilities, asked->n_volume_capabilities,
                                       volume, &why))
                confirm(call, asked, response);
        else
                response->message = dol_csi_text(call, why->message);
        return true;
}

static bool get_volume(csi_call *call, const void *message, void *answer, GError **error)
{
        const Csi__V1__ControllerGetVolumeRequest *asked = message;
        Csi__V1__ControllerGetVolumeResponse *response = answer;
        Csi__V1__ControllerGetVolumeResponse__VolumeStatus *status;
        g_autoptr(dol_volume) volume = dol_csi_find(call, asked->volume_id, error);

        if (!volume)
                return false;
        status = dol_csi_message(
                call, &csi__v1__controller_get_volume_response__volume_status__descriptor);
        status->published_node_ids =
                dol_csi_published_nodes(call, volume, &status->n_published_node_ids);
        status->volume_condition = dol_csi_condition(call, volume);
        response->volume = dol_csi_volume(call, volume);
        response->status = status;
        return true;
}

static bool get_capabilities(csi_call *call, const void *message, void *answer, GError **error)
{
#define HAS(name) CSI__V1__CONTROLLER_SERVICE_CAPABILITY__RPC__TYPE__##name
        static const Csi__V1__ControllerServiceCapability__RPC__Type types[] = {
                HAS(CREATE_DELETE_VOLUME),
                HAS(PUBLISH_UNPUBLISH_VOLUME),
                HAS(LIST_VOLUMES),
                HAS(GET_CAPACITY),
                HAS(CREATE_DELETE_SNAPSHOT),
                HAS(LIST_SNAPSHOTS),
                HAS(CLONE_VOLUME),
                HAS(PUBLISH_READONLY),
                HAS(EXPAND_VOLUME),
                HAS(LIST_VOLUMES_PUBLISHED_NODES),
                HAS(VOLUME_CONDITION),
                HAS(GET_VOLUME),
                HAS(SINGLE_NODE_MULTI_WRITER),
                HAS(GET_SNAPSHOT),
        };
#undef HAS
        Csi__V1__ControllerGetCapabilitiesResponse *response = answer;

        response->capabilities =
                dol_csi_alloc(call, G_N_ELEMENTS(types) * sizeof(*response->capabilities));
        for (unsigned i = 0; i < G_N_ELEMENTS(types); i++) {
                Csi__V1__ControllerServiceCapability *has =
                        dol_csi_message(call, &csi__v1__controller_service_capability__descriptor);

                has->type_case = CSI__V1__CONTROLLER_SERVICE_CAPABILITY__TYPE_RPC;
                has->rpc = dol_csi_message(
                        call, &csi__v1__controller_service_capability__rpc__descriptor);
                has->rpc->type = types[i];
                response->capabilities[response->n_capabilities++] = has;
        }
        return true;
}

#define ROW(name, lower, handle) DOL_CSI_ROW(DOL_CSI_CONTROLLER, "Controller", name, lower, handle)

const csi_method dol_csi_controller_publish[] = {
        ROW(ControllerPublishVolume, controller_publish_volume, publish),
        ROW(ControllerUnpublishVolume, controller_unpublish_volume, unpublish),
        ROW(ValidateVolumeCapabilities, validate_volume_capabilities, validate),
        ROW(ControllerGetVolume, controller_get_volume, get_volume),
        ROW(ControllerGetCapabilities, controller_get_capabilities, get_capabilities),
        {.path = NULL},
};
