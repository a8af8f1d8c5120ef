/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies that the handler reads while they come. */
#include "net/test-http-fixture.h"

#include "base/clock.h"
#include "base/guard.h"

#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>

static atomic_bool may_read;    /* for "/patient": the handler waits for it */
static atomic_uint failed_kind; /* of the read that failed last, + 1 */
static atomic_size_t received;  /* by handlers, so far */

static bool reply_count(dol_http_request *request, uint64_t bytes, uint64_t sum)
{
        GString *text = g_string_new(NULL);

        g_string_printf(text, "%" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT, bytes, sum);
        return dol_http_reply_text(request, 200, NULL, text);
}

static bool count_it(dol_http_request *request, void *user, GError **error)
{
        uint64_t bytes = 0, sum = 0;
        uint8_t piece[10000];
        size_t size;

        do {
                if (!dol_http_read(request, piece, sizeof(piece), &size, error)) {
                        atomic_store(&failed_kind, dol_error_kind_of(error ? *error : NULL) + 1);
                        return false;
                }
                bytes += size;
                atomic_fetch_add(&received, size);
                for (size_t i = 0; i < size; i++)
                        sum = sum * 31 + piece[i];
        } while (size);
        return reply_count(request, bytes, sum);
}

static bool patient(dol_http_request *request, void *user, GError **error)
{
        while (!atomic_load(&may_read))
                g_usleep(1000);
        return count_it(request, user, error);
}

static bool refuse(dol_http_request *request, void *user, GError **error)
{
        return dol_fail(error, DOL_ERROR_EXISTS, "it is there already");
}

static bool refuse_later(dol_http_request *request, void *user, GError **error)
{
        char piece[10];
        size_t size;

        return dol_http_read(request, piece, sizeof(piece), &size, error) &&
               dol_fail(error, DOL_ERROR_INVALID, "record 7 is damaged");
}

enum { UPLOAD = DOL_ROUTE_UPLOAD | DOL_ROUTE_TRANSFER };
static const dol_http_route routes[] = {
        {"POST", "/count", count_it, UPLOAD},
        {"POST", "/patient", patient, UPLOAD},
        {"POST", "/refuse", refuse, UPLOAD},
        {"POST", "/refuse-later", refuse_later, UPLOAD},
        {NULL},
};

static http_fixture *begin(void)
{
        http_fixture *fixture = http_fixture_new(routes);

        fixture->config.transfer_workers = fixture->workers;
        fixture->config.transfer_usec = 30 * DOL_USEC_PER_SEC;
        fixture->config.transfer_idle_usec = 10 * DOL_USEC_PER_SEC;
        atomic_store(&may_read, true);
        atomic_store(&failed_kind, 0);
        atomic_store(&received, 0);
        return fixture;
}

/* Waits until a handler's read has failed; its kind. */
static dol_error_kind wait_failed(void)
{
        int64_t until = dol_monotonic_usec() + 10 * DOL_USEC_PER_SEC;

        while (!atomic_load(&failed_kind) && dol_monotonic_usec() < until)
                g_usleep(1000);
        g_assert_cmpuint(atomic_load(&failed_kind), !=, 0);
        return atomic_load(&failed_kind) - 1;
}

static void expect_refusal(int fd, int status, const char *text)
{
        g_auto(http_heard) heard = {0};

        http_hear(fd, &heard);
        g_assert_cmpint(heard.status, ==, status);
        g_assert_nonnull(strstr(heard.body->str, text));
        g_assert_true(http_wait_closed(fd, DOL_USEC_PER_SEC));
}

/* Larger than body_max, with a length and in chunks. */
static void test_any_length(void)
{
        g_autoptr(http_fixture) fixture = begin();
        enum { SIZE = 3 << 20, CHUNK = 4099 };
        g_autofree char *bytes = g_malloc(SIZE);
        g_autofree char *head = g_strdup_printf(
                "POST /count HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", SIZE);
        g_autofree char *wanted = NULL;
        dol_autofd fd = -1;
        uint64_t sum = 0;

        for (int i = 0; i < SIZE; i++) {
                bytes[i] = (char)(i * 7 + i / 1000);
                sum = sum * 31 + (uint8_t)bytes[i];
        }
        wanted = g_strdup_printf("%d %" G_GUINT64_FORMAT, SIZE, sum);
        http_fixture_start(fixture);
        fd = http_connect(fixture);
        for (int round = 0; round < 2; round++) { /* the connection is kept */
                g_auto(http_heard) heard = {0}, chunked = {0};

                http_say(fd, head);
                g_assert_true(http_say_bytes(fd, bytes, SIZE));
                http_hear(fd, &heard);
                g_assert_cmpstr(heard.body->str, ==, wanted);
                http_say(fd, "POST /count HTTP/1.1\r\nHost: x\r\n"
                             "Transfer-Encoding: chunked\r\n\r\n");
                for (int at = 0; at < SIZE; at += CHUNK) {
                        g_autofree char *line = g_strdup_printf("%x\r\n", MIN(CHUNK, SIZE - at));

                        http_say(fd, line);
                        g_assert_true(
                                http_say_bytes(fd, bytes + at, (size_t)MIN(CHUNK, SIZE - at)));
                        http_say(fd, "\r\n");
                }
                http_say(fd, "0\r\n\r\n");
                http_hear(fd, &chunked);
                g_assert_cmpstr(chunked.body->str, ==, wanted);
        }
}

