/* SPDX-License-Identifier: Apache-2.0 */
/* YAML out of JSON. libfyaml keeps a scalar's quotes, so the document is handed to it as JSON in
 * which harmless words have lost theirs. */
#include "cmd/dolium/document.h"

#include <libfyaml.h>
#include <stdlib.h>
#include <string.h>

static void append_loose(GString *to, const json_t *value);

/* true for text that is a string to readers of YAML 1.1 and 1.2 alike. */
static bool is_plain(const char *text)
{
        static const char *const special[] = {"y",   "n",    "yes",   "no",   "on",
                                              "off", "true", "false", "null", NULL};
        g_autofree char *lower = g_ascii_strdown(text, -1);

        if (g_uuid_string_is_valid(text))
                return true;
        return (g_ascii_isalpha(text[0]) || text[0] == '/') && !g_strv_contains(special, lower) &&
               strspn(lower, "abcdefghijklmnopqrstuvwxyz0123456789_-./") == strlen(lower);
}

static void append_text(GString *to, const char *text)
{
        g_autoptr(dol_json) string = NULL;
        g_autofree char *quoted = NULL;

        if (is_plain(text)) {
                g_string_append(to, text);
                return;
        }
        string = json_string(text);
        quoted = dol_json_print(string, true);
        g_string_append_len(to, quoted, (gssize)strlen(quoted) - 1);
}

static void append_object(GString *to, const json_t *object)
{
        const char *separator = "", *key;
        json_t *value;

        g_string_append_c(to, '{');
        json_object_foreach((json_t *)object, key, value)
        {
                g_string_append(to, separator);
                append_text(to, key);
                g_string_append(to, ": ");
                append_loose(to, value);
                separator = ", ";
        }
        g_string_append_c(to, '}');
}

static void append_array(GString *to, const json_t *array)
{
        const char *separator = "";
        size_t index;
        json_t *value;

        g_string_append_c(to, '[');
        json_array_foreach(array, index, value)
        {
                g_string_append(to, separator);
                append_loose(to, value);
                separator = ", ";
        }
        g_string_append_c(to, ']');
}

static void append_loose(GString *to, const json_t *value)
{
        g_autofree char *scalar = NULL;

        if (json_is_object(value)) {
                append_object(to, value);
        } else if (json_is_array(value)) {
                append_array(to, value);
        } else if (json_is_string(value)) {
                append_text(to, json_string_value(value));
        } else {
                scalar = dol_json_print(value, true);
                g_string_append_len(to, scalar, (gssize)strlen(scalar) - 1);
        }
}

char *dol_yaml_print(const json_t *document)
{
        static const struct fy_parse_cfg config = {.flags = FYPCF_QUIET};
        g_autoptr(GString) loose = g_string_new(NULL);
        struct fy_document *yaml;
        char *block, *text;

        append_loose(loose, document);
        yaml = fy_document_build_from_string(&config, loose->str, loose->len);
        block = yaml ? fy_emit_document_to_string(yaml, FYECF_MODE_BLOCK | FYECF_WIDTH_INF) : NULL;
        /* JSON is YAML too, should libfyaml ever stumble */
        text = block ? g_strdup(block) : dol_json_print(document, false);
        free(block);
        fy_document_destroy(yaml);
        return text;
}
