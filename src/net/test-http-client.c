/* SPDX-License-Identifier: Apache-2.0 */
#include "net/http-client.h"

#include "net/test-http-fixture.h"

#include "base/clock.h"
#include "base/guard.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

/* Tells what was asked: "METHOD path type body". */
static bool tell(dol_http_request *request, void *user, GError **error)
{
        const char *type = dol_http_header(request, "Content-Type");
        GString *text = g_string_new(NULL);

        g_string_printf(text, "%s %s %s %s", dol_http_method(request), dol_http_path(request),
                        type ? type : "-", dol_http_body(request, NULL));
        dol_http_reply_header(request, "ETag", "\"7\"");
        dol_http_reply_header(request, "Location", "/there");
        return dol_http_reply_text(request, 201, "text/plain", text);
}

static bool large(dol_http_request *request, void *user, GError **error)
{
        GString *text = g_string_new(NULL);

        g_string_set_size(text, (65 << 20));
        memset(text->str, 'x', text->len);
        return dol_http_reply_text(request, 200, NULL, text);
}

static bool sleepy(dol_http_request *request, void *user, GError **error)
{
        while (!dol_http_client_gone(request))
                g_usleep(1000);
        return dol_http_reply_text(request, 200, NULL, g_string_new("too late"));
}

static bool drop(dol_http_request *request, void *user, GError **error)
{
        dol_http_drop(request);
        return true;
}

static bool lines(dol_http_request *request, void *user, GError **error)
{
        dol_http_stream *stream = dol_http_stream_begin(request, "application/x-ndjson");

        for (int i = 0; i < 5; i++) {
                g_autofree char *text = g_strdup_printf("%d\nli", i);

                dol_http_stream_write(stream, text, strlen(text));
                g_usleep(1000);
                dol_http_stream_write(stream, "ne ", 3);
        }
        dol_http_stream_end(stream);
        return true;
}

static bool endless(dol_http_request *request, void *user, GError **error)
{
        dol_http_stream *stream = dol_http_stream_begin(request, "application/x-ndjson");

        while (dol_http_stream_write(stream, "x\n", 2))
                g_usleep(1000);
        dol_http_stream_end(stream);
        return true;
}

static const dol_http_route routes[] = {
        {"GET", "/tell/{what}", tell, DOL_ROUTE_INLINE},
        {"POST", "/tell/{what}", tell},
        {"PATCH", "/tell/{what}", tell},
        {"DELETE", "/tell/{what}", tell},
        {"GET", "/large", large},
        {"GET", "/sleepy", sleepy},
        {"GET", "/drop", drop},
        {"GET", "/lines", lines, DOL_ROUTE_STREAM},
        {"GET", "/endless", endless, DOL_ROUTE_STREAM},
        {NULL},
};

static dol_http_client *client_of(const http_fixture *fixture)
{
        g_autofree char *url = g_strconcat("unix://", fixture->path, NULL);
        g_autoptr(GError) error = NULL;
        dol_http_client *client = dol_http_client_new(url, &error);

        g_assert_no_error(error);
        return client;
}

static void test_send(void)
{
        static const struct {
                const char *method, *path, *body, *heard;
        } rows[] = {
                {"GET", "/tell/a", NULL, "GET /tell/a - "},
                {"POST", "/tell/a", "{}", "POST /tell/a application/json {}"},
                {"POST", "/tell/a", NULL, "POST /tell/a - "},
                {"PATCH", "/tell/a", "{}", "PATCH /tell/a application/json {}"},
                {"DELETE", "/tell/a%2fb", NULL, "DELETE /tell/a%2fb - "},
                {"GET", "/tell/..", NULL, "GET /tell/.. - "},
                {"HEAD", "/tell/a", NULL, ""},
        };
        g_autoptr(http_fixture) fixture = http_fixture_new(routes);
        dol_call call = dol_call_within("test", 10 * DOL_USEC_PER_SEC);
        g_autoptr(dol_http_client) client = NULL;

        http_fixture_start(fixture);
        client = client_of(fixture);
        for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
                g_auto(dol_http_answer) answer = {0};
                g_autoptr(GError) error = NULL;

                g_assert_true(dol_http_client_send(client, &call, rows[i].method, rows[i].path,
                                                   NULL, rows[i].body, &answer, &error));
                g_assert_no_error(error);
                g_assert_cmpint(answer.status, ==, 201);
                g_assert_cmpstr(answer.body, ==, rows[i].heard);
                g_assert_cmpuint(answer.size, ==, strlen(rows[i].heard));
                g_assert_cmpstr(answer.etag, ==, "\"7\"");
                g_assert_cmpstr(answer.location, ==, "/there");
                g_assert_cmpstr(answer.content_type, ==, "text/plain");
        }
}

