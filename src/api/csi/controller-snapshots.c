/* SPDX-License-Identifier: Apache-2.0 */
/* csi.v1.Controller: snapshots. Their names are unique over all volumes here, and only among those
 * of one volume in the engine; so the name is kept as a label and looked up by it. */
#include "api/csi/private.h"

#include "base/clock.h"

#include <string.h>

Csi__V1__Timestamp *dol_csi_timestamp(csi_call *call, int64_t usec)
{
        Csi__V1__Timestamp *time = dol_csi_message(call, &csi__v1__timestamp__descriptor);

        time->seconds = usec / DOL_USEC_PER_SEC;
        time->nanos = (int32_t)(usec % DOL_USEC_PER_SEC * 1000);
        return time;
}

const char *dol_csi_snapshot_label(const dol_snapshot *snapshot, const char *key)
{
        return snapshot->labels ? g_hash_table_lookup(snapshot->labels, key) : NULL;
}

Csi__V1__Snapshot *dol_csi_snapshot(csi_call *call, const dol_snapshot *snapshot)
{
        Csi__V1__Snapshot *shown = dol_csi_message(call, &csi__v1__snapshot__descriptor);

        shown->size_bytes = (int64_t)snapshot->size;
        shown->snapshot_id = dol_csi_text(call, snapshot->uid);
        shown->source_volume_id = dol_csi_text(call, snapshot->volume);
        shown->creation_time = dol_csi_timestamp(call, snapshot->created);
        shown->ready_to_use = snapshot->phase == DOL_SNAPSHOT_READY;
        shown->group_snapshot_id =
                dol_csi_text(call, dol_csi_snapshot_label(snapshot, DOL_CSI_GROUP_LABEL));
        return shown;
}

bool dol_csi_has_snapshots(csi_call *call, const dol_volume *volume)
{
        g_autofree char *reference = dol_csi_reference(volume->uid);
        g_autoptr(GPtrArray) found =
                dol_engine_snapshot_list(call->csi->engine, reference, NULL, false, NULL);

        return found && found->len > 0;
}

/* ---- CreateSnapshot ---- */

/* The snapshot that CSI has made under this name, or NULL. Borrowed from the list. */
static const dol_snapshot *find_by_name(GPtrArray *snapshots, const char *name)
{
        for (unsigned i = 0; i < snapshots->len; i++) {
                const dol_snapshot *snapshot = snapshots->pdata[i];
                const char *label =
                        snapshot->labels ? g_hash_table_lookup(snapshot->labels, DOL_CSI_NAME_LABEL)
                                         : NULL;

                if (snapshot->phase != DOL_SNAPSHOT_DELETING && g_strcmp0(label, name) == 0)
                        return snapshot;
        }
        return NULL;
}

static bool read_parameters(const Csi__V1__CreateSnapshotRequest *asked, GHashTable **labels,
                            GError **error)
{
        for (size_t i = 0; i < asked->n_parameters; i++)
                if (!dol_csi_snapshot_parameter(labels, asked->parameters[i]->key,
                                                asked->parameters[i]->value, error))
                        return false;
        return true;
}

static bool make(csi_call *call, const Csi__V1__CreateSnapshotRequest *asked, GHashTable *labels,
                 Csi__V1__CreateSnapshotResponse *response, GError **error)
{
        g_autofree char *volume = dol_csi_reference(asked->source_volume_id);
        g_autofree char *name =
                dol_csi_name(asked->name, dol_snapshot_name_check(asked->name, NULL), &labels);
        const char *volumes[] = {volume, NULL};
        dol_snapshot_request request = {
                .volumes = volumes, .name = name, .snapshot_labels = labels};
        g_autoptr(GPtrArray) made = NULL;

        if (!dol_engine_snapshot_create(call->csi->engine, &call->call, &request, &made, error))
                return false;
        response->snapshot = dol_csi_snapshot(call, made->pdata[0]);
        return true;
}

/* true: it is there, or not there at all; false: it is another volume's. */
static bool find_made(csi_call *call, const Csi__V1__CreateSnapshotRequest *asked,
                      Csi__V1__CreateSnapshotResponse *response, GError **error)
{
        g_autoptr(GPtrArray) all =
                dol_engine_snapshot_list(call->csi->engine, NULL, NULL, false, error);
        const dol_snapshot *same = all ? find_by_name(all, asked->name) : NULL;

        if (same && strcmp(same->volume, asked->source_volume_id) != 0)
                return dol_fail(error, DOL_ERROR_EXISTS,
                                "name: a snapshot '%s' of another volume exists", asked->name);
        if (same)
                response->snapshot = dol_csi_snapshot(call, same);
        return all != NULL;
}

static bool create_snapshot(csi_call *call, const void *message, void *answer, GError **error)
{
        const Csi__V1__CreateSnapshotRequest *asked = message;
        Csi__V1__CreateSnapshotResponse *response = answer;
        g_autoptr(GHashTable) labels = NULL;
        g_autoptr(csi_pending) pending = NULL;
        g_autoptr(dol_volume) volume = NULL;
        g_autofree char *key = g_strconcat("snapshot ", asked->name, NULL);

        if (!dol_csi_required("name", asked->name, error) ||
            !dol_csi_required("source_volume_id", asked->source_volume_id, error) ||
            !read_parameters(asked, &labels, error) ||
            !(pending = dol_csi_begin(call, key, error)) ||
            !find_made(call, asked, response, error))
                return false;
        if (response->snapshot)
                return true;
        if (!(volume = dol_csi_find(call, asked->source_volume_id, error)))
                return false;
        dol_csi_label(&labels, DOL_CSI_NAME_LABEL, asked->name);
        return make(call, asked, labels, response, error);
}

/* ---- DeleteSnapshot, GetSnapshot ---- */

