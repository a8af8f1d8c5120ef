/* SPDX-License-Identifier: Apache-2.0 */
#include "api/csi/private.h"

#include <string.h>

char *dol_csi_reference(const char *id)
{
        return g_strconcat("uid:", id, NULL);
}

dol_volume *dol_csi_find(csi_call *call, const char *volume_id, GError **error)
{
        g_autofree char *reference = dol_csi_reference(volume_id);
        g_autoptr(dol_volume) volume = NULL;

        if (!dol_csi_required("volume_id", volume_id, error) ||
            !(volume = dol_engine_peek(call->csi->engine, reference, error)))
                return NULL;
        if (volume->status.phase == DOL_VOLUME_TRASHED ||
            volume->status.phase == DOL_VOLUME_DELETING) {
                dol_fail(error, DOL_ERROR_NOT_FOUND, "volume '%s' was deleted", volume->name);
                return NULL;
        }
        return g_steal_pointer(&volume);
}

Csi__V1__Topology *dol_csi_topology(csi_call *call)
{
        Csi__V1__Topology *topology = dol_csi_message(call, &csi__v1__topology__descriptor);
        Csi__V1__Topology__SegmentsEntry *segment =
                dol_csi_message(call, &csi__v1__topology__segments_entry__descriptor);

        segment->key = dol_csi_text(call, DOL_CSI_NODE_SEGMENT);
        segment->value = dol_csi_text(call, dol_engine_node(call->csi->engine));
        topology->segments = dol_csi_alloc(call, sizeof(*topology->segments));
        topology->segments[topology->n_segments++] = segment;
        return topology;
}

bool dol_csi_is_here(csi_call *call, const Csi__V1__Topology *topology)
{
        const char *node = dol_engine_node(call->csi->engine);

        for (size_t i = 0; topology && i < topology->n_segments; i++)
                if (strcmp(topology->segments[i]->key, DOL_CSI_NODE_SEGMENT) == 0 &&
                    strcmp(topology->segments[i]->value, node) != 0)
                        return false;
        return true;
}

/* Of a clone: its origin, "<uid of a volume>[/<uid of a snapshot>]". */
static Csi__V1__VolumeContentSource *content_source(csi_call *call, const char *origin)
{
        Csi__V1__VolumeContentSource *source =
                dol_csi_message(call, &csi__v1__volume_content_source__descriptor);
        const char *slash = strchr(origin, '/');

        if (slash) {
                source->type_case = CSI__V1__VOLUME_CONTENT_SOURCE__TYPE_SNAPSHOT;
                source->snapshot = dol_csi_message(
                        call, &csi__v1__volume_content_source__snapshot_source__descriptor);
                source->snapshot->snapshot_id = dol_csi_text(call, slash + 1);
        } else {
                source->type_case = CSI__V1__VOLUME_CONTENT_SOURCE__TYPE_VOLUME;
                source->volume = dol_csi_message(
                        call, &csi__v1__volume_content_source__volume_source__descriptor);
                source->volume->volume_id = dol_csi_text(call, origin);
        }
        return source;
}

Csi__V1__Volume *dol_csi_volume(csi_call *call, const dol_volume *volume)
{
        Csi__V1__Volume *shown = dol_csi_message(call, &csi__v1__volume__descriptor);

        shown->capacity_bytes = (int64_t)volume->status.size;
        shown->volume_id = dol_csi_text(call, volume->uid);
        if (volume->status.origin)
                shown->content_source = content_source(call, volume->status.origin);
        shown->accessible_topology = dol_csi_alloc(call, sizeof(*shown->accessible_topology));
        shown->accessible_topology[shown->n_accessible_topology++] = dol_csi_topology(call);
        return shown;
}

Csi__V1__VolumeCondition *dol_csi_condition(csi_call *call, const dol_volume *volume)
{
        Csi__V1__VolumeCondition *condition =
                dol_csi_message(call, &csi__v1__volume_condition__descriptor);
        const char *reason = volume->status.reason;

        condition->abnormal = volume->status.phase == DOL_VOLUME_LOST || (reason && *reason);
        condition->message = dol_csi_text(
                call, reason && *reason ? reason : dol_volume_phase_words[volume->status.phase]);
        return condition;
}

char *dol_csi_node_consumer(const csi_call *call)
{
        return g_strconcat("node ", dol_engine_node(call->csi->engine), NULL);
}

char **dol_csi_published_nodes(csi_call *call, const dol_volume *volume, size_t *ret_count)
{
        const dol_attachment *attachment = volume->status.attachment;
        g_autofree char *id = dol_csi_node_consumer(call);
        char **nodes = dol_csi_alloc(call, sizeof(*nodes));

        *ret_count = 0;
        for (unsigned i = 0; i < dol_attachment_count(attachment); i++) {
                const dol_consumer *consumer = attachment->consumers->pdata[i];

                if (consumer->client == DOL_CLIENT_CSI && strcmp(consumer->id, id) == 0)
                        nodes[(*ret_count)++] =
                                dol_csi_text(call, dol_engine_node(call->csi->engine));
        }
        return nodes;
}
