/* SPDX-License-Identifier: Apache-2.0 */
/* The face itself: which methods there are, and one call from its bytes to the answer's. */
#include "api/csi/private.h"

#include "base/clock.h"
#include "base/log.h"

#include <string.h>

const char *const dol_csi_mode_words[] = {"none", "controller", "node", "all", NULL};

static const csi_method *const services[] = {
        dol_csi_identity,
        dol_csi_controller,
        dol_csi_controller_publish,
        dol_csi_controller_lists,
        dol_csi_controller_snapshots,
        dol_csi_node,
        dol_csi_node_about,
        dol_csi_group,
        dol_csi_metadata,
};

/* Errors are told to the client; the log has those that are not its own doing. */
static void log_failure(const csi_call *call, const GError *error)
{
        dol_error_kind kind = dol_error_kind_of(error);
        bool gone = atomic_load(dol_grpc_call(call->request)->cancelled);
        bool ours = kind == DOL_ERROR_INTERNAL || kind == DOL_ERROR_UNAVAILABLE;

        dol_log(ours && !gone ? DOL_LOG_WARNING : DOL_LOG_DEBUG, "csi: %s of process %d: %s",
                strrchr(dol_grpc_path(call->request), '/') + 1,
                (int)dol_grpc_peer_pid(call->request), error->message);
}

bool dol_csi_send(csi_call *call, const ProtobufCMessage *answer, GError **error)
{
        GByteArray *bytes = g_byte_array_new();

        g_byte_array_set_size(bytes, (guint)protobuf_c_message_get_packed_size(answer));
        protobuf_c_message_pack(answer, bytes->data);
        return dol_grpc_send(call->request, bytes, error);
}

static bool do_call(csi_call *call, const csi_method *method, const ProtobufCMessage *asked,
                    GError **error)
{
        ProtobufCMessage *answer = dol_csi_message(call, method->answered);

        return method->handle(call, asked, answer, error) &&
               (method->streams || dol_csi_send(call, answer, error));
}

static bool handle(dol_grpc_request *request, void *user, GError **error)
{
        const csi_method *method = dol_grpc_about(request);
        csi_call call = {.csi = user, .call = *dol_grpc_call(request), .request = request};
        size_t size;
        const uint8_t *bytes = dol_grpc_message(request, &size);
        ProtobufCMessage *asked;
        GError *why = NULL;
        bool done;

        if (!dol_csi_text_check(method->asked, bytes, size, error))
                return false;
        asked = protobuf_c_message_unpack(method->asked, NULL, size, bytes);
        if (!asked)
                return dol_fail(error, DOL_ERROR_INVALID, "the message cannot be read");
        call.call.actor = dol_client_words[DOL_CLIENT_CSI];
        call.memory = g_ptr_array_new_with_free_func(g_free);
        done = do_call(&call, method, asked, &why);
        g_ptr_array_unref(call.memory);
        protobuf_c_message_free_unpacked(asked, NULL);
        if (!done) {
                log_failure(&call, why);
                g_propagate_error(error, why);
        }
        return done;
}

static bool is_served(const csi_method *method, dol_csi_mode mode)
{
        return method->mode == DOL_CSI_NONE || mode == DOL_CSI_ALL || method->mode == mode;
}

dol_csi *dol_csi_new(dol_engine *engine, dol_csi_mode mode)
{
        dol_csi *csi = g_new0(dol_csi, 1);

        csi->engine = engine;
        csi->mode = mode;
        pthread_mutex_init(&csi->lock, NULL);
        dol_cond_init(&csi->freed);
        csi->pending = g_hash_table_new(g_str_hash, g_str_equal);
        csi->methods = g_array_new(true, true, sizeof(dol_grpc_method));
        for (unsigned i = 0; i < G_N_ELEMENTS(services); i++)
                for (const csi_method *each = services[i]; each->path; each++) {
                        dol_grpc_method method = {each->path, handle, each};

                        if (is_served(each, mode))
                                g_array_append_val(csi->methods, method);
                }
        return csi;
}

void dol_csi_free(dol_csi *csi)
{
        if (!csi)
                return;
        g_hash_table_unref(csi->pending);
        pthread_cond_destroy(&csi->freed);
        pthread_mutex_destroy(&csi->lock);
        g_array_unref(csi->methods);
        g_free(csi);
}

const dol_grpc_method *dol_csi_methods(const dol_csi *csi)
{
        return (const dol_grpc_method *)(const void *)csi->methods->data;
}
