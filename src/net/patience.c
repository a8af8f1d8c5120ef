/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Early answers for handlers that take long. What was given with the patience must be valid until
 * the handler returns, and no longer: its end waits for an early answer that is being given.
 */
#include "net/http-private.h"

#include "base/clock.h"
#include "base/guard.h"

static void list_in_order(dol_http_server *server, dol_http_request *request)
{
        GList *after = server->impatient.tail;

        while (after &&
               ((dol_http_request *)after->data)->patience.due_usec > request->patience.due_usec)
                after = after->prev;
        g_queue_insert_after_link(&server->impatient, after, &request->patience.link);
}

void dol_http_set_patience(dol_http_request *request, int64_t usec,
                           void (*fn)(dol_http_request *request, void *user), void *user)
{
        dol_http_server *server = request->server;
        int64_t now = dol_monotonic_usec();
        dol_lock_scope(&server->lock);

        if (request->patience.fn || request->patience.is_over)
                return;
        request->patience.fn = fn;
        request->patience.user = user;
        request->patience.due_usec = now + CLAMP(usec, 0, INT64_MAX / 2 - now);
        request->patience.is_listed = true;
        list_in_order(server, dol_http_request_ref(request));
        if (request->patience.due_usec < server->sleeps_until_usec)
                dol_http_accept_wake(server);
}

int64_t dol_http_patience_next_usec(const dol_http_server *server)
{
        const dol_http_request *first =
                server->impatient.head ? server->impatient.head->data : NULL;

        return first ? first->patience.due_usec : 0;
}

/* Takes the first that is due off the list; NULL when there is none. */
static dol_http_request *take_due(dol_http_server *server)
{
        int64_t next;
        dol_http_request *request;
        dol_lock_scope(&server->lock);

        next = dol_http_patience_next_usec(server);
        if (!next || next > dol_monotonic_usec())
                return NULL;
        request = g_queue_pop_head_link(&server->impatient)->data;
        request->patience.is_listed = false;
        request->patience.is_running = true;
        return request;
}

void dol_http_patience_run_due(dol_http_server *server)
{
        dol_http_request *request;

        while ((request = take_due(server))) {
                if (dol_http_is_open(request))
                        request->patience.fn(request, request->patience.user);
                pthread_mutex_lock(&server->lock);
                request->patience.is_running = false;
                pthread_cond_broadcast(&request->patience_ended);
                pthread_mutex_unlock(&server->lock);
                dol_http_request_unref(request);
        }
}

void dol_http_patience_end(dol_http_request *request)
{
        dol_http_server *server = request->server;
        dol_lock_scope(&server->lock);

        request->patience.is_over = true;
        if (request->patience.is_listed) {
                g_queue_unlink(&server->impatient, &request->patience.link);
                request->patience.is_listed = false;
                /* The handler's own reference is still there. */
                atomic_fetch_sub(&request->references, 1);
        }
        while (request->patience.is_running)
                pthread_cond_wait(&request->patience_ended, &server->lock);
}
