/* SPDX-License-Identifier: Apache-2.0 */
/* Answers in pieces, from other threads. */
#include "net/test-http-fixture.h"

#include "base/clock.h"
#include "base/guard.h"

#include <poll.h>
#include <stdatomic.h>
#include <string.h>

/* The subscribers, as a face would keep them. */
typedef struct {
        pthread_mutex_t lock;
        GPtrArray *streams; /* guarded by the lock */
        atomic_uint closed; /* how often a stream was told to be closed */
        atomic_uint failed; /* how often a write was refused */
} club;

static club members = {.lock = PTHREAD_MUTEX_INITIALIZER};

typedef struct {
        dol_http_stream *stream;
} member;

/* Takes the member off the list; false when somebody else has. */
static bool expel(member *leaving)
{
        dol_lock_scope(&members.lock);

        return g_ptr_array_remove(members.streams, leaving);
}

static void on_close(void *user)
{
        member *leaving = user;

        atomic_fetch_add(&members.closed, 1);
        if (!expel(leaving))
                return;
        dol_http_stream_end(leaving->stream);
        g_free(leaving);
}

static bool subscribe(dol_http_request *request, void *user, GError **error)
{
        member *joining = g_new(member, 1);

        joining->stream = dol_http_stream_begin(request, "application/x-ndjson");
        dol_http_stream_write(joining->stream, "welcome\n", 8);
        pthread_mutex_lock(&members.lock);
        g_ptr_array_add(members.streams, joining);
        pthread_mutex_unlock(&members.lock);
        dol_http_stream_on_close(joining->stream, on_close, joining);
        return true;
}

/* Ends all that are listed, from this thread. */
static void end_all(void)
{
        g_autoptr(GPtrArray) leaving = NULL;

        pthread_mutex_lock(&members.lock);
        leaving = g_steal_pointer(&members.streams);
        members.streams = g_ptr_array_new();
        pthread_mutex_unlock(&members.lock);
        for (unsigned i = 0; i < leaving->len; i++) {
                member *each = leaving->pdata[i];

                dol_http_stream_end(each->stream);
                g_free(each);
        }
}

static void publish(const char *text)
{
        dol_lock_scope(&members.lock);

        for (unsigned i = 0; i < members.streams->len; i++) {
                member *each = members.streams->pdata[i];

                if (!dol_http_stream_write(each->stream, text, strlen(text)))
                        atomic_fetch_add(&members.failed, 1);
        }
}

static unsigned count(void)
{
        dol_lock_scope(&members.lock);

        return members.streams->len;
}

static bool count_lines(dol_http_request *request, void *user, GError **error)
{
        dol_http_stream *stream = dol_http_stream_begin(request, "text/plain");

        g_assert_false(dol_http_reply_text(request, 200, NULL, g_string_new("late")));
        for (int i = 0; i < 20000; i++) {
                g_autofree char *text = g_strdup_printf("%d\n", i);

                g_assert_true(dol_http_stream_write(stream, text, strlen(text)));
        }
        dol_http_stream_end(stream);
        return true;
}

static bool nothing(dol_http_request *request, void *user, GError **error)
{
        dol_http_stream_end(dol_http_stream_begin(request, "text/plain"));
        return true;
}

static bool quick(dol_http_request *request, void *user, GError **error)
{
        return dol_http_reply_text(request, 200, NULL, g_string_new("quick"));
}

static const dol_http_route routes[] = {
        {"GET", "/watch", subscribe, DOL_ROUTE_STREAM},
        {"GET", "/watch-inline", subscribe, DOL_ROUTE_STREAM | DOL_ROUTE_INLINE},
        {"GET", "/lines", count_lines, DOL_ROUTE_STREAM},
        {"GET", "/nothing", nothing, DOL_ROUTE_STREAM},
        {"GET", "/quick", quick},
        {NULL},
};

static http_fixture *start(void)
{
        http_fixture *fixture = http_fixture_new(routes);

        members.streams = g_ptr_array_new();
        atomic_store(&members.closed, 0);
        atomic_store(&members.failed, 0);
        fixture->config.connections_max = 300;
        http_fixture_start(fixture);
        return fixture;
}

