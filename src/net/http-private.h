/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of the HTTP server, for the files of this room only.
 *
 *   server.c      start and stop
 *   accept.c      the server's own thread: accepts, watches for clients that go, keeps deadlines
 *   connection.c  what is known of each connection
 *   exchange.c    libmicrohttpd's callbacks: one request from its first line to its answer
 *   gate.c        refuses heads that libmicrohttpd lets through
 *   route.c       path and query
 *   request.c     what the handler asks of a request
 *   upload.c      bodies that the handler reads
 *   handle.c      runs the handler, on a worker or at once
 *   reply.c       answers
 *   patience.c    early answers
 *   stream.c      answers in pieces
 *
 * libmicrohttpd's threads ("loops") do the reading and writing. It is given the connections one by
 * one, because it would leave those beyond its limit waiting instead of refusing them.
 *
 * Locks, in this order: a stream's, a request's, the server's. No callback of a user is called
 * with any of them held.
 */
#pragma once

#include "net/http-server.h"

#include <microhttpd.h>
#include <pthread.h>

/* What the server waits for on a connection, hence until when. */
typedef enum {
        DOL_HTTP_WAIT_NOTHING, /* it is our turn: no deadline */
        DOL_HTTP_WAIT_REQUEST, /* receive_usec from the first byte (or the connecting) */
        DOL_HTTP_WAIT_UPLOAD,  /* transfer_idle_usec from the last piece of a body */
        DOL_HTTP_WAIT_IDLE,    /* idle_usec from the end of the last answer */
        DOL_HTTP_WAIT_SEND,    /* the client takes the answer: idle_usec, up to 10 min */
        DOL_HTTP_WAIT_END,     /* libmicrohttpd sees the client's end: a moment, then a nudge */
        DOL_HTTP_WAIT_COUNT
} dol_http_wait;

/* One connection. Guarded by the server's lock; lives from accept to close. */
typedef struct {
        dol_http_server *server;
        uint64_t id; /* never used again, unlike the fd */
        int fd;      /* libmicrohttpd's; open as long as this struct is listed */
        bool is_unix;
        dol_http_peer peer;
        dol_http_wait wait;
        int64_t deadline_usec;     /* of `wait` */
        GList link;                /* in server->waiting[wait] */
        dol_http_request *request; /* whose head is complete; NULL between requests */
        bool read_ended;           /* the client sends nothing any more */
        bool is_shut;              /* by us */
        unsigned nudges;           /* given since the last change of these */
        bool gone;                 /* nor does it read */
} dol_http_connection;

enum { DOL_HTTP_LOOPS = 2 };

struct dol_http_server {
        atomic_uint references; /* one of the owner, one of each request */
        dol_http_config config;
        struct MHD_Daemon *loops[DOL_HTTP_LOOPS];
        pthread_t acceptor;
        int epoll_fd;
        int wake_fd; /* eventfd: patience or the end */

        pthread_mutex_t lock;                /* guards what follows */
        pthread_cond_t changed;              /* `active` has become 0 */
        GHashTable *by_fd;                   /* fd -> dol_http_connection, owned */
        GHashTable *by_id;                   /* id -> the same */
        GQueue waiting[DOL_HTTP_WAIT_COUNT]; /* of connections, in order of deadline */
        GQueue impatient;                    /* of requests with patience, in order of due time */
        int64_t sleeps_until_usec;           /* when the acceptor wakes by itself */
        uint64_t next_id;
        unsigned active; /* requests received whole and not answered yet */
        bool stopping;   /* no new requests */
        bool ended;      /* the acceptor shall end */
};

typedef struct {
        char *name;
        char *value;
} dol_http_pair;

typedef enum {
        DOL_HTTP_OPEN, /* no answer yet */
        DOL_HTTP_ANSWERED,
        DOL_HTTP_DROPPED,
} dol_http_state;

struct dol_http_request {
        atomic_uint references;
        dol_http_server *server; /* a reference */
        dol_http_connection
                *connection; /* under the server's lock; NULL when the exchange is over */
        dol_http_peer peer;
        const dol_http_route *route; /* NULL: none matches */
        atomic_bool cancelled;
        dol_call call;

        /* What was asked. Filled while it is received, then only read. */
        char *method;
        char *target;          /* as sent */
        char *path;            /* as sent, without the query */
        const char *target_at; /* where libmicrohttpd holds it, for the gate */
        GArray *headers;       /* of dol_http_pair */
        GArray *arguments;
        GArray *query;
        GString *body;
        atomic_bool is_late; /* the client sent nothing for too long */
        bool has_head;
        bool is_active;      /* counted in server->active */
        size_t thrown_bytes; /* of a body that is not wanted */
        int refusal_status;  /* not 0: what is wrong with it ... */
        GError *refusal;     /* ... and why */

        pthread_mutex_t lock; /* guards what follows */
        pthread_cond_t patience_ended;
        struct {
                GString *queue;  /* received and not read yet; NULL: not an upload */
                size_t taken;    /* bytes of the queue that are read */
                bool has_begun;  /* bytes of the body have come */
                bool is_whole;   /* all of it has come; written by the loop only */
                GString *answer; /* given before the end, and to be sent with the next bytes */
                pthread_cond_t arrived;
        } upload;
        dol_http_state state;
        struct MHD_Connection *suspended; /* to be resumed by the answer; or NULL */
        struct MHD_Response *response;
        int status;
        GArray *reply_headers;   /* of dol_http_pair */
        dol_http_stream *stream; /* a reference */
        void *data;
        GDestroyNotify free_data;
        struct {
                void (*fn)(dol_http_request *request, void *user);
                void *user;
                int64_t due_usec; /* under the server's lock, as the two that follow */
                GList link;       /* in server->impatient */
                bool is_listed;   /* with a reference */
                bool is_running;
                bool is_over; /* the handler has returned */
        } patience;
};

