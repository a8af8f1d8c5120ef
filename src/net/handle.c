/* SPDX-License-Identifier: Apache-2.0 */
#include "net/http-private.h"

/* A handler that returns without an answer is an error of this program. */
static void finish(dol_http_request *request, bool is_done, GError *error)
{
        g_autoptr(GError) missing = NULL;

        if (!dol_http_is_open(request))
                return;
        if (is_done)
                dol_fail(&missing, DOL_ERROR_INTERNAL, "%s %s was not answered", request->method,
                         request->route->path);
        dol_http_refuse(request, 0, is_done ? missing : error);
}

void dol_http_handle(void *data)
{
        dol_http_request *request = data;
        g_autoptr(GError) error = NULL;
        bool is_inline = request->route->flags & DOL_ROUTE_INLINE;
        bool is_done;

        if (!is_inline && dol_http_client_gone(request)) {
                dol_http_drop(request);
        } else {
                is_done = request->route->handle(request, request->server->config.user, &error);
                dol_http_patience_end(request);
                finish(request, is_done, error);
        }
        dol_http_request_unref(request);
}
