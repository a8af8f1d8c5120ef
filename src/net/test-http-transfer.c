/* SPDX-License-Identifier: Apache-2.0 */
/* Transfers: streams whose maker waits for the client, and the client's side of large bodies. */
#include "net/http-client.h"
#include "net/test-http-fixture.h"

#include "base/clock.h"
#include "base/guard.h"

#include <stdatomic.h>
#include <string.h>

static atomic_bool counting_failed;

static bool count_it(dol_http_request *request, void *user, GError **error)
{
        GString *text = NULL;
        uint64_t bytes = 0;
        char piece[10000];
        size_t size;

        do {
                if (!dol_http_read(request, piece, sizeof(piece), &size, error)) {
                        atomic_store(&counting_failed, true);
                        return false;
                }
                bytes += size;
        } while (size);
        text = g_string_new(NULL);
        g_string_printf(text, "%" G_GUINT64_FORMAT, bytes);
        return dol_http_reply_text(request, 200, NULL, text);
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

/* 16 MiB, to a client that takes its time. */
static bool send_much(dol_http_request *request, void *user, GError **error)
{
        dol_http_stream *stream = dol_http_stream_begin(request, "application/octet-stream");
        g_autofree char *piece = g_strnfill(1 << 16, 'x');
        bool goes = true;

        for (int i = 0; goes && i < 256; i++)
                goes = dol_http_stream_send(stream, piece, 1 << 16, 300 * DOL_USEC_PER_MSEC);
        if (goes)
                dol_http_stream_end(stream);
        else
                dol_http_stream_break(stream);
        return true;
}

static bool break_off(dol_http_request *request, void *user, GError **error)
{
        dol_http_stream *stream = dol_http_stream_begin(request, "application/octet-stream");

        dol_http_stream_send(stream, "half", 4, DOL_USEC_PER_SEC);
        dol_http_stream_break(stream);
        return true;
}

enum { UPLOAD = DOL_ROUTE_UPLOAD | DOL_ROUTE_TRANSFER };
static const dol_http_route routes[] = {
        {"POST", "/count", count_it, UPLOAD},
        {"POST", "/refuse", refuse, UPLOAD},
        {"POST", "/refuse-later", refuse_later, UPLOAD},
        {"GET", "/much", send_much, DOL_ROUTE_STREAM | DOL_ROUTE_TRANSFER},
        {"GET", "/break", break_off, DOL_ROUTE_STREAM},
        {NULL},
};

static http_fixture *begin(void)
{
        http_fixture *fixture = http_fixture_new(routes);

        fixture->config.transfer_workers = fixture->workers;
        fixture->config.transfer_usec = 30 * DOL_USEC_PER_SEC;
        fixture->config.transfer_idle_usec = 10 * DOL_USEC_PER_SEC;
        return fixture;
}

/* More than the queue holds goes to a client that takes it slowly. */
static void test_stream_waits(void)
{
        g_autoptr(http_fixture) fixture = begin();
        g_auto(http_heard) heard = {0};
        dol_autofd fd = -1;

        http_fixture_start(fixture);
        fd = http_connect(fixture);
        http_say(fd, "GET /much HTTP/1.1\r\nHost: x\r\n\r\n");
        g_usleep(100 * DOL_USEC_PER_MSEC);
        http_hear(fd, &heard);
        g_assert_cmpuint(heard.body->len, ==, 16 << 20);
        g_assert_false(heard.closed);
}

static void test_stream_gives_up(void)
{
        g_autoptr(http_fixture) fixture = begin();
        g_auto(http_heard) heard = {0};
        dol_autofd fd = -1;

        http_fixture_start(fixture);
        fd = http_connect(fixture);
        http_say(fd, "GET /much HTTP/1.1\r\nHost: x\r\n\r\n");
        g_usleep(800 * DOL_USEC_PER_MSEC);
        http_hear(fd, &heard);
        g_assert_cmpuint(heard.body->len, <, 4 << 20);
        g_assert_true(heard.closed);
}

static void test_stream_breaks(void)
{
        g_autoptr(http_fixture) fixture = begin();
        g_auto(http_heard) heard = {0};

        http_fixture_start(fixture);
        http_ask(fixture, "GET /break HTTP/1.1\r\nHost: x\r\n\r\n", &heard);
        g_assert_cmpint(heard.status, ==, 200);
        g_assert_true(heard.closed);
}

typedef struct {
        uint64_t left, got;
        bool fails;
} load;

static bool give(void *to, size_t max, size_t *ret_size, void *user, GError **error)
{
        load *all = user;

        if (all->fails && all->left < 1 << 20)
                return dol_fail(error, DOL_ERROR_DENIED, "the file is locked");
        *ret_size = MIN(max, all->left);
        memset(to, 0, *ret_size);
        all->left -= *ret_size;
        return true;
}

static bool take(const void *bytes, size_t size, void *user, GError **error)
{
        load *all = user;

        all->got += size;
        return !all->fails || dol_fail(error, DOL_ERROR_NO_SPACE, "the disk is full");
}

static bool transfer(http_fixture *fixture, dol_http_transfer *what, dol_http_answer *ret,
                     GError **error)
{
        g_autofree char *url = g_strconcat("unix://", fixture->path, NULL);
        dol_call call = dol_call_within("test", 20 * DOL_USEC_PER_SEC);
        g_autoptr(dol_http_client) client = NULL;

        if (!fixture->server)
                http_fixture_start(fixture);
        client = dol_http_client_new(url, error);
        return client && dol_http_client_transfer(client, &call, what, ret, error);
}

static void test_client_sends(void)
{
        g_autoptr(http_fixture) fixture = begin();
        const int64_t sizes[] = {8 << 20, -1};

        for (unsigned i = 0; i < G_N_ELEMENTS(sizes); i++) {
                load all = {.left = 8 << 20};
                dol_http_transfer what = {"POST", "/count", "application/x",
                                          give,   sizes[i], .user = &all};
                g_auto(dol_http_answer) answer = {0};
                g_autoptr(GError) error = NULL;

                g_assert_true(transfer(fixture, &what, &answer, &error));
                g_assert_no_error(error);
                g_assert_cmpstr(answer.body, ==, "8388608");
        }
}

static void test_client_is_refused(void)
{
        g_autoptr(http_fixture) fixture = begin();
        const int64_t sizes[] = {INT64_C(1) << 36, -1};

        for (unsigned i = 0; i < 20; i++) {
                load all = {.left = UINT64_C(1) << 36};
                dol_http_transfer what = {"POST",          i % 4 < 2 ? "/refuse" : "/refuse-later",
                                          "application/x", give,
                                          sizes[i % 2],    .user = &all};
                g_auto(dol_http_answer) answer = {0};
                g_autoptr(GError) error = NULL;

                g_assert_true(transfer(fixture, &what, &answer, &error));
                g_assert_no_error(error);
                g_assert_cmpint(answer.status, ==, i % 4 < 2 ? 409 : 400);
                g_assert_cmpuint(all.left, >, UINT64_C(1) << 35);
        }
}

static void test_client_receives(void)
{
        g_autoptr(http_fixture) fixture = begin();
        load all = {0}, half = {0}, full = {.fails = true};
        dol_http_transfer much = {"GET", "/much", .write = take, .user = &all};
        dol_http_transfer broken = {"GET", "/break", .write = take, .user = &half};
        dol_http_transfer failing = {"GET", "/much", .write = take, .user = &full};
        g_auto(dol_http_answer) answer = {0};
        g_autoptr(GError) error = NULL;

        g_assert_true(transfer(fixture, &much, &answer, &error));
        g_assert_cmpuint(all.got, ==, 16 << 20);
        g_assert_false(transfer(fixture, &broken, &answer, &error));
        g_assert_true(dol_error_is(error, DOL_ERROR_UNAVAILABLE));
        g_clear_error(&error);
        g_assert_false(transfer(fixture, &failing, &answer, &error));
        g_assert_cmpstr(error->message, ==, "the disk is full");
}

static void test_client_fails_to_read(void)
{
        g_autoptr(http_fixture) fixture = begin();
        load all = {.left = 8 << 20, .fails = true};
        dol_http_transfer what = {"POST", "/count", "application/x", give, -1, .user = &all};
        g_auto(dol_http_answer) answer = {0};
        g_autoptr(GError) error = NULL;

        g_assert_false(transfer(fixture, &what, &answer, &error));
        g_assert_cmpstr(error->message, ==, "the file is locked");
        while (!atomic_load(&counting_failed))
                g_usleep(1000);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/http-transfer/stream-waits", test_stream_waits);
        g_test_add_func("/http-transfer/stream-gives-up", test_stream_gives_up);
        g_test_add_func("/http-transfer/stream-breaks", test_stream_breaks);
        g_test_add_func("/http-transfer/client-sends", test_client_sends);
        g_test_add_func("/http-transfer/client-is-refused", test_client_is_refused);
        g_test_add_func("/http-transfer/client-receives", test_client_receives);
        g_test_add_func("/http-transfer/client-fails-to-read", test_client_fails_to_read);
        return g_test_run();
}
