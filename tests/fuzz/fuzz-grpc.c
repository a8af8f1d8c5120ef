/* SPDX-License-Identifier: Apache-2.0 */
/* What a gRPC client sends: the message's frame (and compression, as the first byte says), then
 * the walk over a CSI message. What the walk lets through, protobuf-c reads or refuses. */
#include "fuzz.h"

#include "api/csi/private.h"
#include "net/grpc-private.h"

#include <string.h>

static void try_message(const uint8_t *bytes, size_t size)
{
        const ProtobufCMessageDescriptor *descriptor = &csi__v1__volume_capability__descriptor;
        ProtobufCMessage *message;
        g_autoptr(GError) error = NULL;

        if (!dol_csi_text_check(descriptor, bytes, size, &error)) {
                fuzz_require(dol_error_is(error, DOL_ERROR_INVALID));
                return;
        }
        message = protobuf_c_message_unpack(descriptor, NULL, size, bytes);
        if (message)
                protobuf_c_message_free_unpacked(message, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static const char *const encodings[] = {NULL, "identity", "gzip", "deflate"};
        g_autoptr(GByteArray) body = g_byte_array_new();
        g_autoptr(GByteArray) message = NULL;
        g_autoptr(GError) error = NULL;
        g_autofree char *text = fuzz_text(data, size), *encoded = dol_grpc_percent_encode(text);
        int64_t usec = 0;
        int code = 0;

        fuzz_require(strlen(encoded) < 8192);
        if (dol_grpc_timeout_parse(text, &usec))
                fuzz_require(usec >= 0);
        try_message(data, size);
        if (size < 1)
                return 0;
        g_byte_array_append(body, data + 1, (guint)size - 1);
        if (dol_grpc_unframe(body, encodings[data[0] % 4], 65536, &message, &code, &error)) {
                fuzz_require(message->len <= 65536);
                try_message(message->data, message->len);
        } else {
                fuzz_require(code > 0 && error && !message);
        }
        return 0;
}
