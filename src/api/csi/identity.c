/* SPDX-License-Identifier: Apache-2.0 */
/* csi.v1.Identity: who we are and what we can do. */
#include "api/csi/private.h"

static bool get_plugin_info(csi_call *call, const void *asked, void *answer, GError **error)
{
        Csi__V1__GetPluginInfoResponse *info = answer;

        info->name = dol_csi_text(call, "csi.dolium.io");
        info->vendor_version = dol_csi_text(call, DOL_VERSION);
        return true;
}

static Csi__V1__PluginCapability *capability(csi_call *call)
{
        return dol_csi_message(call, &csi__v1__plugin_capability__descriptor);
}

static Csi__V1__PluginCapability *service(csi_call *call,
                                          Csi__V1__PluginCapability__Service__Type type)
{
        Csi__V1__PluginCapability *has = capability(call);

        has->type_case = CSI__V1__PLUGIN_CAPABILITY__TYPE_SERVICE;
        has->service = dol_csi_message(call, &csi__v1__plugin_capability__service__descriptor);
        has->service->type = type;
        return has;
}

static Csi__V1__PluginCapability *online_expansion(csi_call *call)
{
        Csi__V1__PluginCapability *has = capability(call);

        has->type_case = CSI__V1__PLUGIN_CAPABILITY__TYPE_VOLUME_EXPANSION;
        has->volume_expansion =
                dol_csi_message(call, &csi__v1__plugin_capability__volume_expansion__descriptor);
        has->volume_expansion->type = CSI__V1__PLUGIN_CAPABILITY__VOLUME_EXPANSION__TYPE__ONLINE;
        return has;
}

static bool get_plugin_capabilities(csi_call *call, const void *asked, void *answer, GError **error)
{
        Csi__V1__GetPluginCapabilitiesResponse *response = answer;

        response->capabilities = dol_csi_alloc(call, 5 * sizeof(*response->capabilities));
        if (call->csi->mode != DOL_CSI_NODE) {
                response->capabilities[response->n_capabilities++] = service(
                        call, CSI__V1__PLUGIN_CAPABILITY__SERVICE__TYPE__CONTROLLER_SERVICE);
                response->capabilities[response->n_capabilities++] = service(
                        call, CSI__V1__PLUGIN_CAPABILITY__SERVICE__TYPE__GROUP_CONTROLLER_SERVICE);
                response->capabilities[response->n_capabilities++] = service(
                        call, CSI__V1__PLUGIN_CAPABILITY__SERVICE__TYPE__SNAPSHOT_METADATA_SERVICE);
        }
        response->capabilities[response->n_capabilities++] = service(
                call, CSI__V1__PLUGIN_CAPABILITY__SERVICE__TYPE__VOLUME_ACCESSIBILITY_CONSTRAINTS);
        response->capabilities[response->n_capabilities++] = online_expansion(call);
        return true;
}

/* The socket is served once every volume is known. */
static bool probe(csi_call *call, const void *asked, void *answer, GError **error)
{
        Csi__V1__ProbeResponse *response = answer;

        response->ready = dol_csi_message(call, &csi__v1__bool_value__descriptor);
        response->ready->value = true;
        return true;
}

#define ROW(name, lower, handle) DOL_CSI_ROW(DOL_CSI_NONE, "Identity", name, lower, handle)

const csi_method dol_csi_identity[] = {
        ROW(GetPluginInfo, get_plugin_info, get_plugin_info),
        ROW(GetPluginCapabilities, get_plugin_capabilities, get_plugin_capabilities),
        ROW(Probe, probe, probe),
        {.path = NULL},
};
