/* SPDX-License-Identifier: Apache-2.0 */
/* What must be refused: wrong heads, large heads, large bodies. */
#include "net/test-http-fixture.h"

#include "base/clock.h"
#include "base/guard.h"

#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>

static atomic_uint handled;

static bool echo(dol_http_request *request, void *user, GError **error)
{
        size_t size;
        const char *body = dol_http_body(request, &size);

        atomic_fetch_add(&handled, 1);
        return dol_http_reply_text(request, 200, NULL, g_string_new_len(body, (gssize)size));
}

static const dol_http_route routes[] = {
        {"GET", "/a", echo},
        {"POST", "/a", echo},
        {NULL},
};

static http_fixture *start(void)
{
        http_fixture *fixture = http_fixture_new(routes);

        http_fixture_start(fixture);
        atomic_store(&handled, 0);
        return fixture;
}

static void check_serves(const http_fixture *fixture)
{
        g_auto(http_heard) heard = {0};

        http_ask(fixture, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n", &heard);
        g_assert_cmpint(heard.status, ==, 200);
}

#define TEXT(text) text, sizeof(text) - 1

typedef struct {
        const char *text;
        size_t size;
        int status; /* 0: closed, or any 4xx and 5xx that libmicrohttpd writes */
        const char *body;
} wrong_case;

/* clang-format off: a table */
static const wrong_case wrong[] = {
        {TEXT("GET /a HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n"), 400, "'Host' is given twice"},
        {TEXT("GET /a HTTP/1.1\r\nHost: x\r\nhOST: y\r\n\r\n"), 400, "'Host' is given twice"},
        {TEXT("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
         400, "'Content-Length' is given twice"},
        {TEXT("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na"),
         400, "'Content-Length' is given twice"},
        {TEXT("POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
              "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
         400, "given twice"},
        {TEXT("POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n"
              "\r\n0\r\n\r\n"),
         400, "exclude each other"},
        {TEXT("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n"
              "\r\n0\r\n\r\n"),
         400, "exclude each other"},
        {TEXT("POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
         400, "only chunked"},
        {TEXT("POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: \xff\r\n\r\n0\r\n\r\n"), 400,
         "only chunked"},
        {TEXT("POST /a HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), 400, "HTTP/1.0"},
        {TEXT("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 65537\r\n\r\n"), 413, "65536"},
        {TEXT("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n"), 0,
         ""},
        {TEXT("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 18446744073709551615\r\n\r\n"), 0,
         ""},
        {TEXT("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n"), 0, ""},
        {TEXT("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: +1\r\n\r\na"), 0, ""},
        {TEXT("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 0x1\r\n\r\na"), 0, ""},
        {TEXT("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1 \r\n\r\na"), 0, ""},
        {TEXT("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length:\r\n\r\n"), 0, ""},
        {TEXT("GET /a HTTP/1.1\r\nHost: x\r\nA: b\0c\r\nB: d\r\n\r\n"), 400, "NUL"},
        {TEXT("GET /a HTTP/1.1\r\nHost: x\r\nA: b\0\r\n\r\n"), 400, "NUL"},
        {TEXT("GET /a HTTP/1.1\r\nHost: x\r\nA: \0\r\n\r\n"), 400, "NUL"},
        {TEXT("GET /a HTTP/1.1\r\nHost: x\r\nA\0B: c\r\n\r\n"), 0, ""},
        {TEXT("GET /a HTTP/1.1\r\nHost: x\0Content-Length: 5\r\n\r\n"), 400, "NUL"},
        {TEXT("GET /a\0b HTTP/1.1\r\nHost: x\r\n\r\n"), 400, "NUL"},
        {TEXT("GET\0 /a HTTP/1.1\r\nHost: x\r\n\r\n"), 400, "NUL"},
        {TEXT("GET /a HTTP/1.1\0\r\nHost: x\r\n\r\n"), 0, ""},
        {TEXT("GET /a HTTP/1.1\r\nHost: x\r\nA: b\x01\r\n\r\n"), 400, "'A': control"},
        {TEXT("GET /a HTTP/1.1\r\nHost: x\r\nA: b\x7f\r\n\r\n"), 400, "'A': control"},
        {TEXT("GET /a HTTP/1.1\r\nHost: x\r\nA: b\x1b[31m\r\n\r\n"), 400, "'A': control"},
        {TEXT("GET /a HTTP/1.1\r\nHost: x\r\nA: b\rC: d\r\n\r\n"), 400, "'A': control"},
        {TEXT("GET /a HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n"), 400, "folded"},
        {TEXT("GET /a HTTP/1.1\r\nHost: x\r\nA : b\r\n\r\n"), 400, "'A ': not a header name"},
        {TEXT("GET /a HTTP/1.1\r\nHost: x\r\n\xff\xfe: b\r\n\r\n"), 400, "not a header name"},
        {TEXT("GET /a HTTP/1.1\r\nHost: x\r\n: b\r\n\r\n"), 400, "without a name"},
        {TEXT("GET /a HTTP/1.1\r\nHost: x\r\nnothing\r\n\r\n"), 0, ""},
        {TEXT("GET /a HTTP/1.1\r\n Host: x\r\n\r\n"), 0, ""},
        {TEXT("GET /a HTTP/1.1\nHost: x\n\n"), 400, "CR LF"},
        {TEXT("GET /a HTTP/1.1\r\nHost: x\nA: b\r\n\r\n"), 400, "CR LF"},
        {TEXT("GET /a HTTP/1.1\r\nHost: x\r\nA: b\r\n\n"), 400, "CR LF"},
        {TEXT("GET /a HTTP/1.1\r\n\r\n"), 0, ""},
        {TEXT("GET /a HTTP/9.9\r\nHost: x\r\n\r\n"), 0, ""},
        {TEXT("GET /a b HTTP/1.1\r\nHost: x\r\n\r\n"), 0, ""},
        {TEXT("GET /\x01 HTTP/1.1\r\nHost: x\r\n\r\n"), 400, "percent-encoded"},
        {TEXT("GET /\xc3\xa4 HTTP/1.1\r\nHost: x\r\n\r\n"), 400, "percent-encoded"},
        {TEXT("G(T /a HTTP/1.1\r\nHost: x\r\n\r\n"), 400, "method"},
        {TEXT("G\xff /a HTTP/1.1\r\nHost: x\r\n\r\n"), 400, "method"},
        {TEXT("GET\r\n\r\n"), 0, ""},
        {TEXT("\0\0\0\0\r\n\r\n"), 0, ""},
        {TEXT("\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03\r\n\r\n"), 0, ""},
        {TEXT("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 0, ""},
        {TEXT("POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), 0, ""},
        {TEXT("POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n"), 0, ""},
        {TEXT("POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
              "ffffffffffffffffff\r\n"),
         0, ""},
};
/* clang-format on */

static void test_wrong_heads(void)
{
        g_autoptr(http_fixture) fixture = http_fixture_new(routes);

        atomic_store(&handled, 0);
        fixture->config.receive_usec = DOL_USEC_PER_SEC;
        http_fixture_start(fixture);
        for (unsigned i = 0; i < G_N_ELEMENTS(wrong); i++) {
                g_auto(http_heard) heard = {0};
                g_autofree char *shown = g_strescape(wrong[i].text, NULL);
                dol_autofd fd = http_connect(fixture);

                http_say_bytes(fd, wrong[i].text, wrong[i].size);
                /* What closes by itself shall not wait for the rest of a request. */
                shutdown(fd, SHUT_WR);
                http_hear(fd, &heard);
                g_test_message("%s -> %d %s", shown, heard.status, heard.body->str);
                if (wrong[i].status)
                        g_assert_cmpint(heard.status, ==, wrong[i].status);
                else
                        g_assert_true(heard.status == 0 || heard.status >= 400);
                g_assert_nonnull(strstr(heard.body->str, wrong[i].body));
                g_assert_true(http_wait_closed(fd, DOL_USEC_PER_SEC));
        }
        g_assert_cmpuint(atomic_load(&handled), ==, 0);
        check_serves(fixture);
}

/* What a refused head carries must never be read as a second request. */
static void test_no_smuggling(void)
{
        g_autoptr(http_fixture) fixture = start();
        dol_autofd fd = http_connect(fixture);
        g_auto(http_heard) heard = {0};

        http_say(fd, "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 44\r\n"
                     "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
                     "GET /a HTTP/1.1\r\nHost: x\r\nX: y\r\n\r\n");
        http_hear(fd, &heard);
        g_assert_cmpint(heard.status, ==, 400);
        g_assert_true(http_wait_closed(fd, DOL_USEC_PER_SEC));
        g_assert_cmpuint(atomic_load(&handled), ==, 0);
}

static void test_strange_but_right(void)
{
        static const char *const texts[] = {
                "GET /a HTTP/1.1\r\nHost:\r\n\r\n",
                "GET /a HTTP/1.1\r\nHost: \r\nA:\t b \r\nC:d\r\n\r\n",
                "\r\nGET /a HTTP/1.1\r\nHost: x\r\n\r\n",
                "GET /a HTTP/1.1\r\nHost: x\r\nA: \xc3\xa4\xff\r\n\r\n",
                "GET /a HTTP/1.1\r\nHost: x\r\nA: 1\r\nA: 2\r\nCookie: a=b; c=d\r\n\r\n",
                "GET /a HTTP/1.0\r\n\r\n",
                "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
                ("POST /a HTTP/1.1\r\nHost: x\r\ntransfer-encoding: CHUNKED\r\n\r\n"
                 "1;x=y\r\na\r\n0\r\n\r\n"),
                "POST /a HTTP/1.1\r\nHost:\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: b\r\n\r\n",
        };
        g_autoptr(http_fixture) fixture = start();

        for (unsigned i = 0; i < G_N_ELEMENTS(texts); i++) {
                g_auto(http_heard) heard = {0};

                http_ask(fixture, texts[i], &heard);
                g_test_message("%u: %d %s", i, heard.status, heard.body->str);
                g_assert_cmpint(heard.status, ==, 200);
        }
}

/* A head in pieces, cut at every place. */
static void test_cut_head(void)
{
        static const char text[] = "POST /a HTTP/1.1\r\nHost: x\r\nA: b\r\nContent-Length: 3\r\n"
                                   "\r\nabc";
        g_autoptr(http_fixture) fixture = start();

        for (size_t cut = 1; cut < sizeof(text) - 1; cut++) {
                dol_autofd fd = http_connect(fixture);
                g_auto(http_heard) heard = {0};

                http_say_bytes(fd, text, cut);
                g_usleep(500);
                http_say_bytes(fd, text + cut, sizeof(text) - 1 - cut);
                http_hear(fd, &heard);
                g_assert_cmpint(heard.status, ==, 200);
                g_assert_cmpstr(heard.body->str, ==, "abc");
        }
}

static void test_large_heads(void)
{
        static const char *const formats[] = {
                "GET /a HTTP/1.1\r\nHost: x\r\nA: %s\r\n\r\n",
                "GET /%s HTTP/1.1\r\nHost: x\r\n\r\n",
                "%s /a HTTP/1.1\r\nHost: x\r\n\r\n",
                "GET /a HTTP/1.1\r\nHost: x\r\n%s: b\r\n\r\n",
                "GET /a?%s HTTP/1.1\r\nHost: x\r\n\r\n",
        };
        g_autoptr(http_fixture) fixture = start();
        g_autofree char *large = g_strnfill(100 * 1024, 'x');
        g_autoptr(GString) many = g_string_new("GET /a HTTP/1.1\r\nHost: x\r\n");
        g_auto(http_heard) last = {0};

        for (unsigned i = 0; i < G_N_ELEMENTS(formats); i++) {
                g_auto(GStrv) parts = g_strsplit(formats[i], "%s", 2);
                g_autofree char *text = g_strconcat(parts[0], large, parts[1], NULL);
                g_auto(http_heard) heard = {0};

                http_ask(fixture, text, &heard);
                g_test_message("%d", heard.status);
                g_assert_true(heard.status == 0 || heard.status == 431 || heard.status == 414);
        }
        for (int i = 0; i < 5000; i++)
                g_string_append_printf(many, "H%d: x\r\n", i);
        g_string_append(many, "\r\n");
        http_ask(fixture, many->str, &last);
        g_assert_true(last.status == 0 || last.status == 431);
        g_assert_cmpuint(atomic_load(&handled), ==, 0);
        check_serves(fixture);
}

static void say_chunks(int fd, size_t count)
{
        g_autofree char *bytes = g_strnfill(4096, 'x');

        for (size_t i = 0; i < count; i++) {
                if (!http_say_bytes(fd, "1000\r\n", 6) || !http_say_bytes(fd, bytes, 4096) ||
                    !http_say_bytes(fd, "\r\n", 2))
                        return;
        }
        http_say_bytes(fd, "0\r\n\r\n", 5);
}

static void test_large_bodies(void)
{
        static const struct {
                size_t chunks;
                int status;
        } rows[] = {{15, 200}, {16, 200}, {17, 413}, {40, 413}, {1000, 0}};
        g_autoptr(http_fixture) fixture = start();

        for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
                dol_autofd fd = http_connect(fixture);
                g_auto(http_heard) heard = {0};

                http_say(fd, "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
                say_chunks(fd, rows[i].chunks);
                http_hear(fd, &heard);
                g_assert_cmpint(heard.status, ==, rows[i].status);
        }
        g_assert_cmpuint(atomic_load(&handled), ==, 2);
}

int main(int argc, char *argv[])
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/http-gate/wrong-heads", test_wrong_heads);
        g_test_add_func("/http-gate/no-smuggling", test_no_smuggling);
        g_test_add_func("/http-gate/strange-but-right", test_strange_but_right);
        g_test_add_func("/http-gate/cut-head", test_cut_head);
        g_test_add_func("/http-gate/large-heads", test_large_heads);
        g_test_add_func("/http-gate/large-bodies", test_large_bodies);
        return g_test_run();
}
