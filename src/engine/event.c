/* SPDX-License-Identifier: Apache-2.0 */
/* The event log: bounded, in the store, written in the transaction of what it tells about. */
#include "engine/private.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdlib.h>
#include <string.h>

enum { EVENTS_KEPT = 10000 };

static char *event_key(uint64_t sequence)
{
        return g_strdup_printf("events/%020" G_GUINT64_FORMAT, sequence);
}

static void put(dol_engine *engine, dol_txn *txn, dol_event *event)
{
        event_log *log = &engine->events;
        g_autofree char *key = NULL, *text = NULL;

        pthread_mutex_lock(&log->lock);
        event->sequence = log->next++;
        for (; event->sequence - log->oldest >= EVENTS_KEPT; log->oldest++) {
                g_autofree char *oldest = event_key(log->oldest);

                dol_txn_delete(txn, oldest);
        }
        pthread_mutex_unlock(&log->lock);
        event->time = dol_now_usec();
        key = event_key(event->sequence);
        text = dol_record_encode("event", &dol_event_schema, event);
        dol_txn_put(txn, key, text);
        dol_log(event->level == DOL_EVENT_WARNING ? DOL_LOG_WARNING : DOL_LOG_INFO, "%s: %s",
                event->reason, event->message);
}

void dol_event_put(dol_engine *engine, dol_txn *txn, const dol_call *call, dol_event_level level,
                   const char *reason, const dol_volume *volume, const char *format, ...)
{
        g_autofree char *message = NULL;
        va_list args;

        va_start(args, format);
        message = g_strdup_vprintf(format, args);
        va_end(args);
        put(engine, txn,
            &(dol_event){
                    .level = level,
                    .reason = (char *)reason,
                    .object = (char *)"volume",
                    .name = volume->name,
                    .uid = volume->uid,
                    .message = message,
                    .actor = (char *)call->actor,
            });
}

void dol_event_write(dol_engine *engine, const dol_call *call, dol_event_level level,
                     const char *reason, const char *object, const char *name, const char *uid,
                     const char *format, ...)
{
        g_autoptr(dol_txn) txn = dol_txn_new();
        g_autoptr(GError) error = NULL;
        g_autofree char *message = NULL;
        va_list args;

        va_start(args, format);
        message = g_strdup_vprintf(format, args);
        va_end(args);
        put(engine, txn,
            &(dol_event){
                    .level = level,
                    .reason = (char *)reason,
                    .object = (char *)object,
                    .name = (char *)name,
                    .uid = (char *)uid,
                    .message = message,
                    .actor = (char *)call->actor,
            });
        if (!dol_store_commit(engine->store, txn, NULL, &error))
                dol_log(DOL_LOG_WARNING, "event %s could not be written: %s", reason,
                        error->message);
}

static bool note_sequence(const dol_record *record, void *user)
{
        event_log *log = user;
        uint64_t sequence = g_ascii_strtoull(record->key + strlen("events/"), NULL, 10);

        if (log->oldest == 0)
                log->oldest = sequence;
        log->next = sequence + 1;
        return true;
}

bool dol_events_load(dol_engine *engine, GError **error)
{
        event_log *log = &engine->events;

        log->next = 1;
        log->oldest = 0;
        if (!dol_store_list(engine->store, "events/", NULL, 0, note_sequence, log, NULL, error))
                return false;
        if (log->oldest == 0)
                log->oldest = log->next;
        return true;
}

typedef struct {
        GPtrArray *found;
        const char *volume;
        unsigned limit;
} selection;

static void free_event(void *data)
{
        dol_event_free(data);
}

static dol_event *decode_event(const dol_record *record)
{
        dol_event *event = g_new0(dol_event, 1);

        if (dol_record_decode("event", &dol_event_schema, record->value, record->size, event, NULL))
                return event;
        g_free(event);
        return NULL;
}

static bool select_event(const dol_record *record, void *user)
{
        selection *wanted = user;
        g_autoptr(dol_event) event = decode_event(record);

        if (event && (!wanted->volume || g_strcmp0(wanted->volume, event->uid) == 0 ||
                      g_strcmp0(wanted->volume, event->name) == 0))
                g_ptr_array_add(wanted->found, g_steal_pointer(&event));
        return wanted->limit == 0 || wanted->found->len < wanted->limit;
}

GPtrArray *dol_engine_event_list(dol_engine *engine, uint64_t after, unsigned limit,
                                 const char *volume, GError **error)
{
        g_autoptr(GPtrArray) found = g_ptr_array_new_with_free_func(free_event);
        g_autofree char *key = event_key(after);
        selection wanted = {found, volume, limit};

        if (!dol_store_list(engine->store, "events/", key, 0, select_event, &wanted, NULL, error))
                return NULL;
        return g_steal_pointer(&found);
}

typedef struct {
        dol_event_fn fn;
        void *user;
} watcher;

static bool tell(const dol_record *record, void *user)
{
        watcher *watching = user;
        g_autoptr(dol_event) event = record->value ? decode_event(record) : NULL;

        if (event)
                watching->fn(event, watching->user);
        return true;
}

bool dol_engine_event_watch(dol_engine *engine, dol_event_fn fn, void *user, int64_t *ret_watch,
                            GError **error)
{
        watcher *watching = g_new(watcher, 1);

        *watching = (watcher){fn, user};
        if (!dol_store_watch(engine->store, "events/", 0, tell, watching, ret_watch, error)) {
                g_free(watching);
                return false;
        }
        pthread_mutex_lock(&engine->events.lock);
        g_hash_table_insert(engine->events.watchers, g_memdup2(ret_watch, sizeof(*ret_watch)),
                            watching);
        pthread_mutex_unlock(&engine->events.lock);
        return true;
}

void dol_engine_event_unwatch(dol_engine *engine, int64_t watch)
{
        dol_store_unwatch(engine->store, watch);
        dol_lock_scope(&engine->events.lock);
        g_hash_table_remove(engine->events.watchers, &watch);
}