static void test_headers(void)
{
        static const char *const headers[] = {"content-type: a/b", "If-Match: 3", NULL};
        g_autoptr(http_fixture) fixture = http_fixture_new(routes);
        dol_call call = dol_call_forever("test");
        g_autoptr(dol_http_client) client = NULL;
        g_auto(dol_http_answer) answer = {0};
        g_autoptr(GError) error = NULL;

        http_fixture_start(fixture);
        client = client_of(fixture);
        dol_http_client_send(client, &call, "POST", "/tell/a", headers, "x", &answer, &error);
        g_assert_no_error(error);
        g_assert_cmpstr(answer.body, ==, "POST /tell/a a/b x");
}

/* The error that one GET ends with. */
static void check_error(dol_http_client *client, const dol_call *call, const char *path,
                        dol_error_kind kind, const char *part)
{
        g_auto(dol_http_answer) answer = {0};
        g_autoptr(GError) error = NULL;

        g_assert_false(
                dol_http_client_send(client, call, "GET", path, NULL, NULL, &answer, &error));
        g_test_message("%s", error->message);
        g_assert_error(error, DOL_ERROR, (int)kind);
        g_assert_nonnull(strstr(error->message, part));
}

static void test_failures(void)
{
        g_autoptr(http_fixture) fixture = http_fixture_new(routes);
        dol_call call = dol_call_forever("test");
        dol_call brief = dol_call_within("test", DOL_USEC_PER_SEC / 10);
        atomic_bool cancelled = true;
        dol_call cancelled_call = {.cancelled = &cancelled};
        g_autoptr(dol_http_client) client = client_of(fixture);

        check_error(client, &call, "/tell/a", DOL_ERROR_UNAVAILABLE, "daemon");
        /* Time enough to send the large answer under valgrind. */
        fixture->config.idle_usec = 120 * DOL_USEC_PER_SEC;
        http_fixture_start(fixture);
        check_error(client, &call, "/large", DOL_ERROR_INVALID, "larger than 64 MiB");
        check_error(client, &call, "/drop", DOL_ERROR_UNAVAILABLE, "talking to");
        check_error(client, &brief, "/sleepy", DOL_ERROR_TIMEOUT, "");
        check_error(client, &brief, "/tell/a", DOL_ERROR_TIMEOUT, "");
        check_error(client, &cancelled_call, "/tell/a", DOL_ERROR_UNAVAILABLE, "cancelled");
        http_fixture_stop(fixture, 0);
        check_error(client, &call, "/tell/a", DOL_ERROR_UNAVAILABLE, "daemon");
}

/* A socket file that nobody listens on any more. */
static void test_left_socket(void)
{
        g_autoptr(http_fixture) fixture = http_fixture_new(routes);
        dol_call call = dol_call_forever("test");
        g_autoptr(dol_http_client) client = client_of(fixture);

        http_fixture_start(fixture);
        http_fixture_stop(fixture, 0);
        check_error(client, &call, "/tell/a", DOL_ERROR_UNAVAILABLE, "refused");
}

static void test_no_permission(void)
{
        g_autoptr(http_fixture) fixture = http_fixture_new(routes);
        dol_call call = dol_call_forever("test");
        g_autoptr(dol_http_client) client = client_of(fixture);
        uid_t before = geteuid();

        http_fixture_start(fixture);
        g_assert_cmpint(g_chmod(fixture->path, 0), ==, 0);
        /* Root may do everything: be nobody for a while. */
        g_assert_true(before || seteuid(65534) == 0);
        check_error(client, &call, "/tell/a", DOL_ERROR_DENIED, "root");
        g_assert_true(before || seteuid(0) == 0);
}

/* A server that was started again, and one that has closed the idle connection. */
static void test_reconnect(void)
{
        g_autoptr(http_fixture) fixture = http_fixture_new(routes);
        dol_call call = dol_call_forever("test");
        g_autoptr(dol_http_client) client = client_of(fixture);

        fixture->config.idle_usec = DOL_USEC_PER_SEC / 20;
        for (int i = 0; i < 4; i++) {
                g_auto(dol_http_answer) answer = {0};
                g_autoptr(GError) error = NULL;

                if (i % 2 == 0) {
                        http_fixture_stop(fixture, 0);
                        g_unlink(fixture->path);
                        http_fixture_start(fixture);
                }
                dol_http_client_send(client, &call, "GET", "/tell/a", NULL, NULL, &answer, &error);
                g_assert_no_error(error);
                g_usleep(DOL_USEC_PER_SEC / 10);
        }
}

