/* SPDX-License-Identifier: Apache-2.0 */
#include "net/test-http-fixture.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/guard.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

static void write_error(dol_http_request *request, int status, const GError *error)
{
        GString *text = g_string_new("{\"error\":");

        dol_json_append_string(text, error->message);
        g_string_append(text, "}");
        dol_http_reply_text(request, status, "application/json", text);
}

/* A failed assertion aborts: leave nothing behind even so. */
static char left_socket[sizeof(((struct sockaddr_un *)0)->sun_path)];
static char left_directory[sizeof(left_socket)];

static void remove_left(int signal_number)
{
        unlink(left_socket);
        rmdir(left_directory);
}

static void remove_on_abort(const http_fixture *fixture)
{
        struct sigaction action = {.sa_handler = remove_left};

        action.sa_flags = (int)SA_RESETHAND;
        g_strlcpy(left_socket, fixture->path, sizeof(left_socket));
        g_strlcpy(left_directory, fixture->directory, sizeof(left_directory));
        sigaction(SIGABRT, &action, NULL);
}

static struct sockaddr_un address_of(const char *path)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};

        g_assert_cmpuint(strlen(path), <, sizeof(address.sun_path));
        g_strlcpy(address.sun_path, path, sizeof(address.sun_path));
        return address;
}

http_fixture *http_fixture_new(const dol_http_route *routes)
{
        http_fixture *fixture = g_new0(http_fixture, 1);
        g_autoptr(GError) error = NULL;

        fixture->directory = g_dir_make_tmp("dolium-http-XXXXXX", &error);
        g_assert_no_error(error);
        fixture->path = g_build_filename(fixture->directory, "s", NULL);
        remove_on_abort(fixture);
        fixture->workers = dol_workers_new("test", 4, 64);
        fixture->config = (dol_http_config){
                .name = "test",
                .routes = routes,
                .error = write_error,
                .workers = fixture->workers,
                .body_max = 64 * 1024,
                .receive_usec = 5 * DOL_USEC_PER_SEC,
                .idle_usec = 10 * DOL_USEC_PER_SEC,
                .handle_usec = 10 * DOL_USEC_PER_SEC,
                .connections_max = 100,
                .user = fixture,
        };
        return fixture;
}

static void start_on(http_fixture *fixture, int fd, const struct sockaddr *address, socklen_t size)
{
        g_autoptr(GError) error = NULL;

        g_assert_cmpint(bind(fd, address, size), ==, 0);
        g_assert_cmpint(listen(fd, 4096), ==, 0);
        fixture->config.listen_fd = fd;
        fixture->server = dol_http_server_start(&fixture->config, &error);
        g_assert_no_error(error);
        g_assert_nonnull(fixture->server);
}

void http_fixture_start(http_fixture *fixture)
{
        struct sockaddr_un address = address_of(fixture->path);

        start_on(fixture, socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0),
                 (struct sockaddr *)&address, sizeof(address));
}

char *http_fixture_start_tcp(http_fixture *fixture)
{
        struct sockaddr_in address = {.sin_family = AF_INET};
        socklen_t size = sizeof(address);

        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        start_on(fixture, socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0),
                 (struct sockaddr *)&address, size);
        getsockname(fixture->config.listen_fd, (struct sockaddr *)&address, &size);
        return g_strdup_printf("http://127.0.0.1:%d/", ntohs(address.sin_port));
}

void http_fixture_stop(http_fixture *fixture, int64_t grace_usec)
{
        dol_http_server_stop(g_steal_pointer(&fixture->server), grace_usec);
}

void http_fixture_free(http_fixture *fixture)
{
        http_fixture_stop(fixture, DOL_USEC_PER_SEC);
        dol_workers_free(fixture->workers);
        g_unlink(fixture->path);
        g_rmdir(fixture->directory);
        g_free(fixture->path);
        g_free(fixture->directory);
        g_free(fixture);
}

int http_connect(const http_fixture *fixture)
{
        struct sockaddr_un address = address_of(fixture->path);
        struct timeval patience = {.tv_sec = 10};
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        g_assert_cmpint(connect(fd, (struct sockaddr *)&address, sizeof(address)), ==, 0);
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
        return fd;
}

bool http_say_bytes(int fd, const void *bytes, size_t size)
{
        size_t sent = 0;

        while (sent < size) {
                ssize_t some = send(fd, (const char *)bytes + sent, size - sent, MSG_NOSIGNAL);

                if (some <= 0)
                        return false;
                sent += (size_t)some;
        }
        return true;
}