static void finish(http_fixture *fixture)
{
        http_fixture_free(fixture);
        end_all();
        g_ptr_array_unref(g_steal_pointer(&members.streams));
}

static void wait_for_count(unsigned wanted)
{
        int64_t until = dol_monotonic_usec() + 10 * DOL_USEC_PER_SEC;

        while (count() != wanted) {
                g_assert_cmpint(dol_monotonic_usec(), <, until);
                g_usleep(1000);
        }
}

static int ask(const http_fixture *fixture, const char *target)
{
        g_autofree char *text = g_strdup_printf("GET %s HTTP/1.1\r\nHost: x\r\n\r\n", target);
        int fd = http_connect(fixture);

        http_say(fd, text);
        return fd;
}

/* Reads until the text has come; false at the end of the connection. */
static bool hear_text(int fd, const char *text)
{
        g_autoptr(GString) heard = g_string_new(NULL);
        char byte;

        while (!strstr(heard->str, text)) {
                if (read(fd, &byte, 1) != 1)
                        return false;
                g_string_append_c(heard, byte);
        }
        return true;
}

static void test_whole(void)
{
        http_fixture *fixture = start();
        dol_autofd fd = ask(fixture, "/lines");
        g_auto(http_heard) heard = {0};
        g_auto(http_heard) empty = {0};
        g_auto(GStrv) lines = NULL;

        http_hear(fd, &heard);
        g_assert_cmpint(heard.status, ==, 200);
        lines = g_strsplit(heard.body->str, "\n", -1);
        g_assert_cmpuint(g_strv_length(lines), ==, 20001);
        g_assert_cmpstr(lines[19999], ==, "19999");
        /* The connection lives on. */
        http_say(fd, "GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n");
        http_hear(fd, &empty);
        g_assert_cmpint(empty.status, ==, 200);
        g_assert_cmpuint(empty.body->len, ==, 0);
        finish(fixture);
}

/* HTTP/1.0 knows no chunks: the end of the connection is the end of the answer. HEAD has no body
 * at all. */
