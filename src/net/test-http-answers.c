/* SPDX-License-Identifier: Apache-2.0 */
/* Clients that go, handlers that take long, servers that stop. */
#include "net/test-http-fixture.h"

#include "base/clock.h"
#include "base/guard.h"

#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>

/* What the handlers of this file share with their test. */
static atomic_bool gate_open; /* `wait` goes on */
static atomic_uint running;   /* handlers inside `wait` */
static atomic_uint seen_gone; /* handlers that saw their client go */
static atomic_uint late;      /* answers that came too late */
static atomic_uint early;     /* answers out of patience */

static void wait_until(atomic_uint *counter, unsigned value)
{
        int64_t until = dol_monotonic_usec() + 10 * DOL_USEC_PER_SEC;

        while (atomic_load(counter) != value) {
                g_assert_cmpint(dol_monotonic_usec(), <, until);
                g_usleep(1000);
        }
}

static bool quick(dol_http_request *request, void *user, GError **error)
{
        return dol_http_reply_text(request, 200, NULL, g_string_new("quick"));
}

/* Works until the gate opens or the request is cancelled. */
static bool wait(dol_http_request *request, void *user, GError **error)
{
        const dol_call *call = dol_http_call(request);

        atomic_fetch_add(&running, 1);
        while (!atomic_load(&gate_open) && dol_call_check(call, NULL))
                g_usleep(1000);
        if (atomic_load(call->cancelled))
                atomic_fetch_add(&seen_gone, 1);
        atomic_fetch_sub(&running, 1);
        if (!dol_http_reply_text(request, 200, "text/plain", g_string_new("waited")))
                atomic_fetch_add(&late, 1);
        return true;
}

/* Asks the socket instead of the flag. */
static bool ask_gone(dol_http_request *request, void *user, GError **error)
{
        g_assert_false(dol_http_client_gone(request));
        atomic_fetch_add(&running, 1); /* now the client closes */
        while (!dol_http_client_gone(request))
                g_usleep(1000);
        atomic_fetch_add(&seen_gone, 1);
        atomic_fetch_sub(&running, 1);
        return dol_fail(error, DOL_ERROR_UNAVAILABLE, "nobody waits");
}

static void answer_early(dol_http_request *request, void *user)
{
        g_assert_true(user == dol_http_data(request));
        dol_http_reply_header(request, "Location", "/operations/1");
        if (dol_http_reply_text(request, 202, "text/plain", g_string_new("accepted")))
                atomic_fetch_add(&early, 1);
}

static bool be_patient(dol_http_request *request, void *user, GError **error)
{
        const char *patience = dol_http_query(request, "patience");
        char *data = g_strdup("data");

        dol_http_set_data(request, data, g_free);
        dol_http_set_patience(request, g_ascii_strtoll(patience, NULL, 10), answer_early, data);
        return wait(request, user, error);
}

/* As near to its patience as it can be. */
static bool race(dol_http_request *request, void *user, GError **error)
{
        char *data = g_strdup("data");

        dol_http_set_data(request, data, g_free);
        dol_http_set_patience(request, 1000, answer_early, data);
        g_usleep(g_test_rand_int_range(500, 2500));
        if (!dol_http_reply_text(request, 200, NULL, g_string_new("on time")))
                atomic_fetch_add(&late, 1);
        return true;
}

static bool be_impatient_and_fail(dol_http_request *request, void *user, GError **error)
{
        dol_http_set_patience(request, 0, answer_early, NULL);
        return dol_fail(error, DOL_ERROR_CONFLICT, "no");
}

static const dol_http_parameter patience_query[] = {{"patience", "microseconds"}, {NULL}};

static const dol_http_route routes[] = {
        {"GET", "/quick", quick, DOL_ROUTE_INLINE},
        {"GET", "/slow", quick},
        {"GET", "/wait", wait},
        {"GET", "/ask-gone", ask_gone},
        {"GET", "/patience", be_patient, DOL_ROUTE_LONG, .query = patience_query},
        {"GET", "/race", race, DOL_ROUTE_LONG},
        {"GET", "/fail-early", be_impatient_and_fail, DOL_ROUTE_LONG},
        {NULL},
};

static http_fixture *start(void)
{
        http_fixture *fixture = http_fixture_new(routes);

        atomic_store(&gate_open, false);
        atomic_store(&seen_gone, 0);
        atomic_store(&late, 0);
        atomic_store(&early, 0);
        http_fixture_start(fixture);
        return fixture;
}

static int ask(const http_fixture *fixture, const char *target)
{
        g_autofree char *text = g_strdup_printf("GET %s HTTP/1.1\r\nHost: x\r\n\r\n", target);
        int fd = http_connect(fixture);

        http_say(fd, text);
        return fd;
}

