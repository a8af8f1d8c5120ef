/* SPDX-License-Identifier: Apache-2.0 */
/* Reading queries and headers, and the forms of answers. */
#include "api/rest/private.h"

#include "base/clock.h"
#include "base/guard.h"
#include "codec/units.h"

#include <string.h>

static const int64_t wait_default_usec = 60 * DOL_USEC_PER_SEC;
static const int64_t wait_max_usec = 3600 * DOL_USEC_PER_SEC;

const dol_http_parameter dol_rest_wait_query[] = {
        {"wait", "answer 202 with the operation when it takes longer; 60s"},
        {NULL},
};

dol_rest *dol_rest_new(void)
{
        dol_rest *rest = g_new0(dol_rest, 1);

        rest->started_usec = dol_monotonic_usec();
        return rest;
}

void dol_rest_free(dol_rest *rest)
{
        g_free(rest);
}

void dol_rest_set_engine(dol_rest *rest, dol_engine *engine)
{
        atomic_store(&rest->engine, engine);
}

dol_engine *dol_rest_engine(dol_rest *rest, GError **error)
{
        dol_engine *engine = atomic_load(&rest->engine);

        if (!engine)
                dol_fail(error, DOL_ERROR_UNAVAILABLE,
                         "doliumd is starting: try again in a moment");
        return engine;
}

/* ---- errors ---- */

void dol_rest_error(dol_http_request *request, int status, const GError *error)
{
        dol_error_kind kind = dol_error_kind_of(error);
        GString *body = g_string_new("{\"error\":{\"kind\":\"");

        g_string_append(body, dol_error_info_of(kind)->word);
        g_string_append(body, "\",\"message\":");
        dol_json_append_string(body, error ? error->message : "internal error");
        g_string_append(body, ",\"details\":{}}}\n");
        if (dol_error_info_of(kind)->retry)
                dol_http_reply_header(request, "Retry-After", "1");
        dol_http_reply_text(request, status, "application/json", body);
}

/* ---- early answers ---- */

typedef struct {
        dol_http_request *request;
        dol_engine *engine;
        pthread_mutex_t lock; /* guards what follows */
        char *operation;      /* uid, once there is one */
        bool is_over;         /* the client has waited long enough */
} waiting;

static void waiting_free(void *data)
{
        waiting *wait = data;

        pthread_mutex_destroy(&wait->lock);
        g_free(wait->operation);
        g_free(wait);
}

static void answer_accepted(const waiting *wait)
{
        g_autofree char *location = g_strconcat("/v1/operations/", wait->operation, NULL);
        g_autoptr(dol_operation) operation =
                dol_engine_operation_peek(wait->engine, wait->operation);

        if (!operation) /* it has ended just now: its own answer is on its way */
                return;
        dol_http_reply_header(wait->request, "Location", location);
        dol_http_reply_json(wait->request, 202, &dol_operation_schema, operation);
}

/* Until there is an operation to name there is nothing to answer with: the request waits for
 * another one on the same object, or ends at once by itself. */
static void note_operation(const char *uid, void *user)
{
        waiting *wait = user;
        dol_lock_scope(&wait->lock);

        if (wait->operation)
                return;
        wait->operation = g_strdup(uid);
        if (wait->is_over)
                answer_accepted(wait);
}

static void stop_waiting(dol_http_request *request, void *user)
{
        waiting *wait = user;
        dol_lock_scope(&wait->lock);

        wait->is_over = true;
        if (wait->operation)
                answer_accepted(wait);
}

bool dol_rest_begin(dol_http_request *request, dol_engine *engine, dol_call *ret_call,
                    GError **error)
{
        const char *text = dol_http_query(request, "wait");
        int64_t patience = wait_default_usec;
        waiting *wait;

        if (text && !dol_duration_parse(text, &patience, error))
                return dol_fail_while(error, "wait");
        if (patience > wait_max_usec)
                return dol_fail(error, DOL_ERROR_INVALID, "wait: expected at most 1h, got '%s'",
                                text);
        wait = g_new0(waiting, 1);
        pthread_mutex_init(&wait->lock, NULL);
        wait->request = request;
        wait->engine = engine;
        wait->is_over = patience == 0;
        dol_http_set_data(request, wait, waiting_free);
        *ret_call = *dol_http_call(request);
        ret_call->actor = "rest";
        ret_call->on_operation = note_operation;
        ret_call->user = wait;
        /* a client that goes away does not undo what it asked for */
        ret_call->cancelled = NULL;
        if (patience > 0)
                dol_http_set_patience(request, patience, stop_waiting, wait);
        return true;
}

