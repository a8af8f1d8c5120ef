/* SPDX-License-Identifier: Apache-2.0 */
/* A server on a unix socket in a temporary directory, and clients that send raw bytes to it. */
#pragma once

#include "net/http-server.h"

typedef struct {
        char *directory;
        char *path; /* of the socket */
        dol_workers *workers;
        dol_http_server *server; /* NULL once stopped */
        dol_http_config config;  /* as it was started */
} http_fixture;

typedef struct {
        int status; /* 0: the connection was closed without an answer */
        char *head;
        GString *body;
        bool closed; /* the server has closed the connection */
} http_heard;

/* Sensible limits for tests; the routes and the rest may be changed before the start. */
http_fixture *http_fixture_new(const dol_http_route *routes);
void http_fixture_start(http_fixture *fixture);
/* The same on a TCP port of the loopback interface; tells its URL. g_free it. */
char *http_fixture_start_tcp(http_fixture *fixture);
void http_fixture_stop(http_fixture *fixture, int64_t grace_usec);
void http_fixture_free(http_fixture *fixture);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(http_fixture, http_fixture_free)

/* A connected client; reading from it fails after 10 s. */
int http_connect(const http_fixture *fixture);
void http_say(int fd, const char *text);
/* false when the server has closed. */
bool http_say_bytes(int fd, const void *bytes, size_t size);
/* One answer: by Content-Length, by chunks, or to the end. */
void http_hear(int fd, http_heard *ret);
void http_heard_clear(http_heard *heard);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(http_heard, http_heard_clear)
/* Connects, says, hears. */
void http_ask(const http_fixture *fixture, const char *text, http_heard *ret);
void http_ask_bytes(const http_fixture *fixture, const void *bytes, size_t size, http_heard *ret);
/* Waits until the server closes; false when it has not within `usec`. */
bool http_wait_closed(int fd, int64_t usec);
/* The value of a header of the answer; NULL when absent. g_free it. */
char *http_heard_header(const http_heard *heard, const char *name);
