/* SPDX-License-Identifier: Apache-2.0 */
/* csi.v1.GroupController. A group is its members: snapshots with its id and name as labels. */
#include "api/csi/private.h"

#include "base/random.h"

#include <string.h>

#define NAME_LABEL "csi.dolium.io/group-name"

/* ---- members ---- */

/* All snapshots whose label is this; the array frees them. */
static GPtrArray *members_of(csi_call *call, const char *label, const char *value, GError **error)
{
        GPtrArray *all = dol_engine_snapshot_list(call->csi->engine, NULL, NULL, false, error);

        for (unsigned i = all ? all->len : 0; i > 0; i--)
                if (g_strcmp0(dol_csi_snapshot_label(all->pdata[i - 1], label), value) != 0)
                        g_ptr_array_remove_index(all, i - 1);
        return all;
}

static bool has_volume(const GPtrArray *members, const char *volume)
{
        for (unsigned i = 0; i < members->len; i++)
                if (strcmp(((const dol_snapshot *)members->pdata[i])->volume, volume) == 0)
                        return true;
        return false;
}

static bool has_snapshot(const GPtrArray *members, const char *uid)
{
        for (unsigned i = 0; i < members->len; i++)
                if (strcmp(((const dol_snapshot *)members->pdata[i])->uid, uid) == 0)
                        return true;
        return false;
}

static Csi__V1__VolumeGroupSnapshot *show(csi_call *call, const GPtrArray *members)
{
        Csi__V1__VolumeGroupSnapshot *group =
                dol_csi_message(call, &csi__v1__volume_group_snapshot__descriptor);
        const dol_snapshot *first = members->pdata[0];

        group->group_snapshot_id =
                dol_csi_text(call, dol_csi_snapshot_label(first, DOL_CSI_GROUP_LABEL));
        group->creation_time = dol_csi_timestamp(call, first->created);
        group->ready_to_use = true;
        group->snapshots = dol_csi_alloc(call, members->len * sizeof(*group->snapshots));
        for (unsigned i = 0; i < members->len; i++) {
                Csi__V1__Snapshot *snapshot = dol_csi_snapshot(call, members->pdata[i]);

                group->ready_to_use = group->ready_to_use && snapshot->ready_to_use;
                group->snapshots[group->n_snapshots++] = snapshot;
        }
        return group;
}

/* A list of ids, if there is one, must name all members and nobody else. */
static bool check_ids(const GPtrArray *members, size_t count, char **ids, GError **error)
{
        if (count == 0)
                return true;
        for (size_t i = 0; i < count; i++)
                if (!has_snapshot(members, ids[i]))
                        return dol_fail(error, DOL_ERROR_INVALID,
                                        "snapshot_ids: '%s' is not in the group", ids[i]);
        return count == members->len ||
               dol_fail(error, DOL_ERROR_INVALID,
                        "snapshot_ids: the group has %u snapshots, not %zu", members->len, count);
}

/* ---- CreateVolumeGroupSnapshot ---- */

static bool check_sources(csi_call *call, const Csi__V1__CreateVolumeGroupSnapshotRequest *asked,
                          GError **error)
{
        if (asked->n_source_volume_ids == 0)
                return dol_fail(error, DOL_ERROR_INVALID, "source_volume_ids: are required");
        for (size_t i = 0; i < asked->n_source_volume_ids; i++) {
                g_autoptr(dol_volume) volume =
                        dol_csi_find(call, asked->source_volume_ids[i], error);

                if (!volume)
                        return dol_fail_while(error, "source_volume_ids");
                for (size_t k = 0; k < i; k++)
                        if (strcmp(asked->source_volume_ids[k], volume->uid) == 0)
                                return dol_fail(error, DOL_ERROR_INVALID,
                                                "source_volume_ids: '%s' is there twice",
                                                volume->uid);
        }
        return true;
}

/* The group of this name is there: is it of the same volumes? */
static bool check_same(const Csi__V1__CreateVolumeGroupSnapshotRequest *asked,
                       const GPtrArray *members, GError **error)
{
        bool same = members->len == asked->n_source_volume_ids;

        for (size_t i = 0; same && i < asked->n_source_volume_ids; i++)
                same = has_volume(members, asked->source_volume_ids[i]);
        return same || dol_fail(error, DOL_ERROR_EXISTS,
                                "name: a group snapshot '%s' of other volumes exists", asked->name);
}

static GPtrArray *make(csi_call *call, const Csi__V1__CreateVolumeGroupSnapshotRequest *asked,
                       GHashTable **labels, GError **error)
{
        g_autofree char *id = dol_uid_new();
        g_autofree char *name =
                dol_csi_name(asked->name, dol_snapshot_name_check(asked->name, NULL), labels);
        g_auto(GStrv) volumes = g_new0(char *, asked->n_source_volume_ids + 1);
        dol_snapshot_request request = {.volumes = (const char *const *)volumes, .name = name};
        GPtrArray *made = NULL;

        if (*labels) /* by it CreateSnapshot finds its own */
                g_hash_table_remove(*labels, DOL_CSI_NAME_LABEL);
        for (size_t i = 0; i < asked->n_source_volume_ids; i++)
                volumes[i] = dol_csi_reference(asked->source_volume_ids[i]);
        dol_csi_label(labels, DOL_CSI_GROUP_LABEL, id);
        dol_csi_label(labels, NAME_LABEL, asked->name);
        request.snapshot_labels = *labels;
        return dol_engine_snapshot_create(call->csi->engine, &call->call, &request, &made, error)
                       ? made
                       : NULL;
}

