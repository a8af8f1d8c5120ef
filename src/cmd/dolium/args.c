/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/dolium/args.h"

#include "codec/units.h"

#include <string.h>

typedef struct {
        char **next; /* the word to read next; NULL at the end */
        dol_args *args;
} args_reader;

static bool fail_missing_value(const dol_option *option, GError **error)
{
        return dol_fail(error, DOL_ERROR_INVALID, "option '--%s' needs a value: --%s %s",
                        option->name, option->name, option->metavar);
}

/* Records one option. `value` is NULL when none was joined to it. */
static bool take_option(args_reader *reader, const dol_option *option, const char *value,
                        GError **error)
{
        if (value && option->kind == DOL_VALUE_FLAG)
                return dol_fail(error, DOL_ERROR_INVALID, "option '--%s' takes no value, got '%s'",
                                option->name, value);
        if (!value && !dol_option_is_flag(option)) {
                if (!*reader->next)
                        return fail_missing_value(option, error);
                value = *reader->next++;
        }
        if (value && !dol_value_check(option->kind, option->words, value, error))
                return dol_fail_while(error, "option '--%s'", option->name);
        g_ptr_array_add(reader->args->options, (void *)option);
        g_ptr_array_add(reader->args->values, (void *)value);
        return true;
}

static bool take_long(args_reader *reader, const char *word, GError **error)
{
        const char *name = word + 2;
        size_t length = strcspn(name, "=");
        const dol_option *option = dol_option_find(reader->args->command, name, length);

        if (!option)
                return dol_option_unknown(reader->args->command, reader->args->path, word, error);
        return take_option(reader, option, name[length] ? name + length + 1 : NULL, error);
}

/* "-qo json", "-ojson": flags may be joined; the first that takes a value takes the rest. */
static bool take_short(args_reader *reader, const char *word, GError **error)
{
        for (const char *letter = word + 1; *letter; letter++) {
                const dol_option *option = dol_option_find_letter(reader->args->command, *letter);
                char name[] = {'-', *letter, '\0'};
                bool joined = option && !dol_option_is_flag(option) && letter[1];

                if (!option)
                        return dol_option_unknown(reader->args->command, reader->args->path,
                                                  (unsigned char)*letter < 0x80 ? name : word,
                                                  error);
                if (!take_option(reader, option, joined ? letter + 1 : NULL, error))
                        return false;
                if (joined)
                        break;
        }
        return true;
}

static void enter(dol_args *args, const dol_command *command)
{
        g_autofree char *outer = args->path;

        args->path = g_strdup_printf("%s %s", outer, command->name);
        args->command = command;
}

static bool take_word(args_reader *reader, const char *word, GError **error)
{
        dol_args *args = reader->args;
        const dol_command *found;

        if (!args->command->commands) {
                g_ptr_array_add(args->words, (void *)word);
                return true;
        }
        found = dol_command_find(args->command, word);
        if (!found)
                return dol_command_unknown(args->command, args->path, word, error);
        enter(args, found);
        return true;
}

static bool take_all(args_reader *reader, GError **error)
{
        bool ended = false;

        while (*reader->next) {
                const char *word = *reader->next++;
                bool raw = reader->args->command->flags & DOL_RAW;
                bool ok;

                if (raw || ended || word[0] != '-' || word[1] == '\0')
                        ok = take_word(reader, word, error);
                else if (strcmp(word, "--") == 0)
                        ok = ended = true;
                else if (word[1] == '-')
                        ok = take_long(reader, word, error);
                else
                        ok = take_short(reader, word, error);
                if (!ok)
                        return false;
        }
        return true;
}

static bool fail_group(const dol_args *args, GError **error)
{
        g_autoptr(GString) list = g_string_new(NULL);

        for (const dol_command *const *at = args->command->commands; *at; at++)
                if (!((*at)->flags & DOL_HIDDEN))
                        g_string_append_printf(list, "%s%s", list->len ? ", " : "", (*at)->name);
        return dol_fail(error, DOL_ERROR_INVALID, "'%s' needs a command: %s", args->path,
                        list->str);
}

