/* SPDX-License-Identifier: Apache-2.0 */
#include "store/hub.h"

#include "base/guard.h"
#include "store/entry.h"
#include "store/thread.h"

#include <string.h>

enum { HISTORY_CHANGES = 1024, HISTORY_BYTES = 2 << 20 };

typedef struct {
        int64_t id;
        char *prefix;
        int64_t from; /* smaller revisions are not told */
        dol_record_fn fn;
        void *user;
        GList *next; /* in the history: the first change not told yet; NULL = all are told */
        bool running;
} watcher;

struct dol_hub {
        pthread_mutex_t lock;   /* guards what follows */
        pthread_cond_t pending; /* there is something to tell, or the hub is ending */
        pthread_cond_t told;    /* a watcher's function has returned */
        bool ending;
        GQueue history; /* of dol_entry *, oldest first */
        size_t history_bytes;
        int64_t forgotten; /* changes up to this revision are not in the history any more */
        int64_t revision;  /* the last published one */
        int64_t visible;   /* no reader can have seen a greater one */
        GPtrArray *watchers;
        int64_t last_id;

        pthread_t thread;
};

static void watcher_free(watcher *one)
{
        g_free(one->prefix);
        g_free(one);
}

static bool concerns(const watcher *one, const dol_entry *entry)
{
        const dol_record *record = dol_entry_record(entry);

        return record->revision >= one->from && g_str_has_prefix(record->key, one->prefix);
}

/* The watcher with the oldest change to be told; changes that concern nobody are passed over. */
static watcher *behind_most(dol_hub *hub)
{
        watcher *found = NULL;

        for (unsigned i = 0; i < hub->watchers->len; i++) {
                watcher *each = g_ptr_array_index(hub->watchers, i);

                while (each->next && !concerns(each, each->next->data))
                        each->next = each->next->next;
                if (each->next && (!found || dol_entry_record(each->next->data)->revision <
                                                     dol_entry_record(found->next->data)->revision))
                        found = each;
        }
        return found;
}

static bool is_waited_for(const dol_hub *hub, const GList *link)
{
        for (unsigned i = 0; i < hub->watchers->len; i++)
                if (((const watcher *)g_ptr_array_index(hub->watchers, i))->next == link)
                        return true;
        return false;
}

/* Brings the history back to its bounds as far as everybody has been told. */
static void forget(dol_hub *hub)
{
        while (hub->history.length > HISTORY_CHANGES || hub->history_bytes > HISTORY_BYTES) {
                dol_entry *oldest;

                if (is_waited_for(hub, hub->history.head))
                        return;
                oldest = g_queue_pop_head(&hub->history);
                hub->forgotten = dol_entry_record(oldest)->revision;
                hub->history_bytes -= dol_entry_bytes(oldest);
                dol_entry_unref(oldest);
        }
}

/* Tells one change to one watcher. Called with the lock held, which is open while fn runs. */
static void tell(dol_hub *hub, watcher *one)
{
        dol_entry *entry = dol_entry_ref(one->next->data);

        one->next = one->next->next;
        one->running = true;
        pthread_mutex_unlock(&hub->lock);
        one->fn(dol_entry_record(entry), one->user);
        dol_entry_unref(entry);
        pthread_mutex_lock(&hub->lock);
        one->running = false;
        pthread_cond_broadcast(&hub->told);
}

static void *run(void *data)
{
        dol_hub *hub = data;
        dol_lock_scope(&hub->lock);

        while (!hub->ending) {
                watcher *next = behind_most(hub);

                forget(hub);
                if (next)
                        tell(hub, next);
                else
                        pthread_cond_wait(&hub->pending, &hub->lock);
        }
        return NULL;
}

dol_hub *dol_hub_new(int64_t revision)
{
        dol_hub *hub = g_new0(dol_hub, 1);

        pthread_mutex_init(&hub->lock, NULL);
        pthread_cond_init(&hub->pending, NULL);
        pthread_cond_init(&hub->told, NULL);
        g_queue_init(&hub->history);
        hub->forgotten = hub->revision = hub->visible = revision;
        hub->watchers = g_ptr_array_new();
        hub->thread = dol_thread_start("store-watch", run, hub);
        return hub;
}

