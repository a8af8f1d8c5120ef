/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of the gRPC server, for the files of this room only.
 *
 *   grpc-server.c      start and stop
 *   grpc-loop.c        the server's own thread: accepts, waits, keeps deadlines
 *   grpc-connection.c  one connection: its nghttp2 session, reading, writing, its limits
 *   grpc-session.c     nghttp2's callbacks: requests from their first header to their end
 *   grpc-request.c     one call, as its handler sees it
 *   grpc-answer.c      answers: heads, messages, trailers
 *   grpc-wire.c        gRPC's own encodings: message prefix, time-outs, percent-encoding
 *
 * One thread (the loop) does all reading and writing; connections and sessions are its own. What it
 * shares with the workers is the queue of requests that have something to send, and each request's
 * outgoing messages. Locks, in this order: a request's, the server's.
 */
#pragma once

#include "net/grpc-server.h"

#include <nghttp2/nghttp2.h>
#include <pthread.h>

/* ---- grpc-wire.c: no state ---- */

/* "5S", "100m": 1 to 8 digits and one of H M S m u n. false otherwise. */
bool dol_grpc_timeout_parse(const char *text, int64_t *ret_usec);
/* Everything but printable ASCII, and '%', as %XX; cut at a few KiB. g_free it. */
char *dol_grpc_percent_encode(const char *text);
/* Takes the one message out of a request's body. `encoding` ("gzip", "deflate", "identity"; NULL =
 * none) is how a message that says it is compressed is compressed. On failure *ret_code is the gRPC
 * code: wrong framing INTERNAL, unknown encoding UNIMPLEMENTED, more than `max` bytes
 * RESOURCE_EXHAUSTED. */
bool dol_grpc_unframe(GByteArray *body, const char *encoding, size_t max, GByteArray **ret_message,
                      int *ret_code, GError **error);

/* ---- state ---- */

/* So many at once, and so many more a second. */
typedef struct {
        double left;
        int64_t filled_usec;
} dol_grpc_allowance;

/* What the server waits for on a connection, hence until when. */
typedef enum {
        DOL_GRPC_WAIT_NOTHING,  /* calls have deadlines of their own */
        DOL_GRPC_WAIT_GREETING, /* receive_usec from the connecting, for preface and SETTINGS */
        DOL_GRPC_WAIT_CALL,     /* idle_usec from the end of the last one */
        DOL_GRPC_WAIT_SEND,     /* send_usec from the last byte that the client took */
} dol_grpc_wait;

typedef struct {
        dol_grpc_server *server;
        uint64_t id;
        int fd;
        pid_t peer;
        nghttp2_session *session;
        GByteArray *out; /* serialised, not sent yet */
        GQueue requests; /* of dol_grpc_request whose stream is open */
        dol_grpc_wait wait;
        int64_t deadline_usec;               /* of `wait`; 0 = none */
        dol_grpc_allowance resets, controls; /* of frames that cost us more than the client */
        bool greeted;                        /* its preface and SETTINGS are there */
        uint32_t events;                     /* that epoll tells of */
        bool broken;                         /* to be closed */
        bool leaving;                        /* GOAWAY was sent: closed when it has no call */
} dol_grpc_connection;

struct dol_grpc_server {
        atomic_uint references; /* one of the owner, one of each request */
        dol_grpc_config config;
        pthread_t loop;
        int epoll_fd, wake_fd;
        atomic_size_t held; /* bytes of requests */

        /* the loop's own */
        GHashTable *connections; /* id -> dol_grpc_connection, owned */
        uint64_t next_id;
        int64_t next_check_usec; /* no deadline is earlier */

        pthread_mutex_t lock; /* guards what follows */
        GQueue ready;         /* of requests that have something to send, each with a reference */
        bool stopping;
        bool ended; /* nobody takes from `ready` any more */
        int64_t stop_by_usec;
};

typedef enum {
        DOL_GRPC_RECEIVING,
        DOL_GRPC_RUNNING,
        DOL_GRPC_ANSWERING,
} dol_grpc_phase;

