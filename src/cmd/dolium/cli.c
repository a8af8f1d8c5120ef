/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/dolium/cli.h"

#include "base/clock.h"
#include "cmd/dolium/text.h"
#include "codec/units.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static dol_format format_of(const char *word)
{
        if (g_strcmp0(word, "json") == 0)
                return DOL_FORMAT_JSON;
        return g_strcmp0(word, "yaml") == 0 ? DOL_FORMAT_YAML : DOL_FORMAT_TABLE;
}

void dol_cli_init(dol_cli *cli)
{
        const char *host = dol_args_value(&cli->args, "host");
        const char *timeout = dol_args_value(&cli->args, "timeout");
        int64_t usec = 0;

        if (!host)
                host = g_getenv("DOLIUM_HOST");
        cli->host = host && *host ? host : DOL_HOST_DEFAULT;
        cli->format = format_of(dol_args_value(&cli->args, "output"));
        cli->quiet = dol_args_is_on(&cli->args, "quiet");
        if (timeout && dol_duration_parse(timeout, &usec, NULL))
                cli->deadline_usec = dol_monotonic_usec() + usec;
}

void dol_cli_clear(dol_cli *cli)
{
        g_clear_pointer(&cli->http, dol_http_client_free);
        dol_args_clear(&cli->args);
}

void dol_cli_report(dol_cli *cli, const GError *error)
{
        g_autofree char *text = dol_text_shown(error->message, true);

        /* data that was written before the error comes before it */
        fflush(stdout);
        fprintf(stderr, "dolium: %s\n", text);
        if (cli->status == 0)
                cli->status = dol_error_info_of(dol_error_kind_of(error))->exit;
}

void dol_cli_talk(const dol_cli *cli, const char *format, ...)
{
        g_autofree char *text = NULL, *shown = NULL;
        va_list args;

        if (cli->quiet)
                return;
        va_start(args, format);
        text = g_strdup_vprintf(format, args);
        va_end(args);
        shown = dol_text_shown(text, true);
        fflush(stdout);
        fprintf(stderr, "%s\n", shown);
}

bool dol_cli_confirm(bool otherwise, const char *format, ...)
{
        g_autofree char *text = NULL, *shown = NULL;
        char answer[16] = "";
        va_list args;

        if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO))
                return otherwise;
        va_start(args, format);
        text = g_strdup_vprintf(format, args);
        va_end(args);
        shown = dol_text_shown(text, true);
        fflush(stdout);
        fprintf(stderr, "%s [y/N] ", shown);
        if (!fgets(answer, sizeof(answer), stdin))
                return false;
        g_strstrip(answer);
        return g_ascii_strcasecmp(answer, "y") == 0 || g_ascii_strcasecmp(answer, "yes") == 0;
}

bool dol_cli_each(dol_cli *cli,
                  bool (*one)(dol_cli *cli, const char *word, void *user, GError **error),
                  void *user, GError **error)
{
        unsigned count = dol_args_count(&cli->args);

        for (unsigned i = 0; i < count; i++) {
                g_autoptr(GError) local = NULL;

                if (one(cli, dol_args_word(&cli->args, i), user, &local))
                        continue;
                if (count == 1) {
                        g_propagate_error(error, g_steal_pointer(&local));
                        return false;
                }
                dol_cli_report(cli, local);
        }
        return true;
}

char *dol_path(const char *format, ...)
{
        g_autoptr(GString) path = g_string_new(NULL);
        g_auto(GStrv) parts = g_strsplit(format, "%s", -1);
        va_list args;

        va_start(args, format);
        for (unsigned i = 0; parts[i]; i++) {
                g_string_append(path, parts[i]);
                if (parts[i + 1])
                        g_string_append_uri_escaped(path, va_arg(args, const char *), NULL, false);
        }
        va_end(args);
        return g_strdup(path->str);
}

void dol_path_add(GString *path, const char *key, const char *value)
{
        if (!value)
                return;
        g_string_append_printf(path, "%c%s=", strchr(path->str, '?') ? '&' : '?', key);
        g_string_append_uri_escaped(path, value, NULL, false);
}
