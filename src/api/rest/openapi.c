/* SPDX-License-Identifier: Apache-2.0 */
/* The OpenAPI 3.1 document, made from the routes and the row tables: what it says is what the
 * daemon does. */
#include "api/rest/private.h"

#include <string.h>

static void append_text_member(GString *to, const char *key, const char *text)
{
        g_string_append_printf(to, "\"%s\":", key);
        dol_json_append_string(to, text);
}

static void append_path_parameters(GString *to, const char *path, bool *any)
{
        for (const char *at = path; (at = strchr(at, '{')); at++) {
                g_autofree char *name = g_strndup(at + 1, strcspn(at + 1, "}"));

                g_string_append(to, *any ? ",{" : "{");
                append_text_member(to, "name", name);
                g_string_append(
                        to, ",\"in\":\"path\",\"required\":true,\"schema\":{\"type\":\"string\"}}");
                *any = true;
        }
}

static void append_parameters(GString *to, const dol_http_route *route)
{
        bool any = false;

        g_string_append(to, ",\"parameters\":[");
        append_path_parameters(to, route->path, &any);
        for (const dol_http_parameter *query = route->query; query && query->name; query++) {
                g_string_append(to, any ? ",{" : "{");
                append_text_member(to, "name", query->name);
                g_string_append(to, ",\"in\":\"query\",\"schema\":{\"type\":\"string\"},");
                append_text_member(to, "description", query->doc);
                g_string_append_c(to, '}');
                any = true;
        }
        g_string_append_c(to, ']');
}

static void append_content(GString *to, const dol_schema *schema)
{
        if (schema)
                g_string_append_printf(to,
                                       ",\"content\":{\"application/json\":{\"schema\":{\"$ref\":"
                                       "\"#/components/schemas/%s\"}}}",
                                       schema->name);
        else
                g_string_append(to, ",\"content\":{\"text/plain\":{}}");
}

static void append_responses(GString *to, const dol_http_route *route)
{
        g_string_append_printf(to, ",\"responses\":{\"%d\":{\"description\":\"done\"",
                               route->status ? route->status : 200);
        if (route->media && route->flags & DOL_ROUTE_STREAM)
                g_string_append_printf(to, ",\"content\":{\"%s\":{}}", route->media);
        else
                append_content(to, route->reply);
        g_string_append_c(to, '}');
        if (route->status == 201) {
                g_string_append(to, ",\"200\":{\"description\":\"it exists and agrees\"");
                append_content(to, route->reply);
                g_string_append_c(to, '}');
        }
        if (route->flags & DOL_ROUTE_LONG) {
                g_string_append(to, ",\"202\":{\"description\":\"it goes on; see the operation\"");
                append_content(to, &dol_operation_schema);
                g_string_append_c(to, '}');
        }
        g_string_append(to, ",\"default\":{\"description\":\"it failed\"");
        append_content(to, &dol_error_schema);
        g_string_append(to, "}}");
}

static void append_route(GString *to, const dol_http_route *route)
{
        g_autofree char *method = g_ascii_strdown(route->method, -1);

        g_string_append_printf(to, "\"%s\":{", method);
        append_text_member(to, "summary", route->summary);
        append_parameters(to, route);
        if (route->body)
                g_string_append_printf(to,
                                       ",\"requestBody\":{\"content\":{\"application/json\":{"
                                       "\"schema\":{\"$ref\":\"#/components/schemas/%s\"}}}}",
                                       route->body->name);
        if (route->flags & DOL_ROUTE_UPLOAD)
                g_string_append_printf(to, ",\"requestBody\":{\"content\":{\"%s\":{}}}",
                                       route->media);
        append_responses(to, route);
        g_string_append_c(to, '}');
}

/* Routes of one path stand together in the table. */
static void append_paths(GString *to)
{
        const char *path = "";

        for (const dol_http_route *route = dol_rest_routes; route->method; route++) {
                if (strcmp(route->path, path) != 0) {
                        g_string_append(to, *path ? "}," : "");
                        dol_json_append_string(to, route->path);
                        g_string_append(to, ":{");
                        path = route->path;
                } else {
                        g_string_append_c(to, ',');
                }
                append_route(to, route);
        }
        g_string_append_c(to, '}');
}

static void append_schemas(GString *to)
{
        g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);

        dol_schema_append_openapi(&dol_error_schema, seen, to);
        dol_schema_append_openapi(&dol_operation_schema, seen, to);
        for (const dol_http_route *route = dol_rest_routes; route->method; route++) {
                if (route->body)
                        dol_schema_append_openapi(route->body, seen, to);
                if (route->reply)
                        dol_schema_append_openapi(route->reply, seen, to);
        }
}

DOL_REST_HANDLER(openapi)
{
        GString *text = g_string_new("{\"openapi\":\"3.1.0\",\"info\":{\"title\":\"Dolium\","
                                     "\"version\":\"" DOL_VERSION "\","
                                     "\"license\":{\"name\":\"Apache-2.0\",\"identifier\":"
                                     "\"Apache-2.0\"}},\"paths\":{");
        GString *schemas = g_string_new(NULL);

        append_paths(text);
        append_schemas(schemas);
        g_string_append_printf(text, "},\"components\":{\"schemas\":{%s}}}\n", schemas->str);
        g_string_free(schemas, true);
        dol_http_reply_text(request, 200, "application/json", text);
        return true;
}
