/* SPDX-License-Identifier: Apache-2.0 */
/* One run of the command line: what was asked, where the daemon is, and talking to it. */
#pragma once

#include "cmd/dolium/args.h"
#include "cmd/dolium/document.h"
#include "net/http-client.h"

#define DOL_HOST_DEFAULT "unix:///run/dolium/dolium.sock"

typedef enum { DOL_FORMAT_TABLE, DOL_FORMAT_JSON, DOL_FORMAT_YAML } dol_format;

struct dol_cli {
        dol_args args;
        dol_format format;
        bool quiet;
        const char *host;      /* borrowed from args or the environment */
        int64_t deadline_usec; /* of the whole run, CLOCK_MONOTONIC; 0 = none */
        dol_http_client *http; /* NULL until the first request */
        int status;            /* exit status so far */
};

/* Sets up *cli from cli->args. */
void dol_cli_init(dol_cli *cli);
void dol_cli_clear(dol_cli *cli);

/* Writes "dolium: <message>" to standard error and makes the error's exit status the run's, unless
 * an earlier error did. */
void dol_cli_report(dol_cli *cli, const GError *error);
/* A remark for people, to standard error; nothing with --quiet. */
void dol_cli_talk(const dol_cli *cli, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* Asks on the terminal; true for yes. Without a terminal: `otherwise`. */
bool dol_cli_confirm(bool otherwise, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* "/v1/volumes/%s/mount" with each %s percent-encoded; the caller's to g_free. */
char *dol_path(const char *format, ...);
/* Appends "?key=value" or "&key=value", encoded; nothing when the value is NULL. */
void dol_path_add(GString *path, const char *key, const char *value);

/* Sends one request. An answer of another status than 2xx is an error of the kind the server says.
 * *ret (may be NULL) is the document, the caller's. *ret_status (may be NULL) is the HTTP status.
 */
bool dol_cli_send(dol_cli *cli, const char *method, const char *path, const json_t *body,
                  json_t **ret, int *ret_status, GError **error);
bool dol_cli_get(dol_cli *cli, const char *path, json_t **ret, GError **error);
/* The items of a list, of all its pages, as one array. `path` may have a query already. */
bool dol_cli_list(dol_cli *cli, const char *path, json_t **ret, GError **error);
/* The same for a list that comes in one piece. */
bool dol_cli_items(dol_cli *cli, const char *path, json_t **ret, GError **error);

/* Changes a volume: when the answer is an operation, follows it to its end. *ret is the volume as
 * it is afterwards; one that is gone has only its name and uid. *ret_status is the HTTP status of
 * the first answer; both may be NULL. */
bool dol_cli_change(dol_cli *cli, const char *method, const char *path, const json_t *body,
                    json_t **ret, int *ret_status, GError **error);
/* Waits until the operation has ended. *ret is the operation; one that failed is no error here. */
bool dol_cli_follow(dol_cli *cli, const char *uid, json_t **ret, GError **error);
/* true when the operation succeeded; else its own error. */
bool dol_operation_result(const json_t *operation, GError **error);

/* Runs `one` for each argument. With several, an error does not keep the others from being done: it
 * is reported, and the run's exit status tells. */
bool dol_cli_each(dol_cli *cli,
                  bool (*one)(dol_cli *cli, const char *word, void *user, GError **error),
                  void *user, GError **error);

/* The call of one request: it ends at the run's deadline, or after a time that no healthy daemon
 * needs. For a stream: at the run's deadline only. */
dol_call dol_cli_call(const dol_cli *cli, bool stream);
/* The HTTP client, made at the first use. Borrowed. */
dol_http_client *dol_cli_http(dol_cli *cli, GError **error);
/* The error that an answer of another status than 2xx means. Always false. */
bool dol_cli_fail_answer(const dol_cli *cli, const dol_http_answer *answer, GError **error);
