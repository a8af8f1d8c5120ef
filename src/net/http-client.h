/* SPDX-License-Identifier: Apache-2.0 */
/* An HTTP/1.1 client over libcurl, for unix:///path and http://host:port. One connection, kept
 * alive; not to be shared by threads. */
#pragma once

#include "base/call.h"

typedef struct dol_http_client dol_http_client;

typedef struct {
        int status;
        char *body; /* NUL-terminated beyond size */
        size_t size;
        char *content_type; /* may be NULL */
        char *etag;         /* may be NULL */
        char *location;     /* may be NULL */
} dol_http_answer;

void dol_http_answer_clear(dol_http_answer *answer);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(dol_http_answer, dol_http_answer_clear)

/* INVALID for a URL that is neither unix:///... nor http(s)://... */
dol_http_client *dol_http_client_new(const char *url, GError **error);
void dol_http_client_free(dol_http_client *client);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(dol_http_client, dol_http_client_free)

/* Sends and waits; any HTTP status is an answer. `headers` are "Name: value" lines, NULL-terminated
 * (may be NULL). UNAVAILABLE when nobody listens, saying what to do; DENIED without permission for
 * the socket; TIMEOUT past the call's deadline. Answers over 64 MiB: INVALID. */
bool dol_http_client_send(dol_http_client *client, const dol_call *call, const char *method,
                          const char *path, const char *const *headers, const char *body,
                          dol_http_answer *ret, GError **error);

/* A transfer: much goes up or comes down, and is never held as a whole. */
typedef struct {
        const char *method, *path;
        const char *content_type; /* of what is sent */
        /* What is sent (NULL = nothing): up to `max` bytes; *ret_size 0 = the end. */
        bool (*read)(void *to, size_t max, size_t *ret_size, void *user, GError **error);
        int64_t size; /* of all that is sent; -1 = not known */
        /* Takes what comes with status 200; NULL = it is collected as with other ones. */
        bool (*write)(const void *bytes, size_t size, void *user, GError **error);
        void *user;
} dol_http_transfer;

/* Does it. Fails with what `read` or `write` failed with. An answer that comes before all was sent
 * ends the sending. */
bool dol_http_client_transfer(dol_http_client *client, const dol_call *call,
                              const dol_http_transfer *transfer, dol_http_answer *ret,
                              GError **error);

/* The same for a stream: `line` is called for every line of the answer as it comes; false stops.
 * With a status other than 200 the body is collected into *ret instead. */
bool dol_http_client_stream(dol_http_client *client, const dol_call *call, const char *path,
                            bool (*line)(const char *text, void *user), void *user,
                            dol_http_answer *ret, GError **error);
