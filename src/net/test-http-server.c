/* SPDX-License-Identifier: Apache-2.0 */
/* Requests, routes, answers. */
#include "net/test-http-fixture.h"

#include "base/clock.h"
#include "base/guard.h"

#include <string.h>

static bool say_hello(dol_http_request *request, void *user, GError **error)
{
        return dol_http_reply_text(request, 0, "text/plain", g_string_new("hello"));
}

static bool echo(dol_http_request *request, void *user, GError **error)
{
        size_t size;
        const char *body = dol_http_body(request, &size);

        return dol_http_reply_text(request, 201, "text/plain",
                                   g_string_new_len(body, (gssize)size));
}

static bool tell_argument(dol_http_request *request, void *user, GError **error)
{
        return dol_http_reply_text(request, 200, "text/plain",
                                   g_string_new(dol_http_argument(request, "thing")));
}

static bool tell_query(dol_http_request *request, void *user, GError **error)
{
        const char *limit = dol_http_query(request, "limit");

        return dol_http_reply_text(request, 200, "text/plain",
                                   g_string_new(limit ? limit : "none"));
}

static bool fail(dol_http_request *request, void *user, GError **error)
{
        return dol_fail(error, DOL_ERROR_CONFLICT, "thing 'x' is in the way");
}

static bool forget(dol_http_request *request, void *user, GError **error)
{
        return true;
}

static bool drop(dol_http_request *request, void *user, GError **error)
{
        dol_http_drop(request);
        g_assert_false(dol_http_reply_text(request, 200, NULL, g_string_new("late")));
        return true;
}

static bool tell_peer(dol_http_request *request, void *user, GError **error)
{
        dol_http_peer peer = dol_http_peer_of(request);
        GString *text = g_string_new(NULL);

        g_string_printf(text, "%d %u", (int)peer.pid, (unsigned)peer.uid);
        g_assert_cmpstr(dol_http_call(request)->actor, ==, "test");
        g_assert_cmpint(dol_call_left_usec(dol_http_call(request), 0), >, DOL_USEC_PER_SEC);
        dol_http_reply_header(request, "X-Seen", dol_http_header(request, "user-agent"));
        return dol_http_reply_text(request, 200, NULL, text);
}

static const dol_http_parameter list_query[] = {
        {"limit", "how many at most"},
        {"after", "from where on"},
        {NULL},
};

static const dol_http_route routes[] = {
        {"GET", "/hello", say_hello, DOL_ROUTE_INLINE},
        {"GET", "/slow-hello", say_hello, .status = 203},
        {"POST", "/echo", echo},
        {"POST", "/Inline.Echo", echo, DOL_ROUTE_INLINE},
        {"GET", "/things", tell_query, .query = list_query},
        {"GET", "/things/{thing}", tell_argument},
        {"DELETE", "/things/{thing}", tell_argument},
        {"POST", "/things/{thing}/mount", tell_argument},
        {"GET", "/fail", fail},
        {"GET", "/fail-inline", fail, DOL_ROUTE_INLINE},
        {"GET", "/forget", forget},
        {"GET", "/drop", drop},
        {"GET", "/drop-inline", drop, DOL_ROUTE_INLINE},
        {"GET", "/peer", tell_peer},
        {NULL},
};

static http_fixture *start(void)
{
        http_fixture *fixture = http_fixture_new(routes);

        http_fixture_start(fixture);
        return fixture;
}

typedef struct {
        const char *request; /* method and target */
        int status;
        const char *body; /* a part of it */
} exchange_case;

static void check(const http_fixture *fixture, const exchange_case *row)
{
        g_autofree char *text = g_strdup_printf("%s HTTP/1.1\r\nHost: x\r\n\r\n", row->request);
        g_auto(http_heard) heard = {0};

        http_ask(fixture, text, &heard);
        g_test_message("%s -> %d %s", row->request, heard.status, heard.body->str);
        g_assert_cmpint(heard.status, ==, row->status);
        g_assert_nonnull(strstr(heard.body->str, row->body));
}

static void test_routes(void)
{
        static const exchange_case rows[] = {
                {"GET /hello", 200, "hello"},
                {"GET /slow-hello", 203, "hello"},
                {"GET /things/x", 200, "x"},
                {"GET /things/a%2fb", 200, "a/b"},
                {"GET /things/a%2Fb%25", 200, "a/b%"},
                {"GET /things/%C3%A4", 200, "\xc3\xa4"},
                {"GET /things/a+b", 200, "a+b"},
                {"GET /things/..", 200, ".."},
                {"GET /thin%67s/x", 200, "x"},
                {"POST /things/v/mount", 200, "v"},
                {"GET /things/x/y", 404, "/things/x/y"},
                {"GET /things/x/", 404, "nothing"},
                {"GET /things/", 404, "nothing"},
                {"GET /hello/", 404, "nothing"},
                {"GET //hello", 404, "nothing"},
                {"GET /", 404, "nothing"},
                {"GET /Hello", 404, "nothing"},
                {"GET /things%2fx", 404, "nothing"},
                {"GET /things/a%00b", 400, "NUL"},
                {"GET /things/%ff", 400, "UTF-8"},
                {"GET /things/%c0%af", 400, "UTF-8"},
                {"GET /things/%ed%a0%80", 400, "UTF-8"},
                {"GET /things/%2", 400, "hexadecimal"},
                {"GET /things/%zz", 400, "hexadecimal"},
                {"GET /things/%", 400, "hexadecimal"},
                {"GET http://x/hello", 400, "path"},
                {"GET hello", 400, "path"},
                {"GET *", 400, "path"},
        };
        g_autoptr(http_fixture) fixture = start();

        for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++)
                check(fixture, &rows[i]);
}