/* ---- queries and headers ---- */

bool dol_rest_if_match(dol_http_request *request, int64_t *ret_revision, GError **error)
{
        const char *text = dol_http_header(request, "If-Match");
        g_autofree char *bare = NULL;
        uint64_t revision;
        size_t length;

        *ret_revision = 0;
        if (!text || strcmp(text, "*") == 0)
                return true;
        length = strlen(text);
        bare = length >= 2 && text[0] == '"' && text[length - 1] == '"'
                       ? g_strndup(text + 1, length - 2)
                       : g_strdup(text);
        if (!dol_number_parse(bare, INT64_MAX, &revision, NULL) || revision == 0)
                return dol_fail(error, DOL_ERROR_INVALID,
                                "If-Match: expected a revision like \"42\", got '%s'", text);
        *ret_revision = (int64_t)revision;
        return true;
}

bool dol_rest_query_number(dol_http_request *request, const char *name, uint64_t otherwise,
                           uint64_t max, uint64_t *ret, GError **error)
{
        const char *text = dol_http_query(request, name);

        *ret = otherwise;
        return !text || dol_number_parse(text, max, ret, error) ||
               dol_fail_while(error, "%s", name);
}

bool dol_rest_query_bool(dol_http_request *request, const char *name, bool *ret, GError **error)
{
        const char *text = dol_http_query(request, name);

        *ret = false;
        return !text || dol_bool_parse(text, ret, error) || dol_fail_while(error, "%s", name);
}

bool dol_rest_query_word(dol_http_request *request, const char *name, const char *const *words,
                         int *ret, GError **error)
{
        const char *text = dol_http_query(request, name);
        g_autofree char *known = NULL;

        *ret = -1;
        if (!text)
                return true;
        for (int i = 0; words[i]; i++)
                if (strcmp(words[i], text) == 0) {
                        *ret = i;
                        return true;
                }
        known = g_strjoinv(", ", (char **)words);
        return dol_fail(error, DOL_ERROR_INVALID, "%s: expected one of %s, got '%s'", name, known,
                        text);
}

bool dol_rest_decode_optional(dol_http_request *request, const dol_schema *schema, void *out,
                              GError **error)
{
        size_t size;

        dol_http_body(request, &size);
        memset(out, 0, schema->size);
        return size == 0 || dol_http_decode(request, schema, DOL_DECODE_REQUEST, out, error);
}

enum { ID_MAX = 128 };

bool dol_rest_check_id(const char *id, GError **error)
{
        if (id && (strlen(id) > ID_MAX || !g_utf8_validate(id, -1, NULL)))
                return dol_fail(error, DOL_ERROR_INVALID, "id: expected at most %d bytes of UTF-8",
                                ID_MAX);
        return true;
}

/* ---- answers ---- */

void dol_rest_reply_items(dol_http_request *request, int status, const dol_schema *schema,
                          GPtrArray *items)
{
        GString *body = g_string_new("{\"items\":[");

        for (unsigned i = 0; i < items->len; i++) {
                if (i)
                        g_string_append_c(body, ',');
                dol_json_encode(schema, items->pdata[i], DOL_ENCODE_CLIENT, body);
        }
        g_string_append(body, "]}\n");
        dol_http_reply_text(request, status, "application/json", body);
}

void dol_rest_reply_volume(dol_http_request *request, int status, const dol_volume *volume)
{
        g_autofree char *etag = g_strdup_printf("\"%" G_GINT64_FORMAT "\"", volume->revision);

        dol_http_reply_header(request, "ETag", etag);
        dol_http_reply_json(request, status, &dol_volume_schema, volume);
}
