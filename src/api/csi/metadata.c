/* SPDX-License-Identifier: Apache-2.0 */
/* csi.v1.SnapshotMetadata: the ranges are gathered first, so that a slow client does not keep the
 * volume locked, and then sent in messages of `max_results` each. */
#include "api/csi/private.h"

enum { RESULTS_USUAL = 512, RESULTS_MAX = 8192 };

typedef struct {
        uint64_t offset, size;
} byte_range;

/* One walk over a snapshot. */
typedef struct {
        uint64_t from;  /* starting_offset */
        bool holes;     /* ranges that read as zeroes count, too */
        GArray *ranges; /* of byte_range */
        size_t per_answer;
        uint64_t capacity;
} range_walk;

static bool add_range(uint64_t offset, uint64_t length, bool data, void *user)
{
        range_walk *walk = user;
        uint64_t end = MIN(offset + length, walk->capacity);
        byte_range range = {.offset = MAX(offset, walk->from)};

        if ((!data && !walk->holes) || end <= range.offset)
                return true;
        range.size = end - range.offset;
        g_array_append_val(walk->ranges, range);
        return true;
}

static bool prepare(csi_call *call, const char *snapshot_id, int64_t offset, int32_t max_results,
                    range_walk *walk, GError **error)
{
        g_autofree char *reference = dol_csi_reference(snapshot_id);
        g_autoptr(dol_snapshot) snapshot = NULL;

        if (max_results < 0)
                return dol_fail(error, DOL_ERROR_INVALID,
                                "max_results: expected no negative number");
        if (!(snapshot = dol_engine_snapshot_get(call->csi->engine, reference, error)))
                return false;
        if (offset < 0 || (uint64_t)offset > snapshot->size)
                return dol_csi_fail(call, DOL_GRPC_OUT_OF_RANGE, error,
                                    "starting_offset: the snapshot has %" G_GUINT64_FORMAT " bytes",
                                    snapshot->size);
        walk->from = (uint64_t)offset;
        walk->capacity = snapshot->size;
        walk->per_answer = max_results ? (size_t)MIN(max_results, RESULTS_MAX) : RESULTS_USUAL;
        return true;
}

/* The next ranges, as the messages have them; how many. */
static size_t fill(csi_call *call, const range_walk *walk, size_t at, Csi__V1__BlockMetadata ***ret)
{
        size_t count = MIN(walk->per_answer, walk->ranges->len - at);
        Csi__V1__BlockMetadata **blocks = dol_csi_alloc(call, (count + 1) * sizeof(*blocks));

        for (size_t i = 0; i < count; i++) {
                const byte_range *range = &g_array_index(walk->ranges, byte_range, at + i);

                blocks[i] = dol_csi_message(call, &csi__v1__block_metadata__descriptor);
                blocks[i]->byte_offset = (int64_t)range->offset;
                blocks[i]->size_bytes = (int64_t)range->size;
        }
        *ret = blocks;
        return count;
}

/* Calls `send` for as many answers as it takes, at least one. */
static bool send_all(csi_call *call, const range_walk *walk, void *answer,
                     bool (*send)(csi_call *call, const range_walk *walk, size_t *at, void *answer,
                                  GError **error),
                     GError **error)
{
        size_t at = 0;

        do {
                if (!send(call, walk, &at, answer, error))
                        return false;
        } while (at < walk->ranges->len);
        return true;
}

static bool walk_and_send(csi_call *call, const char *base, const char *target, range_walk *walk,
                          void *answer,
                          bool (*send)(csi_call *call, const range_walk *walk, size_t *at,
                                       void *answer, GError **error),
                          GError **error)
{
        bool done;

        walk->ranges = g_array_new(false, false, sizeof(byte_range));
        done = dol_engine_diff(call->csi->engine, &call->call, base, target, add_range, walk,
                               error) ||
               dol_csi_recode(call, error, DOL_ERROR_UNSUPPORTED, DOL_GRPC_FAILED_PRECONDITION);
        done = done && send_all(call, walk, answer, send, error);
        g_array_unref(walk->ranges);
        return done;
}

static bool send_allocated(csi_call *call, const range_walk *walk, size_t *at, void *answer,
                           GError **error)
{
        Csi__V1__GetMetadataAllocatedResponse *response = answer;

        response->block_metadata_type = CSI__V1__BLOCK_METADATA_TYPE__VARIABLE_LENGTH;
        response->volume_capacity_bytes = (int64_t)walk->capacity;
        response->n_block_metadata = fill(call, walk, *at, &response->block_metadata);
        *at += response->n_block_metadata;
        return dol_csi_send(call, &response->base, error);
}

static bool send_delta(csi_call *call, const range_walk *walk, size_t *at, void *answer,
                       GError **error)
{
        Csi__V1__GetMetadataDeltaResponse *response = answer;

        response->block_metadata_type = CSI__V1__BLOCK_METADATA_TYPE__VARIABLE_LENGTH;
        response->volume_capacity_bytes = (int64_t)walk->capacity;
        response->n_block_metadata = fill(call, walk, *at, &response->block_metadata);
        *at += response->n_block_metadata;
        return dol_csi_send(call, &response->base, error);
}

static bool get_allocated(csi_call *call, const void *message, void *answer, GError **error)
{
        const Csi__V1__GetMetadataAllocatedRequest *asked = message;
        g_autofree char *target = dol_csi_reference(asked->snapshot_id);
        range_walk walk = {0};

        return dol_csi_required("snapshot_id", asked->snapshot_id, error) &&
               prepare(call, asked->snapshot_id, asked->starting_offset, asked->max_results, &walk,
                       error) &&
               walk_and_send(call, NULL, target, &walk, answer, send_allocated, error);
}

static bool get_delta(csi_call *call, const void *message, void *answer, GError **error)
{
        const Csi__V1__GetMetadataDeltaRequest *asked = message;
        g_autofree char *base = dol_csi_reference(asked->base_snapshot_id);
        g_autofree char *target = dol_csi_reference(asked->target_snapshot_id);
        range_walk walk = {.holes = true};

        return dol_csi_required("base_snapshot_id", asked->base_snapshot_id, error) &&
               dol_csi_required("target_snapshot_id", asked->target_snapshot_id, error) &&
               prepare(call, asked->target_snapshot_id, asked->starting_offset, asked->max_results,
                       &walk, error) &&
               walk_and_send(call, base, target, &walk, answer, send_delta, error);
}

#define ROW(name, lower, handle)                                                          \
        {                                                                                 \
                DOL_CSI_CONTROLLER, "/csi.v1.SnapshotMetadata/" #name,                    \
                        &csi__v1__##lower##_request__descriptor,                          \
                        &csi__v1__##lower##_response__descriptor, handle, .streams = true \
        }

const csi_method dol_csi_metadata[] = {
        ROW(GetMetadataAllocated, get_metadata_allocated, get_allocated),
        ROW(GetMetadataDelta, get_metadata_delta, get_delta),
        {.path = NULL},
};