static void check_answer(int fd, int status, const char *body)
{
        g_auto(http_heard) heard = {0};

        http_hear(fd, &heard);
        g_assert_cmpint(heard.status, ==, status);
        g_assert_cmpstr(heard.body->str, ==, body);
}

static void check(const http_fixture *fixture, const char *target, int status, const char *body)
{
        dol_autofd fd = ask(fixture, target);

        check_answer(fd, status, body);
}

static void test_client_gone(void)
{
        static const char *const targets[] = {"/wait", "/ask-gone"};
        g_autoptr(http_fixture) fixture = start();

        for (unsigned i = 0; i < G_N_ELEMENTS(targets); i++) {
                int fd = ask(fixture, targets[i]);

                wait_until(&running, 1);
                close(fd);
                wait_until(&running, 0);
                wait_until(&seen_gone, i + 1);
        }
        wait_until(&late, 0);
}

/* A client that has said all it has to say still wants its answer. */
static void test_half_closed(void)
{
        g_autoptr(http_fixture) fixture = start();
        dol_autofd fd = ask(fixture, "/wait");

        wait_until(&running, 1);
        shutdown(fd, SHUT_WR);
        g_usleep(20000);
        atomic_store(&gate_open, true);
        check_answer(fd, 200, "waited");
        g_assert_cmpuint(atomic_load(&seen_gone), ==, 0);
}

/* Requests whose client went while they were queued are not begun. */
static void test_gone_in_queue(void)
{
        g_autoptr(http_fixture) fixture = start();
        int fds[20];

        for (unsigned i = 0; i < G_N_ELEMENTS(fds); i++)
                fds[i] = ask(fixture, "/wait");
        wait_until(&running, 4);
        for (unsigned i = 0; i < G_N_ELEMENTS(fds); i++)
                close(fds[i]);
        wait_until(&running, 0);
        g_assert_cmpuint(atomic_load(&seen_gone), <, 10);
}

static void test_queue_full(void)
{
        enum { WORKERS_AND_QUEUE = 4 + 64, MORE = 10 };
        g_autoptr(http_fixture) fixture = start();
        int fds[WORKERS_AND_QUEUE + MORE];
        int refused = 0;

        for (unsigned i = 0; i < G_N_ELEMENTS(fds); i++) {
                fds[i] = ask(fixture, "/wait");
                if (i < 4)
                        wait_until(&running, i + 1);
        }
        g_usleep(50000);
        check(fixture, "/quick", 200, "quick");
        atomic_store(&gate_open, true);
        for (unsigned i = 0; i < G_N_ELEMENTS(fds); i++) {
                g_auto(http_heard) heard = {0};
                g_autofree char *retry = NULL;

                http_hear(fds[i], &heard);
                retry = http_heard_header(&heard, "Retry-After");
                g_assert_true(heard.status == 200 || (heard.status == 503 && retry));
                refused += heard.status == 503;
                close(fds[i]);
        }
        g_assert_cmpint(refused, ==, MORE);
}

static void test_patience(void)
{
        g_autoptr(http_fixture) fixture = start();
        dol_autofd fd = ask(fixture, "/patience?patience=20000");
        g_auto(http_heard) heard = {0};
        g_autofree char *location = NULL;

        http_hear(fd, &heard);
        g_assert_cmpint(heard.status, ==, 202);
        location = http_heard_header(&heard, "Location");
        g_assert_cmpstr(location, ==, "/operations/1");
        /* The work goes on, also when the client, content, has gone. */
        g_assert_cmpuint(atomic_load(&running), ==, 1);
        http_say(fd, "GET /quick HTTP/1.1\r\nHost: x\r\n\r\n");
        check_answer(fd, 200, "quick");
        dol_close_fd(&fd);
        g_usleep(20000);
        g_assert_cmpuint(atomic_load(&running), ==, 1);
        atomic_store(&gate_open, true);
        wait_until(&late, 1);
        g_assert_cmpuint(atomic_load(&seen_gone), ==, 0);
}

static void test_patience_not_needed(void)
{
        static const char *const targets[] = {"/patience?patience=60000000",
                                              "/patience?patience=9223372036854775807"};
        g_autoptr(http_fixture) fixture = start();

        atomic_store(&gate_open, true);
        for (unsigned i = 0; i < G_N_ELEMENTS(targets); i++)
                check(fixture, targets[i], 200, "waited");
        g_assert_cmpuint(atomic_load(&early), ==, 0);
}

static void test_patience_race(void)
{
        enum { ROUNDS = 300 };
        g_autoptr(http_fixture) fixture = start();
        unsigned accepted = 0;

        for (int i = 0; i < ROUNDS; i++) {
                dol_autofd fd = ask(fixture, i % 10 ? "/race" : "/fail-early");
                g_auto(http_heard) heard = {0};

                http_hear(fd, &heard);
                accepted += heard.status == 202;
                g_assert_true(heard.status == 202 || heard.status == (i % 10 ? 200 : 409));
        }
        wait_until(&early, accepted);
        g_test_message("%u of %d early", accepted, ROUNDS);
}

