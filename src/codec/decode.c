/* SPDX-License-Identifier: Apache-2.0 */
/* JSON text to structs. jansson does the syntax (exact 64-bit integers; duplicate keys, bad UTF-8
 * and NUL refused); the rows do the meaning; scalar.c the single values. */
#include "codec/scalar.h"
#include "codec/schema.h"

#include <jansson.h>
#include <string.h>

/* Long keys of a client are not repeated in full. */
enum { KEY_SHOWN_MAX = 64 };
enum { ONTO_FILLED = DOL_DECODE_MERGE | DOL_DECODE_DEFAULTS };

typedef json_t json_auto;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(json_auto, json_decref)

typedef struct {
        unsigned flags; /* DOL_DECODE_*, as they are in force for this value */
        GString *path;  /* of this value: "spec.size"; after a failure, of the wrong one */
        GError **error;
} reader;

static bool decode_object(const reader *from, const dol_schema *schema, json_t *json, void *out);

static void enter_key(const reader *from, const char *key)
{
        if (from->path->len)
                g_string_append_c(from->path, '.');
        g_string_append_len(from->path, key, (ssize_t)strnlen(key, KEY_SHOWN_MAX));
}

/* What is new has nothing to be merged with. */
static reader of_new(const reader *from)
{
        reader plain = *from;

        plain.flags &= ~(unsigned)ONTO_FILLED;
        return plain;
}

static bool decode_map_value(const reader *from, const char *key, json_t *value, GHashTable *map)
{
        if (json_is_null(value) && (from->flags & DOL_DECODE_MERGE)) {
                g_hash_table_remove(map, key);
                return true;
        }
        if (!json_is_string(value))
                return dol_scalar_refuse(value, "a string", from->error);
        g_hash_table_replace(map, g_strdup(key), g_strdup(json_string_value(value)));
        return true;
}

static bool decode_map(const reader *from, const dol_field *field, json_t *json, void *at)
{
        GHashTable **map = at;
        size_t depth = from->path->len;
        const char *key;
        json_t *value;

        if (!json_is_object(json))
                return dol_scalar_refuse(json, "an object of strings", from->error);
        if (!*map)
                *map = dol_map_new();
        json_object_foreach(json, key, value)
        {
                enter_key(from, key);
                if (!decode_map_value(from, key, value, *map))
                        return false;
                g_string_truncate(from->path, depth);
        }
        return true;
}

static bool decode_strings(const reader *from, const dol_field *field, json_t *json, void *at)
{
        g_autoptr(GStrvBuilder) strings = g_strv_builder_new();
        char ***strv = at;
        size_t index;
        json_t *value;

        if (!json_is_array(json))
                return dol_scalar_refuse(json, "a list of strings", from->error);
        json_array_foreach(json, index, value)
        {
                if (!json_is_string(value)) {
                        g_string_append_printf(from->path, "[%zu]", index);
                        return dol_scalar_refuse(value, "a string", from->error);
                }
                g_strv_builder_add(strings, json_string_value(value));
        }
        g_strfreev(*strv);
        *strv = g_strv_builder_end(strings);
        return true;
}

static void free_elements(const dol_schema *schema, GPtrArray *array)
{
        for (unsigned i = 0; array && i < array->len; i++)
                dol_schema_free(schema, array->pdata[i]);
        if (array)
                g_ptr_array_unref(array);
}

static bool decode_array(const reader *from, const dol_field *field, json_t *json, void *at)
{
        reader plain = of_new(from);
        size_t depth = from->path->len;
        GPtrArray **old = at, *array;
        size_t index;
        json_t *value;

        if (!json_is_array(json))
                return dol_scalar_refuse(json, "a list", from->error);
        array = g_ptr_array_new();
        json_array_foreach(json, index, value)
        {
                void *element = g_malloc0(field->schema->size);

                g_string_append_printf(from->path, "[%zu]", index);
                if (!decode_object(&plain, field->schema, value, element)) {
                        g_free(element);
                        free_elements(field->schema, array);
                        return false;
                }
                g_string_truncate(from->path, depth);
                g_ptr_array_add(array, element);
        }
        free_elements(field->schema, *old);
        *old = array;
        return true;
}

static bool decode_in_place(const reader *from, const dol_field *field, json_t *json, void *at)
{
        return decode_object(from, field->schema, json, at);
}

static bool decode_optional(const reader *from, const dol_field *field, json_t *json, void *at)
{
        reader plain = of_new(from);
        void **object = at, *fresh;

        if (*object)
                return decode_object(from, field->schema, json, *object);
        fresh = g_malloc0(field->schema->size);
        if (!decode_object(&plain, field->schema, json, fresh)) {
                g_free(fresh);
                return false;
        }
        *object = fresh;
        return true;
}

static bool decode_value(const reader *from, const dol_field *field, json_t *json, void *at)
{
        static bool (*const decoders[DOL_ANY + 1])(const reader *, const dol_field *, json_t *,
                                                   void *) = {
                [DOL_MAP] = decode_map,         [DOL_STRINGS] = decode_strings,
                [DOL_OBJECT] = decode_in_place, [DOL_OPTIONAL] = decode_optional,
                [DOL_ARRAY] = decode_array,
        };

        if (decoders[field->kind])
                return decoders[field->kind](from, field, json, at);
        return dol_scalar_decode(field, json, at, from->error);
}

