/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/scalar.h"

#include "base/clock.h"
#include "codec/units.h"

#include <stdlib.h>
#include <string.h>

static const char *type_name(json_t *json)
{
        static const char *const names[] = {
                [JSON_OBJECT] = "an object", [JSON_ARRAY] = "a list",    [JSON_STRING] = "a string",
                [JSON_INTEGER] = "a number", [JSON_REAL] = "a fraction", [JSON_TRUE] = "true",
                [JSON_FALSE] = "false",      [JSON_NULL] = "null",
        };

        return names[json_typeof(json)];
}

bool dol_scalar_refuse(json_t *json, const char *expected, GError **error)
{
        return dol_fail(error, DOL_ERROR_INVALID, "expected %s, got %s", expected, type_name(json));
}

static bool decode_bool(const dol_field *field, json_t *json, void *at, GError **error)
{
        if (!json_is_boolean(json))
                return dol_scalar_refuse(json, "true or false", error);
        *(bool *)at = json_is_true(json);
        return true;
}

static bool decode_int(const dol_field *field, json_t *json, void *at, GError **error)
{
        if (!json_is_integer(json))
                return dol_scalar_refuse(json, "a whole number", error);
        *(int64_t *)at = json_integer_value(json);
        return true;
}

static bool decode_uint(const dol_field *field, json_t *json, void *at, GError **error)
{
        if (!json_is_integer(json))
                return dol_scalar_refuse(json, "a whole number", error);
        if (json_integer_value(json) < 0)
                return dol_fail(error, DOL_ERROR_INVALID,
                                "expected a number >= 0, got %" JSON_INTEGER_FORMAT,
                                json_integer_value(json));
        *(uint64_t *)at = (uint64_t)json_integer_value(json);
        return true;
}

static bool decode_double(const dol_field *field, json_t *json, void *at, GError **error)
{
        if (!json_is_number(json))
                return dol_scalar_refuse(json, "a number", error);
        *(double *)at = json_number_value(json);
        return true;
}

static bool decode_size(const dol_field *field, json_t *json, void *at, GError **error)
{
        if (json_is_string(json))
                return dol_size_parse(json_string_value(json), at, error);
        if (json_is_integer(json))
                return decode_uint(field, json, at, error);
        return dol_scalar_refuse(json, "a size like \"10G\"", error);
}

static bool decode_duration(const dol_field *field, json_t *json, void *at, GError **error)
{
        static const int64_t seconds_max = DOL_DURATION_MAX_USEC / DOL_USEC_PER_SEC;
        int64_t seconds = json_integer_value(json);

        if (json_is_string(json))
                return dol_duration_parse(json_string_value(json), at, error);
        if (!json_is_integer(json))
                return dol_scalar_refuse(json, "a duration like \"24h\"", error);
        if (seconds < 0 || seconds > seconds_max)
                return dol_fail(error, DOL_ERROR_INVALID,
                                "expected a duration from 0 to 100 years in seconds, got "
                                "%" G_GINT64_FORMAT,
                                seconds);
        *(int64_t *)at = seconds * DOL_USEC_PER_SEC;
        return true;
}

static bool decode_time(const dol_field *field, json_t *json, void *at, GError **error)
{
        if (!json_is_string(json))
                return dol_scalar_refuse(json, "a time like \"2026-01-31T08:00:00Z\"", error);
        return dol_time_parse(json_string_value(json), at, error);
}

static bool decode_string(const dol_field *field, json_t *json, void *at, GError **error)
{
        if (!json_is_string(json))
                return dol_scalar_refuse(json, "a string", error);
        g_free(*(char **)at);
        *(char **)at = g_strdup(json_string_value(json));
        return true;
}

static bool decode_enum(const dol_field *field, json_t *json, void *at, GError **error)
{
        g_autofree char *words = g_strjoinv(", ", (char **)field->words);
        g_autofree char *expected = g_strdup_printf("one of %s", words);

        if (!json_is_string(json))
                return dol_scalar_refuse(json, expected, error);
        for (int i = 0; field->words[i]; i++)
                if (strcmp(field->words[i], json_string_value(json)) == 0) {
                        *(int *)at = i;
                        return true;
                }
        return dol_fail(error, DOL_ERROR_INVALID, "expected %s, got '%.64s'", expected,
                        json_string_value(json));
}

static bool decode_mode(const dol_field *field, json_t *json, void *at, GError **error)
{
        if (!json_is_string(json))
                return dol_scalar_refuse(json, "a mode like \"0755\"", error);
        return dol_mode_parse(json_string_value(json), at, error);
}

static bool decode_any(const dol_field *field, json_t *json, void *at, GError **error)
{
        char *text = json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY | JSON_SORT_KEYS);

        if (!text)
                return dol_fail(error, DOL_ERROR_INVALID, "expected JSON that is less deep");
        g_free(*(char **)at);
        *(char **)at = g_strdup(text);
        free(text);
        return true;
}

bool dol_scalar_decode(const dol_field *field, json_t *json, void *at, GError **error)
{
        static bool (*const decoders[])(const dol_field *, json_t *, void *, GError **) = {
                [DOL_BOOL] = decode_bool, [DOL_INT] = decode_int,
                [DOL_UINT] = decode_uint, [DOL_DOUBLE] = decode_double,
                [DOL_SIZE] = decode_size, [DOL_DURATION] = decode_duration,
                [DOL_TIME] = decode_time, [DOL_STRING] = decode_string,
                [DOL_ENUM] = decode_enum, [DOL_MODE] = decode_mode,
                [DOL_ANY] = decode_any,
        };

        return decoders[field->kind](field, json, at, error);
}
