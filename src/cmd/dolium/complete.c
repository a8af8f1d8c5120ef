/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What can stand at the cursor, for the completion scripts: "dolium __complete SHELL WORD..." with
 * the words up to the cursor, the last of them perhaps empty or unfinished. Prints one candidate
 * per line, with a tab and its description where the shell shows one; ":path" when a path of the
 * host belongs there. Never fails: without the daemon there are just no names.
 */
#include "base/clock.h"
#include "cmd/dolium/cli.h"

#include <stdio.h>
#include <string.h>

/* what somebody who pressed Tab waits for */
#define PATIENCE_USEC (1 * DOL_USEC_PER_SEC)

typedef struct {
        const dol_command *command;
        const dol_command *topic;  /* what the words after "help" lead to */
        const dol_option *pending; /* the cursor is at the value of this one */
        unsigned arguments;        /* words before the cursor that were arguments */
        bool ended;                /* "--" was given */
        bool lost;                 /* an unknown command: nothing can be said */
        const char *current;       /* what stands at the cursor */
        const char *prefix;        /* part of it that candidates keep: "--pool=" */
        bool described;            /* the shell shows descriptions */
} cursor_place;

/* What a shell makes of a word as it was typed; a quote may still be open. */
static char *unquote(const char *typed)
{
        GString *word = g_string_new(NULL);
        char quote = '\0';

        for (const char *c = typed; *c; c++) {
                if (*c == '\\' && quote != '\'' && c[1])
                        g_string_append_c(word, *++c);
                else if (*c == quote)
                        quote = '\0';
                else if (!quote && (*c == '\'' || *c == '"'))
                        quote = *c;
                else
                        g_string_append_c(word, *c);
        }
        return g_string_free(word, false);
}

static void pass_option(cursor_place *place, dol_cli *cli, const char *word)
{
        const char *equals = strchr(word, '=');
        const dol_option *option =
                word[1] == '-' ? dol_option_find(place->command, word + 2, strcspn(word + 2, "="))
                               : dol_option_find_letter(place->command, word[strlen(word) - 1]);

        if (!option || dol_option_is_flag(option))
                return;
        if (!equals)
                place->pending = option;
        else if (strcmp(option->name, "host") == 0)
                cli->host = equals + 1;
}

static void pass_value(cursor_place *place, dol_cli *cli, const char *word)
{
        if (strcmp(place->pending->name, "host") == 0)
                cli->host = word;
        place->pending = NULL;
}

static void pass_plain(cursor_place *place, const char *word)
{
        bool inner = place->command->commands;
        const dol_command **at = inner ? &place->command : &place->topic;

        if (!inner)
                place->arguments++;
        if (!inner && place->command != &dol_help_command)
                return;
        *at = dol_command_find(*at, word);
        place->lost = !*at;
}

static void pass(cursor_place *place, dol_cli *cli, const char *word)
{
        if (place->lost)
                return;
        if (place->pending)
                pass_value(place, cli, word);
        else if (!place->ended && strcmp(word, "--") == 0)
                place->ended = true;
        else if (!place->ended && word[0] == '-' && word[1])
                pass_option(place, cli, word);
        else
                pass_plain(place, word);
}

static void offer(const cursor_place *place, const char *candidate, const char *doc)
{
        g_autofree char *whole = g_strconcat(place->prefix, candidate, NULL);

        if (!g_str_has_prefix(whole, place->current) || strpbrk(candidate, "\n\t"))
                return;
        if (place->described && doc)
                printf("%s\t%s\n", whole, doc);
        else
                puts(whole);
}

/* Where the names of each kind of value come from. */
static const struct {
        dol_value_kind kind;
        const char *list;
        bool paged;
        const char *name; /* of each item */
} sources[] = {
        {DOL_VALUE_VOLUME, "/v1/volumes", true, "name"},
        {DOL_VALUE_TRASHED, "/v1/volumes?phase=trashed", true, "name"},
        {DOL_VALUE_SNAPSHOT, "/v1/snapshots", false, "reference"},
        {DOL_VALUE_POOL, "/v1/pools", false, "name"},
        {DOL_VALUE_SCHEDULE, "/v1/schedules", false, "name"},
        {DOL_VALUE_OPERATION, "/v1/operations", false, "uid"},
};

/* Names from the daemon; nothing for kinds that have none. */
static void offer_items(const cursor_place *place, dol_cli *cli, dol_value_kind kind)
{
        g_autoptr(dol_json) items = NULL;
        unsigned source = 0;
        size_t index;
        json_t *item;

        while (source < G_N_ELEMENTS(sources) && sources[source].kind != kind)
                source++;
        if (source == G_N_ELEMENTS(sources) ||
            !(sources[source].paged ? dol_cli_list : dol_cli_items)(cli, sources[source].list,
                                                                    &items, NULL))
                return;
        json_array_foreach(items, index, item) if (dol_json_text(item, sources[source].name))
                offer(place, dol_json_text(item, sources[source].name), NULL);
}

