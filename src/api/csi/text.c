/* SPDX-License-Identifier: Apache-2.0 */
/* A walk over the wire form of a message (protobuf's encoding), by its descriptor. */
#include "api/csi/private.h"

#include <string.h>

enum { FIELDS_MAX = 16384, DEPTH_MAX = 16, TEXT_MAX = 4096 };

typedef struct {
        const uint8_t *at, *end;
} cursor;

/* How far a walk has come. */
typedef struct {
        unsigned fields, depth;
} walk;

static bool walk_message(walk *state, const ProtobufCMessageDescriptor *descriptor, cursor bytes,
                         GError **error);

static bool cut_off(GError **error)
{
        return dol_fail(error, DOL_ERROR_INVALID, "the message is cut off or damaged");
}

static bool read_varint(cursor *bytes, uint64_t *ret, GError **error)
{
        *ret = 0;
        for (unsigned shift = 0; shift < 64 && bytes->at < bytes->end; shift += 7) {
                uint8_t byte = *bytes->at++;

                *ret |= (uint64_t)(byte & 0x7f) << shift;
                if (!(byte & 0x80))
                        return true;
        }
        return cut_off(error);
}

static bool skip(cursor *bytes, size_t size, GError **error)
{
        if ((size_t)(bytes->end - bytes->at) < size)
                return cut_off(error);
        bytes->at += size;
        return true;
}

static bool check_text(const ProtobufCFieldDescriptor *field, cursor bytes, GError **error)
{
        size_t size = (size_t)(bytes.end - bytes.at);

        if (size > TEXT_MAX)
                return dol_fail(error, DOL_ERROR_INVALID, "%s: longer than %d bytes", field->name,
                                TEXT_MAX);
        if (!g_utf8_validate_len((const char *)bytes.at, size, NULL))
                return dol_fail(error, DOL_ERROR_INVALID, "%s: not valid UTF-8, or a NUL in it",
                                field->name);
        return true;
}

static bool walk_sized(walk *state, const ProtobufCFieldDescriptor *field, cursor *bytes,
                       GError **error)
{
        cursor inside = {0};
        uint64_t size;

        if (!read_varint(bytes, &size, error))
                return false;
        inside.at = bytes->at;
        if (!skip(bytes, size, error))
                return false;
        inside.end = bytes->at;
        if (field && field->type == PROTOBUF_C_TYPE_STRING)
                return check_text(field, inside, error);
        if (field && field->type == PROTOBUF_C_TYPE_MESSAGE)
                return walk_message(state, field->descriptor, inside, error) ||
                       dol_fail_while(error, "%s", field->name);
        return true;
}

static bool walk_field(walk *state, const ProtobufCMessageDescriptor *descriptor, cursor *bytes,
                       GError **error)
{
        enum { VARINT = 0, FIXED64 = 1, SIZED = 2, FIXED32 = 5 };
        const ProtobufCFieldDescriptor *field;
        uint64_t tag, ignored;

        if (!read_varint(bytes, &tag, error))
                return false;
        if (tag >> 3 == 0 || tag >> 3 >= UINT64_C(1) << 29)
                return cut_off(error);
        field = protobuf_c_message_descriptor_get_field(descriptor, (unsigned)(tag >> 3));
        if (++state->fields > FIELDS_MAX)
                return dol_fail(error, DOL_ERROR_INVALID, "more than %d fields", FIELDS_MAX);
        switch (tag & 7) {
        case VARINT:
                return read_varint(bytes, &ignored, error);
        case FIXED64:
                return skip(bytes, 8, error);
        case SIZED:
                return walk_sized(state, field, bytes, error);
        case FIXED32:
                return skip(bytes, 4, error);
        default:
                return cut_off(error);
        }
}

static bool walk_message(walk *state, const ProtobufCMessageDescriptor *descriptor, cursor bytes,
                         GError **error)
{
        if (++state->depth > DEPTH_MAX)
                return dol_fail(error, DOL_ERROR_INVALID, "messages in messages, %d deep",
                                DEPTH_MAX);
        while (bytes.at < bytes.end)
                if (!walk_field(state, descriptor, &bytes, error))
                        return false;
        state->depth--;
        return true;
}

bool dol_csi_text_check(const ProtobufCMessageDescriptor *descriptor, const uint8_t *bytes,
                        size_t size, GError **error)
{
        walk state = {0};

        return size == 0 || walk_message(&state, descriptor, (cursor){bytes, bytes + size}, error);
}

bool dol_csi_required(const char *field, const char *value, GError **error)
{
        enum { REQUIRED_MAX = 128 };

        if (!value || *value == '\0')
                return dol_fail(error, DOL_ERROR_INVALID, "%s: is required", field);
        return strlen(value) <= REQUIRED_MAX ||
               dol_fail(error, DOL_ERROR_INVALID, "%s: longer than %d bytes", field, REQUIRED_MAX);
}
