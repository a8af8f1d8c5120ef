/* SPDX-License-Identifier: Apache-2.0 */
/* Looking into a volume or a snapshot: it is mounted like for any other consumer, and its files are
 * seen from its root only. */
#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "engine/private.h"
#include "host/tar.h"
#include "policy/consumer.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

static const int64_t close_usec = 30 * DOL_USEC_PER_SEC;

/* ---- mounted for the time ---- */

static bool is_of_snapshot(dol_engine *engine, const char *reference)
{
        g_autoptr(dol_snapshot) snapshot = NULL;

        if (!g_str_has_prefix(reference, "uid:"))
                return strchr(reference, '@') != NULL;
        snapshot = dol_snapshot_index_by_uid(engine->snapshots, reference + strlen("uid:"));
        return snapshot != NULL;
}

static void set_open(const files_view *view, bool is_open)
{
        view_table *views = &view->engine->views;
        dol_lock_scope(&views->lock);

        if (is_open)
                g_hash_table_add(views->ids, view->id);
        else
                g_hash_table_remove(views->ids, view->id);
}

unsigned dol_files_drop_ended(dol_engine *engine, dol_attachment *attachment)
{
        unsigned dropped = 0;
        dol_lock_scope(&engine->views.lock);

        for (unsigned i = dol_attachment_count(attachment); i > 0; i--) {
                const dol_consumer *consumer = attachment->consumers->pdata[i - 1];

                if (consumer->client != DOL_CLIENT_FILES ||
                    g_hash_table_contains(engine->views.ids, consumer->id))
                        continue;
                dol_consumer_remove(attachment, consumer->client, consumer->id);
                dropped++;
        }
        return dropped;
}

static bool mount_snapshot(files_view *view, const dol_call *call, const char *reference,
                           const dol_consumer_request *consumer, GError **error)
{
        g_autoptr(dol_snapshot) snapshot = NULL;

        if (!dol_engine_snapshot_mount(view->engine, call, reference, consumer, &snapshot, error))
                return false;
        view->reference = g_strconcat("uid:", snapshot->uid, NULL);
        view->path = g_strdup(snapshot->attachment->path);
        return true;
}

static bool mount_volume(files_view *view, const dol_call *call, const char *reference,
                         const dol_consumer_request *consumer, GError **error)
{
        g_autoptr(dol_volume) volume = NULL;

        if (!dol_engine_mount(view->engine, call, reference, consumer, &volume, error))
                return false;
        view->reference = g_strconcat("uid:", volume->uid, NULL);
        view->path = g_strdup(volume->status.attachment->path);
        return true;
}

static bool mount_view(files_view *view, const dol_call *call, const char *reference,
                       GError **error)
{
        const dol_consumer_request consumer = {
                .client = DOL_CLIENT_FILES,
                .id = view->id,
                .generation = "",
                .directory_only = true,
        };
        dol_call quiet = *call;

        quiet.on_operation = NULL; /* it is not the mount that the caller waits for */
        return view->is_snapshot ? mount_snapshot(view, &quiet, reference, &consumer, error)
                                 : mount_volume(view, &quiet, reference, &consumer, error);
}

