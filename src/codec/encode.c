/* SPDX-License-Identifier: Apache-2.0 */
/* Structs to JSON text, written straight from the rows: a long list builds no tree of JSON values
 * only to print it. */
#include "codec/schema.h"

#include "base/clock.h"
#include "codec/units.h"

#include <math.h>
#include <string.h>

/* Appends one member of a struct; `at` is where it is. */
typedef void (*append_fn)(GString *to, const dol_field *field, const void *at,
                          dol_encode_for reader);

/* Appends one character that cannot stand for itself in a string literal. */
static void append_escaped(GString *to, char c)
{
        if (c == '"' || c == '\\')
                g_string_append_printf(to, "\\%c", c);
        else if (c == '\n')
                g_string_append(to, "\\n");
        else
                g_string_append_printf(to, "\\u%04x", (unsigned char)c);
}

void dol_json_append_string(GString *to, const char *text)
{
        g_autofree char *repaired =
                g_utf8_validate(text, -1, NULL) ? NULL : g_utf8_make_valid(text, -1);
        const char *plain = repaired ? repaired : text;

        g_string_append_c(to, '"');
        for (const char *c = plain;; c++) {
                if ((unsigned char)*c >= 0x20 && *c != '"' && *c != '\\' && *c != 0x7f)
                        continue;
                g_string_append_len(to, plain, c - plain);
                if (*c == '\0')
                        break;
                append_escaped(to, *c);
                plain = c + 1;
        }
        g_string_append_c(to, '"');
}

static void append_owned(GString *to, char *text)
{
        dol_json_append_string(to, text);
        g_free(text);
}

#define APPENDER(name)                                                                 \
        static void append_##name(GString *to, const dol_field *field, const void *at, \
                                  dol_encode_for reader)

APPENDER(bool)
{
        g_string_append(to, *(const bool *)at ? "true" : "false");
}

APPENDER(int)
{
        g_string_append_printf(to, "%" G_GINT64_FORMAT, *(const int64_t *)at);
}

APPENDER(uint)
{
        g_string_append_printf(to, "%" G_GUINT64_FORMAT, *(const uint64_t *)at);
}

/* The shortest text that reads back as the same number: 0.8, not 0.80000000000000004. */
APPENDER(double)
{
        char text[G_ASCII_DTOSTR_BUF_SIZE];
        double value = isfinite(*(const double *)at) ? *(const double *)at : 0;

        g_ascii_formatd(text, sizeof(text), "%.15g", value);
        if (g_ascii_strtod(text, NULL) != value)
                g_ascii_dtostr(text, sizeof(text), value);
        g_string_append(to, text);
}

APPENDER(duration)
{
        append_owned(to, dol_duration_format(*(const int64_t *)at));
}

APPENDER(time)
{
        append_owned(to, dol_time_format(*(const int64_t *)at));
}

APPENDER(string)
{
        const char *text = *(char *const *)at;

        dol_json_append_string(to, text ? text : "");
}

APPENDER(enum)
{
        dol_json_append_string(to, field->words[*(const int *)at]);
}

APPENDER(mode)
{
        g_string_append_printf(to, "\"%04o\"", *(const uint32_t *)at);
}

APPENDER(map)
{
        GHashTable *map = *(GHashTable *const *)at;
        g_autofree const char **keys = map ? dol_map_keys(map) : NULL;

        g_string_append_c(to, '{');
        for (unsigned i = 0; keys && keys[i]; i++) {
                if (i)
                        g_string_append_c(to, ',');
                dol_json_append_string(to, keys[i]);
                g_string_append_c(to, ':');
                dol_json_append_string(to, g_hash_table_lookup(map, keys[i]));
        }
        g_string_append_c(to, '}');
}

APPENDER(strings)
{
        char **strings = *(char **const *)at;

        g_string_append_c(to, '[');
        for (unsigned i = 0; strings && strings[i]; i++) {
                if (i)
                        g_string_append_c(to, ',');
                dol_json_append_string(to, strings[i]);
        }
        g_string_append_c(to, ']');
}

APPENDER(object)
{
        dol_json_encode(field->schema, at, reader, to);
}

APPENDER(optional)
{
        dol_json_encode(field->schema, *(void *const *)at, reader, to);
}

APPENDER(array)
{
        GPtrArray *array = *(GPtrArray *const *)at;

        g_string_append_c(to, '[');
        for (unsigned i = 0; array && i < array->len; i++) {
                if (i)
                        g_string_append_c(to, ',');
                dol_json_encode(field->schema, array->pdata[i], reader, to);
        }
        g_string_append_c(to, ']');
}

APPENDER(any)
{
        g_string_append(to, *(char *const *)at);
}

static const append_fn appenders[] = {
        [DOL_BOOL] = append_bool,     [DOL_INT] = append_int,
        [DOL_UINT] = append_uint,     [DOL_DOUBLE] = append_double,
        [DOL_SIZE] = append_uint,     [DOL_DURATION] = append_duration,
        [DOL_TIME] = append_time,     [DOL_STRING] = append_string,
        [DOL_ENUM] = append_enum,     [DOL_MODE] = append_mode,
        [DOL_MAP] = append_map,       [DOL_STRINGS] = append_strings,
        [DOL_OBJECT] = append_object, [DOL_OPTIONAL] = append_optional,
        [DOL_ARRAY] = append_array,   [DOL_ANY] = append_any,
};

static bool is_empty(const dol_field *field, const void *at)
{
        switch (field->kind) {
        case DOL_BOOL:
                return !*(const bool *)at;
        case DOL_INT:
        case DOL_DURATION:
        case DOL_TIME:
                return *(const int64_t *)at == 0;
        case DOL_UINT:
        case DOL_SIZE:
                return *(const uint64_t *)at == 0;
        case DOL_DOUBLE:
                return *(const double *)at == 0;
        case DOL_ENUM:
        case DOL_OBJECT:
                return false;
        case DOL_MODE:
                return *(const uint32_t *)at == 0;
        case DOL_MAP:
                return !*(GHashTable *const *)at || !g_hash_table_size(*(GHashTable *const *)at);
        case DOL_STRINGS:
                return !*(char **const *)at || !**(char **const *)at;
        case DOL_ARRAY:
                return !*(GPtrArray *const *)at || !(*(GPtrArray *const *)at)->len;
        case DOL_STRING:
        case DOL_ANY:
        case DOL_OPTIONAL:
                return !*(void *const *)at;
        default:
                return true;
        }
}

static bool is_written(const dol_field *field, const void *at, dol_encode_for reader)
{
        if (field->flags & DOL_SECRET)
                return false;
        if (reader == DOL_ENCODE_CLIENT && (field->flags & DOL_INTERNAL))
                return false;
        if (!is_empty(field, at))
                return true;
        /* an absent object has no form to show */
        return (field->flags & DOL_SHOW_EMPTY) && field->kind != DOL_OPTIONAL &&
               field->kind != DOL_ANY && field->kind != DOL_TIME;
}

void dol_json_encode(const dol_schema *schema, const void *from, dol_encode_for reader, GString *to)
{
        bool first = true;

        g_string_append_c(to, '{');
        for (const dol_field *field = schema->fields; field->key; field++) {
                const void *at = (const char *)from + field->offset;

                if (!is_written(field, at, reader))
                        continue;
                if (!first)
                        g_string_append_c(to, ',');
                first = false;
                g_string_append_c(to, '"');
                g_string_append(to, field->key);
                g_string_append(to, "\":");
                appenders[field->kind](to, field, at, reader);
        }
        g_string_append_c(to, '}');
}
