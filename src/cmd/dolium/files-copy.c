/* SPDX-License-Identifier: Apache-2.0 */
/* dolium files cp: files of a snapshot or volume into a local directory. They come as a tar stream,
 * which is unpacked here. */
#include "cmd/dolium/files.h"

#include "base/guard.h"
#include "host/tar.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

/* The transfer, on a thread of its own: it hands the stream over through a pair of sockets. */
typedef struct {
        dol_cli *cli;
        const char *route;
        int fd;
        bool is_refused; /* the reader has gone first */
        GError *error;
} sending;

static bool hand_over(const void *bytes, size_t size, void *user, GError **error)
{
        sending *to = user;
        const char *from = bytes;

        while (size > 0) {
                ssize_t sent = send(to->fd, from, size, MSG_NOSIGNAL);

                if (sent < 0 && errno == EINTR)
                        continue;
                to->is_refused = sent < 0 && errno == EPIPE;
                if (sent < 0)
                        return dol_fail_errno(error, errno, "hand the stream over");
                from += sent;
                size -= (size_t)sent;
        }
        return true;
}

static void *run_transfer(void *user)
{
        sending *to = user;

        dol_files_transfer(to->cli, to->route, hand_over, to, &to->error);
        shutdown(to->fd, SHUT_WR);
        return NULL;
}

static bool take(void *to, size_t max, size_t *ret_size, void *user, GError **error)
{
        ssize_t size;

        while ((size = read(*(const int *)user, to, max)) < 0 && errno == EINTR)
                ;
        if (size < 0)
                return dol_fail_errno(error, errno, "take the stream");
        *ret_size = (size_t)size;
        return true;
}

/* What the server says comes first: a stream that breaks off looks damaged, too. */
static bool unpack(dol_cli *cli, const char *route, const char *top, dol_file_sink *sink,
                   GError **error)
{
        dol_call call = dol_cli_call(cli, true);
        sending to = {.cli = cli, .route = route};
        g_autoptr(GError) why = NULL, theirs = NULL;
        int pair[2];
        pthread_t thread;
        bool ok;

        if (!dol_cli_http(cli, error))
                return false;
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
                return dol_fail_errno(error, errno, "make a pair of sockets");
        to.fd = pair[1];
        if (pthread_create(&thread, NULL, run_transfer, &to) != 0) {
                close(pair[0]);
                close(pair[1]);
                return dol_fail(error, DOL_ERROR_UNAVAILABLE, "no thread could be started");
        }
        ok = dol_tar_read(&call, take, &pair[0], top, sink, &why);
        close(pair[0]);
        pthread_join(thread, NULL);
        close(pair[1]);
        theirs = to.error;
        if (theirs && !to.is_refused && (ok || dol_error_is(why, DOL_ERROR_INVALID))) {
                g_propagate_error(error, g_steal_pointer(&theirs));
                return false;
        }
        if (!ok)
                g_propagate_error(error, g_steal_pointer(&why));
        return ok;
}

/* --- where to */

typedef struct {
        int root; /* the directory that files are made in */
        char *top;
} local_place;

static bool is_root_path(const char *path)
{
        return path[strspn(path, "/.")] == '\0';
}

/* Into a directory that is there; or under a new name, which the copy gets. */
static bool open_place(const char *target, const char *path, local_place *ret, GError **error)
{
        struct stat info;
        bool is_there = stat(target, &info) == 0 && S_ISDIR(info.st_mode);
        g_autofree char *parent = g_path_get_dirname(target);

        *ret = (local_place){.root = -1};
        if (!is_there && is_root_path(path) && mkdir(target, 0700) < 0)
                return dol_fail_errno(error, errno, "make '%s'", target);
        if (!is_there && !is_root_path(path))
                ret->top = g_path_get_basename(target);
        ret->root = open(ret->top ? parent : target, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (ret->root >= 0)
                return true;
        g_clear_pointer(&ret->top, g_free);
        return dol_fail_errno(error, errno, "open directory '%s'", is_there ? target : parent);
}

static bool copy_one(dol_cli *cli, const char *path, const char *target, uint64_t *kept_back,
                     GError **error)
{
        g_autofree char *route = dol_files_route(cli, "tar", path, false);
        g_autoptr(dol_file_sink) sink = NULL;
        local_place place;
        bool ok;

        if (!open_place(target, path, &place, error))
                return false;
        sink = dol_file_sink_new(place.root, geteuid() != 0);
        ok = unpack(cli, route, place.top, sink, error);
        *kept_back += dol_file_sink_counts(sink).kept_back;
        g_free(place.top);
        close(place.root);
        return ok || dol_fail_while(error, "'%s'", target);
}

static bool run_cp(dol_cli *cli, GError **error)
{
        unsigned count = dol_args_count(&cli->args);
        const char *target = dol_args_word(&cli->args, count - 1);
        uint64_t kept_back = 0;

        if (count < 3)
                return dol_fail(error, DOL_ERROR_INVALID,
                                "expected VOLUME[@NAME] PATH... TARGET, got no target");
        if (strcmp(target, "-") == 0 && count == 3) {
                g_autofree char *route =
                        dol_files_route(cli, "tar", dol_args_word(&cli->args, 1), false);

                return dol_files_pour(cli, route, error);
        }
        if (count > 3 && !g_file_test(target, G_FILE_TEST_IS_DIR))
                return dol_fail(error, DOL_ERROR_INVALID,
                                "'%s' is not a directory: several files need one", target);
        for (unsigned i = 1; i + 1 < count; i++)
                if (!copy_one(cli, dol_args_word(&cli->args, i), target, &kept_back, error))
                        return false;
        if (kept_back)
                dol_cli_talk(cli,
                             "%" G_GUINT64_FORMAT " owners, attributes or device files were left "
                             "out: only root may make them",
                             kept_back);
        return true;
}

static const dol_argument cp_arguments[] = {
        {"VOLUME[@NAME]", DOL_VALUE_SNAPSHOT},
        {"PATH", DOL_VALUE_PATH, DOL_REPEAT},
        {NULL},
};

const dol_command dol_files_cp_command = {
        .name = "cp",
        .summary = "Copy files and trees of a snapshot or volume to this host",
        .help = "The last PATH is local: a directory that is there, the new name of the copy, or "
                "- for a\ntar stream on standard output. Files come with owner, mode, times, "
                "ACLs, attributes,\nlinks and holes; what only root may make is left out for "
                "others.",
        .arguments = cp_arguments,
        .run = run_cp,
};
