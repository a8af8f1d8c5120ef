/* SPDX-License-Identifier: Apache-2.0 */
/* dolium snapshot diff: what has changed since, by ranges of bytes or by files. */
#include "cmd/dolium/show.h"
#include "cmd/dolium/snapshot.h"

#include <string.h>

/* What is compared: a snapshot, and a later one or the volume as it is now. */
typedef struct {
        const char *base;   /* NULL: with nothing */
        const char *target; /* path of the later one: "/v1/volumes/db" */
} comparison;

static bool is_snapshot(const char *reference)
{
        return strchr(reference, '@') || g_str_has_prefix(reference, "uid:");
}

/* Until now, when no later state is said. */
static char *volume_of(const char *snapshot, GError **error)
{
        const char *at = strchr(snapshot, '@');

        if (at)
                return g_strndup(snapshot, (size_t)(at - snapshot));
        dol_fail(error, DOL_ERROR_INVALID, "expected VOLUME@OLD, or two snapshots, got '%s'",
                 snapshot);
        return NULL;
}

static bool show_files(dol_cli *cli, const comparison *compared, GError **error)
{
        g_autoptr(GString) path = g_string_new(compared->target);
        g_autoptr(dol_json) items = NULL;

        g_string_append(path, "/files/diff");
        dol_path_add(path, "base", compared->base);
        if (!dol_cli_items(cli, path->str, &items, error))
                return false;
        dol_show_list(cli, items, &dol_file_change_view);
        return true;
}

static bool add_page(dol_cli *cli, const comparison *compared, const char *after, json_t *all,
                     char **ret_next, GError **error)
{
        g_autoptr(GString) path = g_string_new(compared->target);
        g_autoptr(dol_json) page = NULL;

        g_string_append(path, "/diff");
        dol_path_add(path, "base", compared->base);
        dol_path_add(path, "after", after);
        if (!dol_cli_get(cli, path->str, &page, error))
                return false;
        json_array_extend(all, json_object_get(page, "items"));
        *ret_next = g_strdup(dol_json_text(page, "continue"));
        return true;
}

static bool show_ranges(dol_cli *cli, const comparison *compared, GError **error)
{
        g_autoptr(dol_json) all = json_array();
        g_autofree char *next = NULL;

        do {
                g_autofree char *after = g_steal_pointer(&next);

                if (!add_page(cli, compared, after, all, &next, error))
                        return false;
        } while (next);
        dol_show_list(cli, all, &dol_range_view);
        return true;
}

static bool run_diff(dol_cli *cli, GError **error)
{
        const char *first = dol_args_word(&cli->args, 0), *second = dol_args_word(&cli->args, 1);
        bool files = dol_args_is_on(&cli->args, "files");
        g_autofree char *volume = NULL, *target = NULL;
        comparison compared = {.base = first};

        if (!second && files && !(second = volume = volume_of(first, error)))
                return false;
        if (!second) {
                compared.base = NULL;
                second = first;
        }
        target = is_snapshot(second) ? dol_path("/v1/snapshots/%s", second)
                                     : dol_path("/v1/volumes/%s", second);
        compared.target = target;
        return files ? show_files(cli, &compared, error) : show_ranges(cli, &compared, error);
}

static const dol_argument diff_arguments[] = {{"VOLUME@OLD", DOL_VALUE_SNAPSHOT},
                                              {"VOLUME[@NEW]", DOL_VALUE_SNAPSHOT, DOL_MAY_MISS},
                                              {NULL}};

static const dol_option diff_options[] = {
        {"files", DOL_VALUE_FLAG, .doc = "list the files that differ instead"},
        {NULL},
};

const dol_command dol_snapshot_diff_command = {
        .name = "diff",
        .summary = "List the ranges of bytes, or the files, that differ since a snapshot",
        .help = "Against a later snapshot, or with VOLUME alone against the volume as it is now.\n"
                "With one snapshot only, the ranges that hold anything; with --files, what was\n"
                "added, removed, renamed or changed until now. For ranges no data is read.",
        .arguments = diff_arguments,
        .options = diff_options,
        .run = run_diff,
};