static void test_no_body(void)
{
        g_autoptr(http_fixture) fixture = begin();
        g_auto(http_heard) heard = {0}, empty = {0};

        http_fixture_start(fixture);
        http_ask(fixture, "POST /count HTTP/1.1\r\nHost: x\r\n\r\n", &heard);
        g_assert_cmpstr(heard.body->str, ==, "0 0");
        http_ask(fixture, "POST /count HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", &empty);
        g_assert_cmpstr(empty.body->str, ==, "0 0");
}

/* What the handler does not take stays with the client: no more than the queue and the sockets'
 * buffers leave it. */
static void test_slow_handler(void)
{
        g_autoptr(http_fixture) fixture = begin();
        enum { SIZE = 64 << 20, PIECE = 1 << 16 };
        g_autofree char *piece = g_malloc0(PIECE);
        g_autofree char *head = g_strdup_printf(
                "POST /patient HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", SIZE);
        g_auto(http_heard) heard = {0};
        dol_autofd fd = -1;
        size_t sent = 0;
        ssize_t some;

        atomic_store(&may_read, false);
        http_fixture_start(fixture);
        fd = http_connect(fixture);
        http_say(fd, head);
        for (int idle = 0; idle < 100;) {
                some = send(fd, piece, PIECE, MSG_NOSIGNAL | MSG_DONTWAIT);
                sent += (size_t)MAX(some, 0);
                idle = some > 0 ? 0 : idle + 1;
                if (some <= 0)
                        g_usleep(1000);
        }
        g_assert_cmpuint(sent, >, 1 << 20);
        g_assert_cmpuint(sent, <, 4 << 20);
        atomic_store(&may_read, true);
        while (sent < SIZE) {
                g_assert_true(http_say_bytes(fd, piece, MIN(PIECE, SIZE - sent)));
                sent += MIN(PIECE, SIZE - sent);
        }
        http_hear(fd, &heard);
        g_assert_cmpstr(heard.body->str, ==, "67108864 0");
}

/* The answer comes although the body is far from its end, and whatever was sent of it. */
static void test_refused_early(void)
{
        g_autoptr(http_fixture) fixture = begin();
        static const char *const bodies[] = {"x", "more than ten bytes of it"};

        http_fixture_start(fixture);
        for (unsigned i = 0; i < G_N_ELEMENTS(bodies); i++) {
                dol_autofd fd = http_connect(fixture);

                http_say(fd, "POST /refuse HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n"
                             "\r\n");
                http_say(fd, bodies[i]);
                expect_refusal(fd, 409, "it is there already");
        }
        for (int late = 0; late < 2; late++) {
                dol_autofd fd = http_connect(fixture);

                http_say(fd, "POST /refuse-later HTTP/1.1\r\nHost: x\r\n"
                             "Transfer-Encoding: chunked\r\n\r\n");
                if (late)
                        g_usleep(100 * DOL_USEC_PER_MSEC);
                http_say(fd, "14\r\n01234567890123456789\r\n");
                expect_refusal(fd, 400, "record 7 is damaged");
        }
}

/* Nor does it matter that there is no body, and who is first to know. */
static void test_refused_without_body(void)
{
        g_autoptr(http_fixture) fixture = begin();

        http_fixture_start(fixture);
        for (int i = 0; i < 200; i++) {
                g_auto(http_heard) heard = {0};

                http_ask(fixture, "POST /refuse HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
                         &heard);
                g_assert_cmpint(heard.status, ==, 409);
        }
}

static void test_too_many(void)
{
        g_autoptr(http_fixture) fixture = begin();
        dol_workers *few = dol_workers_new("few", 1, 1);
        dol_autofd first = -1, second = -1, third = -1;

        atomic_store(&may_read, false);
        fixture->config.transfer_workers = few;
        http_fixture_start(fixture);
        first = http_connect(fixture);
        http_say(first, "POST /patient HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nx");
        g_usleep(50 * DOL_USEC_PER_MSEC);
        second = http_connect(fixture);
        http_say(second, "POST /patient HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nx");
        g_usleep(50 * DOL_USEC_PER_MSEC);
        third = http_connect(fixture);
        http_say(third, "POST /patient HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n");
        http_say(third, "some of it");
        expect_refusal(third, 503, "too many requests");
        atomic_store(&may_read, true);
        dol_close_fd(&first);
        dol_close_fd(&second);
        http_fixture_stop(fixture, DOL_USEC_PER_SEC);
        dol_workers_free(few);
}