static size_t width_of(const dol_field *field)
{
        static const size_t widths[DOL_ANY + 1] = {
                [DOL_BOOL] = sizeof(bool),
                [DOL_ENUM] = sizeof(int),
                [DOL_MODE] = sizeof(uint32_t),
        };

        if (field->kind == DOL_OBJECT)
                return field->schema->size;
        return widths[field->kind] ? widths[field->kind] : sizeof(uint64_t);
}

/* Sets one field back to zero through a schema of that one row. */
static void empty_field(const dol_field *field, void *out)
{
        const dol_field rows[] = {*field, {NULL}};
        const dol_schema one = {NULL, 0, rows};

        dol_schema_clear(&one, out);
        memset((char *)out + field->offset, 0, width_of(field));
}

static bool is_hidden(const reader *from, const dol_field *field)
{
        return (from->flags & DOL_DECODE_REQUEST) && (field->flags & DOL_INTERNAL);
}

static const dol_field *find_field(const reader *from, const dol_schema *schema, const char *key)
{
        for (const dol_field *field = schema->fields; field->key; field++)
                if (strcmp(field->key, key) == 0)
                        return is_hidden(from, field) ? NULL : field;
        return NULL;
}

static bool unknown_field(const reader *from, const dol_schema *schema)
{
        g_autoptr(GString) known = g_string_new(NULL);

        for (const dol_field *field = schema->fields; field->key; field++) {
                if (is_hidden(from, field) ||
                    ((from->flags & DOL_DECODE_REQUEST) && (field->flags & DOL_READONLY)))
                        continue;
                g_string_append_printf(known, "%s%s", known->len ? ", " : "", field->key);
        }
        return dol_fail(from->error, DOL_ERROR_INVALID, "unknown field (known: %s)", known->str);
}

static bool decode_member(const reader *from, const dol_schema *schema, const char *key,
                          json_t *value, void *out)
{
        const dol_field *field = find_field(from, schema, key);

        if (!field)
                return (from->flags & DOL_DECODE_LENIENT) || unknown_field(from, schema);
        if ((from->flags & DOL_DECODE_REQUEST) && (field->flags & DOL_READONLY))
                return dol_fail(from->error, DOL_ERROR_INVALID, "this field is read-only");
        if (!json_is_null(value))
                return decode_value(from, field, value, (char *)out + field->offset);
        if (field->flags & DOL_REQUIRED)
                return dol_fail(from->error, DOL_ERROR_INVALID, "this field is required");
        if (!(from->flags & DOL_DECODE_MERGE))
                return true;
        if (field->flags & DOL_NOT_NULL)
                return dol_fail(from->error, DOL_ERROR_INVALID,
                                "this field cannot be taken away: null is not allowed");
        empty_field(field, out);
        return true;
}

static bool decode_members(const reader *from, const dol_schema *schema, json_t *json, void *out)
{
        size_t depth = from->path->len;
        const char *key;
        json_t *value;

        json_object_foreach(json, key, value)
        {
                enter_key(from, key);
                if (!decode_member(from, schema, key, value, out))
                        return false;
                g_string_truncate(from->path, depth);
        }
        for (const dol_field *field = schema->fields; field->key; field++)
                if ((field->flags & DOL_REQUIRED) && !(from->flags & DOL_DECODE_MERGE) &&
                    !json_object_get(json, field->key)) {
                        enter_key(from, field->key);
                        return dol_fail(from->error, DOL_ERROR_INVALID, "this field is required");
                }
        return true;
}

/* Works on a copy, so that a failure changes nothing. */
static bool decode_object(const reader *from, const dol_schema *schema, json_t *json, void *out)
{
        void *object;

        if (!json_is_object(json))
                return dol_scalar_refuse(json, "an object", from->error);
        object = g_malloc0(schema->size);
        if (from->flags & ONTO_FILLED)
                dol_schema_copy(schema, out, object);
        if (!decode_members(from, schema, json, object)) {
                dol_schema_free(schema, object);
                return false;
        }
        if (from->flags & ONTO_FILLED)
                dol_schema_clear(schema, out);
        memcpy(out, object, schema->size);
        g_free(object);
        return true;
}

bool dol_json_decode(const dol_schema *schema, const char *bytes, size_t size, unsigned flags,
                     void *out, GError **error)
{
        g_autoptr(GString) path = g_string_new(NULL);
        const reader from = {flags, path, error};
        json_error_t where;
        g_autoptr(json_auto) json = json_loadb(bytes, size, JSON_REJECT_DUPLICATES, &where);

        if (!json)
                return dol_fail(error, DOL_ERROR_INVALID, "not valid JSON: %s (line %d, column %d)",
                                where.text, where.line, where.column);
        if (decode_object(&from, schema, json, out))
                return true;
        return path->len ? dol_fail_while(error, "%s", path->str) : false;
}