static void test_query(void)
{
        static const exchange_case rows[] = {
                {"GET /things", 200, "none"},
                {"GET /things?", 200, "none"},
                {"GET /things?limit=3", 200, "3"},
                {"GET /things?limit=3&after=x", 200, "3"},
                {"GET /things?&limit=3&", 200, "3"},
                {"GET /things?limit", 200, ""},
                {"GET /things?limit=a%20b+c%2B", 200, "a b c+"},
                {"GET /things?limit=a=b", 200, "a=b"},
                {"GET /things?limit=a?b", 200, "a?b"},
                {"GET /things?limit=1&limit=1", 400, "'limit' is given twice"},
                {"GET /things?limit=1&%6cimit=1", 400, "'limit' is given twice"},
                {"GET /things?limt=1", 400, "'limt' is unknown; known are limit, after"},
                {"GET /things?=1", 400, "unknown"},
                {"GET /things?limit=%", 400, "query: "},
                {"GET /things?limit=%00", 400, "NUL"},
                {"GET /things?%ff=1", 400, "UTF-8"},
                {"GET /hello?x=1", 400, "takes none"},
        };
        g_autoptr(http_fixture) fixture = start();

        for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++)
                check(fixture, &rows[i]);
}

static void test_query_ignored(void)
{
        static const exchange_case rows[] = {
                {"GET /things?limt=1&limit=2&limit=3", 200, "2"},
                {"GET /hello?x=1", 200, "hello"},
                {"GET /hello?x=%", 400, "query"},
        };
        g_autoptr(http_fixture) fixture = http_fixture_new(routes);

        fixture->config.ignore_query = true;
        http_fixture_start(fixture);
        for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++)
                check(fixture, &rows[i]);
}

static void test_methods(void)
{
        static const exchange_case rows[] = {
                {"PUT /things/x", 405, "takes GET, HEAD, DELETE, not PUT"},
                {"get /things/x", 405, "not get"},
                {"BREW /hello", 405, "GET, HEAD"},
                {"POST /hello", 405, ""},
                {"HEAD /echo", 405, ""},
                {"OPTIONS /hello", 405, ""},
                {"BREW /nothing", 404, "nothing"},
        };
        g_autoptr(http_fixture) fixture = start();
        g_auto(http_heard) heard = {0};
        g_autofree char *allow = NULL;

        for (unsigned i = 0; i < G_N_ELEMENTS(rows) - 3; i++)
                check(fixture, &rows[i]);
        http_ask(fixture, "PUT /things/x HTTP/1.1\r\nHost: x\r\n\r\n", &heard);
        allow = http_heard_header(&heard, "Allow");
        g_assert_cmpstr(allow, ==, "GET, HEAD, DELETE");
}

static void test_head(void)
{
        g_autoptr(http_fixture) fixture = start();
        g_auto(http_heard) heard = {0};
        g_autofree char *length = NULL;
        dol_autofd fd = http_connect(fixture);

        http_say(fd, "HEAD /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        g_assert_true(http_wait_closed(fd, DOL_USEC_PER_SEC));
        http_ask(fixture, "HEAD /slow-hello HTTP/1.0\r\n\r\n", &heard);
        g_assert_cmpint(heard.status, ==, 203);
        length = http_heard_header(&heard, "Content-Length");
        g_assert_cmpstr(length, ==, "5");
        g_assert_cmpuint(heard.body->len, ==, 0);
}

static void test_failures(void)
{
        static const exchange_case rows[] = {
                {"GET /fail", 409, "thing 'x' is in the way"},
                {"GET /fail-inline", 409, "thing 'x' is in the way"},
                {"GET /forget", 500, "not answered"},
        };
        g_autoptr(http_fixture) fixture = start();

        for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++)
                check(fixture, &rows[i]);
}

static void test_drop(void)
{
        g_autoptr(http_fixture) fixture = start();

        for (int i = 0; i < 2; i++) {
                g_auto(http_heard) heard = {0};

                http_ask(fixture,
                         i ? "GET /drop HTTP/1.1\r\nHost: x\r\n\r\n"
                           : "GET /drop-inline HTTP/1.1\r\nHost: x\r\n\r\n",
                         &heard);
                g_assert_cmpint(heard.status, ==, 0);
                g_assert_cmpstr(heard.head, ==, "");
        }
}