static void offer_commands(const cursor_place *place, const dol_command *group)
{
        for (const dol_command *const *at = group->commands; at && *at; at++)
                if (!((*at)->flags & DOL_HIDDEN))
                        offer(place, (*at)->name, (*at)->summary);
}

static void offer_words(const cursor_place *place, const char *const *words)
{
        for (unsigned i = 0; words && words[i]; i++)
                offer(place, words[i], NULL);
}

static void offer_values(const cursor_place *place, dol_cli *cli, dol_value_kind kind,
                         const char *const *words)
{
        static const char *const toggle[] = {"true", "false", NULL};

        switch (kind) {
        case DOL_VALUE_TOGGLE:
                offer_words(place, toggle);
                break;
        case DOL_VALUE_WORD:
                offer_words(place, words);
                break;
        case DOL_VALUE_COMMAND:
                offer_commands(place, place->topic);
                break;
        case DOL_VALUE_PATH:
                puts(":path");
                break;
        case DOL_VALUE_IMAGE:
                offer_items(place, cli, DOL_VALUE_VOLUME);
                offer_items(place, cli, DOL_VALUE_SNAPSHOT);
                break;
        case DOL_VALUE_VOLUME:
        case DOL_VALUE_TRASHED:
        case DOL_VALUE_SNAPSHOT:
        case DOL_VALUE_POOL:
        case DOL_VALUE_SCHEDULE:
        case DOL_VALUE_OPERATION:
        case DOL_VALUE_FLAG:
        case DOL_VALUE_TEXT:
        case DOL_VALUE_NUMBER:
        case DOL_VALUE_SIZE:
        case DOL_VALUE_IOPS:
        case DOL_VALUE_BPS:
        case DOL_VALUE_DURATION:
        case DOL_VALUE_MODE:
        case DOL_VALUE_RATIO:
        case DOL_VALUE_LABEL:
        case DOL_VALUE_SELECTOR:
        default:
                offer_items(place, cli, kind);
                break;
        }
}

static void offer_options(const cursor_place *place)
{
        for (const dol_option *at = place->command->options; at && at->name; at++) {
                g_autofree char *name = g_strconcat("--", at->name, NULL);

                offer(place, name, at->doc);
        }
        for (const dol_option *at = dol_global_options; at->name; at++) {
                g_autofree char *name = g_strconcat("--", at->name, NULL);

                offer(place, name, at->doc);
        }
}

/* "--pool=fa": the part up to '=' is kept. */
static void offer_joined(cursor_place *place, dol_cli *cli)
{
        size_t length = strcspn(place->current, "=");
        const dol_option *option = dol_option_find(place->command, place->current + 2, length - 2);
        g_autofree char *prefix = g_strndup(place->current, length + 1);

        if (!option)
                return;
        place->prefix = prefix;
        offer_values(place, cli, option->kind, option->words);
        place->prefix = "";
}

/* The argument that the nth word is; the last one when it repeats. NULL for one too many. */
static const dol_argument *argument_at(const dol_command *command, unsigned n)
{
        const dol_argument *at = command->arguments;

        while (at && at->name && n > 0 && !(at->flags & DOL_REPEAT)) {
                at++;
                n--;
        }
        return at && at->name ? at : NULL;
}

static void offer_argument(const cursor_place *place, dol_cli *cli)
{
        const dol_argument *argument = argument_at(place->command, place->arguments);

        if (argument)
                offer_values(place, cli, argument->kind, argument->words);
}

static void offer_all(cursor_place *place, dol_cli *cli)
{
        if (place->pending)
                offer_values(place, cli, place->pending->kind, place->pending->words);
        else if (!place->ended && g_str_has_prefix(place->current, "--") &&
                 strchr(place->current, '='))
                offer_joined(place, cli);
        else if (!place->ended && place->current[0] == '-')
                offer_options(place);
        else if (place->command->commands)
                offer_commands(place, place->command);
        else
                offer_argument(place, cli);
}

static bool run_complete(dol_cli *cli, GError **error)
{
        const char *shell = dol_args_word(&cli->args, 0);
        g_autoptr(GPtrArray) words = g_ptr_array_new_with_free_func(g_free);
        cursor_place place = {
                .command = &dol_program, .topic = &dol_program, .current = "", .prefix = ""};

        cli->deadline_usec = dol_monotonic_usec() + PATIENCE_USEC;
        place.described = g_strcmp0(shell, "bash") != 0;
        for (unsigned i = 1; i < dol_args_count(&cli->args); i++)
                g_ptr_array_add(words, unquote(dol_args_word(&cli->args, i)));
        for (unsigned i = 0; i + 1 < words->len; i++)
                pass(&place, cli, words->pdata[i]);
        if (words->len > 0)
                place.current = words->pdata[words->len - 1];
        if (!place.lost)
                offer_all(&place, cli);
        return true;
}

const dol_command dol_complete_command = {
        .name = "__complete",
        .flags = DOL_HIDDEN | DOL_RAW,
        .summary = "What can stand at the cursor",
        .run = run_complete,
};
