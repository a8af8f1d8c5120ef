/* SPDX-License-Identifier: Apache-2.0 */
/* Answers: the first one counts, whoever gives it. */
#include "net/http-private.h"

#include "base/guard.h"

/* Lets the loop go on with a request that waited for its answer. With the request's lock held. */
static void resume(dol_http_request *request)
{
        if (request->suspended)
                MHD_resume_connection(request->suspended);
        request->suspended = NULL;
}

bool dol_http_is_open(dol_http_request *request)
{
        dol_lock_scope(&request->lock);

        return request->state == DOL_HTTP_OPEN;
}

bool dol_http_answer_with(dol_http_request *request, int status, struct MHD_Response *response,
                          dol_http_stream *stream)
{
        dol_lock_scope(&request->lock);

        if (request->state != DOL_HTTP_OPEN) {
                MHD_destroy_response(response);
                dol_http_stream_unref(stream);
                return false;
        }
        for (unsigned i = 0; i < request->reply_headers->len; i++) {
                const dol_http_pair *pair =
                        &g_array_index(request->reply_headers, dol_http_pair, i);

                MHD_add_response_header(response, pair->name, pair->value);
        }
        request->state = DOL_HTTP_ANSWERED;
        request->status = status;
        request->response = response;
        request->stream = stream;
        resume(request);
        return true;
}

void dol_http_drop(dol_http_request *request)
{
        dol_lock_scope(&request->lock);

        if (request->state != DOL_HTTP_OPEN)
                return;
        request->state = DOL_HTTP_DROPPED;
        resume(request);
}

void dol_http_reply_header(dol_http_request *request, const char *name, const char *value)
{
        dol_lock_scope(&request->lock);

        if (request->state == DOL_HTTP_OPEN)
                dol_http_pairs_add(request->reply_headers, g_strdup(name), g_strdup(value));
}

/* The status of a good answer, where the handler leaves it to the route. */
static int status_of(const dol_http_request *request, int status)
{
        if (status)
                return status;
        return request->route && request->route->status ? request->route->status : 200;
}

bool dol_http_reply_text(dol_http_request *request, int status, const char *content_type,
                         GString *text)
{
        size_t size = text->len;
        struct MHD_Response *response;
        char *bytes;

        if (dol_http_upload_answer(request, status_of(request, status), content_type, text))
                return true;
        bytes = g_string_free(text, false);
        response = MHD_create_response_from_buffer_with_free_callback(size, bytes, g_free);
        if (content_type)
                MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, content_type);
        return dol_http_answer_with(request, status_of(request, status), response, NULL);
}

bool dol_http_reply_json(dol_http_request *request, int status, const dol_schema *schema,
                         const void *object)
{
        GString *text = g_string_new(NULL);

        dol_json_encode(schema, object, DOL_ENCODE_CLIENT, text);
        g_string_append_c(text, '\n');
        return dol_http_reply_text(request, status, "application/json", text);
}

void dol_http_refuse(dol_http_request *request, int status, const GError *error)
{
        const dol_http_config *config = &request->server->config;

        if (!status)
                status = dol_error_info_of(dol_error_kind_of(error))->http;
        if (config->error)
                config->error(request, status, error);
        if (!dol_http_is_open(request))
                return;
        dol_http_reply_text(request, status, "text/plain; charset=utf-8",
                            g_string_new(error ? error->message : "failed"));
}
