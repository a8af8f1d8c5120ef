/* SPDX-License-Identifier: Apache-2.0 */
/* dolium volume: export, import. */
#include "cmd/dolium/volume.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/guard.h"
#include "cmd/dolium/output.h"
#include "cmd/dolium/progress.h"
#include "cmd/dolium/show.h"
#include "codec/units.h"
#include "host/tar.h"
#include "stream/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

static const char *const file_systems[] = {"ext4", "xfs", NULL};
static const char *const formats[] = {"image", "tar", NULL};

static bool is_tar(const dol_args *args)
{
        return g_strcmp0(dol_args_value(args, "format"), "tar") == 0;
}

/* "12M in 0.4 s": the last remark. */
static void tell(const dol_cli *cli, const dol_progress *progress, uint64_t bytes)
{
        double seconds = (double)(dol_monotonic_usec() - progress->began_usec) / DOL_USEC_PER_SEC;
        g_autofree char *size = dol_size_format_short(bytes);

        dol_cli_talk(cli, "%s: %s in %.1f s", progress->what, size, seconds);
}

/* The caller's to g_free. */
static char *with_query(const char *place, const char *key, const char *value)
{
        GString *path = g_string_new(place);

        dol_path_add(path, key, value);
        return g_string_free(path, false);
}

/* --- export */

typedef struct {
        dol_output output;
        dol_stream_check *check; /* what is written is whole, or it is not kept; NULL: a tar */
        uint64_t written;
        dol_progress progress;
} exporting;

static bool take_bytes(const void *bytes, size_t size, void *user, GError **error)
{
        exporting *state = user;
        uint64_t done, all = 0;

        if (state->check && !dol_stream_check_feed(state->check, bytes, size, error))
                return false;
        if (!dol_write_all(state->output.fd, bytes, size, error))
                return dol_fail_while(error, "'%s'", state->output.name);
        done = state->written += size;
        if (state->check)
                dol_stream_check_progress(state->check, &done, &all);
        dol_progress_show(&state->progress, done, all);
        return true;
}

static char *export_path(const dol_args *args)
{
        const char *from = dol_args_word(args, 0);
        g_autofree char *place = strchr(from, '@') ? dol_path("/v1/snapshots/%s/", from)
                                                   : dol_path("/v1/volumes/%s/", from);
        g_autofree char *route = g_strconcat(place, is_tar(args) ? "tar" : "export", NULL);

        return with_query(route, "base", dol_args_value(args, "base"));
}

static bool receive(dol_cli *cli, exporting *state, GError **error)
{
        g_autofree char *path = export_path(&cli->args);
        const dol_http_transfer transfer = {
                .method = "GET", .path = path, .write = take_bytes, .user = state};
        g_auto(dol_http_answer) answer = {0};
        dol_call call = dol_cli_call(cli, true);

        if (!dol_cli_http(cli, error) ||
            !dol_http_client_transfer(cli->http, &call, &transfer, &answer, error))
                return false;
        if (answer.status != 200)
                return dol_cli_fail_answer(cli, &answer, error);
        return !state->check || dol_stream_check_end(state->check, error);
}

static bool run_export(dol_cli *cli, GError **error)
{
        g_autofree char *what = g_strdup_printf("export of '%s'", dol_args_word(&cli->args, 0));
        g_autoptr(dol_stream_check) check = is_tar(&cli->args) ? NULL : dol_stream_check_new();
        exporting state = {.check = check};
        uint64_t done, all;
        bool ok;

        if (!check && dol_args_given(&cli->args, "base"))
                return dol_fail(error, DOL_ERROR_INVALID, "--base: a tar holds all files");
        if (!dol_output_open(dol_args_word(&cli->args, 1), &state.output, error))
                return false;
        dol_progress_begin(&state.progress, cli, what);
        ok = receive(cli, &state, error);
        dol_progress_end(&state.progress);
        ok = ok && dol_output_finish(&state.output, error);
        dol_output_clear(&state.output);
        done = state.written;
        if (check)
                dol_stream_check_progress(check, &done, &all);
        if (ok)
                tell(cli, &state.progress, done);
        return ok;
}

static const dol_argument export_arguments[] = {
        {"VOLUME[@NAME]", DOL_VALUE_IMAGE}, {"FILE", DOL_VALUE_PATH}, {NULL}};
static const dol_option export_options[] = {
        {"base", DOL_VALUE_SNAPSHOT, .metavar = "VOLUME@NAME",
         .doc = "only what changed since this snapshot of the same volume"},
        {"format", DOL_VALUE_WORD, .metavar = "FORMAT", .words = formats,
         .doc = "image: its blocks; tar: its files"},
        {NULL},
};

const dol_command dol_volume_export_command = {
        .name = "export",
        .summary = "Write a volume or snapshot to a file, or with - to standard output",
        .help = "The file holds all blocks with data, compressed and with checksums; it appears "
                "when it\nis whole. A volume may be in use: it is exported as it is at the begin. "
                "With --base\nthe file can only be imported where that snapshot is known.",
        .arguments = export_arguments,
        .options = export_options,
        .run = run_export,
};

/* --- import */

