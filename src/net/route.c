/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds the route of a request, and takes its path and query apart. A path is matched segment by
 * segment, after decoding: "%2f" is part of an argument, never a separator.
 */
#include "net/http-private.h"

#include <string.h>

/* Is the pattern's segment "{name}"? */
static bool is_argument(const char *segment)
{
        return segment[0] == '{';
}

static bool segments_match(char *const *pattern, char *const *segments)
{
        for (; *pattern && *segments; pattern++, segments++) {
                if (is_argument(*pattern) ? !**segments : strcmp(*pattern, *segments) != 0)
                        return false;
        }
        return !*pattern && !*segments;
}

static void take_arguments(dol_http_request *request, char *const *pattern, char *const *segments)
{
        for (; *pattern; pattern++, segments++) {
                if (is_argument(*pattern))
                        dol_http_pairs_add(request->arguments,
                                           g_strndup(*pattern + 1, strlen(*pattern) - 2),
                                           g_strdup(*segments));
        }
}

/* The decoded segments of "/a/b%2fc": {"a", "b/c"}; NULL with *error set. */
static char **split_path(const char *path, GError **error)
{
        g_auto(GStrv) raw = g_strsplit(path + 1, "/", -1);

        for (char **at = raw; *at; at++) {
                char *decoded = dol_http_unescape(*at, strlen(*at), false, error);

                if (!decoded) {
                        dol_fail_while(error, "path");
                        return NULL;
                }
                g_free(*at);
                *at = decoded;
        }
        return g_steal_pointer(&raw);
}

static bool method_matches(const dol_http_route *route, const char *method)
{
        return strcmp(route->method, method) == 0 ||
               (strcmp(route->method, "GET") == 0 && strcmp(method, "HEAD") == 0);
}

static void allow(GString *methods, const char *method)
{
        g_auto(GStrv) known = g_strsplit(methods->str, ", ", -1);

        if (g_strv_contains((const char *const *)known, method))
                return;
        if (methods->len)
                g_string_append(methods, ", ");
        g_string_append(methods, method);
        if (strcmp(method, "GET") == 0)
                g_string_append(methods, ", HEAD");
}

/* Sets request->route; or collects the methods that the path has. */
static void match(dol_http_request *request, char *const *segments, GString *methods)
{
        const dol_http_route *route = request->server->config.routes;

        for (; route->method && !request->route; route++) {
                g_auto(GStrv) pattern = g_strsplit(route->path + 1, "/", -1);

                if (!segments_match(pattern, segments))
                        continue;
                if (!method_matches(route, request->method)) {
                        allow(methods, route->method);
                        continue;
                }
                request->route = route;
                take_arguments(request, pattern, segments);
        }
}

static bool find(dol_http_request *request, int *ret_status, GError **error)
{
        g_autoptr(GString) methods = g_string_new(NULL);
        g_auto(GStrv) segments = split_path(request->path, error);

        if (!segments) {
                *ret_status = 400;
                return false;
        }
        match(request, segments, methods);
        if (request->route)
                return true;
        if (!methods->len) {
                *ret_status = 404;
                return dol_fail(error, DOL_ERROR_NOT_FOUND, "there is nothing at '%.200s'",
                                request->path);
        }
        *ret_status = 405;
        dol_http_reply_header(request, "Allow", methods->str);
        return dol_fail(error, DOL_ERROR_INVALID, "'%.200s' takes %s, not %.40s", request->path,
                        methods->str, request->method);
}

static bool is_known(const dol_http_parameter *known, const char *name)
{
        for (; known && known->name; known++) {
                if (strcmp(known->name, name) == 0)
                        return true;
        }
        return false;
}

static bool refuse_unknown(const dol_http_parameter *known, const char *name, GError **error)
{
        g_autoptr(GString) names = g_string_new(NULL);
        g_autofree char *quotable = dol_http_quotable(name);

        for (; known && known->name; known++)
                g_string_append_printf(names, "%s%s", names->len ? ", " : "", known->name);
        if (!names->len)
                return dol_fail(error, DOL_ERROR_INVALID,
                                "query parameter '%s' is unknown; this request takes none",
                                quotable);
        return dol_fail(error, DOL_ERROR_INVALID, "query parameter '%s' is unknown; known are %s",
                        quotable, names->str);
}

/* Takes one "name=value" of the query. */
static bool take_parameter(dol_http_request *request, const char *text, GError **error)
{
        bool ignores = request->server->config.ignore_query;
        size_t name_size = strcspn(text, "=");
        const char *value_at = text + name_size + (text[name_size] == '=');
        g_autofree char *name = dol_http_unescape(text, name_size, true, error);
        g_autofree char *value =
                name ? dol_http_unescape(value_at, strlen(value_at), true, error) : NULL;

        if (!value) {
                dol_fail_while(error, "query");
                return false;
        }
        if (!ignores && !is_known(request->route->query, name))
                return refuse_unknown(request->route->query, name, error);
        if (dol_http_pairs_get(request->query, name, false))
                return ignores || dol_fail(error, DOL_ERROR_INVALID,
                                           "query parameter '%s' is given twice", name);
        dol_http_pairs_add(request->query, g_steal_pointer(&name), g_steal_pointer(&value));
        return true;
}

static bool take_query(dol_http_request *request, const char *query, GError **error)
{
        g_auto(GStrv) parts = g_strsplit(query, "&", -1);

        for (char **part = parts; *part; part++) {
                if (**part && !take_parameter(request, *part, error))
                        return false;
        }
        return true;
}

bool dol_http_route_find(dol_http_request *request, int *ret_status, GError **error)
{
        const char *query = strchr(request->target, '?');

        if (!find(request, ret_status, error))
                return false;
        *ret_status = 400;
        return !query || take_query(request, query + 1, error);
}
