/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/dolium/text.h"

#include <glib.h>

size_t dol_text_width(const char *text)
{
        size_t width = 0;

        for (const char *c = text; *c; c = g_utf8_next_char(c)) {
                gunichar letter = g_utf8_get_char(c);

                if (!g_unichar_iszerowidth(letter))
                        width += g_unichar_iswide(letter) ? 2 : 1;
        }
        return width;
}

/* Characters that turn the direction of the text after them around. */
static bool is_override(gunichar letter)
{
        return (letter >= 0x202a && letter <= 0x202e) || (letter >= 0x2066 && letter <= 0x2069);
}

char *dol_text_shown(const char *text, bool lines)
{
        g_autofree char *valid = g_utf8_make_valid(text, -1);
        GString *shown = g_string_new(NULL);

        for (const char *c = valid; *c; c = g_utf8_next_char(c)) {
                gunichar letter = g_utf8_get_char(c);

                if (g_unichar_iscntrl(letter) && !(lines && letter == '\n'))
                        g_string_append_printf(shown, "\\x%02x", letter);
                else if (is_override(letter))
                        g_string_append_printf(shown, "\\u{%04x}", letter);
                else
                        g_string_append_unichar(shown, letter);
        }
        return g_string_free(shown, false);
}
