/* SPDX-License-Identifier: Apache-2.0 */
/* csi.v1.Controller: making, deleting and growing volumes. */
#include "api/csi/private.h"

#include <string.h>

/* ---- sizes ---- */

typedef struct {
        uint64_t least, most; /* most: UINT64_MAX = no limit */
} size_range;

static bool range_of(csi_call *call, const Csi__V1__CapacityRange *range, size_range *ret,
                     GError **error)
{
        int64_t required = range ? range->required_bytes : 0;
        int64_t limit = range ? range->limit_bytes : 0;

        if (required < 0 || limit < 0)
                return dol_fail(error, DOL_ERROR_INVALID,
                                "capacity_range: expected no negative numbers");
        if (limit > 0 && required > limit)
                return dol_fail(error, DOL_ERROR_INVALID,
                                "capacity_range: required_bytes is more than limit_bytes");
        *ret = (size_range){(uint64_t)required, limit ? (uint64_t)limit : UINT64_MAX};
        if (ret->least > DOL_VOLUME_SIZE_MAX)
                return dol_csi_fail(call, DOL_GRPC_OUT_OF_RANGE, error,
                                    "capacity_range: a volume has at most %" G_GUINT64_FORMAT
                                    " bytes",
                                    DOL_VOLUME_SIZE_MAX);
        return true;
}

/* The size of a new volume: what is required, rounded up; else the usual one, if that is allowed.
 */
static bool choose_size(csi_call *call, const size_range *range, uint64_t least, uint64_t usual,
                        uint64_t *ret, GError **error)
{
        uint64_t size = range->least ? MAX(range->least, least) : MIN(usual, range->most);

        size = MAX(size, least);
        size = (size + DOL_SIZE_GRAIN - 1) / DOL_SIZE_GRAIN * DOL_SIZE_GRAIN;
        if (size > range->most && !range->least)
                size = range->most / DOL_SIZE_GRAIN * DOL_SIZE_GRAIN;
        if (size > range->most || size < least)
                return dol_csi_fail(call, DOL_GRPC_OUT_OF_RANGE, error,
                                    "capacity_range: it would have at least %" G_GUINT64_FORMAT
                                    " bytes, more than limit_bytes",
                                    MAX(size, least));
        *ret = size;
        return true;
}

/* ---- what a new volume shall be ---- */

/* Where its content comes from. */
typedef struct {
        char *from;    /* as the engine wants it; NULL = empty */
        char *origin;  /* as a volume's status has it */
        uint64_t size; /* of the source */
        dol_fs_kind fs;
} volume_source;

