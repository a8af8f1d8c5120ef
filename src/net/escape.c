/* SPDX-License-Identifier: Apache-2.0 */
/* Percent-encoding (RFC 3986), both ways. */
#include "net/http-private.h"

#include <string.h>

/* Bytes of a client's text that are repeated to it. */
enum { QUOTE_MAX = 100 };

char *dol_http_escape(const char *text)
{
        return g_uri_escape_string(text, NULL, false);
}

/* The byte of two hexadecimal digits; -1 when they are not. */
static int byte_of(const char *digits)
{
        int high = g_ascii_xdigit_value(digits[0]);
        int low = high < 0 ? -1 : g_ascii_xdigit_value(digits[1]);

        return low < 0 ? -1 : high * 16 + low;
}

/* Appends the decoded text; false when a '%' is not followed by two digits of this text. */
static bool decode(GString *to, const char *text, size_t size, bool plus_is_space)
{
        for (size_t i = 0; i < size; i++) {
                int byte = (unsigned char)text[i];

                if (byte == '+' && plus_is_space)
                        byte = ' ';
                if (byte == '%') {
                        byte = size - i > 2 ? byte_of(&text[i + 1]) : -1;
                        i += 2;
                }
                if (byte < 0)
                        return false;
                g_string_append_c(to, (char)byte);
        }
        return true;
}

static bool decode_text(GString *to, const char *text, size_t size, bool plus_is_space,
                        GError **error)
{
        g_autofree char *quotable = g_utf8_make_valid(text, (gssize)MIN(size, QUOTE_MAX));

        if (!decode(to, text, size, plus_is_space))
                return dol_fail(error, DOL_ERROR_INVALID,
                                "'%s': a '%%' needs two hexadecimal digits", quotable);
        if (memchr(to->str, '\0', to->len))
                return dol_fail(error, DOL_ERROR_INVALID, "'%s': a NUL is not allowed", quotable);
        if (!g_utf8_validate(to->str, (gssize)to->len, NULL))
                return dol_fail(error, DOL_ERROR_INVALID, "'%s': not valid UTF-8", quotable);
        return true;
}

char *dol_http_unescape(const char *text, size_t size, bool plus_is_space, GError **error)
{
        g_autoptr(GString) to = g_string_sized_new(size);

        if (!decode_text(to, text, size, plus_is_space, error))
                return NULL;
        return g_string_free(g_steal_pointer(&to), false);
}

char *dol_http_quotable(const char *text)
{
        size_t size = strlen(text);

        return g_utf8_make_valid(text, (gssize)MIN(size, QUOTE_MAX));
}
