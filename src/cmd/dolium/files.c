/* SPDX-License-Identifier: Apache-2.0 */
/* dolium files: looking into a volume or a snapshot, and bringing files back. */
#include "cmd/dolium/files.h"

#include "cmd/dolium/body.h"
#include "cmd/dolium/show.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static bool is_snapshot(const char *reference)
{
        return strchr(reference, '@') || g_str_has_prefix(reference, "uid:");
}

char *dol_files_route(const dol_cli *cli, const char *what, const char *path, bool recursive)
{
        const char *reference = dol_args_word(&cli->args, 0);
        g_autofree char *start = is_snapshot(reference) ? dol_path("/v1/snapshots/%s/", reference)
                                                        : dol_path("/v1/volumes/%s/", reference);
        g_autoptr(GString) route = g_string_new(start);

        g_string_append(route, what);
        dol_path_add(route, "path", path);
        if (recursive)
                dol_path_add(route, "recursive", "true");
        return g_strdup(route->str);
}

/* --- ls */

/* What a directory holds is listed, not the directory. */
static bool list_one(dol_cli *cli, const char *path, json_t *all, GError **error)
{
        g_autofree char *route =
                dol_files_route(cli, "files", path, dol_args_is_on(&cli->args, "recursive"));
        g_autoptr(dol_json) items = NULL;

        if (!dol_cli_items(cli, route, &items, error))
                return false;
        if (g_strcmp0(dol_json_text(json_array_get(items, 0), "type"), "directory") == 0)
                json_array_remove(items, 0);
        json_array_extend(all, items);
        return true;
}

static bool run_ls(dol_cli *cli, GError **error)
{
        unsigned count = dol_args_count(&cli->args);
        g_autoptr(dol_json) all = json_array();

        for (unsigned i = 1; i < MAX(count, 2); i++)
                if (!list_one(cli, i < count ? dol_args_word(&cli->args, i) : "/", all, error))
                        return false;
        dol_show_list(cli, all, &dol_file_view);
        return true;
}

static const dol_argument ls_arguments[] = {
        {"VOLUME[@NAME]", DOL_VALUE_SNAPSHOT},
        {"PATH", DOL_VALUE_TEXT, DOL_REPEAT | DOL_MAY_MISS},
        {NULL},
};
static const dol_option ls_options[] = {
        {"recursive", DOL_VALUE_FLAG, 'R', .doc = "all below it too"},
        {NULL},
};

static const dol_command ls_command = {
        .name = "ls",
        .alias = "list",
        .summary = "List the files in a snapshot, or in a volume as it is now",
        .help = "Paths begin at the root of the volume; without one, that is listed. Nothing has "
                "to be\nmounted before.",
        .arguments = ls_arguments,
        .options = ls_options,
        .run = run_ls,
};

/* --- cat */

static bool write_out(const void *bytes, size_t size, void *user, GError **error)
{
        return fwrite(bytes, 1, size, stdout) == size ||
               dol_fail_errno(error, errno, "write to standard output");
}

bool dol_files_transfer(dol_cli *cli, const char *route,
                        bool (*write)(const void *bytes, size_t size, void *user, GError **error),
                        void *user, GError **error)
{
        const dol_http_transfer transfer = {
                .method = "GET", .path = route, .write = write, .user = user};
        g_auto(dol_http_answer) answer = {0};
        dol_call call = dol_cli_call(cli, true);

        if (!dol_cli_http(cli, error) ||
            !dol_http_client_transfer(cli->http, &call, &transfer, &answer, error))
                return false;
        return answer.status == 200 || dol_cli_fail_answer(cli, &answer, error);
}

bool dol_files_pour(dol_cli *cli, const char *route, GError **error)
{
        return dol_files_transfer(cli, route, write_out, NULL, error) &&
               (fflush(stdout) == 0 || dol_fail_errno(error, errno, "write to standard output"));
}

static bool run_cat(dol_cli *cli, GError **error)
{
        for (unsigned i = 1; i < dol_args_count(&cli->args); i++) {
                g_autofree char *route =
                        dol_files_route(cli, "file", dol_args_word(&cli->args, i), false);

                if (!dol_files_pour(cli, route, error))
                        return false;
        }
        return true;
}

static const dol_argument cat_arguments[] = {
        {"VOLUME[@NAME]", DOL_VALUE_SNAPSHOT},
        {"PATH", DOL_VALUE_TEXT, DOL_REPEAT},
        {NULL},
};

static const dol_command cat_command = {
        .name = "cat",
        .summary = "Write files of a snapshot or volume to standard output",
        .arguments = cat_arguments,
        .run = run_cat,
};

/* --- restore */

static bool run_restore(dol_cli *cli, GError **error)
{
        static const dol_body_row rows[] = {{"to", "to"}, {"overwrite", "overwrite"}, {NULL}};
        g_autofree char *route =
                dol_path("/v1/snapshots/%s/files/restore?wait=1h", dol_args_word(&cli->args, 0));
        g_autoptr(dol_json) body = json_object(), paths = json_array(), done = NULL;

        for (unsigned i = 1; i < dol_args_count(&cli->args); i++)
                json_array_append_new(paths, json_string(dol_args_word(&cli->args, i)));
        dol_json_put(body, "paths", json_incref(paths));
        dol_body_put(body, &cli->args, rows);
        if (!dol_cli_send(cli, "POST", route, body, &done, NULL, error))
                return false;
        if (!dol_show_document(cli, done) && !cli->quiet)
                printf("%" G_GINT64_FORMAT " files restored\n", dol_json_number(done, "files"));
        return true;
}

static const dol_argument restore_arguments[] = {
        {"VOLUME@NAME", DOL_VALUE_SNAPSHOT},
        {"PATH", DOL_VALUE_TEXT, DOL_REPEAT},
        {NULL},
};
static const dol_option restore_options[] = {
        {"to", DOL_VALUE_TEXT, .metavar = "DIRECTORY",
         .doc = "into this directory of the volume; otherwise to where each was"},
        {"overwrite", DOL_VALUE_FLAG, .doc = "replace files that are there, and join directories"},
        {NULL},
};

static const dol_command restore_command = {
        .name = "restore",
        .summary = "Copy files and trees from a snapshot back into its volume",
        .help = "With owner, mode, times, ACLs, attributes, links and holes. Containers that use "
                "the volume\nsee them at once. What is there already is refused, unless "
                "--overwrite.",
        .arguments = restore_arguments,
        .options = restore_options,
        .run = run_restore,
};

static const dol_command *const commands[] = {&ls_command, &cat_command, &dol_files_cp_command,
                                              &restore_command, NULL};

const dol_command dol_files_command = {
        .name = "files",
        .summary = "Look into snapshots and volumes, and bring files back",
        .commands = commands,
};
