/* SPDX-License-Identifier: Apache-2.0 */
/* /v1/operations and /v1/events */
#include "api/rest/private.h"

#include "base/guard.h"
#include "codec/units.h"

#include <string.h>

enum { LIMIT_DEFAULT = 1000, LIMIT_MAX = 10000 };

/* The uid of the volume that the query names; its text where no such volume is known any more. */
static char *volume_of_query(dol_http_request *request, dol_engine *engine)
{
        const char *text = dol_http_query(request, "volume");
        g_autoptr(dol_volume) volume = text ? dol_engine_peek(engine, text, NULL) : NULL;

        if (text && g_str_has_prefix(text, "uid:"))
                text += strlen("uid:");
        return g_strdup(volume ? volume->uid : text);
}

DOL_REST_HANDLER(operation_list)
{
        dol_engine *engine = dol_rest_engine(user, error);
        g_autofree char *volume = engine ? volume_of_query(request, engine) : NULL;
        g_autoptr(GPtrArray) found = NULL;
        uint64_t limit;
        int phase;

        if (!engine ||
            !dol_rest_query_number(request, "limit", LIMIT_DEFAULT, LIMIT_MAX, &limit, error) ||
            !dol_rest_query_word(request, "phase", dol_operation_phase_words, &phase, error) ||
            !(found = dol_engine_operation_list(engine, volume, phase, (unsigned)limit, error)))
                return false;
        dol_rest_reply_items(request, 200, &dol_operation_schema, found);
        return true;
}

DOL_REST_HANDLER(operation_get)
{
        dol_engine *engine = dol_rest_engine(user, error);
        const char *text = dol_http_query(request, "wait");
        g_autoptr(dol_operation) operation = NULL;
        int64_t wait = 0;

        if (text && !dol_duration_parse(text, &wait, error))
                return dol_fail_while(error, "wait");
        wait = MIN(wait, dol_call_left_usec(dol_http_call(request), wait));
        if (!engine || !(operation = dol_engine_operation_get(
                                 engine, dol_http_argument(request, "operation"), wait, error)))
                return false;
        dol_http_reply_json(request, 200, &dol_operation_schema, operation);
        return true;
}

/* ---- events ---- */

typedef struct {
        dol_engine *engine;
        dol_http_stream *stream;
        int64_t watch;
        char *volume;         /* uid or name; NULL = all */
        pthread_mutex_t lock; /* guards what follows, and keeps the old before the new */
        uint64_t told;        /* sequence of the last event written */
        bool broken;          /* the client has gone; it is cleaned up by on_close */
} watching;

static bool is_wanted(const watching *watch, const dol_event *event)
{
        return event->sequence > watch->told &&
               (!watch->volume || g_strcmp0(watch->volume, event->uid) == 0 ||
                g_strcmp0(watch->volume, event->name) == 0);
}

static void write_event(watching *watch, const dol_event *event)
{
        g_autoptr(GString) line = g_string_new(NULL);

        if (watch->broken || !is_wanted(watch, event))
                return;
        watch->told = event->sequence;
        dol_json_encode(&dol_event_schema, event, DOL_ENCODE_CLIENT, line);
        g_string_append_c(line, '\n');
        watch->broken = !dol_http_stream_write(watch->stream, line->str, line->len);
}

static void on_event(const dol_event *event, void *user)
{
        watching *watch = user;
        dol_lock_scope(&watch->lock);

        write_event(watch, event);
}

static void on_close(void *user)
{
        watching *watch = user;

        if (watch->watch)
                dol_engine_event_unwatch(watch->engine, watch->watch);
        dol_http_stream_end(watch->stream);
        pthread_mutex_destroy(&watch->lock);
        g_free(watch->volume);
        g_free(watch);
}

/* The past first, then what comes; an event that comes meanwhile waits for the lock. */
static bool watch_events(dol_http_request *request, dol_engine *engine, uint64_t after,
                         char *volume, GError **error)
{
        watching *watch = g_new0(watching, 1);
        g_autoptr(GPtrArray) past = NULL;

        watch->engine = engine;
        watch->volume = volume;
        watch->told = after;
        pthread_mutex_init(&watch->lock, NULL);
        watch->stream = dol_http_stream_begin(request, "application/x-ndjson");
        pthread_mutex_lock(&watch->lock);
        if (dol_engine_event_watch(engine, on_event, watch, &watch->watch, error))
                past = dol_engine_event_list(engine, after, 0, volume, error);
        for (unsigned i = 0; past && i < past->len; i++)
                write_event(watch, past->pdata[i]);
        pthread_mutex_unlock(&watch->lock);
        dol_http_stream_on_close(watch->stream, on_close, watch);
        return true;
}

DOL_REST_HANDLER(event_list)
{
        dol_engine *engine = dol_rest_engine(user, error);
        g_autofree char *volume = engine ? volume_of_query(request, engine) : NULL;
        g_autoptr(GPtrArray) found = NULL;
        uint64_t after, limit;
        bool watch;

        if (!engine || !dol_rest_query_number(request, "after", 0, INT64_MAX, &after, error) ||
            !dol_rest_query_number(request, "limit", LIMIT_DEFAULT, LIMIT_MAX, &limit, error) ||
            !dol_rest_query_bool(request, "watch", &watch, error))
                return false;
        if (watch)
                return watch_events(request, engine, after, g_steal_pointer(&volume), error);
        found = dol_engine_event_list(engine, after, (unsigned)limit, volume, error);
        if (!found)
                return false;
        dol_rest_reply_items(request, 200, &dol_event_schema, found);
        return true;
}
