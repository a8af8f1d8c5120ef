/* SPDX-License-Identifier: Apache-2.0 */
#include "net/grpc-private.h"

#include "base/clock.h"

#include <string.h>
#include <zlib.h>

enum { PREFIX_SIZE = 5, TEXT_MAX = 4096, PIECE = 16384 };

bool dol_grpc_timeout_parse(const char *text, int64_t *ret_usec)
{
        static const struct {
                char unit;
                int64_t usec;
        } units[] = {{'H', 3600 * DOL_USEC_PER_SEC},
                     {'M', 60 * DOL_USEC_PER_SEC},
                     {'S', DOL_USEC_PER_SEC},
                     {'m', DOL_USEC_PER_MSEC},
                     {'u', 1},
                     {'n', 0}};
        size_t digits = strspn(text, "0123456789");
        int64_t value = 0;

        if (digits < 1 || digits > 8 || strlen(text) != digits + 1)
                return false;
        for (size_t i = 0; i < digits; i++)
                value = value * 10 + (text[i] - '0');
        for (unsigned i = 0; i < G_N_ELEMENTS(units); i++)
                if (units[i].unit == text[digits]) {
                        *ret_usec = units[i].usec ? value * units[i].usec : value / 1000;
                        return true;
                }
        return false;
}

char *dol_grpc_percent_encode(const char *text)
{
        GString *out = g_string_new(NULL);

        for (const char *at = text; *at && out->len < TEXT_MAX; at++) {
                unsigned char byte = (unsigned char)*at;

                if (byte >= 0x20 && byte < 0x7f && byte != '%')
                        g_string_append_c(out, (char)byte);
                else
                        g_string_append_printf(out, "%%%02X", byte);
        }
        return g_string_free(out, false);
}

/* ---- messages ---- */

static bool fail(int *ret_code, int code, GError **error, const char *text)
{
        *ret_code = code;
        return dol_fail(error, DOL_ERROR_INVALID, "%s", text);
}

/* Inflates piece by piece, so that a small request cannot take much memory. */
static bool inflate_all(z_stream *stream, size_t max, GByteArray *out, int *ret_code,
                        GError **error)
{
        uint8_t piece[PIECE];
        int result;

        do {
                stream->next_out = piece;
                stream->avail_out = sizeof(piece);
                result = inflate(stream, Z_NO_FLUSH);
                if (result != Z_OK && result != Z_STREAM_END)
                        return fail(ret_code, DOL_GRPC_INTERNAL, error,
                                    "the compressed message is damaged");
                g_byte_array_append(out, piece, (guint)(sizeof(piece) - stream->avail_out));
                if (out->len > max)
                        return fail(ret_code, DOL_GRPC_RESOURCE_EXHAUSTED, error,
                                    "the message is too large when decompressed");
        } while (result != Z_STREAM_END);
        return stream->avail_in == 0 ||
               fail(ret_code, DOL_GRPC_INTERNAL, error, "bytes follow the compressed message");
}

static bool decompress(const uint8_t *bytes, size_t size, int window_bits, size_t max,
                       GByteArray **ret_message, int *ret_code, GError **error)
{
        z_stream stream = {.next_in = (uint8_t *)bytes, .avail_in = (uInt)size};
        g_autoptr(GByteArray) out = g_byte_array_new();
        bool ok;

        if (inflateInit2(&stream, window_bits) != Z_OK)
                return fail(ret_code, DOL_GRPC_INTERNAL, error, "cannot decompress");
        ok = inflate_all(&stream, max, out, ret_code, error);
        inflateEnd(&stream);
        if (ok)
                *ret_message = g_steal_pointer(&out);
        return ok;
}

static bool unpack(const uint8_t *bytes, size_t size, const char *encoding, size_t max,
                   GByteArray **ret_message, int *ret_code, GError **error)
{
        enum { GZIP_WINDOW = 15 + 16, ZLIB_WINDOW = 15 }; /* zlib.h, inflateInit2 */

        if (!encoding || strcmp(encoding, "identity") == 0)
                return fail(ret_code, DOL_GRPC_INTERNAL, error,
                            "the message is compressed, and grpc-encoding does not say how");
        if (strcmp(encoding, "gzip") == 0)
                return decompress(bytes, size, GZIP_WINDOW, max, ret_message, ret_code, error);
        if (strcmp(encoding, "deflate") == 0)
                return decompress(bytes, size, ZLIB_WINDOW, max, ret_message, ret_code, error);
        return fail(ret_code, DOL_GRPC_UNIMPLEMENTED, error,
                    "grpc-encoding: expected identity, gzip or deflate");
}

bool dol_grpc_unframe(GByteArray *body, const char *encoding, size_t max, GByteArray **ret_message,
                      int *ret_code, GError **error)
{
        const uint8_t *bytes = body->data;
        size_t size;

        if (body->len < PREFIX_SIZE)
                return fail(ret_code, DOL_GRPC_INTERNAL, error,
                            body->len ? "the message's prefix is cut off" : "there is no message");
        size = (size_t)bytes[1] << 24 | (size_t)bytes[2] << 16 | (size_t)bytes[3] << 8 | bytes[4];
        if (size > max)
                return fail(ret_code, DOL_GRPC_RESOURCE_EXHAUSTED, error,
                            "the message is too large");
        if (size != body->len - PREFIX_SIZE)
                return fail(ret_code, DOL_GRPC_INTERNAL, error,
                            size > body->len - PREFIX_SIZE ? "the message is cut off"
                                                           : "there is more than one message");
        if (bytes[0] > 1)
                return fail(ret_code, DOL_GRPC_INTERNAL, error,
                            "the message's prefix has unknown flags");
        if (bytes[0] == 1)
                return unpack(bytes + PREFIX_SIZE, size, encoding, max, ret_message, ret_code,
                              error);
        *ret_message = g_byte_array_append(g_byte_array_sized_new((guint)size), bytes + PREFIX_SIZE,
                                           (guint)size);
        return true;
}