static void test_old_and_head(void)
{
        http_fixture *fixture = start();
        g_auto(http_heard) heard = {0};
        dol_autofd fd = http_connect(fixture);

        http_ask(fixture, "GET /lines HTTP/1.0\r\n\r\n", &heard);
        g_assert_true(g_str_has_suffix(heard.body->str, "\n19999\n"));
        http_say(fd, "HEAD /watch HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        g_assert_true(http_wait_closed(fd, 4 * DOL_USEC_PER_SEC));
        while (!atomic_load(&members.closed))
                g_usleep(1000);
        wait_for_count(0);
        finish(fixture);
}

static void test_events(void)
{
        http_fixture *fixture = start();
        dol_autofd fd = ask(fixture, "/watch");
        dol_autofd other = ask(fixture, "/watch-inline");

        wait_for_count(2);
        g_assert_true(hear_text(fd, "welcome\n"));
        g_assert_true(hear_text(other, "welcome\n"));
        for (int i = 0; i < 200; i++) {
                g_autofree char *text = g_strdup_printf("event %d\n", i);

                publish(text);
                g_assert_true(hear_text(fd, text));
                g_assert_true(hear_text(other, text));
        }
        end_all();
        g_assert_true(hear_text(fd, "0\r\n\r\n"));
        g_assert_cmpuint(atomic_load(&members.closed), ==, 0);
        finish(fixture);
}

/* A stream outlives every deadline. */
static void test_no_deadline(void)
{
        http_fixture *fixture = http_fixture_new(routes);
        dol_autofd fd = -1;

        members.streams = g_ptr_array_new();
        fixture->config.receive_usec = DOL_USEC_PER_SEC / 10;
        fixture->config.idle_usec = DOL_USEC_PER_SEC / 10;
        fixture->config.handle_usec = DOL_USEC_PER_SEC / 10;
        http_fixture_start(fixture);
        fd = ask(fixture, "/watch");
        wait_for_count(1);
        g_usleep(DOL_USEC_PER_SEC / 2);
        publish("still here\n");
        g_assert_true(hear_text(fd, "still here\n"));
        finish(fixture);
}

static void test_client_goes(void)
{
        http_fixture *fixture = start();

        for (unsigned i = 1; i <= 20; i++) {
                int fd = ask(fixture, i % 2 ? "/watch" : "/watch-inline");

                wait_for_count(1);
                close(fd);
                wait_for_count(0);
                g_assert_cmpuint(atomic_load(&members.closed), ==, i);
        }
        finish(fixture);
}

/* Who does not read is cut off, and harms nobody else. */
static void test_slow_subscriber(void)
{
        http_fixture *fixture = start();
        g_autofree char *text = g_strnfill(1000, 'x');
        dol_autofd slow = ask(fixture, "/watch");
        struct pollfd poller = {.fd = slow, .events = 0};

        wait_for_count(1);
        for (int i = 0; i < 4000 && !atomic_load(&members.failed); i++)
                publish(text);
        g_assert_cmpuint(atomic_load(&members.failed), >, 0);
        g_assert_cmpint(poll(&poller, 1, 5000), ==, 1);
        wait_for_count(0);
        finish(fixture);
}

static void test_many_subscribers(void)
{
        enum { COUNT = 200 };
        http_fixture *fixture = start();
        g_auto(http_heard) heard = {0};
        int fds[COUNT];

        for (unsigned i = 0; i < COUNT; i++) {
                fds[i] = ask(fixture, "/watch");
                /* No more at once than the workers' queue takes. */
                if (i % 50 == 49)
                        wait_for_count(i + 1);
        }
        for (int i = 0; i < 10; i++)
                publish("event\n");
        publish("last\n");
        http_ask(fixture, "GET /quick HTTP/1.1\r\nHost: x\r\n\r\n", &heard);
        g_assert_cmpint(heard.status, ==, 200);
        for (int i = 0; i < COUNT; i++)
                g_assert_true(hear_text(fds[i], "last\n"));
        /* The server's stop ends them. */
        http_fixture_stop(fixture, 5 * DOL_USEC_PER_SEC);
        for (int i = 0; i < COUNT; i++) {
                g_assert_true(http_wait_closed(fds[i], 4 * DOL_USEC_PER_SEC));
                close(fds[i]);
        }
        wait_for_count(0);
        g_assert_cmpuint(atomic_load(&members.closed), ==, COUNT);
        finish(fixture);
}

static void *publish_on(void *data)
{
        const atomic_bool *ended = data;

        while (!atomic_load(ended)) {
                publish("event\n");
                g_usleep(200);
        }
        return NULL;
}

/* Subscribers come and go, one thread publishes, another ends streams, and the server stops. */
static void test_storm(void)
{
        for (int round = 0; round < 3; round++) {
                http_fixture *fixture = start();
                atomic_bool ended = false;
                pthread_t publisher;

                pthread_create(&publisher, NULL, publish_on, &ended);
                for (int i = 0; i < 150; i++) {
                        dol_autofd fd = ask(fixture, i % 3 ? "/watch" : "/watch-inline");

                        if (i % 4)
                                hear_text(fd, "welcome\n");
                        if (i % 5 == 0)
                                end_all();
                }
                http_fixture_stop(fixture, DOL_USEC_PER_SEC);
                atomic_store(&ended, true);
                pthread_join(publisher, NULL);
                finish(fixture);
        }
}

int main(int argc, char *argv[])
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/http-stream/whole", test_whole);
        g_test_add_func("/http-stream/old-and-head", test_old_and_head);
        g_test_add_func("/http-stream/events", test_events);
        g_test_add_func("/http-stream/no-deadline", test_no_deadline);
        g_test_add_func("/http-stream/client-goes", test_client_goes);
        g_test_add_func("/http-stream/slow-subscriber", test_slow_subscriber);
        g_test_add_func("/http-stream/many-subscribers", test_many_subscribers);
        g_test_add_func("/http-stream/storm", test_storm);
        return g_test_run();
}