static bool gather(const char *text, void *user)
{
        g_string_append_printf(user, "[%s]", text);
        return true;
}

static bool stop_at_third(const char *text, void *user)
{
        return ++*(int *)user < 3;
}

static void test_stream(void)
{
        g_autoptr(http_fixture) fixture = http_fixture_new(routes);
        g_autoptr(dol_http_client) client = client_of(fixture);
        g_autoptr(GString) heard = g_string_new(NULL);
        dol_call call = dol_call_forever("test");
        g_auto(dol_http_answer) answer = {0};
        g_auto(dol_http_answer) other = {0};
        g_autoptr(GError) error = NULL;
        int count = 0;

        http_fixture_start(fixture);
        g_assert_true(
                dol_http_client_stream(client, &call, "/lines", gather, heard, &answer, &error));
        g_assert_no_error(error);
        g_assert_cmpstr(heard->str, ==, "[0][line 1][line 2][line 3][line 4][line ]");
        g_assert_cmpint(answer.status, ==, 200);
        g_assert_true(
                dol_http_client_stream(client, &call, "/nothing", gather, heard, &other, &error));
        g_assert_cmpint(other.status, ==, 404);
        g_assert_nonnull(strstr(other.body, "nothing"));
        dol_http_answer_clear(&other);
        g_assert_true(dol_http_client_stream(client, &call, "/endless", stop_at_third, &count,
                                             &other, &error));
        g_assert_cmpint(count, ==, 3);
}

static bool tell_peer(dol_http_request *request, void *user, GError **error)
{
        g_assert_cmpint(dol_http_peer_of(request).pid, ==, 0);
        g_assert_cmpuint(dol_http_peer_of(request).uid, ==, (uid_t)-1);
        return tell(request, user, error);
}

static void test_tcp(void)
{
        static const dol_http_route tcp_routes[] = {
                {"POST", "/tell/{what}", tell_peer},
                {"GET", "/sleepy", sleepy},
                {NULL},
        };
        g_autoptr(http_fixture) fixture = http_fixture_new(tcp_routes);
        g_autofree char *url = http_fixture_start_tcp(fixture);
        g_autoptr(dol_http_client) client = dol_http_client_new(url, NULL);
        dol_call call = dol_call_forever("test");
        dol_call brief = dol_call_within("test", DOL_USEC_PER_SEC / 5);

        for (int i = 0; i < 3; i++) {
                g_auto(dol_http_answer) answer = {0};
                g_autoptr(GError) error = NULL;

                dol_http_client_send(client, &call, "POST", "/tell/a", NULL, "{}", &answer, &error);
                g_assert_no_error(error);
                g_assert_cmpstr(answer.body, ==, "POST /tell/a application/json {}");
        }
        /* The handler ends only because it sees that its client has gone. */
        check_error(client, &brief, "/sleepy", DOL_ERROR_TIMEOUT, "");
}

static void test_addresses(void)
{
        static const char *const wrong[] = {"",         "/run/x.sock", "unix:/x",
                                            "unix://x", "ftp://x",     "dolium.sock"};
        g_autofree char *long_path = g_strnfill(200, 'x');
        g_autofree char *long_url = g_strconcat("unix:///", long_path, NULL);
        g_autoptr(GError) too_long = NULL;

        for (unsigned i = 0; i < G_N_ELEMENTS(wrong); i++) {
                g_autoptr(GError) error = NULL;

                g_assert_null(dol_http_client_new(wrong[i], &error));
                g_assert_error(error, DOL_ERROR, DOL_ERROR_INVALID);
        }
        g_assert_null(dol_http_client_new(long_url, &too_long));
        g_assert_error(too_long, DOL_ERROR, DOL_ERROR_INVALID);
        dol_http_client_free(dol_http_client_new("http://localhost:1/", NULL));
        dol_http_client_free(NULL);
}

int main(int argc, char *argv[])
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/http-client/send", test_send);
        g_test_add_func("/http-client/headers", test_headers);
        g_test_add_func("/http-client/failures", test_failures);
        g_test_add_func("/http-client/left-socket", test_left_socket);
        g_test_add_func("/http-client/no-permission", test_no_permission);
        g_test_add_func("/http-client/reconnect", test_reconnect);
        g_test_add_func("/http-client/stream", test_stream);
        g_test_add_func("/http-client/tcp", test_tcp);
        g_test_add_func("/http-client/addresses", test_addresses);
        return g_test_run();
}
