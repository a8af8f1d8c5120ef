/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An HTTP/1.1 server over libmicrohttpd: one per listening socket, with its table of routes. It
 * bounds everything a client controls (connections, head, body, time) and knows nothing of storage.
 *
 * A request is received whole, checked (head gate, path, query names, body size), and handled on a
 * worker thread, or on the server's own thread for routes marked DOL_ROUTE_INLINE (which must only
 * read memory). The handler answers once with dol_http_reply*; returning false answers with the
 * face's own error form.
 *
 * Routes marked DOL_ROUTE_UPLOAD are handled as soon as their head is there, and take a body of any
 * length piece by piece with dol_http_read. An answer that is given before the end of the body goes
 * out at once; what the client still sends is thrown away for a moment, then the connection closes.
 */
#pragma once

#include "base/call.h"
#include "base/worker.h"
#include "codec/schema.h"

#include <sys/types.h>

typedef struct dol_http_server dol_http_server;
typedef struct dol_http_request dol_http_request;
typedef struct dol_http_stream dol_http_stream;

enum {
        DOL_ROUTE_INLINE = 1 << 0, /* reads memory only: handled without a worker */
        DOL_ROUTE_STREAM = 1 << 1, /* may answer with a stream */
        DOL_ROUTE_LONG = 1 << 2,   /* may be answered early, see dol_http_set_patience */
        DOL_ROUTE_UPLOAD = 1 << 3, /* the handler reads the body itself, with dol_http_read */
        /* may take hours: handled by a worker of its own kind, within transfer_usec */
        DOL_ROUTE_TRANSFER = 1 << 4,
};

typedef struct {
        const char *name; /* of the query parameter */
        const char *doc;
} dol_http_parameter;

typedef struct {
        const char *method; /* "GET" */
        const char *path;   /* "/v1/volumes/{volume}/mount" */
        bool (*handle)(dol_http_request *request, void *user, GError **error);
        unsigned flags;
        const char *summary;             /* one line for the OpenAPI document */
        const dol_schema *body;          /* NULL = the request has no body */
        const dol_schema *reply;         /* NULL = not described */
        int status;                      /* of a good answer; 0 = 200 */
        const dol_http_parameter *query; /* accepted names, ends with {NULL}; NULL = none */
        const char *media; /* type of an upload's body, or of a stream; NULL = JSON or text */
} dol_http_route;

/* Answers an error in the face's own form, with dol_http_reply_* or dol_http_drop. Also called, on
 * any thread, for what the server itself refuses (400, 404, 405, 413, 503). A client that is too
 * slow is closed without an answer; heads that are too large or not HTTP at all get a plain 4xx. */
typedef void (*dol_http_error_fn)(dol_http_request *request, int status, const GError *error);

typedef struct {
        const char *name;             /* for threads and log lines: "rest" */
        int listen_fd;                /* bound and listening; the server owns it from now on */
        const dol_http_route *routes; /* ends with {NULL}; must outlive the server */
        void *user;                   /* handed to the handlers */
        dol_http_error_fn error;
        dol_workers *workers; /* must outlive the server */
        size_t body_max;      /* bytes; larger: 413 */
        int64_t receive_usec; /* from the first byte of a request to its last; else 408 or
                                 close. Total, not idle: one byte a second does not help */
        int64_t idle_usec;    /* between requests on a connection; also to take an answer, then
                                 at most 10 minutes */
        int64_t handle_usec;  /* deadline of the dol_call of a request */
        dol_workers *transfer_workers; /* of DOL_ROUTE_TRANSFER; must outlive the server */
        int64_t transfer_usec;         /* handle_usec of DOL_ROUTE_TRANSFER */
        int64_t transfer_idle_usec;    /* between two pieces of an upload's body; else close */
        unsigned connections_max;      /* more are refused */
        bool ignore_query;             /* faces whose clients may add unknown query parameters */
} dol_http_config;

/* Starts serving. On failure listen_fd is closed too. */
dol_http_server *dol_http_server_start(const dol_http_config *config, GError **error);
/* Stops accepting, ends the streams and uploads, lets running requests end (up to `grace_usec`),
 * closes everything. A handler that is still running then is cancelled and may go on without a
 * client: free the workers after this, and after them what the handlers use. NULL is fine. */
void dol_http_server_stop(dol_http_server *server, int64_t grace_usec);

