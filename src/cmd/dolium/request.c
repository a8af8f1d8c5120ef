/* SPDX-License-Identifier: Apache-2.0 */
/* Talking to the daemon: requests, errors, pages of lists, and operations that take longer. */
#include "cmd/dolium/cli.h"

#include "base/clock.h"
#include "codec/units.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* longer than the daemon itself works on one request */
#define REQUEST_USEC (120 * DOL_USEC_PER_SEC)
#define PAGE_LIMIT   "500"
/* how long the daemon works on a change before it answers with the operation */
#define CHANGE_WAIT_USEC  (2 * DOL_USEC_PER_SEC)
#define FOLLOW_WAIT       "30s"
#define FOLLOW_PAUSE_USEC (100 * DOL_USEC_PER_MSEC)
/* under socket activation the first request starts doliumd */
#define START_WAIT_USEC  (15 * DOL_USEC_PER_SEC)
#define START_PAUSE_USEC (50 * DOL_USEC_PER_MSEC)

dol_call dol_cli_call(const dol_cli *cli, bool stream)
{
        int64_t now = dol_monotonic_usec();
        dol_call call = dol_call_forever("cli");

        if (!stream)
                call.deadline_usec = now + REQUEST_USEC;
        if (cli->deadline_usec && (stream || cli->deadline_usec < call.deadline_usec))
                call.deadline_usec = cli->deadline_usec;
        return call;
}

dol_http_client *dol_cli_http(dol_cli *cli, GError **error)
{
        if (!cli->http)
                cli->http = dol_http_client_new(cli->host, error);
        return cli->http;
}

bool dol_cli_fail_answer(const dol_cli *cli, const dol_http_answer *answer, GError **error)
{
        g_autoptr(dol_json) document =
                json_loadb(answer->body ? answer->body : "", answer->size, 0, NULL);
        const char *kind = dol_json_text(document, "error.kind");
        const char *message = dol_json_text(document, "error.message");

        if (!kind || !message)
                return dol_fail(error, DOL_ERROR_INTERNAL,
                                "%s answered with HTTP status %d and no reason; is this doliumd?",
                                cli->host, answer->status);
        return dol_fail(error, dol_error_kind_from_word(kind), "%s", message);
}

static bool read_answer(const dol_cli *cli, const dol_http_answer *answer, json_t **ret,
                        GError **error)
{
        json_error_t where;

        if (answer->status < 200 || answer->status > 299)
                return dol_cli_fail_answer(cli, answer, error);
        if (!ret)
                return true;
        *ret = json_loadb(answer->body ? answer->body : "", answer->size, JSON_REJECT_DUPLICATES,
                          &where);
        if (!*ret)
                return dol_fail(error, DOL_ERROR_INTERNAL,
                                "the answer of %s is not JSON: %s; is this doliumd?", cli->host,
                                where.text);
        return true;
}

/* After a 503: waits while doliumd is starting. false = do not ask again. */
static bool wait_for_start(dol_cli *cli)
{
        dol_call call = dol_cli_call(cli, false);
        int64_t end = dol_monotonic_usec() + START_WAIT_USEC;

        do {
                g_auto(dol_http_answer) answer = {0};

                if (!dol_http_client_send(cli->http, &call, "GET", "/readyz", NULL, NULL, &answer,
                                          NULL))
                        return false;
                if (answer.status != 503)
                        return true;
                g_usleep(START_PAUSE_USEC);
        } while (dol_monotonic_usec() < end);
        return false;
}

bool dol_cli_send(dol_cli *cli, const char *method, const char *path, const json_t *body,
                  json_t **ret, int *ret_status, GError **error)
{
        g_auto(dol_http_answer) answer = {0};
        g_autofree char *text = body ? dol_json_print(body, true) : NULL;
        dol_call call = dol_cli_call(cli, false);

        if (!dol_cli_http(cli, error) ||
            !dol_http_client_send(cli->http, &call, method, path, NULL, text, &answer, error))
                return false;
        if (answer.status == 503 && wait_for_start(cli)) {
                dol_http_answer_clear(&answer);
                answer = (dol_http_answer){0};
                if (!dol_http_client_send(cli->http, &call, method, path, NULL, text, &answer,
                                          error))
                        return false;
        }
        if (ret_status)
                *ret_status = answer.status;
        return read_answer(cli, &answer, ret, error);
}

bool dol_cli_get(dol_cli *cli, const char *path, json_t **ret, GError **error)
{
        return dol_cli_send(cli, "GET", path, NULL, ret, NULL, error);
}

