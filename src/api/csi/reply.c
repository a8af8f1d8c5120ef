/* SPDX-License-Identifier: Apache-2.0 */
#include "api/csi/private.h"

#include <stdarg.h>

void *dol_csi_alloc(csi_call *call, size_t size)
{
        void *memory = g_malloc0(size);

        g_ptr_array_add(call->memory, memory);
        return memory;
}

char *dol_csi_text(csi_call *call, const char *text)
{
        char *copy = g_strdup(text ? text : "");

        g_ptr_array_add(call->memory, copy);
        return copy;
}

void *dol_csi_message(csi_call *call, const ProtobufCMessageDescriptor *descriptor)
{
        ProtobufCMessage *message = dol_csi_alloc(call, descriptor->sizeof_message);

        protobuf_c_message_init(descriptor, message);
        return message;
}

bool dol_csi_fail(csi_call *call, int code, GError **error, const char *format, ...)
{
        g_autofree char *text = NULL;
        va_list args;

        va_start(args, format);
        text = g_strdup_vprintf(format, args);
        va_end(args);
        dol_grpc_set_code(call->request, code);
        return dol_fail(error, DOL_ERROR_INVALID, "%s", text);
}

bool dol_csi_recode(csi_call *call, GError **error, dol_error_kind kind, int code)
{
        if (dol_error_is(*error, kind))
                dol_grpc_set_code(call->request, code);
        return false;
}
