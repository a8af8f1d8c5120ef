/* SPDX-License-Identifier: Apache-2.0 */
/* Slow clients, and too many of them. */
#include "net/test-http-fixture.h"

#include "base/clock.h"
#include "base/guard.h"

#include <poll.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

static bool echo(dol_http_request *request, void *user, GError **error)
{
        return dol_http_reply_text(request, 200, NULL, g_string_new("echo"));
}

/* Answers with more than a socket holds. */
static bool much(dol_http_request *request, void *user, GError **error)
{
        GString *text = g_string_new(NULL);

        g_string_set_size(text, 8 << 20);
        memset(text->str, 'x', text->len);
        return dol_http_reply_text(request, 200, NULL, text);
}

static const dol_http_route routes[] = {
        {"GET", "/a", echo},
        {"POST", "/a", echo},
        {"GET", "/much", much},
        {NULL},
};

static void check_serves(const http_fixture *fixture)
{
        g_auto(http_heard) heard = {0};

        http_ask(fixture, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n", &heard);
        g_assert_cmpint(heard.status, ==, 200);
}

/* A client that sends one byte every now and then; how long it was suffered. */
static int64_t dribble(const http_fixture *fixture, const char *begin, const char *byte)
{
        dol_autofd fd = http_connect(fixture);
        int64_t since = dol_monotonic_usec();

        http_say(fd, begin);
        while (http_say_bytes(fd, byte, 1) && !http_wait_closed(fd, 20000))
                g_assert_cmpint(dol_monotonic_usec() - since, <, 8 * DOL_USEC_PER_SEC);
        return dol_monotonic_usec() - since;
}

static void test_slow(void)
{
        static const char *const begins[] = {
                "",
                "GET /a HTTP/1.1\r\nX: ",
                "GET /a HTTP/1.1\r\nHost: x\r\n\r\nGET /",
                "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n",
                "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n7000\r\n",
                "POST /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n",
        };
        g_autoptr(http_fixture) fixture = http_fixture_new(routes);

        fixture->config.receive_usec = DOL_USEC_PER_SEC * 3 / 10;
        fixture->config.idle_usec = DOL_USEC_PER_SEC * 3 / 10;
        http_fixture_start(fixture);
        for (unsigned i = 0; i < G_N_ELEMENTS(begins); i++) {
                int64_t took = dribble(fixture, begins[i], "x");

                g_test_message("%u: %" G_GINT64_FORMAT " us", i, took);
                g_assert_cmpint(took, >, DOL_USEC_PER_SEC / 5);
                g_assert_cmpint(took, <, DOL_USEC_PER_SEC * 3 / 2);
        }
        check_serves(fixture);
}

static void test_idle(void)
{
        g_autoptr(http_fixture) fixture = http_fixture_new(routes);
        dol_autofd never = -1;
        dol_autofd once = -1;
        g_auto(http_heard) heard = {0};
        int64_t since;

        fixture->config.receive_usec = DOL_USEC_PER_SEC * 6 / 10;
        fixture->config.idle_usec = DOL_USEC_PER_SEC / 5;
        http_fixture_start(fixture);
        never = http_connect(fixture);
        once = http_connect(fixture);
        http_say(once, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
        http_hear(once, &heard);
        since = dol_monotonic_usec();
        g_assert_true(http_wait_closed(once, 4 * DOL_USEC_PER_SEC));
        g_assert_cmpint(dol_monotonic_usec() - since, >, DOL_USEC_PER_SEC / 10);
        g_assert_true(http_wait_closed(never, 4 * DOL_USEC_PER_SEC));
        g_assert_cmpint(dol_monotonic_usec() - since, >, DOL_USEC_PER_SEC / 3);
}

/* A client that does not take its answer. */
static void test_slow_reader(void)
{
        g_autoptr(http_fixture) fixture = http_fixture_new(routes);
        dol_autofd fd = -1;
        struct pollfd poller = {.events = 0};

        fixture->config.receive_usec = DOL_USEC_PER_SEC / 5;
        fixture->config.idle_usec = DOL_USEC_PER_SEC / 5;
        http_fixture_start(fixture);
        fd = http_connect(fixture);
        http_say(fd, "GET /much HTTP/1.1\r\nHost: x\r\n\r\n");
        poller.fd = fd;
        g_assert_cmpint(poll(&poller, 1, 4000), ==, 1);
        g_assert_true(poller.revents & POLLHUP);
}

/* A client that ends in the middle of a request is let go at once, not at the deadline. */
static void test_cut_short(void)
{
        static const char *const texts[] = {
                "G",
                "GET /a HTTP/1.1\r\nHos",
                "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab",
        };
        g_autoptr(http_fixture) fixture = http_fixture_new(routes);
        int64_t since = dol_monotonic_usec();

        http_fixture_start(fixture);
        for (unsigned i = 0; i < 20 * G_N_ELEMENTS(texts); i++) {
                dol_autofd fd = http_connect(fixture);

                http_say(fd, texts[i % G_N_ELEMENTS(texts)]);
                shutdown(fd, SHUT_WR);
                g_assert_true(http_wait_closed(fd, DOL_USEC_PER_SEC));
        }
        g_assert_cmpint(dol_monotonic_usec() - since, <, 2 * DOL_USEC_PER_SEC);
}

static void raise_fd_limit(void)
{
        struct rlimit limit;

        getrlimit(RLIMIT_NOFILE, &limit);
        limit.rlim_cur = MIN(limit.rlim_max, 8192);
        setrlimit(RLIMIT_NOFILE, &limit);
        g_assert_cmpuint(limit.rlim_cur, >=, 4096);
}

/* Thousands of connections: those within the limit are served, the others closed at once. */
static void test_many_connections(void)
{
        enum { COUNT = 2000, MAX = 100 };
        static const char text[] = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n";
        g_autoptr(http_fixture) fixture = http_fixture_new(routes);
        g_autofree int *fds = g_new(int, COUNT);
        unsigned served = 0;

        raise_fd_limit();
        http_fixture_start(fixture);
        for (int i = 0; i < COUNT; i++)
                fds[i] = http_connect(fixture);
        for (int i = 0; i < COUNT; i++) {
                g_auto(http_heard) heard = {0};

                http_say_bytes(fds[i], text, sizeof(text) - 1);
                http_hear(fds[i], &heard);
                g_assert_true(heard.status == 0 || heard.status == 200);
                served += heard.status == 200;
        }
        g_assert_cmpuint(served, ==, MAX);
        for (int i = 0; i < COUNT; i++)
                close(fds[i]);
        /* Their places are free again soon. */
        for (int i = 0; i < 100; i++) {
                g_auto(http_heard) heard = {0};

                g_usleep(10000);
                http_ask(fixture, text, &heard);
                if (heard.status == 200)
                        return;
        }
        g_assert_not_reached();
}

int main(int argc, char *argv[])
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/http-limits/slow", test_slow);
        g_test_add_func("/http-limits/idle", test_idle);
        g_test_add_func("/http-limits/slow-reader", test_slow_reader);
        g_test_add_func("/http-limits/cut-short", test_cut_short);
        g_test_add_func("/http-limits/many-connections", test_many_connections);
        return g_test_run();
}