typedef struct {
        int fd;
        uint64_t done, all;
        dol_progress progress;
} importing;

static bool give_bytes(void *to, size_t max, size_t *ret_size, void *user, GError **error)
{
        importing *state = user;
        ssize_t got;

        while ((got = read(state->fd, to, max)) < 0 && errno == EINTR)
                ;
        if (got < 0)
                return dol_fail_errno(error, errno, "read the stream");
        state->done += (uint64_t)got;
        dol_progress_show(&state->progress, state->done, state->all);
        *ret_size = (size_t)got;
        return true;
}

static bool open_input(const char *path, importing *ret, GError **error)
{
        struct stat info;

        if (strcmp(path, "-") != 0)
                ret->fd = open(path, O_RDONLY | O_CLOEXEC);
        else if (isatty(STDIN_FILENO))
                return dol_fail(error, DOL_ERROR_INVALID,
                                "standard input is a terminal: expected a stream");
        else
                ret->fd = dup(STDIN_FILENO);
        if (ret->fd < 0 || fstat(ret->fd, &info) < 0)
                return dol_fail_errno(error, errno, "open '%s'", path);
        if (S_ISDIR(info.st_mode))
                return dol_fail(error, DOL_ERROR_INVALID, "'%s' is a directory", path);
        ret->all = S_ISREG(info.st_mode) ? (uint64_t)info.st_size : 0;
        return true;
}

static char *import_path(const dol_args *args)
{
        const char *name = dol_args_word(args, 0);
        g_autofree char *place = is_tar(args) ? dol_path("/v1/volumes/%s/tar", name)
                                              : dol_path("/v1/volumes/%s/import", name);
        GString *path = g_string_new(place);

        dol_path_add(path, "pool", dol_args_value(args, "pool"));
        dol_path_add(path, "size", dol_args_value(args, "size"));
        dol_path_add(path, "fs", dol_args_value(args, "fs"));
        return g_string_free(path, false);
}

static bool send_it(dol_cli *cli, importing *state, json_t **ret_volume, GError **error)
{
        g_autofree char *path = import_path(&cli->args);
        const dol_http_transfer transfer = {
                .method = "POST",
                .path = path,
                .content_type = is_tar(&cli->args) ? DOL_TAR_MEDIA_TYPE : DOL_STREAM_MEDIA_TYPE,
                .read = give_bytes,
                .size = -1, /* a file may grow meanwhile */
                .user = state,
        };
        g_auto(dol_http_answer) answer = {0};
        dol_call call = dol_cli_call(cli, true);

        if (!dol_cli_http(cli, error) ||
            !dol_http_client_transfer(cli->http, &call, &transfer, &answer, error))
                return false;
        if (answer.status != 200)
                return dol_cli_fail_answer(cli, &answer, error);
        *ret_volume = json_loadb(answer.body, answer.size, JSON_REJECT_DUPLICATES, NULL);
        return *ret_volume ||
               dol_fail(error, DOL_ERROR_INTERNAL, "the answer of %s is not JSON", cli->host);
}

static bool run_import(dol_cli *cli, GError **error)
{
        g_autofree char *what = g_strdup_printf("import of '%s'", dol_args_word(&cli->args, 0));
        g_autoptr(dol_json) volume = NULL;
        importing state = {.fd = -1};
        bool ok;

        if (!is_tar(&cli->args) &&
            (dol_args_given(&cli->args, "size") || dol_args_given(&cli->args, "fs")))
                return dol_fail(error, DOL_ERROR_INVALID,
                                "--size, --fs: only with --format tar; an image has its own");
        ok = open_input(dol_args_word(&cli->args, 1), &state, error);
        dol_progress_begin(&state.progress, cli, what);
        ok = ok && send_it(cli, &state, &volume, error);
        dol_progress_end(&state.progress);
        dol_close_fd(&state.fd);
        if (!ok)
                return false;
        tell(cli, &state.progress, state.done);
        dol_show_name(cli, volume, &dol_volume_view);
        return true;
}

static const dol_argument import_arguments[] = {
        {"NAME", DOL_VALUE_TEXT}, {"FILE", DOL_VALUE_PATH}, {NULL}};
static const dol_option import_options[] = {
        {"pool", DOL_VALUE_POOL, .metavar = "POOL", .doc = "in which pool; default: one is chosen"},
        {"format", DOL_VALUE_WORD, .metavar = "FORMAT", .words = formats,
         .doc = "image: what export wrote; tar: files, for a new volume"},
        {"size", DOL_VALUE_SIZE, 's', .metavar = "SIZE", .doc = "of a tar's volume, default 10G"},
        {"fs", DOL_VALUE_WORD, .metavar = "KIND", .words = file_systems,
         .doc = "of a tar's volume, default ext4"},
        {NULL},
};

const dol_command dol_volume_import_command = {
        .name = "import",
        .summary = "Make a volume from an exported file, or with - from standard input",
        .help = "What was exported with --base goes onto a volume that was imported from that "
                "snapshot, or\nhas it; what was written there since is kept as the snapshot "
                "before-import-TIME. An\nimport that is interrupted leaves nothing.",
        .arguments = import_arguments,
        .options = import_options,
        .run = run_import,
};