/* Gives each word to its argument; a repeated one takes all that are left. */
static bool check_words(const dol_args *args, GError **error)
{
        const dol_argument *argument = args->command->arguments;
        unsigned count = dol_args_count(args);

        for (unsigned i = 0; i < count; i++) {
                if (!argument || !argument->name)
                        return dol_fail(error, DOL_ERROR_INVALID,
                                        "'%s' does not take the argument '%s'", args->path,
                                        dol_args_word(args, i));
                if (!dol_value_check(argument->kind, argument->words, dol_args_word(args, i),
                                     error))
                        return false;
                if (!(argument->flags & DOL_REPEAT) || i + 1 == count)
                        argument++;
        }
        if (argument && argument->name && !(argument->flags & DOL_MAY_MISS))
                return dol_fail(error, DOL_ERROR_INVALID, "'%s' needs the argument %s", args->path,
                                argument->name);
        return true;
}

static bool check_utf8(char **argv, GError **error)
{
        for (unsigned i = 1; argv[0] && argv[i]; i++)
                if (!g_utf8_validate(argv[i], -1, NULL))
                        return dol_fail(error, DOL_ERROR_INVALID, "argument %u is not valid UTF-8",
                                        i);
        return true;
}

bool dol_args_read(int argc, char **argv, dol_args *ret, GError **error)
{
        args_reader reader = {argc > 0 ? argv + 1 : argv, ret};

        *ret = (dol_args){
                .command = &dol_program,
                .path = g_strdup(dol_program.name),
                .words = g_ptr_array_new(),
                .options = g_ptr_array_new(),
                .values = g_ptr_array_new(),
        };
        if (!check_utf8(argv, error) || !take_all(&reader, error))
                return false;
        if (dol_args_given(ret, "help") || dol_args_given(ret, "version") ||
            (ret->command->flags & DOL_RAW))
                return true;
        return ret->command->commands ? fail_group(ret, error) : check_words(ret, error);
}

void dol_args_clear(dol_args *args)
{
        g_clear_pointer(&args->path, g_free);
        g_clear_pointer(&args->words, g_ptr_array_unref);
        g_clear_pointer(&args->options, g_ptr_array_unref);
        g_clear_pointer(&args->values, g_ptr_array_unref);
}

unsigned dol_args_count(const dol_args *args)
{
        return args->words->len;
}

const char *dol_args_word(const dol_args *args, unsigned n)
{
        return n < args->words->len ? args->words->pdata[n] : NULL;
}

/* The index of the option's last appearance; false when it was not given. */
static bool find_last(const dol_args *args, const char *name, unsigned *ret_index)
{
        const dol_option *option = dol_option_find(args->command, name, strlen(name));

        for (unsigned i = args->options->len; option && i > 0; i--)
                if (args->options->pdata[i - 1] == option) {
                        *ret_index = i - 1;
                        return true;
                }
        return false;
}

bool dol_args_given(const dol_args *args, const char *name)
{
        unsigned index;

        return find_last(args, name, &index);
}

const char *dol_args_value(const dol_args *args, const char *name)
{
        unsigned index;

        return find_last(args, name, &index) ? args->values->pdata[index] : NULL;
}

bool dol_args_is_on(const dol_args *args, const char *name)
{
        const char *value = dol_args_value(args, name);
        bool on = true;

        if (!dol_args_given(args, name))
                return false;
        return value ? dol_bool_parse(value, &on, NULL) && on : true;
}

const char *dol_args_next(const dol_args *args, const char *name, unsigned *at)
{
        const dol_option *option = dol_option_find(args->command, name, strlen(name));

        while (option && *at < args->options->len) {
                unsigned i = (*at)++;

                if (args->options->pdata[i] == option)
                        return args->values->pdata[i];
        }
        return NULL;
}
