/* SPDX-License-Identifier: Apache-2.0 */
/* Row tables as JSON Schema, for the OpenAPI document. */
#include "codec/schema.h"

static const char *const plain_types[] = {
        [DOL_BOOL] = "\"type\":\"boolean\"",
        [DOL_INT] = "\"type\":\"integer\",\"format\":\"int64\"",
        [DOL_UINT] = "\"type\":\"integer\",\"format\":\"int64\",\"minimum\":0",
        [DOL_DOUBLE] = "\"type\":\"number\"",
        [DOL_SIZE] = "\"oneOf\":[{\"type\":\"integer\",\"format\":\"int64\",\"minimum\":0},"
                     "{\"type\":\"string\",\"example\":\"10G\"}]",
        [DOL_DURATION] = "\"oneOf\":[{\"type\":\"string\",\"example\":\"24h\"},"
                         "{\"type\":\"integer\",\"minimum\":0}]",
        [DOL_TIME] = "\"type\":\"string\",\"format\":\"date-time\"",
        [DOL_STRING] = "\"type\":\"string\"",
        [DOL_MODE] = "\"type\":\"string\",\"pattern\":\"^[0-7]{1,5}$\"",
        [DOL_MAP] = "\"type\":\"object\",\"additionalProperties\":{\"type\":\"string\"}",
        [DOL_STRINGS] = "\"type\":\"array\",\"items\":{\"type\":\"string\"}",
        [DOL_ANY] = "",
};

static void append_reference(GString *to, const dol_schema *schema)
{
        g_string_append_printf(to, "\"$ref\":\"#/components/schemas/%s\"", schema->name);
}

static void append_type(GString *to, const dol_field *field)
{
        switch (field->kind) {
        case DOL_ENUM:
                g_string_append(to, "\"type\":\"string\",\"enum\":[");
                for (unsigned i = 0; field->words[i]; i++)
                        g_string_append_printf(to, "%s\"%s\"", i ? "," : "", field->words[i]);
                g_string_append_c(to, ']');
                break;
        case DOL_OBJECT:
        case DOL_OPTIONAL:
                g_string_append(to, "\"allOf\":[{");
                append_reference(to, field->schema);
                g_string_append(to, "}]");
                break;
        case DOL_ARRAY:
                g_string_append(to, "\"type\":\"array\",\"items\":{");
                append_reference(to, field->schema);
                g_string_append_c(to, '}');
                break;
        case DOL_BOOL:
        case DOL_INT:
        case DOL_UINT:
        case DOL_DOUBLE:
        case DOL_SIZE:
        case DOL_DURATION:
        case DOL_TIME:
        case DOL_STRING:
        case DOL_MODE:
        case DOL_MAP:
        case DOL_STRINGS:
        case DOL_ANY:
        default:
                g_string_append(to, plain_types[field->kind]);
        }
}

static void append_property(GString *to, const dol_field *field)
{
        size_t start;

        dol_json_append_string(to, field->key);
        g_string_append(to, ":{");
        start = to->len;
        append_type(to, field);
        if (field->doc) {
                g_string_append(to, to->len > start ? ",\"description\":" : "\"description\":");
                dol_json_append_string(to, field->doc);
        }
        if (field->flags & DOL_READONLY)
                g_string_append(to, to->len > start ? ",\"readOnly\":true" : "\"readOnly\":true");
        g_string_append_c(to, '}');
}

static void append_required(GString *to, const dol_schema *schema)
{
        bool any = false;

        for (const dol_field *field = schema->fields; field->key; field++) {
                if (!(field->flags & DOL_REQUIRED) || (field->flags & DOL_INTERNAL))
                        continue;
                g_string_append(to, any ? "," : ",\"required\":[");
                dol_json_append_string(to, field->key);
                any = true;
        }
        if (any)
                g_string_append_c(to, ']');
}

void dol_schema_append_openapi(const dol_schema *schema, GHashTable *seen, GString *to)
{
        bool first = true;

        if (!g_hash_table_add(seen, (void *)schema->name))
                return;
        if (to->len && to->str[to->len - 1] == '}')
                g_string_append_c(to, ',');
        dol_json_append_string(to, schema->name);
        g_string_append(to, ":{\"type\":\"object\",\"additionalProperties\":false,");
        if (schema->doc) {
                g_string_append(to, "\"description\":");
                dol_json_append_string(to, schema->doc);
                g_string_append_c(to, ',');
        }
        g_string_append(to, "\"properties\":{");
        for (const dol_field *field = schema->fields; field->key; field++) {
                if (field->flags & (DOL_INTERNAL | DOL_SECRET))
                        continue;
                if (!first)
                        g_string_append_c(to, ',');
                first = false;
                append_property(to, field);
        }
        g_string_append_c(to, '}');
        append_required(to, schema);
        g_string_append_c(to, '}');
        for (const dol_field *field = schema->fields; field->key; field++)
                if (field->schema && !(field->flags & DOL_INTERNAL))
                        dol_schema_append_openapi(field->schema, seen, to);
}