struct dol_grpc_request {
        atomic_uint references;
        dol_grpc_server *server; /* a reference */
        atomic_bool cancelled;
        dol_call call;
        pid_t peer;
        const dol_grpc_method *method; /* NULL: none has this path */

        /* the loop's own */
        dol_grpc_connection *connection; /* NULL when the stream is closed */
        GList link;                      /* in connection->requests */
        int32_t stream;
        dol_grpc_phase phase;
        int64_t deadline_usec; /* of the phase */
        bool whole;            /* received to its end */
        bool head_sent;

        /* Filled while it is received, then read by its worker only. */
        char *http_method, *path, *content_type, *timeout, *encoding;
        size_t head_size;
        size_t held; /* counted in server->held */
        GByteArray *body;
        GByteArray *message;
        int code; /* of the handler's error, when it set one; 0 = none */

        pthread_mutex_t lock; /* guards what follows */
        pthread_cond_t room;  /* some of `out` was taken */
        GQueue out;           /* of GByteArray, framed */
        size_t out_size;      /* of all of them */
        size_t out_taken;     /* of the first */
        bool ended;           /* no more will come; the status is decided: */
        int status;
        char *text; /* grpc-message; NULL = none */
};

/* ---- grpc-server.c ---- */
void dol_grpc_server_unref(dol_grpc_server *server);
/* Wakes the loop. */
void dol_grpc_wake(dol_grpc_server *server);

/* ---- grpc-loop.c ---- */
void *dol_grpc_loop_run(void *server);
/* The loop looks at deadlines at this time at the latest. */
void dol_grpc_check_by(dol_grpc_server *server, int64_t usec);

/* ---- grpc-connection.c ---- */
/* Takes the fd. NULL when there is no memory for a session. */
dol_grpc_connection *dol_grpc_connection_new(dol_grpc_server *server, int fd);
/* Cancels its calls, closes it. */
void dol_grpc_connection_free(void *connection);
/* Reads what is there; later, and after anything was submitted: writes. */
void dol_grpc_connection_read(dol_grpc_connection *connection);
void dol_grpc_connection_write(dol_grpc_connection *connection);
/* Finds out what it waits for, after calls have come or gone. */
void dol_grpc_connection_rest(dol_grpc_connection *connection);
/* Says GOAWAY; it is over when its calls are. */
void dol_grpc_connection_leave(dol_grpc_connection *connection);
/* Acts on what is overdue. */
void dol_grpc_connection_check(dol_grpc_connection *connection, int64_t now);
/* true when it is to be freed. */
bool dol_grpc_connection_is_over(dol_grpc_connection *connection);
/* Takes one from the allowance of `burst` and `rate` a second; false when it is used up. */
bool dol_grpc_allow(dol_grpc_allowance *allowance, unsigned burst, unsigned rate);

/* ---- grpc-session.c ---- */
/* A server session with our settings and callbacks; NULL without memory. */
nghttp2_session *dol_grpc_session_new(dol_grpc_connection *connection);

/* ---- grpc-request.c ---- */
dol_grpc_request *dol_grpc_request_new(dol_grpc_connection *connection, int32_t stream);
dol_grpc_request *dol_grpc_request_ref(dol_grpc_request *request);
void dol_grpc_request_unref(dol_grpc_request *request);
/* Decides the status, unless it was decided before: then false. */
bool dol_grpc_request_end(dol_grpc_request *request, int status, const char *text);
/* Its stream has closed: nothing leads from the request to its connection any more. */
void dol_grpc_request_detach(dol_grpc_request *request);
/* Received whole: hands it to a worker, or refuses it. */
void dol_grpc_request_dispatch(dol_grpc_request *request);

/* ---- grpc-answer.c: on the loop's thread ---- */
/* Submits what the request has to send. */
void dol_grpc_answer(dol_grpc_request *request);
/* Ends it with this status and submits that. */
void dol_grpc_refuse(dol_grpc_request *request, int status, const char *text);
/* Answers what is not gRPC at all. */
void dol_grpc_refuse_http(dol_grpc_request *request, const char *http_status);