/* server.c */
void dol_http_server_unref(dol_http_server *server);

/* accept.c */
void *dol_http_accept_run(void *server);
void dol_http_accept_wake(dol_http_server *server);

/* connection.c: all but the last two are called with the server's lock held */
dol_http_connection *dol_http_connection_add(dol_http_server *server, int fd, bool is_unix);
/* Unlists and frees it. */
void dol_http_connection_remove(dol_http_connection *connection);
void dol_http_connection_wait(dol_http_connection *connection, dol_http_wait wait);
/* Ends it from our side: libmicrohttpd sees an end of file and closes. */
void dol_http_connection_shut(dol_http_connection *connection);
/* The client has ended its side: sees to it that libmicrohttpd notices. */
void dol_http_connection_end_reading(dol_http_connection *connection);
/* The deadline has come. */
void dol_http_connection_expire(dol_http_connection *connection);
bool dol_http_connection_ask_gone(dol_http_connection *connection);
/* Shuts the connection that carries the request, if it is still there. */
void dol_http_request_shut(dol_http_request *request);
/* The exchange is over: nothing leads from the request to its connection any more. */
void dol_http_request_detach(dol_http_request *request);

/* exchange.c */
void *dol_http_exchange_begin(void *server, const char *target, struct MHD_Connection *mhd);
enum MHD_Result dol_http_exchange_step(void *server, struct MHD_Connection *mhd, const char *url,
                                       const char *method, const char *version, const char *bytes,
                                       size_t *size, void **state);
void dol_http_exchange_end(void *server, struct MHD_Connection *mhd, void **state,
                           enum MHD_RequestTerminationCode how);
void dol_http_exchange_notify(void *server, struct MHD_Connection *mhd, void **context,
                              enum MHD_ConnectionNotificationCode code);

/* gate.c: copies the headers into the request; false = refused, and why. */
bool dol_http_gate(dol_http_request *request, struct MHD_Connection *mhd, const char *method,
                   const char *version, GError **error);
/* Whether the body that the head announces may come; 413. */
bool dol_http_gate_body(const dol_http_request *request, GError **error);

/* route.c: sets route, arguments, query; false = refused, and why. */
bool dol_http_route_find(dol_http_request *request, int *ret_status, GError **error);

/* escape.c: decodes %XX (and '+' as a space if told so); INVALID for broken ones, NUL, bad UTF-8.
 */
char *dol_http_unescape(const char *text, size_t size, bool plus_is_space, GError **error);
/* The beginning of what a client sent, for a message: valid UTF-8 of limited length. */
char *dol_http_quotable(const char *text);

/* request.c */
dol_http_request *dol_http_request_new(dol_http_server *server, const char *target);
dol_http_request *dol_http_request_ref(dol_http_request *request);
void dol_http_request_unref(dol_http_request *request);
/* A reference to the stream that answers it, or NULL. */
dol_http_stream *dol_http_request_stream(dol_http_request *request);
/* The client has gone or the server stops: sets the cancel flag (unless it was answered), closes
 * its stream. Takes the reference. */
void dol_http_request_abandon(dol_http_request *request);
void dol_http_pairs_add(GArray *pairs, char *name, char *value);
const char *dol_http_pairs_get(const GArray *pairs, const char *name, bool any_case);
GArray *dol_http_pairs_new(void);

/* handle.c */
void dol_http_handle(void *request);

/* upload.c: the first three run on the loop's thread */
/* The body goes to the handler. */
void dol_http_upload_begin(dol_http_request *request);
/* A piece of it has come; *size gets what must come again. */
enum MHD_Result dol_http_upload_take(dol_http_request *request, struct MHD_Connection *mhd,
                                     const char *bytes, size_t *size);
/* It is whole: true when the connection waits for the answer now. */
bool dol_http_upload_end(dol_http_request *request, struct MHD_Connection *mhd);
/* The server stops: a body that is still coming is not waited for. */
void dol_http_upload_cut(dol_http_request *request);
/* Answers while the body is still coming, and takes the text; false when it is not. */
bool dol_http_upload_answer(dol_http_request *request, int status, const char *content_type,
                            GString *text);

/* reply.c */
/* Takes the response and the stream (may be NULL) that feeds it. */
bool dol_http_answer_with(dol_http_request *request, int status, struct MHD_Response *response,
                          dol_http_stream *stream);
/* Answers with the face's error form. */
void dol_http_refuse(dol_http_request *request, int status, const GError *error);
bool dol_http_is_open(dol_http_request *request);

/* patience.c */
/* With the server's lock held: when the next one is due; 0 = none. */
int64_t dol_http_patience_next_usec(const dol_http_server *server);
void dol_http_patience_run_due(dol_http_server *server);
/* The handler has returned: its patience ends, and is waited for if it is running. */
void dol_http_patience_end(dol_http_request *request);

/* stream.c */
/* Tells the stream by which connection it goes out; without it the stream waits. */
void dol_http_stream_attach(dol_http_stream *stream, struct MHD_Connection *mhd);
/* The client or the server goes: tells the maker. true when the stream was not ended before. */
bool dol_http_stream_close(dol_http_stream *stream);
dol_http_stream *dol_http_stream_ref(dol_http_stream *stream);
void dol_http_stream_unref(dol_http_stream *stream);