static void test_peer(void)
{
        g_autoptr(http_fixture) fixture = start();
        g_autofree char *wanted = g_strdup_printf("%d %u", (int)getpid(), (unsigned)getuid());
        g_autofree char *seen = NULL;
        g_auto(http_heard) heard = {0};

        http_ask(fixture, "GET /peer HTTP/1.1\r\nHost: x\r\nUser-Agent: me\r\n\r\n", &heard);
        g_assert_cmpstr(heard.body->str, ==, wanted);
        seen = http_heard_header(&heard, "X-Seen");
        g_assert_cmpstr(seen, ==, "me");
}

/* What Docker and Podman send, byte for byte, on one connection. */
static void test_docker(void)
{
        static const char *const texts[] = {
                "POST /echo HTTP/1.1\r\nHost: \r\nUser-Agent: Go-http-client/1.1\r\n"
                "Content-Length: 0\r\nAccept: application/vnd.docker.plugins.v1.2+json\r\n\r\n",
                "POST /Inline.Echo HTTP/1.1\r\nHost: \r\nContent-Length: 0\r\n\r\n",
                "POST /echo HTTP/1.1\r\nHost: \r\nContent-Length: 14\r\n"
                "Accept: application/vnd.docker.plugins.v1.2+json\r\n\r\n{\"Name\":\"v1\"}\n",
                "POST /echo HTTP/1.1\r\nHost: plugin\r\nContent-Length: 14\r\n"
                "Content-Type: application/vnd.docker.plugins.v1.1+json\r\n\r\n{\"Name\":\"v1\"}\n",
        };
        g_autoptr(http_fixture) fixture = start();
        dol_autofd fd = http_connect(fixture);

        for (unsigned i = 0; i < 2 * G_N_ELEMENTS(texts); i++) {
                const char *text = texts[i % G_N_ELEMENTS(texts)];
                g_auto(http_heard) heard = {0};

                http_say(fd, text);
                http_hear(fd, &heard);
                g_assert_cmpint(heard.status, ==, 201);
                g_assert_cmpstr(heard.body->str, ==, strstr(text, "\r\n\r\n") + 4);
        }
}

static void test_keep_alive(void)
{
        static const char *const texts[] = {
                "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n",
                "GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n",
                "POST /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc",
                "GET /fail HTTP/1.1\r\nHost: x\r\n\r\n",
                ("POST /echo HTTP/1.1\r\nHost:\r\nTransfer-Encoding: chunked\r\n\r\n"
                 "3\r\nabc\r\n0\r\n\r\n"),
        };
        static const int statuses[] = {200, 404, 404, 409, 201};
        g_autoptr(http_fixture) fixture = start();
        dol_autofd fd = http_connect(fixture);

        for (unsigned i = 0; i < 4 * G_N_ELEMENTS(texts); i++) {
                g_auto(http_heard) heard = {0};

                http_say(fd, texts[i % G_N_ELEMENTS(texts)]);
                http_hear(fd, &heard);
                g_assert_cmpint(heard.status, ==, statuses[i % G_N_ELEMENTS(texts)]);
        }
}

static void test_pipelining(void)
{
        g_autoptr(http_fixture) fixture = start();
        dol_autofd fd = http_connect(fixture);
        g_autoptr(GString) text = g_string_new(NULL);

        for (int i = 0; i < 20; i++)
                g_string_append_printf(text, "GET /things/%d HTTP/1.1\r\nHost: x\r\n\r\n", i);
        http_say(fd, text->str);
        for (int i = 0; i < 20; i++) {
                g_auto(http_heard) heard = {0};
                g_autofree char *wanted = g_strdup_printf("%d", i);

                http_hear(fd, &heard);
                g_assert_cmpstr(heard.body->str, ==, wanted);
        }
}

static void test_continue(void)
{
        g_autoptr(http_fixture) fixture = start();
        dol_autofd fd = http_connect(fixture);
        g_auto(http_heard) first = {0};
        g_auto(http_heard) second = {0};

        http_say(fd, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n"
                     "Expect: 100-continue\r\n\r\n");
        http_hear(fd, &first);
        g_assert_cmpint(first.status, ==, 100);
        http_say(fd, "hi");
        http_hear(fd, &second);
        g_assert_cmpint(second.status, ==, 201);
        g_assert_cmpstr(second.body->str, ==, "hi");
}

int main(int argc, char *argv[])
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/http/routes", test_routes);
        g_test_add_func("/http/query", test_query);
        g_test_add_func("/http/query-ignored", test_query_ignored);
        g_test_add_func("/http/methods", test_methods);
        g_test_add_func("/http/head", test_head);
        g_test_add_func("/http/failures", test_failures);
        g_test_add_func("/http/drop", test_drop);
        g_test_add_func("/http/peer", test_peer);
        g_test_add_func("/http/docker", test_docker);
        g_test_add_func("/http/keep-alive", test_keep_alive);
        g_test_add_func("/http/pipelining", test_pipelining);
        g_test_add_func("/http/continue", test_continue);
        return g_test_run();
}
