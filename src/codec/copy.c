/* SPDX-License-Identifier: Apache-2.0 */
/* Ownership of structs that rows describe: clear, copy, duplicate, free. */
#include "codec/schema.h"

#include <string.h>

static void clear_value(const dol_field *field, void *at)
{
        switch (field->kind) {
        case DOL_STRING:
        case DOL_ANY:
                g_free(*(char **)at);
                break;
        case DOL_MAP:
                g_clear_pointer((GHashTable **)at, g_hash_table_unref);
                break;
        case DOL_STRINGS:
                g_strfreev(*(char ***)at);
                break;
        case DOL_OBJECT:
                dol_schema_clear(field->schema, at);
                break;
        case DOL_OPTIONAL:
                dol_schema_free(field->schema, *(void **)at);
                break;
        case DOL_ARRAY: {
                GPtrArray *array = *(GPtrArray **)at;

                for (unsigned i = 0; array && i < array->len; i++)
                        dol_schema_free(field->schema, array->pdata[i]);
                if (array)
                        g_ptr_array_unref(array);
                break;
        }
        case DOL_BOOL:
        case DOL_INT:
        case DOL_UINT:
        case DOL_DOUBLE:
        case DOL_SIZE:
        case DOL_DURATION:
        case DOL_TIME:
        case DOL_ENUM:
        case DOL_MODE:
        default:
                break;
        }
}

void dol_schema_clear(const dol_schema *schema, void *object)
{
        for (const dol_field *field = schema->fields; field->key; field++)
                clear_value(field, (char *)object + field->offset);
        memset(object, 0, schema->size);
}

static void copy_value(const dol_field *field, const void *from, void *to)
{
        switch (field->kind) {
        case DOL_STRING:
        case DOL_ANY:
                *(char **)to = g_strdup(*(char *const *)from);
                break;
        case DOL_MAP:
                *(GHashTable **)to = dol_map_copy(*(GHashTable *const *)from);
                break;
        case DOL_STRINGS:
                *(char ***)to = g_strdupv(*(char **const *)from);
                break;
        case DOL_OBJECT:
                dol_schema_copy(field->schema, from, to);
                break;
        case DOL_OPTIONAL:
                *(void **)to = dol_schema_dup(field->schema, *(void *const *)from);
                break;
        case DOL_ARRAY: {
                GPtrArray *array = *(GPtrArray *const *)from;
                GPtrArray *copy = array ? g_ptr_array_new() : NULL;

                for (unsigned i = 0; array && i < array->len; i++)
                        g_ptr_array_add(copy, dol_schema_dup(field->schema, array->pdata[i]));
                *(GPtrArray **)to = copy;
                break;
        }
        case DOL_BOOL:
        case DOL_INT:
        case DOL_UINT:
        case DOL_DOUBLE:
        case DOL_SIZE:
        case DOL_DURATION:
        case DOL_TIME:
        case DOL_ENUM:
        case DOL_MODE:
        default:
                break; /* copied with the struct's bytes */
        }
}

void dol_schema_copy(const dol_schema *schema, const void *from, void *to)
{
        memcpy(to, from, schema->size);
        for (const dol_field *field = schema->fields; field->key; field++)
                copy_value(field, (const char *)from + field->offset, (char *)to + field->offset);
}

void *dol_schema_dup(const dol_schema *schema, const void *from)
{
        void *copy;

        if (!from)
                return NULL;
        copy = g_malloc(schema->size);
        dol_schema_copy(schema, from, copy);
        return copy;
}

void dol_schema_free(const dol_schema *schema, void *object)
{
        if (!object)
                return;
        dol_schema_clear(schema, object);
        g_free(object);
}
