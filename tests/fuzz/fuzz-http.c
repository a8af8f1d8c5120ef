/* SPDX-License-Identifier: Apache-2.0 */
/* Raw bytes on a connection of the HTTP server. Whatever comes, what reaches a handler is clean,
 * the connection ends soon, and the next client is served. */
#include "fuzz.h"

#include "base/clock.h"
#include "base/guard.h"
#include "net/http-server.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

static struct sockaddr_un address;
static socklen_t address_size = sizeof(sa_family_t);

static bool is_clean(const char *text)
{
        return !text || g_utf8_validate(text, -1, NULL);
}

static bool handle(dol_http_request *request, void *user, GError **error)
{
        const char *agent = dol_http_header(request, "User-Agent");
        size_t size;
        const char *body = dol_http_body(request, &size);

        fuzz_require(is_clean(dol_http_argument(request, "name")));
        fuzz_require(is_clean(dol_http_query(request, "limit")));
        fuzz_require(!agent || !strpbrk(agent, "\r\n\x1b\x7f"));
        fuzz_require(size <= 4096 && body[size] == '\0');
        return dol_http_reply_text(request, 200, "text/plain", g_string_new("handled"));
}

static bool stream(dol_http_request *request, void *user, GError **error)
{
        dol_http_stream *out = dol_http_stream_begin(request, "text/plain");

        dol_http_stream_write(out, "piece\n", 6);
        dol_http_stream_end(out);
        return true;
}

static void refuse(dol_http_request *request, int status, const GError *error)
{
        fuzz_require(status >= 400 && status < 600 && error);
        fuzz_require(g_utf8_validate(error->message, -1, NULL));
        dol_http_reply_text(request, status, "text/plain", g_string_new(error->message));
}

static const dol_http_parameter query[] = {{"limit", NULL}, {NULL}};

static const dol_http_route routes[] = {
        {"GET", "/ok", handle, DOL_ROUTE_INLINE},
        {"GET", "/v1/{name}", handle, DOL_ROUTE_INLINE, .query = query},
        {"POST", "/v1/{name}", handle, .query = query},
        {"GET", "/stream", stream, DOL_ROUTE_STREAM},
        {NULL},
};

/* One server for all inputs, on an abstract address that the kernel chooses: no file is left. */
static void start_once(void)
{
        static dol_http_server *server;
        dol_http_config config = {
                .name = "fuzz",
                .routes = routes,
                .error = refuse,
                .body_max = 4096,
                .receive_usec = 5 * DOL_USEC_PER_SEC,
                .idle_usec = 5 * DOL_USEC_PER_SEC,
                .handle_usec = DOL_USEC_PER_SEC,
                .connections_max = 64,
        };

        if (server)
                return;
        address.sun_family = AF_UNIX;
        config.workers = dol_workers_new("fuzz", 2, 64);
        config.listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        fuzz_require(!bind(config.listen_fd, (struct sockaddr *)&address, address_size));
        fuzz_require(!listen(config.listen_fd, 64));
        address_size = sizeof(address);
        getsockname(config.listen_fd, (struct sockaddr *)&address, &address_size);
        server = dol_http_server_start(&config, NULL);
        fuzz_require(server);
}

/* What the server says until it closes. */
static GString *exchange(const void *bytes, size_t size)
{
        dol_autofd fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        struct timeval patience = {.tv_sec = 20};
        GString *heard = g_string_new(NULL);
        char some[4096];
        ssize_t count;

        fuzz_require(!connect(fd, (struct sockaddr *)&address, address_size));
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
        (void)!send(fd, bytes, size, MSG_NOSIGNAL);
        shutdown(fd, SHUT_WR);
        /* libFuzzer's timer interrupts. */
        while ((count = TEMP_FAILURE_RETRY(recv(fd, some, sizeof(some), 0))) > 0)
                g_string_append_len(heard, some, count);
        fuzz_require(count == 0 || errno != EAGAIN);
        return heard;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static const char good[] = "GET /ok HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        g_autoptr(GString) heard = NULL, answer = NULL;

        start_once();
        heard = exchange(data, size);
        fuzz_require(!heard->len || g_str_has_prefix(heard->str, "HTTP/1."));
        answer = exchange(good, sizeof(good) - 1);
        fuzz_require(g_str_has_prefix(answer->str, "HTTP/1.1 200"));
        return 0;
}