files_view *dol_files_view_open(dol_engine *engine, const dol_call *call, const char *reference,
                                GError **error)
{
        g_autoptr(files_view) view = g_new0(files_view, 1);

        view->engine = engine;
        view->root = -1;
        view->id = dol_uid_new();
        view->is_snapshot = is_of_snapshot(engine, reference);
        set_open(view, true);
        if (!mount_view(view, call, reference, error))
                return NULL;
        if (!view->path) {
                dol_fail(error, DOL_ERROR_UNSUPPORTED,
                         "'%s' is of a block volume (fs=none): it has no files", reference);
                return NULL;
        }
        view->root = open(view->path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (view->root < 0) {
                dol_fail_errno(error, errno, "open '%s'", view->path);
                return NULL;
        }
        return g_steal_pointer(&view);
}

static bool unmount_view(const files_view *view, const dol_call *call, GError **error)
{
        const dol_consumer_request consumer = {.client = DOL_CLIENT_FILES, .id = view->id};
        g_autoptr(dol_snapshot) snapshot = NULL;
        g_autoptr(dol_volume) volume = NULL;

        return view->is_snapshot
                       ? dol_engine_snapshot_unmount(view->engine, call, view->reference, &consumer,
                                                     DOL_UNMOUNT_STRICT, &snapshot, error)
                       : dol_engine_unmount(view->engine, call, view->reference, &consumer,
                                            DOL_UNMOUNT_LINGER, &volume, error);
}

void dol_files_view_close(files_view *view)
{
        dol_call calm = dol_call_within("files", close_usec);
        g_autoptr(GError) error = NULL;

        if (!view)
                return;
        dol_close_fd(&view->root);
        if (view->reference && !unmount_view(view, &calm, &error))
                dol_log(DOL_LOG_WARNING, "'%s' is unmounted later: %s", view->reference,
                        error->message);
        set_open(view, false);
        g_free(view->reference);
        g_free(view->path);
        g_free(view->id);
        g_free(view);
}

/* ---- listing ---- */

typedef struct {
        dol_engine_file_fn fn;
        void *user;
} showing;

static bool show(const dol_file *file, int fd, void *user, GError **error)
{
        const showing *to = user;

        return to->fn(file, to->user, error);
}

bool dol_engine_files_list(dol_engine *engine, const dol_call *call, const char *reference,
                           const char *path, bool deep, dol_engine_file_fn fn, void *user,
                           GError **error)
{
        g_autofree char *bare = dol_file_path_parse(path, error);
        g_autoptr(files_view) view =
                bare ? dol_files_view_open(engine, call, reference, error) : NULL;
        showing to = {fn, user};

        return view &&
               dol_files_walk(call, view->root, bare, deep ? UINT_MAX : 1, show, &to, error);
}

/* ---- reading ---- */

typedef struct {
        dol_engine_bytes_fn fn;
        void *user;
        uint64_t at;
} pouring;

/* Holes are read as zeroes. */
static bool pour_zeroes(pouring *to, uint64_t end, GError **error)
{
        static const char zeroes[65536];

        while (to->at < end) {
                size_t size = (size_t)MIN(sizeof(zeroes), end - to->at);

                if (!to->fn(zeroes, size, to->user, error))
                        return false;
                to->at += size;
        }
        return true;
}

static bool pour(uint64_t offset, const void *bytes, size_t size, void *user, GError **error)
{
        pouring *to = user;

        if (!pour_zeroes(to, offset, error) || !to->fn(bytes, size, to->user, error))
                return false;
        to->at = offset + size;
        return true;
}

bool dol_engine_files_read(dol_engine *engine, const dol_call *call, const char *reference,
                           const char *path, dol_engine_bytes_fn fn, void *user, GError **error)
{
        g_autofree char *bare = dol_file_path_parse(path, error);
        g_autoptr(files_view) view =
                bare ? dol_files_view_open(engine, call, reference, error) : NULL;
        dol_autofd found = view ? dol_files_open(view->root, bare, true, error) : -1;
        dol_autofd fd = found < 0 ? -1 : dol_files_reopen(found, O_RDONLY, bare, error);
        pouring to = {fn, user, 0};
        struct stat info;
        uint64_t size;

        if (fd < 0)
                return false;
        if (fstat(fd, &info) == 0 && S_ISDIR(info.st_mode))
                return dol_fail(error, DOL_ERROR_INVALID,
                                "'/%s' is a directory: it has no content to read", bare);
        return dol_files_content(call, fd, bare, pour, &to, &size, error) &&
               pour_zeroes(&to, size, error);
}

bool dol_engine_tar_write(dol_engine *engine, const dol_call *call, const char *reference,
                          const char *path, dol_engine_bytes_fn fn, void *user, GError **error)
{
        g_autofree char *bare = dol_file_path_parse(path, error);
        g_autoptr(files_view) view =
                bare ? dol_files_view_open(engine, call, reference, error) : NULL;

        return view && dol_tar_write(call, view->root, bare, fn, user, error);
}

/* ---- comparing ---- */

bool dol_engine_files_diff(dol_engine *engine, const dol_call *call, const char *base,
                           const char *target, dol_engine_file_change_fn fn, void *user,
                           GError **error)
{
        g_autoptr(dol_snapshot) first = dol_snapshot_find(engine, base, error);
        g_autoptr(dol_snapshot) second = NULL;
        g_autoptr(files_view) before = NULL, after = NULL;
        g_autofree char *volume = NULL;

        if (!first || (target && !(second = dol_snapshot_find(engine, target, error))))
                return false;
        if (second && strcmp(first->volume, second->volume) != 0)
                return dol_fail(error, DOL_ERROR_INVALID,
                                "'%s' and '%s' are snapshots of different volumes", base, target);
        volume = g_strconcat("uid:", second ? second->uid : first->volume, NULL);
        return (before = dol_files_view_open(engine, call, base, error)) &&
               (after = dol_files_view_open(engine, call, volume, error)) &&
               dol_files_diff(call, before->root, after->root, fn, user, error);
}