/* Members of a group go with it. */
static bool check_alone(csi_call *call, const char *reference, GError **error)
{
        g_autoptr(dol_snapshot) snapshot =
                dol_engine_snapshot_get(call->csi->engine, reference, NULL);
        const char *group = snapshot ? dol_csi_snapshot_label(snapshot, DOL_CSI_GROUP_LABEL) : NULL;

        return !group || dol_fail(error, DOL_ERROR_INVALID,
                                  "snapshot_id: it belongs to the group snapshot '%s'", group);
}

static bool delete_snapshot(csi_call *call, const void *message, void *answer, GError **error)
{
        const Csi__V1__DeleteSnapshotRequest *asked = message;
        g_autofree char *reference = dol_csi_reference(asked->snapshot_id);
        g_autoptr(csi_pending) pending = NULL;
        g_autoptr(GError) why = NULL;

        if (!dol_csi_required("snapshot_id", asked->snapshot_id, error) ||
            !(pending = dol_csi_begin(call, asked->snapshot_id, error)) ||
            !check_alone(call, reference, error))
                return false;
        if (dol_engine_snapshot_delete(call->csi->engine, &call->call, reference, &why) ||
            dol_error_is(why, DOL_ERROR_NOT_FOUND))
                return true;
        g_propagate_error(error, g_steal_pointer(&why));
        return dol_csi_recode(call, error, DOL_ERROR_BUSY, DOL_GRPC_FAILED_PRECONDITION);
}

static bool get_snapshot(csi_call *call, const void *message, void *answer, GError **error)
{
        const Csi__V1__GetSnapshotRequest *asked = message;
        Csi__V1__GetSnapshotResponse *response = answer;
        g_autofree char *reference = dol_csi_reference(asked->snapshot_id);
        g_autoptr(dol_snapshot) snapshot = NULL;

        if (!dol_csi_required("snapshot_id", asked->snapshot_id, error) ||
            !(snapshot = dol_engine_snapshot_get(call->csi->engine, reference, error)))
                return false;
        response->snapshot = dol_csi_snapshot(call, snapshot);
        return true;
}

/* ---- ListSnapshots: oldest first ---- */

/* A token: this, and time and uid of the snapshot after which to go on. */
#define TOKEN_FORMAT "after:%020" G_GINT64_FORMAT ":%s"

static char *token_of(const dol_snapshot *snapshot)
{
        return g_strdup_printf(TOKEN_FORMAT, snapshot->created, snapshot->uid);
}

static int by_token(const void *a, const void *b)
{
        g_autofree char *first = token_of(*(dol_snapshot *const *)a);
        g_autofree char *second = token_of(*(dol_snapshot *const *)b);

        return strcmp(first, second);
}

static bool is_listed(const Csi__V1__ListSnapshotsRequest *asked, const dol_snapshot *snapshot)
{
        g_autofree char *token = token_of(snapshot);

        return (!*asked->snapshot_id || strcmp(asked->snapshot_id, snapshot->uid) == 0) &&
               (!*asked->source_volume_id ||
                strcmp(asked->source_volume_id, snapshot->volume) == 0) &&
               strcmp(token, asked->starting_token) > 0;
}

static void add_entry(csi_call *call, const dol_snapshot *snapshot,
                      Csi__V1__ListSnapshotsResponse *response)
{
        Csi__V1__ListSnapshotsResponse__Entry *entry =
                dol_csi_message(call, &csi__v1__list_snapshots_response__entry__descriptor);

        entry->snapshot = dol_csi_snapshot(call, snapshot);
        response->entries[response->n_entries++] = entry;
}

/* `all` is in order of their tokens. */
static void fill_list(csi_call *call, const Csi__V1__ListSnapshotsRequest *asked,
                      const GPtrArray *all, Csi__V1__ListSnapshotsResponse *response)
{
        size_t max = asked->max_entries ? (size_t)asked->max_entries : SIZE_MAX;
        const dol_snapshot *last = NULL;

        response->entries = dol_csi_alloc(call, (all->len + 1) * sizeof(*response->entries));
        for (unsigned i = 0; i < all->len; i++) {
                if (!is_listed(asked, all->pdata[i]))
                        continue;
                if (response->n_entries == max) {
                        g_autofree char *token = token_of(last);

                        response->next_token = dol_csi_text(call, token);
                        return;
                }
                last = all->pdata[i];
                add_entry(call, last, response);
        }
}

static bool list_snapshots(csi_call *call, const void *message, void *answer, GError **error)
{
        const Csi__V1__ListSnapshotsRequest *asked = message;
        g_autoptr(GPtrArray) all = NULL;

        if (asked->max_entries < 0)
                return dol_fail(error, DOL_ERROR_INVALID,
                                "max_entries: expected no negative number");
        if (*asked->starting_token && !g_str_has_prefix(asked->starting_token, "after:"))
                return dol_csi_fail(call, DOL_GRPC_ABORTED, error,
                                    "starting_token: '%.64s' is none of ours",
                                    asked->starting_token);
        all = dol_engine_snapshot_list(call->csi->engine, NULL, NULL, false, error);
        if (!all)
                return false;
        g_ptr_array_sort(all, by_token);
        fill_list(call, asked, all, answer);
        return true;
}

#define ROW(name, lower, handle) DOL_CSI_ROW(DOL_CSI_CONTROLLER, "Controller", name, lower, handle)

const csi_method dol_csi_controller_snapshots[] = {
        ROW(CreateSnapshot, create_snapshot, create_snapshot),
        ROW(DeleteSnapshot, delete_snapshot, delete_snapshot),
        ROW(ListSnapshots, list_snapshots, list_snapshots),
        ROW(GetSnapshot, get_snapshot, get_snapshot),
        {.path = NULL},
};
