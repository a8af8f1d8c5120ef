/* SPDX-License-Identifier: Apache-2.0 */
/* Single fields for messages. */
#include "codec/schema.h"

#include "codec/units.h"

#include <string.h>

char *dol_field_text(const dol_field *field, const void *object)
{
        const dol_field rows[] = {
                {field->key, field->kind, field->offset, DOL_SHOW_EMPTY, field->schema,
                 field->words},
                {NULL},
        };
        const dol_schema one = {"Field", 0, rows};
        const void *at = (const char *)object + field->offset;
        g_autoptr(GString) json = NULL;

        if (field->kind == DOL_SIZE)
                return dol_size_format(*(const uint64_t *)at);
        if (field->kind == DOL_STRING)
                return g_strdup(*(char *const *)at ? *(char *const *)at : "empty");
        if (field->kind == DOL_ENUM)
                return g_strdup(field->words[*(const int *)at]);
        json = g_string_new(NULL);
        dol_json_encode(&one, object, DOL_ENCODE_STORE, json);
        if (json->len <= 2)
                return g_strdup("empty");
        /* {"key":value} */
        g_string_truncate(json, json->len - 1);
        return g_strdup(json->str + strlen(field->key) + 4);
}
