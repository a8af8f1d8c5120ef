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

static bool get_plugin_capabilities(csi_call *call, const void *asked, void *answer, GError **error)
{
        return true;
}

/* The socket is served once every volume is known. */
static bool probe(csi_call *call, const void *asked, void *answer, GError **error)
{
        Csi__V1__ProbeResponse *response = answer;

        response->ready = dol_csi_alloc(call, sizeof(*response->ready));
        csi__v1__bool_value__init(response->ready);
        response->ready->value = true;
        return true;
}

#define ROW(name, lower, handle)                                                                  \
        {                                                                                         \
                DOL_CSI_NONE, "/csi.v1.Identity/" #name, &csi__v1__##lower##_request__descriptor, \
                        &csi__v1__##lower##_response__descriptor, handle                          \
        }

const csi_method dol_csi_identity[] = {
        ROW(GetPluginInfo, get_plugin_info, get_plugin_info),
        ROW(GetPluginCapabilities, get_plugin_capabilities, get_plugin_capabilities),
        ROW(Probe, probe, probe),
        {.path = NULL},
};
