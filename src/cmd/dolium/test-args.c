/* SPDX-License-Identifier: Apache-2.0 */
/* Reading command lines, and the command table itself. */
#include "cmd/dolium/args.h"

#include <string.h>

typedef struct {
        const char *line;     /* split at spaces */
        const char *expected; /* part of the message; NULL = it is right */
} example;

static const example examples[] = {
        {"volume ls", NULL},
        {"volume list", NULL},
        {"-q volume ls", NULL},
        {"volume -q ls -o json", NULL},
        {"volume ls -qo json", NULL},
        {"volume ls -ojson", NULL},
        {"volume ls --output=yaml --host=unix:///x --timeout 5s", NULL},
        {"volume create db --size 10G --label a=b --label c=d=e --protect --thick=false", NULL},
        {"volume create -s 10G -- -odd", NULL},
        {"volume rm a b c --purge --yes", NULL},
        {"volume set db --protect=false --mountopts=", NULL},
        {"volume set db --mountopts noatime --label=k=", NULL},
        {"volume --help", NULL},
        {"--version", NULL},
        {"pool unknown", NULL},
        {"help volume create", NULL},
        {"completion bash", NULL},

        {"", "'dolium' needs a command: volume, snapshot, files, schedule, trash"},
        {"volume", "'dolium volume' needs a command: create, ls"},
        {"volum ls", "'volum' is not a command of 'dolium'; did you mean 'volume'?"},
        {"volume creat", "did you mean 'create'?"},
        {"volume umont db", "did you mean 'umount'?"},
        {"volume xyzzy", "'xyzzy' is not a command of 'dolium volume'"},
        {"volume ls --al", "'--al' is not an option of 'dolium volume ls'; did you mean '--all'?"},
        {"volume ls --outptu=json", "'--outptu' is not an option of 'dolium volume ls'; did you "
                                    "mean '--output'?"},
        {"volume ls --frobnicate", "'--frobnicate' is not an option of 'dolium volume ls'"},
        {"volume ls -z", "'-z' is not an option of 'dolium volume ls'"},
        {"volume ls -qz", "'-z' is not an option of 'dolium volume ls'"},
        {"--size 10G volume create db", "'--size' is not an option of 'dolium'"},
        {"volume create", "'dolium volume create' needs the argument NAME"},
        {"volume create a b", "'dolium volume create' does not take the argument 'b'"},
        {"volume rename a", "'dolium volume rename' needs the argument NEW"},
        {"volume inspect", "'dolium volume inspect' needs the argument NAME"},
        {"df x", "'dolium df' does not take the argument 'x'"},
        {"volume create db --size", "option '--size' needs a value: --size SIZE"},
        {"volume ls -o", "option '--output' needs a value: --output FORMAT"},
        {"volume ls -o xml", "option '--output': expected one of table, json, yaml, got 'xml'"},
        {"volume ls --quiet=yes", "option '--quiet' takes no value, got 'yes'"},
        {"volume ls --timeout soon", "option '--timeout': expected a duration"},
        {"volume create db --size ten", "option '--size': expected a size like 10G"},
        {"volume create db --size -1", "option '--size': expected a size like 10G"},
        {"volume create db --size --thick", "option '--size': expected a size like 10G"},
        {"volume create db --size 99999999E", "option '--size': the size '99999999E' is too large"},
        {"volume create db --fs ntfs", "option '--fs': expected one of ext4, xfs, none"},
        {"volume create db --uid -1", "option '--uid': expected a number"},
        {"volume create db --mode 8", "option '--mode': expected a mode"},
        {"volume create db --label x", "option '--label': expected key=value, got 'x'"},
        {"volume create db --label =x", "option '--label': expected key=value, got '=x'"},
        {"volume create db --protect=perhaps", "option '--protect': expected true or false"},
        {"volume create db --trash 1x", "option '--trash': expected a duration"},
        {"volume create db --pool Fast", "option '--pool': name: a pool's name has"},
        {"pool create fast --overcommit much", "option '--overcommit': expected a number like 1.5"},
        {"pool create fast --overcommit 0x10", "option '--overcommit': expected a number like 1.5"},
        {"pool create fast --overcommit inf", "option '--overcommit': expected a number like 1.5"},
        {"volume inspect ..", "name: '..' is not a name"},
        {"volume inspect a/b", "name: 'a/b' must not contain '/' or '@'"},
        {"operation inspect ..", "expected a uid, got '..'"},
        {"completion tcsh", "expected one of bash, zsh, fish, got 'tcsh'"},
        {"volume rm \xff", "argument 3 is not valid UTF-8"},
};

