/* SPDX-License-Identifier: Apache-2.0 */
/* Help pages from the command table; and the table itself as a document. */
#include "cmd/dolium/help.h"

#include "cmd/dolium/show.h"

#include <stdio.h>

static void append_usage(GString *to, const dol_command *command, const char *path)
{
        g_string_append_printf(to, "Usage: %s", path);
        if (command->commands)
                g_string_append(to, " COMMAND");
        for (const dol_argument *at = command->arguments; at && at->name; at++)
                g_string_append_printf(to, at->flags & DOL_MAY_MISS ? " [%s]%s" : " %s%s", at->name,
                                       at->flags & DOL_REPEAT ? "..." : "");
        g_string_append(to, " [OPTION...]\n");
}

/* "  --size SIZE", as wide as needed. */
static char *option_head(const dol_option *option)
{
        g_autofree char *letter =
                option->letter ? g_strdup_printf("-%c, ", option->letter) : g_strdup("    ");
        const char *toggle = option->kind == DOL_VALUE_TOGGLE ? "[=false]" : "";

        return g_strdup_printf("  %s--%s%s%s%s", letter, option->name, toggle,
                               option->metavar ? " " : "", option->metavar ? option->metavar : "");
}

static void append_option(GString *to, const dol_option *option)
{
        g_autofree char *head = option_head(option);
        g_autofree char *words = option->words ? g_strjoinv(", ", (char **)option->words) : NULL;

        g_string_append_printf(to, "%-28s  %s", head, option->doc);
        if (words)
                g_string_append_printf(to, " (%s)", words);
        if (option->flags & DOL_REPEAT)
                g_string_append(to, "; may be repeated");
        g_string_append_c(to, '\n');
}

static void append_options(GString *to, const char *title, const dol_option *options)
{
        if (!options)
                return;
        g_string_append_printf(to, "\n%s:\n", title);
        for (const dol_option *at = options; at->name; at++)
                append_option(to, at);
}

static void append_commands(GString *to, const dol_command *group)
{
        if (!group->commands)
                return;
        g_string_append(to, "\nCommands:\n");
        for (const dol_command *const *at = group->commands; *at; at++)
                if (!((*at)->flags & DOL_HIDDEN))
                        g_string_append_printf(to, "  %-12s  %s\n", (*at)->name, (*at)->summary);
}

char *dol_help_text(const dol_command *command, const char *path)
{
        GString *text = g_string_new(NULL);

        append_usage(text, command, path);
        g_string_append_printf(text, "\n%s.\n", command->summary);
        if (command->help)
                g_string_append_printf(text, "%s\n", command->help);
        append_commands(text, command);
        append_options(text, "Options", command->options);
        append_options(text, "Options of every command", dol_global_options);
        if (command->commands)
                g_string_append_printf(text, "\n'%s COMMAND --help' tells more about a command.\n",
                                       path);
        return g_string_free(text, false);
}

static json_t *options_document(const dol_option *options)
{
        json_t *list = json_array();

        for (const dol_option *at = options; at && at->name; at++) {
                json_t *row =
                        json_pack("{s:s, s:s?, s:b, s:s}", "name", at->name, "value", at->metavar,
                                  "repeat", at->flags & DOL_REPEAT, "doc", at->doc);

                if (at->letter)
                        json_object_set_new(row, "letter", json_stringn(&at->letter, 1));
                json_array_append_new(list, row);
        }
        return list;
}

static json_t *arguments_document(const dol_argument *arguments)
{
        json_t *list = json_array();

        for (const dol_argument *at = arguments; at && at->name; at++)
                json_array_append_new(list, json_pack("{s:s, s:b, s:b}", "name", at->name, "repeat",
                                                      at->flags & DOL_REPEAT, "optional",
                                                      at->flags & DOL_MAY_MISS));
        return list;
}

/* The command and those below it. */
static json_t *command_document(const dol_command *command, const char *path)
{
        json_t *list = json_array();
        json_t *document =
                json_pack("{s:s, s:s, s:s, s:s?, s:o, s:o}", "name", command->name, "path", path,
                          "summary", command->summary, "alias", command->alias, "arguments",
                          arguments_document(command->arguments), "options",
                          options_document(command->options));

        for (const dol_command *const *at = command->commands; at && *at; at++) {
                g_autofree char *inner = g_strdup_printf("%s %s", path, (*at)->name);

                if (!((*at)->flags & DOL_HIDDEN))
                        json_array_append_new(list, command_document(*at, inner));
        }
        json_object_set_new(document, "commands", list);
        return document;
}

static bool run_help(dol_cli *cli, GError **error)
{
        g_autoptr(GString) path = g_string_new(dol_program.name);
        const dol_command *command = &dol_program;
        g_autoptr(dol_json) document = NULL;
        g_autofree char *text = NULL;

        for (unsigned i = 0; i < dol_args_count(&cli->args); i++) {
                const char *word = dol_args_word(&cli->args, i);
                const dol_command *found = dol_command_find(command, word);

                if (!found)
                        return dol_command_unknown(command, path->str, word, error);
                command = found;
                g_string_append_printf(path, " %s", command->name);
        }
        document = command_document(command, path->str);
        if (command == &dol_program)
                json_object_set_new(document, "global", options_document(dol_global_options));
        if (dol_show_document(cli, document))
                return true;
        text = dol_help_text(command, path->str);
        fputs(text, stdout);
        return true;
}

static const dol_argument arguments[] = {
        {"COMMAND", DOL_VALUE_COMMAND, DOL_REPEAT | DOL_MAY_MISS},
        {NULL},
};

const dol_command dol_help_command = {
        .name = "help",
        .summary = "Show help for a command",
        .help = "With -o json the table of commands, arguments and options, for programs.",
        .arguments = arguments,
        .run = run_help,
};