void http_say(int fd, const char *text)
{
        g_assert_true(http_say_bytes(fd, text, strlen(text)));
}

/* Appends up to `max` bytes; false at the end. A server that neither answers nor closes fails the
 * test. */
static bool hear_some(int fd, GString *to, size_t max)
{
        char bytes[4096];
        ssize_t some = recv(fd, bytes, MIN(max, sizeof(bytes)), 0);

        g_assert_false(some < 0 && errno == EAGAIN);
        if (some <= 0)
                return false;
        g_string_append_len(to, bytes, some);
        return true;
}

static bool hear_exactly(int fd, GString *to, size_t size)
{
        size_t end = to->len + size;

        while (to->len < end) {
                if (!hear_some(fd, to, end - to->len))
                        return false;
        }
        return true;
}

static bool hear_line(int fd, GString *to)
{
        size_t begin = to->len;

        while (to->len < begin + 2 || strcmp(to->str + to->len - 2, "\r\n") != 0) {
                if (!hear_some(fd, to, 1))
                        return false;
        }
        return true;
}

static bool hear_head(int fd, GString *head)
{
        size_t begin;

        do {
                begin = head->len;
                if (!hear_line(fd, head))
                        return false;
        } while (head->len - begin > 2);
        return true;
}

static bool hear_chunks(int fd, GString *body)
{
        for (;;) {
                g_autoptr(GString) line = g_string_new(NULL);
                g_autoptr(GString) end = g_string_new(NULL);
                size_t size;

                if (!hear_line(fd, line))
                        return false;
                size = g_ascii_strtoull(line->str, NULL, 16);
                if (size && !hear_exactly(fd, body, size))
                        return false;
                if (!hear_line(fd, end))
                        return false;
                if (!size)
                        return true;
        }
}

char *http_heard_header(const http_heard *heard, const char *name)
{
        g_autofree char *wanted = g_strdup_printf("\r\n%s: ", name);
        const char *at = strcasestr(heard->head, wanted);

        return at ? g_strndup(at + strlen(wanted), strcspn(at + strlen(wanted), "\r")) : NULL;
}

static void hear_body(int fd, http_heard *heard)
{
        g_autofree char *length = http_heard_header(heard, "Content-Length");
        g_autofree char *encoding = http_heard_header(heard, "Transfer-Encoding");

        if (heard->status == 204 || heard->status == 100)
                return;
        if (encoding)
                heard->closed = !hear_chunks(fd, heard->body);
        else if (length)
                heard->closed = !hear_exactly(fd, heard->body, strtoul(length, NULL, 10));
        else
                while (hear_some(fd, heard->body, SIZE_MAX))
                        ;
}

void http_hear(int fd, http_heard *ret)
{
        g_autoptr(GString) head = g_string_new(NULL);
        bool whole = hear_head(fd, head);

        *ret = (http_heard){.body = g_string_new(NULL), .closed = !whole};
        ret->head = g_string_free(g_steal_pointer(&head), false);
        if (!whole)
                return;
        g_assert_cmpint(sscanf(ret->head, "HTTP/1.%*c %d", &ret->status), ==, 1);
        hear_body(fd, ret);
}

void http_heard_clear(http_heard *heard)
{
        g_clear_pointer(&heard->head, g_free);
        if (heard->body)
                g_string_free(g_steal_pointer(&heard->body), true);
}

void http_ask_bytes(const http_fixture *fixture, const void *bytes, size_t size, http_heard *ret)
{
        dol_autofd fd = http_connect(fixture);

        http_say_bytes(fd, bytes, size);
        http_hear(fd, ret);
}

void http_ask(const http_fixture *fixture, const char *text, http_heard *ret)
{
        http_ask_bytes(fixture, text, strlen(text), ret);
}

bool http_wait_closed(int fd, int64_t usec)
{
        int64_t until = dol_monotonic_usec() + usec;
        char ignored[4096];
        int64_t left;

        while ((left = until - dol_monotonic_usec()) > 0) {
                struct pollfd poller = {.fd = fd, .events = POLLIN};

                if (poll(&poller, 1, (int)(left / 1000 + 1)) > 0 &&
                    recv(fd, ignored, sizeof(ignored), MSG_DONTWAIT) <= 0)
                        return true;
        }
        return false;
}