static void test_examples(void)
{
        for (unsigned i = 0; i < G_N_ELEMENTS(examples); i++) {
                g_autofree char *line = g_strconcat("dolium ", examples[i].line, NULL);
                g_auto(GStrv) argv = g_strsplit(examples[i].line[0] ? line : "dolium", " ", -1);
                g_auto(dol_args) args = {0};
                g_autoptr(GError) error = NULL;
                bool ok = dol_args_read((int)g_strv_length(argv), argv, &args, &error);

                g_test_message("example %u: %s", i, error ? error->message : "fine");
                g_assert_true(ok == !examples[i].expected);
                if (ok)
                        continue;
                g_assert_true(dol_error_is(error, DOL_ERROR_INVALID));
                g_assert_nonnull(strstr(error->message, examples[i].expected));
        }
}

static void test_values(void)
{
        g_auto(GStrv) argv = g_strsplit("dolium volume set -l a=1 db --label b=2 -q --label=c=3 "
                                        "--trash 1d --trash=2d --protect=no",
                                        " ", -1);
        g_auto(dol_args) args = {0};
        unsigned at = 0;

        g_assert_true(dol_args_read((int)g_strv_length(argv), argv, &args, NULL));
        g_assert_cmpstr(args.path, ==, "dolium volume set");
        g_assert_cmpuint(dol_args_count(&args), ==, 1);
        g_assert_cmpstr(dol_args_word(&args, 0), ==, "db");
        g_assert_null(dol_args_word(&args, 1));
        g_assert_cmpstr(dol_args_next(&args, "label", &at), ==, "a=1");
        g_assert_cmpstr(dol_args_next(&args, "label", &at), ==, "b=2");
        g_assert_cmpstr(dol_args_next(&args, "label", &at), ==, "c=3");
        g_assert_null(dol_args_next(&args, "label", &at));
        g_assert_cmpstr(dol_args_value(&args, "trash"), ==, "2d");
        g_assert_true(dol_args_given(&args, "protect"));
        g_assert_false(dol_args_is_on(&args, "protect"));
        g_assert_true(dol_args_is_on(&args, "quiet"));
        g_assert_false(dol_args_given(&args, "mountopts"));
}

static void check_options(const dol_command *command, const dol_option *options)
{
        for (const dol_option *at = options; at && at->name; at++) {
                g_assert_nonnull(at->doc);
                g_assert_false(g_str_has_suffix(at->doc, "."));
                g_assert_true(dol_option_is_flag(at) == !at->metavar);
                g_assert_true((at->kind == DOL_VALUE_WORD) == (at->words != NULL));
                /* nothing hides a global option or an option before it */
                g_assert_true(dol_option_find(command, at->name, strlen(at->name)) == at);
                g_assert_true(!at->letter || dol_option_find_letter(command, at->letter) == at);
        }
}

static void check_command(const dol_command *command)
{
        bool repeated = false;

        g_test_message("%s", command->name);
        g_assert_nonnull(command->summary);
        g_assert_true((command->run != NULL) != (command->commands != NULL));
        check_options(command, command->options);
        check_options(command, dol_global_options);
        for (const dol_argument *at = command->arguments; at && at->name; at++) {
                g_assert_false(repeated);
                repeated = at->flags & (DOL_REPEAT | DOL_MAY_MISS);
        }
        for (const dol_command *const *at = command->commands; at && *at; at++) {
                g_assert_true(dol_command_find(command, (*at)->name) == *at);
                g_assert_true(!(*at)->alias || dol_command_find(command, (*at)->alias) == *at);
                check_command(*at);
        }
}

static void test_table(void)
{
        check_command(&dol_program);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/dolium/args/examples", test_examples);
        g_test_add_func("/dolium/args/values", test_values);
        g_test_add_func("/dolium/args/table", test_table);
        return g_test_run();
}
