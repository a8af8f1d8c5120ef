/* SPDX-License-Identifier: Apache-2.0 */
/* What a handler may ask of a request. Everything is a copy: it outlives the connection. */
#include "net/http-private.h"

#include "base/clock.h"
#include "base/guard.h"

#include <string.h>

static void pair_clear(void *data)
{
        dol_http_pair *pair = data;

        g_free(pair->name);
        g_free(pair->value);
}

GArray *dol_http_pairs_new(void)
{
        GArray *pairs = g_array_new(false, false, sizeof(dol_http_pair));

        g_array_set_clear_func(pairs, pair_clear);
        return pairs;
}

void dol_http_pairs_add(GArray *pairs, char *name, char *value)
{
        dol_http_pair pair = {name, value};

        g_array_append_val(pairs, pair);
}

const char *dol_http_pairs_get(const GArray *pairs, const char *name, bool any_case)
{
        for (unsigned i = 0; i < pairs->len; i++) {
                const dol_http_pair *pair = &g_array_index(pairs, dol_http_pair, i);

                if (any_case ? !g_ascii_strcasecmp(pair->name, name) : !strcmp(pair->name, name))
                        return pair->value;
        }
        return NULL;
}

dol_http_request *dol_http_request_new(dol_http_server *server, const char *target)
{
        dol_http_request *request = g_new0(dol_http_request, 1);

        atomic_init(&request->references, 1);
        atomic_fetch_add(&server->references, 1);
        request->server = server;
        request->target = g_strdup(target);
        request->target_at = target;
        request->path = g_strndup(target, strcspn(target, "?"));
        request->headers = dol_http_pairs_new();
        request->arguments = dol_http_pairs_new();
        request->query = dol_http_pairs_new();
        request->reply_headers = dol_http_pairs_new();
        request->body = g_string_new(NULL);
        request->call = dol_call_forever(server->config.name);
        request->call.cancelled = &request->cancelled;
        request->patience.link.data = request;
        pthread_mutex_init(&request->lock, NULL);
        pthread_cond_init(&request->patience_ended, NULL);
        dol_cond_init(&request->upload.arrived);
        return request;
}

dol_http_request *dol_http_request_ref(dol_http_request *request)
{
        atomic_fetch_add(&request->references, 1);
        return request;
}

void dol_http_request_unref(dol_http_request *request)
{
        if (atomic_fetch_sub(&request->references, 1) > 1)
                return;
        if (request->free_data)
                request->free_data(request->data);
        if (request->response)
                MHD_destroy_response(request->response);
        dol_http_stream_unref(request->stream);
        g_array_unref(request->headers);
        g_array_unref(request->arguments);
        g_array_unref(request->query);
        g_array_unref(request->reply_headers);
        g_string_free(request->body, true);
        if (request->upload.queue)
                g_string_free(request->upload.queue, true);
        if (request->upload.answer)
                g_string_free(request->upload.answer, true);
        g_free(request->method);
        g_free(request->target);
        g_free(request->path);
        g_clear_error(&request->refusal);
        pthread_cond_destroy(&request->upload.arrived);
        pthread_cond_destroy(&request->patience_ended);
        pthread_mutex_destroy(&request->lock);
        dol_http_server_unref(request->server);
        g_free(request);
}

dol_http_stream *dol_http_request_stream(dol_http_request *request)
{
        dol_lock_scope(&request->lock);

        return request->stream ? dol_http_stream_ref(request->stream) : NULL;
}

/* Nobody waits for the answer any more. Not so when it was given: after a 202 the work goes on.
 * With the request's lock held. */
static void cancel(dol_http_request *request)
{
        if (request->state != DOL_HTTP_ANSWERED)
                atomic_store(&request->cancelled, true);
}

void dol_http_request_abandon(dol_http_request *request)
{
        dol_http_stream *stream = dol_http_request_stream(request);

        pthread_mutex_lock(&request->lock);
        cancel(request);
        pthread_cond_broadcast(&request->upload.arrived);
        pthread_mutex_unlock(&request->lock);
        if (stream)
                dol_http_stream_close(stream);
        dol_http_stream_unref(stream);
        dol_http_request_unref(request);
}

const char *dol_http_method(const dol_http_request *request)
{
        return request->method;
}

const char *dol_http_path(const dol_http_request *request)
{
        return request->path;
}

const char *dol_http_argument(const dol_http_request *request, const char *name)
{
        return dol_http_pairs_get(request->arguments, name, false);
}

const char *dol_http_query(const dol_http_request *request, const char *name)
{
        return dol_http_pairs_get(request->query, name, false);
}

const char *dol_http_header(const dol_http_request *request, const char *name)
{
        return dol_http_pairs_get(request->headers, name, true);
}

const char *dol_http_body(const dol_http_request *request, size_t *ret_size)
{
        if (ret_size)
                *ret_size = request->body->len;
        return request->body->str;
}

bool dol_http_decode(const dol_http_request *request, const dol_schema *schema, unsigned flags,
                     void *out, GError **error)
{
        if (!request->body->len)
                return dol_fail(error, DOL_ERROR_INVALID,
                                "expected a JSON object, got an empty body");
        return dol_json_decode(schema, request->body->str, request->body->len, flags, out, error);
}

const dol_call *dol_http_call(const dol_http_request *request)
{
        return &request->call;
}

dol_http_peer dol_http_peer_of(const dol_http_request *request)
{
        return request->peer;
}

bool dol_http_client_gone(const dol_http_request *constant)
{
        dol_http_request *request = (dol_http_request *)constant;
        bool is_gone;
        dol_lock_scope(&request->lock);

        pthread_mutex_lock(&request->server->lock);
        is_gone = !request->connection || dol_http_connection_ask_gone(request->connection);
        pthread_mutex_unlock(&request->server->lock);
        if (is_gone)
                cancel(request);
        return atomic_load(&request->cancelled);
}

void dol_http_set_data(dol_http_request *request, void *data, GDestroyNotify free_data)
{
        if (request->free_data)
                request->free_data(request->data);
        request->data = data;
        request->free_data = free_data;
}

void *dol_http_data(const dol_http_request *request)
{
        return request->data;
}
