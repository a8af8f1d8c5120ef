/* SPDX-License-Identifier: Apache-2.0 */
/* csi.v1.Controller: ListVolumes and GetCapacity. */
#include "api/csi/private.h"

#include <string.h>

/* ---- ListVolumes: all volumes, whoever made them, in order of name ---- */

/* A token is this and the volume after which to go on; it holds when that one is deleted. */
static const char token_mark[] = "after:";

typedef struct {
        csi_call *call;
        GPtrArray *entries;
        char *last; /* token of the last one */
} volume_list;

static bool add_volume(const dol_volume *volume, void *user)
{
        volume_list *list = user;
        csi_call *call = list->call;
        Csi__V1__ListVolumesResponse__Entry *entry =
                dol_csi_message(call, &csi__v1__list_volumes_response__entry__descriptor);
        Csi__V1__ListVolumesResponse__VolumeStatus *status =
                dol_csi_message(call, &csi__v1__list_volumes_response__volume_status__descriptor);

        entry->volume = dol_csi_volume(call, volume);
        entry->status = status;
        status->published_node_ids =
                dol_csi_published_nodes(call, volume, &status->n_published_node_ids);
        status->volume_condition = dol_csi_condition(call, volume);
        g_ptr_array_add(list->entries, entry);
        g_free(list->last);
        list->last = dol_volume_token(volume);
        return true;
}

static void fill_list(csi_call *call, const volume_list *list, bool more,
                      Csi__V1__ListVolumesResponse *response)
{
        size_t size = list->entries->len * sizeof(void *);
        g_autofree char *token = g_strconcat(token_mark, list->last, NULL);

        response->n_entries = list->entries->len;
        response->entries = dol_csi_alloc(call, size + 1);
        if (size)
                memcpy(response->entries, list->entries->pdata, size);
        if (more)
                response->next_token = dol_csi_text(call, token);
}

static bool list_volumes(csi_call *call, const void *message, void *answer, GError **error)
{
        const Csi__V1__ListVolumesRequest *asked = message;
        const char *token = asked->starting_token;
        dol_volume_filter filter = {.phase = -1, .limit = (unsigned)MAX(asked->max_entries, 0)};
        g_autoptr(GPtrArray) entries = g_ptr_array_new();
        volume_list list = {call, entries, NULL};
        bool more, done;

        if (asked->max_entries < 0)
                return dol_fail(error, DOL_ERROR_INVALID,
                                "max_entries: expected no negative number");
        if (*token && !g_str_has_prefix(token, token_mark))
                return dol_csi_fail(call, DOL_GRPC_ABORTED, error,
                                    "starting_token: '%.64s' is none of ours", token);
        if (*token)
                filter.after = token + strlen(token_mark);
        done = dol_engine_list(call->csi->engine, &filter, add_volume, &list, &more, error);
        if (done)
                fill_list(call, &list, more, answer);
        g_free(list.last);
        return done;
}

/* ---- GetCapacity ---- */

static const char *wanted_pool(const Csi__V1__GetCapacityRequest *asked)
{
        for (size_t i = 0; i < asked->n_parameters; i++)
                if (strcmp(asked->parameters[i]->key, "pool") == 0)
                        return asked->parameters[i]->value;
        return NULL;
}

static Csi__V1__Int64Value *number(csi_call *call, uint64_t value)
{
        Csi__V1__Int64Value *wrapped = dol_csi_message(call, &csi__v1__int64_value__descriptor);

        wrapped->value = (int64_t)value;
        return wrapped;
}

/* Can volumes like these be made here at all? */
static bool is_possible(csi_call *call, const Csi__V1__GetCapacityRequest *asked)
{
        return dol_csi_is_here(call, asked->accessible_topology) &&
               (asked->n_volume_capabilities == 0 ||
                dol_csi_capabilities_check(asked->volume_capabilities, asked->n_volume_capabilities,
                                           NULL, NULL));
}

static bool get_capacity(csi_call *call, const void *message, void *answer, GError **error)
{
        const Csi__V1__GetCapacityRequest *asked = message;
        Csi__V1__GetCapacityResponse *response = answer;
        const char *wanted = wanted_pool(asked);
        g_autoptr(GPtrArray) pools = dol_engine_pool_list(call->csi->engine);
        uint64_t sum = 0, most = 0;

        for (unsigned i = 0; is_possible(call, asked) && i < pools->len; i++) {
                const dol_pool_record *pool = pools->pdata[i];
                uint64_t more = pool->status.allocatable / DOL_SIZE_GRAIN * DOL_SIZE_GRAIN;

                if (pool->status.phase != DOL_POOL_READY ||
                    (wanted && strcmp(wanted, pool->name) != 0))
                        continue;
                sum += more;
                most = MAX(most, MIN(more, DOL_VOLUME_SIZE_MAX));
        }
        response->available_capacity = (int64_t)sum;
        response->maximum_volume_size = number(call, most);
        response->minimum_volume_size = number(call, DOL_VOLUME_SIZE_MIN);
        return true;
}

#define ROW(name, lower, handle) DOL_CSI_ROW(DOL_CSI_CONTROLLER, "Controller", name, lower, handle)

const csi_method dol_csi_controller_lists[] = {
        ROW(ListVolumes, list_volumes, list_volumes),
        ROW(GetCapacity, get_capacity, get_capacity),
        {.path = NULL},
};
