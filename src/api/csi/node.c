/* SPDX-License-Identifier: Apache-2.0 */
/*
 * csi.v1.Node: volumes at paths of the orchestrator's. Who has a volume where is recorded as a
 * consumer of it: "stage PATH" and "target PATH", with the terms it was asked for.
 */
#include "api/csi/private.h"

#include <string.h>

/* ---- what is asked ---- */

static bool check_path(csi_call *call, const char *field, const char *path, GError **error)
{
        g_autofree char *canonical = NULL;

        if (!path || *path == '\0')
                return dol_fail(error, DOL_ERROR_INVALID, "%s: is required", field);
        canonical = g_canonicalize_filename(path, "/");
        if (strcmp(canonical, path) != 0 || strcmp(path, "/") == 0)
                return dol_fail(error, DOL_ERROR_INVALID,
                                "%s: expected an absolute path without '..', '//' and a '/' at its "
                                "end, got '%s'",
                                field, path);
        return true;
}

/* The per-mount options of a use: its flags, and whether it only reads. g_free it. */
static char *options_of(const Csi__V1__VolumeCapability *capability, bool read_only)
{
        g_autoptr(GString) options = g_string_new(NULL);

        if (!dol_csi_is_block(capability))
                for (size_t i = 0; i < capability->mount->n_mount_flags; i++)
                        g_string_append_printf(options, "%s,", capability->mount->mount_flags[i]);
        g_string_append(options, read_only ? "ro" : "");
        return g_strdup(options->str);
}

/* One use of a volume at a path. */
typedef struct {
        const Csi__V1__VolumeCapability *capability;
        const char *path;
        char *reference, *id, *terms, *options;
        dol_consumer_request consumer;
} volume_use;