/* What runs may end within the grace; what is between requests is closed at once. */
static void test_stop_with_grace(void)
{
        g_autoptr(http_fixture) fixture = start();
        dol_autofd fd = ask(fixture, "/patience?patience=100000");
        dol_autofd idle = http_connect(fixture);
        int64_t since = dol_monotonic_usec();

        wait_until(&running, 1);
        http_fixture_stop(fixture, 5 * DOL_USEC_PER_SEC);
        g_assert_cmpint(dol_monotonic_usec() - since, <, 2 * DOL_USEC_PER_SEC);
        g_assert_true(http_wait_closed(idle, DOL_USEC_PER_SEC));
        check_answer(fd, 202, "accepted");
        g_assert_true(http_wait_closed(fd, DOL_USEC_PER_SEC));
        atomic_store(&gate_open, true);
        wait_until(&late, 1);
}

/* A handler that does not end in time is left behind; its answer goes nowhere. */
static void test_stop_without_grace(void)
{
        g_autoptr(http_fixture) fixture = start();
        dol_autofd fd = ask(fixture, "/wait");

        wait_until(&running, 1);
        http_fixture_stop(fixture, 10000);
        g_assert_true(http_wait_closed(fd, DOL_USEC_PER_SEC));
        wait_until(&seen_gone, 1);
        wait_until(&late, 1);
}

typedef struct {
        const http_fixture *fixture;
        unsigned number;
        atomic_uint answers;
} load;

/* Asks again and again until the server is gone. */
static void *ask_on(void *data)
{
        static const char *const texts[] = {
                "GET /quick HTTP/1.1\r\nHost: x\r\n\r\n",
                "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n",
                "GET /race HTTP/1.1\r\nHost: x\r\n\r\n",
                "GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n",
        };
        load *my = data;
        dol_autofd fd = http_connect(my->fixture);

        for (unsigned i = my->number;; i++) {
                const char *text = texts[i % G_N_ELEMENTS(texts)];
                g_auto(http_heard) heard = {0};

                if (!http_say_bytes(fd, text, strlen(text)))
                        return NULL;
                http_hear(fd, &heard);
                if (!heard.status)
                        return NULL;
                g_assert_false(heard.status >= 500);
                atomic_fetch_add(&my->answers, 1);
        }
}

static void test_stop_under_load(void)
{
        enum { CLIENTS = 8 };

        for (int round = 0; round < 5; round++) {
                g_autoptr(http_fixture) fixture = start();
                pthread_t threads[CLIENTS];
                load loads[CLIENTS];

                for (unsigned i = 0; i < CLIENTS; i++) {
                        loads[i].fixture = fixture;
                        loads[i].number = i;
                        atomic_init(&loads[i].answers, 0);
                        pthread_create(&threads[i], NULL, ask_on, &loads[i]);
                }
                for (unsigned i = 0; i < CLIENTS; i++) {
                        while (atomic_load(&loads[i].answers) < 20)
                                g_usleep(1000);
                }
                http_fixture_stop(fixture, 5 * DOL_USEC_PER_SEC);
                for (unsigned i = 0; i < CLIENTS; i++)
                        pthread_join(threads[i], NULL);
        }
}

/* Clients that go at any time: in the head, while it is handled, while it is answered. */
static void test_clients_come_and_go(void)
{
        static const char text[] = "GET /race HTTP/1.1\r\nHost: x\r\n\r\n";
        g_autoptr(http_fixture) fixture = start();

        for (int i = 0; i < 500; i++) {
                dol_autofd fd = http_connect(fixture);

                http_say_bytes(fd, text, (size_t)g_test_rand_int_range(0, sizeof(text)));
                if (i % 3 == 0)
                        g_usleep(g_test_rand_int_range(0, 600));
        }
        check(fixture, "/slow", 200, "quick");
}

int main(int argc, char *argv[])
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/http-answers/client-gone", test_client_gone);
        g_test_add_func("/http-answers/half-closed", test_half_closed);
        g_test_add_func("/http-answers/gone-in-queue", test_gone_in_queue);
        g_test_add_func("/http-answers/queue-full", test_queue_full);
        g_test_add_func("/http-answers/patience", test_patience);
        g_test_add_func("/http-answers/patience-not-needed", test_patience_not_needed);
        g_test_add_func("/http-answers/patience-race", test_patience_race);
        g_test_add_func("/http-answers/stop-with-grace", test_stop_with_grace);
        g_test_add_func("/http-answers/stop-without-grace", test_stop_without_grace);
        g_test_add_func("/http-answers/stop-under-load", test_stop_under_load);
        g_test_add_func("/http-answers/clients-come-and-go", test_clients_come_and_go);
        return g_test_run();
}