/* What was asked. Strings live as long as the request. */
const char *dol_http_method(const dol_http_request *request);
const char *dol_http_path(const dol_http_request *request);
/* The decoded value of "{name}" in the route's path: UTF-8 without NUL. */
const char *dol_http_argument(const dol_http_request *request, const char *name);
/* Decoded query parameter; NULL when absent. Repeated parameters are refused by the gate. */
const char *dol_http_query(const dol_http_request *request, const char *name);
const char *dol_http_header(const dol_http_request *request, const char *name);
const char *dol_http_body(const dol_http_request *request, size_t *ret_size);
/* Decodes the body by rows. An empty body is "expected a JSON object". */
bool dol_http_decode(const dol_http_request *request, const dol_schema *schema, unsigned flags,
                     void *out, GError **error);
/* Of a DOL_ROUTE_UPLOAD: takes the next bytes of the body, at most `max`, and waits for them.
 * *ret_size is 0 at the end of the body only. UNAVAILABLE when the client goes before the end,
 * TIMEOUT when it sends nothing for too long or the request's deadline passes. */
bool dol_http_read(dol_http_request *request, void *to, size_t max, size_t *ret_size,
                   GError **error);
/* Deadline and cancel flag of the request; the flag is set when the client has gone. */
const dol_call *dol_http_call(const dol_http_request *request);

typedef struct {
        pid_t pid; /* 0 when unknown (TCP) */
        uid_t uid;
        gid_t gid;
} dol_http_peer;
/* SO_PEERCRED of a unix socket. */
dol_http_peer dol_http_peer_of(const dol_http_request *request);
/* true when the client has closed its end before it got an answer. Asks the socket; the call's
 * cancel flag is set too. The flag is also set without asking, within a moment. */
bool dol_http_client_gone(const dol_http_request *request);

/* Answers. The first one counts; later ones are dropped and return false. Status 0 is the one of
 * the route. After an answer the handler is not cancelled any more. */
bool dol_http_reply_json(dol_http_request *request, int status, const dol_schema *schema,
                         const void *object);
/* Takes the text (its memory too). */
bool dol_http_reply_text(dol_http_request *request, int status, const char *content_type,
                         GString *text);
/* Adds a header to the answer that comes; before the reply only. */
void dol_http_reply_header(dol_http_request *request, const char *name, const char *value);
/* Closes the connection without an answer; counts as an answer. */
void dol_http_drop(dol_http_request *request);

/* When the handler has not answered `usec` from now, `fn` is called to answer instead (on another
 * thread, once, and never after the handler has returned; it must not block); the handler goes on
 * and its answer is dropped. For 202 Accepted. The first call of a request counts. */
void dol_http_set_patience(dol_http_request *request, int64_t usec,
                           void (*fn)(dol_http_request *request, void *user), void *user);
/* Free for the handler's use; freed with the request. */
void dol_http_set_data(dol_http_request *request, void *data, GDestroyNotify free_data);
void *dol_http_data(const dol_http_request *request);

/* A stream: an answer in pieces, over as long a time as its maker likes, from any thread. Begun by
 * the handler, in place of a reply; never NULL, and to be ended by its maker in any case. */
dol_http_stream *dol_http_stream_begin(dol_http_request *request, const char *content_type);
/* Queues bytes; false when the client has gone, or has more than 1 MiB waiting (it is then cut
 * off): end the stream. */
bool dol_http_stream_write(dol_http_stream *stream, const char *bytes, size_t size);
/* The same for a maker that may wait: until the client has taken enough of what was queued before.
 * false also when it takes nothing for `idle_usec`. */
bool dol_http_stream_send(dol_http_stream *stream, const void *bytes, size_t size,
                          int64_t idle_usec);
/* `fn` is called once when the client goes or the server stops, on any thread, maybe at once. It
 * may end the stream. It is not called, nor still running, once dol_http_stream_end has returned:
 * so do not end a stream while holding a lock that `fn` takes. */
void dol_http_stream_on_close(dol_http_stream *stream, void (*fn)(void *user), void *user);
/* Ends the answer; the stream must not be used afterwards. */
void dol_http_stream_end(dol_http_stream *stream);
/* The same for an answer that is not whole: the client sees the connection break off. */
void dol_http_stream_break(dol_http_stream *stream);

/* Percent-encodes a path segment or query value. */
char *dol_http_escape(const char *text);