static void volume_use_clear(volume_use *use)
{
        g_free(use->reference);
        g_free(use->id);
        g_free(use->terms);
        g_free(use->options);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(volume_use, volume_use_clear)

/* `kind` is "stage" or "target"; without a capability only what names it is filled. */
static void volume_use_init(volume_use *use, const char *kind, const char *volume_id,
                            const char *path, const Csi__V1__VolumeCapability *capability,
                            bool read_only)
{
        g_autofree char *terms = NULL;

        *use = (volume_use){.capability = capability, .path = path};
        use->reference = dol_csi_reference(volume_id);
        use->id = g_strconcat(kind, " ", path, NULL);
        use->consumer =
                (dol_consumer_request){.client = DOL_CLIENT_CSI, .id = use->id, .generation = ""};
        if (!capability)
                return;
        use->options = options_of(capability, read_only);
        terms = dol_csi_terms(capability, read_only);
        use->terms = *use->options ? g_strconcat(terms, ";", use->options, NULL) : g_strdup(terms);
        use->consumer.terms = use->terms;
        use->consumer.exclusive = dol_csi_is_exclusive(capability);
}

static const dol_consumer *find_consumer(const dol_volume *volume, const char *id)
{
        const dol_attachment *attachment = volume->status.attachment;

        for (unsigned i = 0; i < dol_attachment_count(attachment); i++) {
                const dol_consumer *consumer = attachment->consumers->pdata[i];

                if (consumer->client == DOL_CLIENT_CSI && strcmp(consumer->id, id) == 0)
                        return consumer;
        }
        return NULL;
}

/* It was attached for reading only (ControllerPublishVolume). */
static bool is_attached_read_only(const csi_call *call, const dol_volume *volume)
{
        g_autofree char *id = dol_csi_node_consumer(call);
        const dol_consumer *attached = find_consumer(volume, id);

        return attached && attached->terms && g_str_has_suffix(attached->terms, ",ro");
}

static bool check_read_only(const Csi__V1__VolumeCapability *capability, bool read_only,
                            GError **error)
{
        return !read_only || !dol_csi_is_block(capability) ||
               dol_fail(error, DOL_ERROR_INVALID,
                        "readonly: a device cannot be kept from being written to");
}

/* What is at the path, and holds, is told as the specification wants it. */
static bool fail_use(csi_call *call, GError **error)
{
        dol_csi_recode(call, error, DOL_ERROR_BUSY, DOL_GRPC_FAILED_PRECONDITION);
        return false;
}

/* ---- staging ---- */

static bool stage(csi_call *call, const void *message, void *answer, GError **error)
{
        const Csi__V1__NodeStageVolumeRequest *asked = message;
        g_autoptr(csi_pending) pending = NULL;
        g_autoptr(dol_volume) volume = NULL, staged = NULL;
        g_auto(volume_use) use = {0};
        bool read_only;

        if (!dol_csi_required("volume_id", asked->volume_id, error) ||
            !check_path(call, "staging_target_path", asked->staging_target_path, error))
                return false;
        if (!asked->volume_capability)
                return dol_fail(error, DOL_ERROR_INVALID, "volume_capability: is required");
        if (!(pending = dol_csi_begin(call, asked->volume_id, error)) ||
            !(volume = dol_csi_find(call, asked->volume_id, error)) ||
            !dol_csi_capability_check(asked->volume_capability, volume, error))
                return false;
        read_only =
                dol_csi_is_reader(asked->volume_capability) || is_attached_read_only(call, volume);
        volume_use_init(&use, "stage", asked->volume_id, asked->staging_target_path,
                        asked->volume_capability, read_only);
        if (!check_read_only(asked->volume_capability, read_only, error))
                return false;
        if (dol_csi_is_block(asked->volume_capability))
                return dol_engine_mount(call->csi->engine, &call->call, use.reference,
                                        &use.consumer, &staged, error) ||
                       fail_use(call, error);
        return dol_engine_publish(call->csi->engine, &call->call, use.reference, &use.consumer,
                                  use.path, use.options, &staged, error) ||
               fail_use(call, error);
}

/* Of a staging or target path: the volume may be gone already. */
static bool take_away(csi_call *call, const char *kind, const char *volume_id, const char *path,
                      bool remove, GError **error)
{
        g_autoptr(csi_pending) pending = NULL;
        g_auto(volume_use) use = {0};

        if (!(pending = dol_csi_begin(call, volume_id, error)))
                return false;
        volume_use_init(&use, kind, volume_id, path, NULL, false);
        return dol_engine_unpublish(call->csi->engine, &call->call, use.reference, &use.consumer,
                                    path, remove, error) ||
               fail_use(call, error);
}

/* The staging path is the orchestrator's, and stays. */
static bool unstage(csi_call *call, const void *message, void *answer, GError **error)
{
        const Csi__V1__NodeUnstageVolumeRequest *asked = message;

        return dol_csi_required("volume_id", asked->volume_id, error) &&
               check_path(call, "staging_target_path", asked->staging_target_path, error) &&
               take_away(call, "stage", asked->volume_id, asked->staging_target_path, false, error);
}

/* ---- publishing ---- */

static bool check_publish(csi_call *call, const Csi__V1__NodePublishVolumeRequest *asked,
                          GError **error)
{
        if (!dol_csi_required("volume_id", asked->volume_id, error) ||
            !check_path(call, "target_path", asked->target_path, error))
                return false;
        if (!asked->volume_capability)
                return dol_fail(error, DOL_ERROR_INVALID, "volume_capability: is required");
        if (!*asked->staging_target_path)
                return dol_csi_fail(call, DOL_GRPC_FAILED_PRECONDITION, error,
                                    "staging_target_path: is required");
        return check_path(call, "staging_target_path", asked->staging_target_path, error);
}

/* It must be staged there, for the same mode. */
static bool check_staged(csi_call *call, const dol_volume *volume,
                         const Csi__V1__NodePublishVolumeRequest *asked, GError **error)
{
        g_autofree char *id = g_strconcat("stage ", asked->staging_target_path, NULL);
        g_autofree char *terms = dol_csi_terms(asked->volume_capability, false);
        const dol_consumer *staged = find_consumer(volume, id);

        if (!staged)
                return dol_csi_fail(call, DOL_GRPC_FAILED_PRECONDITION, error,
                                    "volume '%s' is not staged at '%s'", volume->name,
                                    asked->staging_target_path);
        return g_str_has_prefix(staged->terms, terms) ||
               dol_csi_fail(call, DOL_GRPC_FAILED_PRECONDITION, error,
                            "volume '%s' is staged as %s, not %s", volume->name, staged->terms,
                            terms);
}

/* One that writes alone has one target. */
static bool check_targets(csi_call *call, const dol_volume *volume, const volume_use *use,
                          GError **error)
{
        const dol_attachment *attachment = volume->status.attachment;

        for (unsigned i = 0; i < dol_attachment_count(attachment); i++) {
                const dol_consumer *consumer = attachment->consumers->pdata[i];

                if (consumer->client == DOL_CLIENT_CSI &&
                    g_str_has_prefix(consumer->id, "target ") &&
                    strcmp(consumer->id, use->id) != 0 &&
                    (consumer->exclusive || use->consumer.exclusive))
                        return dol_csi_fail(call, DOL_GRPC_FAILED_PRECONDITION, error,
                                            "volume '%s' is for one writer, and published at %s",
                                            volume->name, consumer->id + strlen("target "));
        }
        return true;
}

static bool publish(csi_call *call, const void *message, void *answer, GError **error)
{
        const Csi__V1__NodePublishVolumeRequest *asked = message;
        g_autoptr(csi_pending) pending = NULL;
        g_autoptr(dol_volume) volume = NULL, published = NULL;
        g_auto(volume_use) use = {0};
        bool read_only;

        if (!check_publish(call, asked, error) ||
            !(pending = dol_csi_begin(call, asked->volume_id, error)) ||
            !(volume = dol_csi_find(call, asked->volume_id, error)) ||
            !dol_csi_capability_check(asked->volume_capability, volume, error))
                return false;
        read_only = asked->readonly || dol_csi_is_reader(asked->volume_capability) ||
                    is_attached_read_only(call, volume);
        volume_use_init(&use, "target", asked->volume_id, asked->target_path,
                        asked->volume_capability, read_only);
        if (!check_read_only(asked->volume_capability, read_only, error) ||
            !check_staged(call, volume, asked, error) || !check_targets(call, volume, &use, error))
                return false;
        return dol_engine_publish(call->csi->engine, &call->call, use.reference, &use.consumer,
                                  use.path, use.options, &published, error) ||
               fail_use(call, error);
}

static bool unpublish(csi_call *call, const void *message, void *answer, GError **error)
{
        const Csi__V1__NodeUnpublishVolumeRequest *asked = message;

        return dol_csi_required("volume_id", asked->volume_id, error) &&
               check_path(call, "target_path", asked->target_path, error) &&
               take_away(call, "target", asked->volume_id, asked->target_path, true, error);
}

#define ROW(name, lower, handle) DOL_CSI_ROW(DOL_CSI_NODE, "Node", name, lower, handle)

const csi_method dol_csi_node[] = {
        ROW(NodeStageVolume, node_stage_volume, stage),
        ROW(NodeUnstageVolume, node_unstage_volume, unstage),
        ROW(NodePublishVolume, node_publish_volume, publish),
        ROW(NodeUnpublishVolume, node_unpublish_volume, unpublish),
        {.path = NULL},
};