static void volume_source_clear(volume_source *source)
{
        g_free(source->from);
        g_free(source->origin);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(volume_source, volume_source_clear)

static bool from_snapshot(csi_call *call, const char *id, volume_source *ret, GError **error)
{
        g_autofree char *reference = dol_csi_reference(id);
        g_autoptr(dol_snapshot) snapshot = NULL;

        if (!dol_csi_required("snapshot_id", id, error) ||
            !(snapshot = dol_engine_snapshot_get(call->csi->engine, reference, error)))
                return false;
        ret->from = g_strdup(snapshot->reference);
        ret->origin = g_strconcat(snapshot->volume, "/", snapshot->uid, NULL);
        ret->size = snapshot->size;
        ret->fs = snapshot->fs;
        return true;
}

static bool from_volume(csi_call *call, const char *id, volume_source *ret, GError **error)
{
        g_autoptr(dol_volume) volume = dol_csi_find(call, id, error);

        if (!volume)
                return false;
        ret->from = dol_csi_reference(volume->uid);
        ret->origin = g_strdup(volume->uid);
        ret->size = volume->status.size;
        ret->fs = volume->spec.fs;
        return true;
}

static bool read_source(csi_call *call, const Csi__V1__VolumeContentSource *source,
                        volume_source *ret, GError **error)
{
        if (!source)
                return true;
        switch (source->type_case) {
        case CSI__V1__VOLUME_CONTENT_SOURCE__TYPE_SNAPSHOT:
                return from_snapshot(call, source->snapshot->snapshot_id, ret, error);
        case CSI__V1__VOLUME_CONTENT_SOURCE__TYPE_VOLUME:
                return from_volume(call, source->volume->volume_id, ret, error);
        case CSI__V1__VOLUME_CONTENT_SOURCE__TYPE__NOT_SET:
        case _CSI__V1__VOLUME_CONTENT_SOURCE__TYPE__CASE_IS_INT_SIZE:
        default:
                return dol_fail(error, DOL_ERROR_INVALID,
                                "volume_content_source: expected a snapshot or a volume");
        }
}

static bool read_parameters(const Csi__V1__CreateVolumeRequest *asked, dol_volume *want,
                            GError **error)
{
        if (asked->n_mutable_parameters > 0)
                return dol_fail(error, DOL_ERROR_INVALID,
                                "mutable_parameters: '%s' is not known, nor any other",
                                asked->mutable_parameters[0]->key);
        for (size_t i = 0; i < asked->n_parameters; i++)
                if (!dol_csi_parameter(want, asked->parameters[i]->key, asked->parameters[i]->value,
                                       error))
                        return false;
        return true;
}

/* The file system that parameters, capabilities and source agree on. */
static bool choose_fs(const Csi__V1__CreateVolumeRequest *asked, const volume_source *source,
                      dol_volume *want, GError **error)
{
        bool block = dol_csi_is_block(asked->volume_capabilities[0]);

        for (size_t i = 0; i < asked->n_volume_capabilities && !block; i++) {
                const char *fs = asked->volume_capabilities[i]->mount->fs_type;

                if (*fs == '\0')
                        continue;
                if (want->spec.fs != DOL_FS_AUTO && strcmp(fs, dol_fs_words[want->spec.fs]) != 0)
                        return dol_fail(error, DOL_ERROR_INVALID, "fs_type: both %s and %s",
                                        dol_fs_words[want->spec.fs], fs);
                want->spec.fs = strcmp(fs, "xfs") == 0 ? DOL_FS_XFS : DOL_FS_EXT4;
        }
        if (block && want->spec.fs != DOL_FS_AUTO)
                return dol_fail(error, DOL_ERROR_INVALID,
                                "parameter fs: a block volume has no file system");
        if (block)
                want->spec.fs = DOL_FS_NONE;
        if (source->from && (source->fs == DOL_FS_NONE) != block)
                return dol_fail(error, DOL_ERROR_INVALID,
                                "volume_content_source: it has %s, which is not what "
                                "volume_capabilities ask for",
                                block ? "a file system" : "no file system");
        return true;
}

static bool check_topology(csi_call *call, const Csi__V1__TopologyRequirement *wanted,
                           GError **error)
{
        for (size_t i = 0; wanted && i < wanted->n_requisite; i++)
                if (dol_csi_is_here(call, wanted->requisite[i]))
                        return true;
        return !wanted || wanted->n_requisite == 0 ||
               dol_csi_fail(call, DOL_GRPC_RESOURCE_EXHAUSTED, error,
                            "accessibility_requirements: volumes of this controller are on node "
                            "'%s'",
                            dol_engine_node(call->csi->engine));
}

/* ---- CreateVolume ---- */

/* A volume of this name is there already: what it has of what was asked is not asked for again. */
static bool check_existing(csi_call *call, const dol_volume *existing, const size_range *range,
                           const volume_source *source, dol_volume *want, GError **error)
{
        if (existing->spec.size < range->least || existing->spec.size > range->most)
                return dol_fail(error, DOL_ERROR_EXISTS,
                                "volume '%s' exists and has %" G_GUINT64_FORMAT " bytes",
                                existing->name, existing->spec.size);
        if (g_strcmp0(existing->status.origin, source->origin) != 0)
                return dol_fail(error, DOL_ERROR_EXISTS,
                                "volume '%s' exists and has another volume_content_source",
                                existing->name);
        if (want->spec.fs == DOL_FS_AUTO && existing->spec.fs == DOL_FS_NONE)
                return dol_fail(error, DOL_ERROR_EXISTS, "volume '%s' exists and is a block volume",
                                existing->name);
        want->spec.size = existing->spec.size;
        g_free(want->spec.from);
        want->spec.from = g_strdup(existing->spec.from);
        g_clear_pointer(&want->labels, g_hash_table_unref);
        return true;
}

static bool fit(csi_call *call, const Csi__V1__CreateVolumeRequest *asked,
                const volume_source *source, dol_volume *want, GError **error)
{
        g_autoptr(dol_volume) existing = dol_engine_peek(call->csi->engine, want->name, NULL);
        uint64_t least =
                want->spec.fs == DOL_FS_XFS ? DOL_VOLUME_SIZE_MIN_XFS : DOL_VOLUME_SIZE_MIN;
        size_range range;

        if (!range_of(call, asked->capacity_range, &range, error))
                return false;
        if (existing)
                return check_existing(call, existing, &range, source, want, error);
        want->spec.from = g_strdup(source->from);
        if (range.least == 0 && range.most == UINT64_MAX)
                return true; /* the engine's choice; none in a pool of directories */
        return choose_size(call, &range, MAX(least, source->size),
                           source->from ? source->size : DOL_VOLUME_SIZE_DEFAULT, &want->spec.size,
                           error);
}

static bool create(csi_call *call, const Csi__V1__CreateVolumeRequest *asked, dol_volume *want,
                   dol_volume **ret_volume, GError **error)
{
        g_auto(volume_source) source = {0};
        bool existed;

        return dol_csi_capabilities_check(asked->volume_capabilities, asked->n_volume_capabilities,
                                          NULL, error) &&
               read_parameters(asked, want, error) &&
               read_source(call, asked->volume_content_source, &source, error) &&
               choose_fs(asked, &source, want, error) &&
               check_topology(call, asked->accessibility_requirements, error) &&
               fit(call, asked, &source, want, error) &&
               dol_engine_create(call->csi->engine, &call->call, want, ret_volume, &existed, error);
}

static bool create_volume(csi_call *call, const void *message, void *answer, GError **error)
{
        const Csi__V1__CreateVolumeRequest *asked = message;
        Csi__V1__CreateVolumeResponse *response = answer;
        g_autoptr(csi_pending) pending = NULL;
        g_autoptr(dol_volume) volume = NULL;
        dol_volume want = {0};
        bool done;

        if (!dol_csi_required("name", asked->name, error) ||
            !(pending = dol_csi_begin(call, asked->name, error)))
                return false;
        dol_volume_spec_init(&want.spec);
        want.name =
                dol_csi_name(asked->name, dol_volume_name_check(asked->name, NULL), &want.labels);
        done = create(call, asked, &want, &volume, error);
        dol_schema_clear(&dol_volume_schema, &want);
        if (done)
                response->volume = dol_csi_volume(call, volume);
        return done;
}

/* ---- DeleteVolume ---- */

static bool delete_volume(csi_call *call, const void *message, void *answer, GError **error)
{
        const Csi__V1__DeleteVolumeRequest *asked = message;
        g_autofree char *reference = dol_csi_reference(asked->volume_id);
        g_autoptr(csi_pending) pending = NULL;
        g_autoptr(dol_volume) volume = NULL, deleted = NULL;
        g_autoptr(GError) why = NULL;

        if (!dol_csi_required("volume_id", asked->volume_id, error) ||
            !(pending = dol_csi_begin(call, asked->volume_id, error)))
                return false;
        volume = dol_csi_find(call, asked->volume_id, &why);
        if (!volume && dol_error_is(why, DOL_ERROR_NOT_FOUND))
                return true;
        if (!volume) {
                g_propagate_error(error, g_steal_pointer(&why));
                return false;
        }
        if (dol_csi_has_snapshots(call, volume))
                return dol_csi_fail(call, DOL_GRPC_FAILED_PRECONDITION, error,
                                    "volume '%s' has snapshots", volume->name);
        return dol_engine_delete(call->csi->engine, &call->call, reference, false, 0, &deleted,
                                 error) ||
               dol_csi_recode(call, error, DOL_ERROR_BUSY, DOL_GRPC_FAILED_PRECONDITION);
}

/* ---- ControllerExpandVolume ---- */

static bool expand(csi_call *call, const char *reference, const size_range *range,
                   dol_volume **volume, GError **error)
{
        g_autoptr(dol_volume) grown = NULL;
        uint64_t size = (*volume)->status.size;

        if (range->most < size)
                return dol_csi_fail(call, DOL_GRPC_OUT_OF_RANGE, error,
                                    "capacity_range: volume '%s' has %" G_GUINT64_FORMAT
                                    " bytes already",
                                    (*volume)->name, size);
        if (range->least <= size && (*volume)->spec.size == size)
                return true;
        if (!choose_size(call, range, size, size, &size, error) ||
            !dol_engine_resize(call->csi->engine, &call->call, reference, size, &grown, error))
                return false;
        dol_volume_free(*volume);
        *volume = g_steal_pointer(&grown);
        return true;
}

static bool expand_volume(csi_call *call, const void *message, void *answer, GError **error)
{
        const Csi__V1__ControllerExpandVolumeRequest *asked = message;
        Csi__V1__ControllerExpandVolumeResponse *response = answer;
        g_autofree char *reference = dol_csi_reference(asked->volume_id);
        g_autoptr(csi_pending) pending = NULL;
        g_autoptr(dol_volume) volume = NULL;
        size_range range;

        if (!dol_csi_required("volume_id", asked->volume_id, error))
                return false;
        if (!asked->capacity_range)
                return dol_fail(error, DOL_ERROR_INVALID, "capacity_range: is required");
        if (!range_of(call, asked->capacity_range, &range, error) ||
            !(pending = dol_csi_begin(call, asked->volume_id, error)) ||
            !(volume = dol_csi_find(call, asked->volume_id, error)))
                return false;
        if (asked->volume_capability &&
            !dol_csi_capability_check(asked->volume_capability, volume, error))
                return false;
        if (!expand(call, reference, &range, &volume, error))
                return false;
        response->capacity_bytes = (int64_t)volume->status.size;
        return true;
}

#define ROW(name, lower, handle) DOL_CSI_ROW(DOL_CSI_CONTROLLER, "Controller", name, lower, handle)

const csi_method dol_csi_controller[] = {
        ROW(CreateVolume, create_volume, create_volume),
        ROW(DeleteVolume, delete_volume, delete_volume),
        ROW(ControllerExpandVolume, controller_expand_volume, expand_volume),
        {.path = NULL},
};