/* A client that goes on sending does not hold the connection. */
static void test_refused_to_the_deaf(void)
{
        g_autoptr(http_fixture) fixture = begin();
        g_autofree char *piece = g_malloc0(1 << 16);
        int64_t began = dol_monotonic_usec();
        dol_autofd fd = -1;

        fixture->config.receive_usec = 300 * DOL_USEC_PER_MSEC;
        http_fixture_start(fixture);
        fd = http_connect(fixture);
        http_say(fd, "POST /refuse HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n");
        while (http_say_bytes(fd, piece, 1 << 16))
                g_assert_cmpint(dol_monotonic_usec() - began, <, 8 * DOL_USEC_PER_SEC);
}

static void test_client_goes(void)
{
        static const char *const heads[] = {
                "POST /count HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nsome of it",
                "POST /count HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\na\r\n0123",
                "POST /count HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n",
        };
        g_autoptr(http_fixture) fixture = begin();

        http_fixture_start(fixture);
        for (unsigned i = 0; i < 2 * G_N_ELEMENTS(heads); i++) {
                dol_autofd fd = http_connect(fixture);

                atomic_store(&failed_kind, 0);
                http_say(fd, heads[i / 2]);
                if (i % 2)
                        g_usleep(20 * DOL_USEC_PER_MSEC);
                if (i % 4 < 2)
                        shutdown(fd, SHUT_WR); /* it would hear an answer still */
                else
                        dol_close_fd(&fd);
                if (i % 2) /* else it may have gone before a handler was asked */
                        g_assert_cmpint(wait_failed(), ==, DOL_ERROR_UNAVAILABLE);
        }
}

static void test_client_sleeps(void)
{
        g_autoptr(http_fixture) fixture = begin();
        dol_autofd fd = -1;

        fixture->config.transfer_idle_usec = DOL_USEC_PER_SEC;
        fixture->config.receive_usec = 100 * DOL_USEC_PER_MSEC; /* is for heads */
        http_fixture_start(fixture);
        fd = http_connect(fixture);
        http_say(fd, "POST /count HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n");
        for (int i = 0; i < 6; i++) {
                http_say(fd, "x");
                g_usleep(250 * DOL_USEC_PER_MSEC);
        }
        g_assert_cmpuint(atomic_load(&received), ==, 6);
        g_assert_cmpint(wait_failed(), ==, DOL_ERROR_TIMEOUT);
        g_assert_true(http_wait_closed(fd, 5 * DOL_USEC_PER_SEC));
}

static void test_total_time(void)
{
        g_autoptr(http_fixture) fixture = begin();
        g_auto(http_heard) heard = {0};

        fixture->config.transfer_usec = 200 * DOL_USEC_PER_MSEC;
        http_fixture_start(fixture);
        http_ask(fixture, "POST /count HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nx", &heard);
        g_assert_cmpint(heard.status, ==, 504);
}

static void test_server_stops(void)
{
        g_autoptr(http_fixture) fixture = begin();
        dol_autofd fd = -1;
        int64_t began;

        http_fixture_start(fixture);
        fd = http_connect(fixture);
        http_say(fd, "POST /count HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nx");
        while (!atomic_load(&received))
                g_usleep(1000);
        began = dol_monotonic_usec();
        http_fixture_stop(fixture, 10 * DOL_USEC_PER_SEC);
        g_assert_cmpint(dol_monotonic_usec() - began, <, 5 * DOL_USEC_PER_SEC);
        g_assert_cmpint(wait_failed(), ==, DOL_ERROR_UNAVAILABLE);
        g_assert_true(http_wait_closed(fd, 5 * DOL_USEC_PER_SEC));
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/http-upload/any-length", test_any_length);
        g_test_add_func("/http-upload/no-body", test_no_body);
        g_test_add_func("/http-upload/slow-handler", test_slow_handler);
        g_test_add_func("/http-upload/refused-early", test_refused_early);
        g_test_add_func("/http-upload/refused-without-body", test_refused_without_body);
        g_test_add_func("/http-upload/too-many", test_too_many);
        g_test_add_func("/http-upload/refused-to-the-deaf", test_refused_to_the_deaf);
        g_test_add_func("/http-upload/client-goes", test_client_goes);
        g_test_add_func("/http-upload/client-sleeps", test_client_sleeps);
        g_test_add_func("/http-upload/total-time", test_total_time);
        g_test_add_func("/http-upload/server-stops", test_server_stops);
        return g_test_run();
}
