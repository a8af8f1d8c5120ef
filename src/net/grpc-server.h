/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A gRPC server over HTTP/2 (nghttp2) on a unix socket: unary and server-streaming calls. It bounds
 * everything a client controls (connections, calls, heads, messages also after decompression,
 * memory, time, resets and pings) and knows nothing of storage.
 *
 * A request is received whole, then handled on a worker thread, so that a slow handler keeps nobody
 * waiting. The handler sends its answer with dol_grpc_send and returns true; returning false ends
 * the call with the error's gRPC code (base/error.h) and text.
 */
#pragma once

#include "base/call.h"
#include "base/worker.h"

#include <sys/types.h>

typedef struct dol_grpc_server dol_grpc_server;
typedef struct dol_grpc_request dol_grpc_request;

/* The codes that gRPC itself needs beyond those of base/error.h's table. */
enum {
        DOL_GRPC_OK = 0,
        DOL_GRPC_DEADLINE_EXCEEDED = 4,
        DOL_GRPC_NOT_FOUND = 5,
        DOL_GRPC_ALREADY_EXISTS = 6,
        DOL_GRPC_RESOURCE_EXHAUSTED = 8,
        DOL_GRPC_FAILED_PRECONDITION = 9,
        DOL_GRPC_ABORTED = 10,
        DOL_GRPC_OUT_OF_RANGE = 11,
        DOL_GRPC_UNIMPLEMENTED = 12,
        DOL_GRPC_INTERNAL = 13,
        DOL_GRPC_UNAVAILABLE = 14,
};

typedef struct {
        const char *path; /* "/package.Service/Method" */
        bool (*handle)(dol_grpc_request *request, void *user, GError **error);
        const void *about; /* for the handler's use, see dol_grpc_about */
} dol_grpc_method;

typedef struct {
        const char *name;               /* for threads and log lines: "csi" */
        int listen_fd;                  /* bound and listening; the server owns it from now on */
        const dol_grpc_method *methods; /* ends with {NULL}; must outlive the server */
        void *user;                     /* handed to the handlers */
        dol_workers *workers;           /* must outlive the server */
        size_t message_max;             /* bytes of a message as received and after decompression */
        size_t memory_max;              /* bytes of all requests being received or handled */
        int64_t receive_usec; /* for the client's preface, and from a request's head to its end */
        int64_t send_usec;    /* without any progress of the client's taking an answer */
        int64_t idle_usec;    /* without any call on a connection */
        int64_t handle_usec;  /* deadline of the dol_call of a request that brings none sooner */
        unsigned connections_max; /* more are closed at once */
        unsigned calls_max;       /* at the same time on one connection; more are refused */
} dol_grpc_config;

/* Starts serving. On failure listen_fd is closed too. */
dol_grpc_server *dol_grpc_server_start(const dol_grpc_config *config, GError **error);
/* Tells the clients to go (GOAWAY), lets running calls end (up to `grace_usec`), closes everything.
 * A handler that is still running then is cancelled and may go on without a client: free the
 * workers after this, and after them what the handlers use. NULL is fine. */
void dol_grpc_server_stop(dol_grpc_server *server, int64_t grace_usec);

/* What was asked, decompressed. Lives as long as the request. */
const uint8_t *dol_grpc_message(const dol_grpc_request *request, size_t *ret_size);
/* The path as in the table, and the row's `about`. */
const char *dol_grpc_path(const dol_grpc_request *request);
const void *dol_grpc_about(const dol_grpc_request *request);
/* Deadline (the client's, or the server's handle_usec) and cancel flag; the flag is set when the
 * client has cancelled the call, or has gone. */
const dol_call *dol_grpc_call(const dol_grpc_request *request);
/* SO_PEERCRED's process id of the client; 0 = unknown. */
pid_t dol_grpc_peer_pid(const dol_grpc_request *request);

/* Sends a message of the answer (takes the bytes): one for a unary call, any number for a stream.
 * Waits while the client has 1 MiB or more to take, up to send_usec. UNAVAILABLE when it has gone
 * or does not take it. */
bool dol_grpc_send(dol_grpc_request *request, GByteArray *message, GError **error);
/* The code of the error that the handler is about to return, in place of its kind's. */
void dol_grpc_set_code(dol_grpc_request *request, int code);