bool dol_cli_list(dol_cli *cli, const char *path, json_t **ret, GError **error)
{
        g_autoptr(dol_json) all = json_array();
        g_autofree char *mark = NULL;

        do {
                g_autoptr(GString) page_path = g_string_new(path);
                g_autoptr(dol_json) page = NULL;
                const char *next;

                dol_path_add(page_path, "limit", PAGE_LIMIT);
                dol_path_add(page_path, "continue", mark);
                if (!dol_cli_get(cli, page_path->str, &page, error))
                        return false;
                json_array_extend(all, json_object_get(page, "items"));
                next = dol_json_text(page, "continue");
                if (next && g_strcmp0(next, mark) == 0)
                        return dol_fail(error, DOL_ERROR_INTERNAL,
                                        "the list of %s does not end: it continues at '%s' again",
                                        cli->host, next);
                g_free(mark);
                mark = g_strdup(next);
        } while (mark);
        *ret = g_steal_pointer(&all);
        return true;
}

bool dol_cli_items(dol_cli *cli, const char *path, json_t **ret, GError **error)
{
        g_autoptr(dol_json) page = NULL, all = json_array();

        if (!dol_cli_get(cli, path, &page, error))
                return false;
        json_array_extend(all, json_object_get(page, "items"));
        *ret = g_steal_pointer(&all);
        return true;
}

bool dol_operation_result(const json_t *operation, GError **error)
{
        const char *message = dol_json_text(operation, "message");

        if (g_strcmp0(dol_json_text(operation, "phase"), "failed") != 0)
                return true;
        return dol_fail(error, dol_error_kind_from_word(dol_json_text(operation, "error_kind")),
                        "%s", message ? message : "the operation failed and left no reason");
}

static bool is_running(const json_t *operation)
{
        return g_strcmp0(dol_json_text(operation, "phase"), "running") == 0;
}

bool dol_cli_follow(dol_cli *cli, const char *uid, json_t **ret, GError **error)
{
        g_autofree char *path = dol_path("/v1/operations/%s?wait=" FOLLOW_WAIT, uid);

        for (;;) {
                g_autoptr(dol_json) operation = NULL;

                if (!dol_cli_get(cli, path, &operation, error))
                        return false;
                if (!is_running(operation)) {
                        *ret = g_steal_pointer(&operation);
                        return true;
                }
                g_usleep(FOLLOW_PAUSE_USEC);
        }
}

/* The volume of an ended operation. After a delete there may be none. */
static bool get_result(dol_cli *cli, const json_t *operation, json_t **ret, GError **error)
{
        g_autofree char *reference = g_strconcat("uid:", dol_json_text(operation, "volume"), NULL);
        g_autofree char *path = dol_path("/v1/volumes/%s", reference);
        g_autoptr(GError) local = NULL;

        if (dol_cli_get(cli, path, ret, &local))
                return true;
        if (!dol_error_is(local, DOL_ERROR_NOT_FOUND) ||
            g_strcmp0(dol_json_text(operation, "operation"), "delete") != 0) {
                g_propagate_error(error, g_steal_pointer(&local));
                return false;
        }
        *ret = json_pack("{s:s?, s:s?}", "name", dol_json_text(operation, "volume_name"), "uid",
                         dol_json_text(operation, "volume"));
        return true;
}

static bool follow_change(dol_cli *cli, const json_t *started, json_t **ret, GError **error)
{
        const char *uid = dol_json_text(started, "uid");
        const char *name = dol_json_text(started, "volume_name");
        g_autoptr(dol_json) ended = NULL;

        if (!uid)
                return dol_fail(error, DOL_ERROR_INTERNAL,
                                "%s began an operation and did not say which", cli->host);
        if (isatty(STDERR_FILENO))
                dol_cli_talk(cli,
                             "waiting for %s of volume '%s' (operation %s; Ctrl-C lets it run)",
                             dol_json_text(started, "operation"), name ? name : "", uid);
        if (!dol_cli_follow(cli, uid, &ended, error))
                return dol_fail_while(error, "operation %s goes on", uid);
        return dol_operation_result(ended, error) && get_result(cli, ended, ret, error);
}

/* How long to let the daemon wait: with a deadline near, not so long that we are gone before it can
 * name the operation. The caller's to g_free. */
static char *change_wait(const dol_cli *cli)
{
        dol_call call = dol_cli_call(cli, false);
        int64_t half = dol_call_left_usec(&call, 0) / 2;
        int64_t wait = MIN(CHANGE_WAIT_USEC, half - half % DOL_USEC_PER_MSEC);

        return dol_duration_format(wait);
}

bool dol_cli_change(dol_cli *cli, const char *method, const char *path, const json_t *body,
                    json_t **ret, int *ret_status, GError **error)
{
        g_autoptr(GString) waiting = g_string_new(path);
        g_autofree char *wait = change_wait(cli);
        g_autoptr(dol_json) answer = NULL, volume = NULL;
        int status;

        dol_path_add(waiting, "wait", wait);
        if (!dol_cli_send(cli, method, waiting->str, body, &answer, &status, error))
                return false;
        if (status == 202 && !follow_change(cli, answer, &volume, error))
                return false;
        if (ret)
                *ret = volume ? g_steal_pointer(&volume) : g_steal_pointer(&answer);
        if (ret_status)
                *ret_status = status;
        return true;
}
