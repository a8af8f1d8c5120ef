/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/dolium/document.h"

#include <stdlib.h>
#include <string.h>

/* The member named by the first part of the path; *path goes on to the next part, NULL at the end.
 */
static const json_t *step(const json_t *document, const char **path)
{
        size_t length = strcspn(*path, ".");
        g_autofree char *key = g_strndup(*path, length);

        *path = (*path)[length] ? *path + length + 1 : NULL;
        return json_object_get(document, key);
}

const json_t *dol_json_at(const json_t *document, const char *path)
{
        while (document && path)
                document = step(document, &path);
        return document;
}

const char *dol_json_text(const json_t *document, const char *path)
{
        return json_string_value(dol_json_at(document, path));
}

int64_t dol_json_number(const json_t *document, const char *path)
{
        return json_integer_value(dol_json_at(document, path));
}

void dol_json_put(json_t *document, const char *path, json_t *value)
{
        g_auto(GStrv) keys = g_strsplit(path, ".", -1);
        unsigned last = g_strv_length(keys) - 1;

        for (unsigned i = 0; i < last; i++) {
                json_t *inner = json_object_get(document, keys[i]);

                if (!inner) {
                        inner = json_object();
                        json_object_set_new(document, keys[i], inner);
                }
                document = inner;
        }
        json_object_set_new(document, keys[last], value);
}

/* true for characters that stand in JSON text as they are but that a terminal obeys (DEL and C1),
 * or that YAML readers take for the end of a line or of the text's beginning. */
static bool is_trouble(gunichar letter)
{
        return (letter >= 0x7f && letter <= 0x9f) || letter == 0x2028 || letter == 0x2029 ||
               letter == 0xfeff;
}

static char *escape_trouble(const char *text)
{
        GString *escaped = g_string_sized_new(strlen(text) + 1);

        for (const char *c = text; *c; c = g_utf8_next_char(c)) {
                gunichar letter = g_utf8_get_char(c);

                if (is_trouble(letter))
                        g_string_append_printf(escaped, "\\u%04x", letter);
                else
                        g_string_append_len(escaped, c, g_utf8_next_char(c) - c);
        }
        return g_string_free(escaped, false);
}

char *dol_json_print(const json_t *document, bool compact)
{
        /* 15 digits: 0.8 stays 0.8 */
        size_t flags = JSON_ENCODE_ANY | JSON_REAL_PRECISION(15) |
                       (compact ? JSON_COMPACT : JSON_INDENT(2));
        char *raw = json_dumps(document, flags);
        g_autofree char *text = escape_trouble(raw);

        free(raw);
        return g_strconcat(text, "\n", NULL);
}