static bool create_group(csi_call *call, const void *message, void *answer, GError **error)
{
        const Csi__V1__CreateVolumeGroupSnapshotRequest *asked = message;
        Csi__V1__CreateVolumeGroupSnapshotResponse *response = answer;
        g_autofree char *key = g_strconcat("group ", asked->name, NULL);
        g_autoptr(GHashTable) labels = NULL;
        g_autoptr(csi_pending) pending = NULL;
        g_autoptr(GPtrArray) members = NULL, made = NULL;

        for (size_t i = 0; i < asked->n_parameters; i++)
                if (!dol_csi_snapshot_parameter(&labels, asked->parameters[i]->key,
                                                asked->parameters[i]->value, error))
                        return false;
        if (!dol_csi_required("name", asked->name, error) ||
            !(pending = dol_csi_begin(call, key, error)) ||
            !(members = members_of(call, NAME_LABEL, asked->name, error)))
                return false;
        if (members->len > 0 && !check_same(asked, members, error))
                return false;
        if (members->len == 0 &&
            (!check_sources(call, asked, error) || !(made = make(call, asked, &labels, error))))
                return false;
        response->group_snapshot = show(call, made ? made : members);
        return true;
}

/* ---- DeleteVolumeGroupSnapshot, GetVolumeGroupSnapshot ---- */

static bool delete_members(csi_call *call, const GPtrArray *members, GError **error)
{
        for (unsigned i = 0; i < members->len; i++) {
                const dol_snapshot *snapshot = members->pdata[i];
                g_autofree char *reference = dol_csi_reference(snapshot->uid);

                if (!dol_engine_snapshot_delete(call->csi->engine, &call->call, reference, error))
                        return dol_csi_recode(call, error, DOL_ERROR_BUSY,
                                              DOL_GRPC_FAILED_PRECONDITION);
        }
        return true;
}

/* Before the first one goes. */
static bool check_deletable(csi_call *call, const GPtrArray *members, GError **error)
{
        for (unsigned i = 0; i < members->len; i++) {
                const dol_snapshot *snapshot = members->pdata[i];

                if (snapshot->protect || snapshot->attachment)
                        return dol_csi_fail(call, DOL_GRPC_FAILED_PRECONDITION, error,
                                            "snapshot '%s' is %s", snapshot->reference,
                                            snapshot->protect ? "protected" : "mounted");
        }
        return true;
}

static bool delete_group(csi_call *call, const void *message, void *answer, GError **error)
{
        const Csi__V1__DeleteVolumeGroupSnapshotRequest *asked = message;
        g_autoptr(csi_pending) pending = NULL;
        g_autoptr(GPtrArray) members = NULL;

        if (!dol_csi_required("group_snapshot_id", asked->group_snapshot_id, error) ||
            !(pending = dol_csi_begin(call, asked->group_snapshot_id, error)) ||
            !(members = members_of(call, DOL_CSI_GROUP_LABEL, asked->group_snapshot_id, error)))
                return false;
        return members->len == 0 ||
               (check_ids(members, asked->n_snapshot_ids, asked->snapshot_ids, error) &&
                check_deletable(call, members, error) && delete_members(call, members, error));
}

static bool get_group(csi_call *call, const void *message, void *answer, GError **error)
{
        const Csi__V1__GetVolumeGroupSnapshotRequest *asked = message;
        Csi__V1__GetVolumeGroupSnapshotResponse *response = answer;
        g_autoptr(GPtrArray) members = NULL;

        if (!dol_csi_required("group_snapshot_id", asked->group_snapshot_id, error) ||
            !(members = members_of(call, DOL_CSI_GROUP_LABEL, asked->group_snapshot_id, error)))
                return false;
        if (members->len == 0)
                return dol_fail(error, DOL_ERROR_NOT_FOUND, "group snapshot '%s' does not exist",
                                asked->group_snapshot_id);
        if (!check_ids(members, asked->n_snapshot_ids, asked->snapshot_ids, error))
                return false;
        response->group_snapshot = show(call, members);
        return true;
}

static bool get_capabilities(csi_call *call, const void *message, void *answer, GError **error)
{
        Csi__V1__GroupControllerGetCapabilitiesResponse *response = answer;
        Csi__V1__GroupControllerServiceCapability *has =
                dol_csi_message(call, &csi__v1__group_controller_service_capability__descriptor);

        has->type_case = CSI__V1__GROUP_CONTROLLER_SERVICE_CAPABILITY__TYPE_RPC;
        has->rpc = dol_csi_message(call,
                                   &csi__v1__group_controller_service_capability__rpc__descriptor);
        has->rpc->type =
                CSI__V1__GROUP_CONTROLLER_SERVICE_CAPABILITY__RPC__TYPE__CREATE_DELETE_GET_VOLUME_GROUP_SNAPSHOT;
        response->capabilities = dol_csi_alloc(call, sizeof(*response->capabilities));
        response->capabilities[response->n_capabilities++] = has;
        return true;
}

#define ROW(name, lower, handle) \
        DOL_CSI_ROW(DOL_CSI_CONTROLLER, "GroupController", name, lower, handle)

const csi_method dol_csi_group[] = {
        ROW(GroupControllerGetCapabilities, group_controller_get_capabilities, get_capabilities),
        ROW(CreateVolumeGroupSnapshot, create_volume_group_snapshot, create_group),
        ROW(DeleteVolumeGroupSnapshot, delete_volume_group_snapshot, delete_group),
        ROW(GetVolumeGroupSnapshot, get_volume_group_snapshot, get_group),
        {.path = NULL},
};