void dol_hub_free(dol_hub *hub)
{
        if (!hub)
                return;
        pthread_mutex_lock(&hub->lock);
        hub->ending = true;
        pthread_cond_signal(&hub->pending);
        pthread_mutex_unlock(&hub->lock);
        pthread_join(hub->thread, NULL);
        g_ptr_array_unref(hub->watchers);
        g_queue_clear_full(&hub->history, dol_entry_unref);
        pthread_cond_destroy(&hub->told);
        pthread_cond_destroy(&hub->pending);
        pthread_mutex_destroy(&hub->lock);
        g_free(hub);
}

void dol_hub_announce(dol_hub *hub, int64_t revision)
{
        dol_lock_scope(&hub->lock);

        hub->visible = MAX(hub->visible, revision);
}

static void remember(dol_hub *hub, dol_entry *entry)
{
        g_queue_push_tail(&hub->history, dol_entry_ref(entry));
        hub->history_bytes += dol_entry_bytes(entry);
        for (unsigned i = 0; i < hub->watchers->len; i++) {
                watcher *each = g_ptr_array_index(hub->watchers, i);

                if (!each->next)
                        each->next = hub->history.tail;
        }
}

void dol_hub_publish(dol_hub *hub, const GPtrArray *changes, int64_t revision)
{
        dol_lock_scope(&hub->lock);

        for (unsigned i = 0; i < changes->len; i++)
                remember(hub, g_ptr_array_index(changes, i));
        hub->revision = revision;
        hub->visible = MAX(hub->visible, revision);
        forget(hub);
        if (hub->watchers->len > 0)
                pthread_cond_signal(&hub->pending);
}

int64_t dol_hub_revision(dol_hub *hub)
{
        dol_lock_scope(&hub->lock);

        return hub->revision;
}

static bool from_check(const dol_hub *hub, int64_t from, GError **error)
{
        if (from == 0 || (from > hub->forgotten && from <= hub->visible + 1))
                return true;
        return dol_fail(error, DOL_ERROR_STALE,
                        "changes from revision %" G_GINT64_FORMAT " on are not remembered "
                        "(only %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT
                        "); list again and watch from there",
                        from, hub->forgotten + 1, hub->visible);
}

bool dol_hub_watch(dol_hub *hub, const char *prefix, int64_t from, dol_record_fn fn, void *user,
                   int64_t *ret_watch, GError **error)
{
        watcher *added;
        dol_lock_scope(&hub->lock);

        if (!from_check(hub, from, error))
                return false;
        added = g_new(watcher, 1);
        *added = (watcher){.id = ++hub->last_id,
                           .prefix = g_strdup(prefix),
                           .from = from,
                           .fn = fn,
                           .user = user,
                           .next = from ? hub->history.head : NULL};
        g_ptr_array_add(hub->watchers, added);
        *ret_watch = added->id;
        pthread_cond_signal(&hub->pending);
        return true;
}

static watcher *take_out(dol_hub *hub, int64_t id)
{
        for (unsigned i = 0; i < hub->watchers->len; i++) {
                watcher *each = g_ptr_array_index(hub->watchers, i);

                if (each->id == id)
                        return g_ptr_array_remove_index_fast(hub->watchers, i);
        }
        return NULL;
}

void dol_hub_unwatch(dol_hub *hub, int64_t watch)
{
        watcher *gone;
        dol_lock_scope(&hub->lock);

        gone = take_out(hub, watch);
        if (!gone)
                return;
        if (gone->running && pthread_equal(pthread_self(), hub->thread))
                g_error("a store's watch function ended its own watch");
        while (gone->running)
                pthread_cond_wait(&hub->told, &hub->lock);
        watcher_free(gone);
}
