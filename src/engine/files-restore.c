/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bringing files back from a snapshot into its volume. They are copied into a directory of their
 * own in the root of the volume, named after the operation; when all are there they are renamed to
 * their places. The volume is not locked meanwhile: being mounted keeps it and the snapshot alive.
 * A crash leaves that directory, which the record tells of, and files that are in their places
 * whole.
 */
#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "driver/tree.h"
#include "engine/private.h"
#include "host/files.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

static const dol_field fields[] = {
        {"files", DOL_UINT, offsetof(dol_files_restored, files), DOL_SHOW_EMPTY,
         .doc = "how many were brought back; directories count as files"},
        {"bytes", DOL_UINT, offsetof(dol_files_restored, bytes), DOL_SHOW_EMPTY,
         .doc = "of their content"},
        {NULL},
};
const dol_schema dol_files_restored_schema = {"RestoredFiles", sizeof(dol_files_restored), fields,
                                              "What was brought back."};

/* One of the paths. */
typedef struct {
        char *path;  /* in the snapshot */
        char *place; /* in the volume */
        char *name;  /* in the stage */
} item;

typedef struct {
        const dol_call *call;
        files_view *from, *to;
        GPtrArray *items; /* of item */
        bool overwrite;
        char *stage_path;
        int stage;
} restoring;

static void item_free(void *data)
{
        item *one = data;

        g_free(one->path);
        g_free(one->place);
        g_free(one->name);
        g_free(one);
}

static char *place_of(const char *path, const char *to)
{
        const char *name = strrchr(path, '/');

        if (!to)
                return g_strdup(path);
        name = name ? name + 1 : path;
        return *to && *name ? g_strconcat(to, "/", name, NULL) : g_strdup(*to ? to : name);
}

/* Two of one name that are to lie in one directory. */
static bool is_taken(const GPtrArray *items, const item *one)
{
        for (unsigned i = 0; i < items->len; i++) {
                const item *other = items->pdata[i];

                if (other != one && g_strcmp0(other->place, one->place) == 0)
                        return true;
        }
        return false;
}

static GPtrArray *read_items(const dol_files_restore *wanted, GError **error)
{
        g_autoptr(GPtrArray) items = g_ptr_array_new_with_free_func(item_free);
        g_autofree char *to = wanted->to ? dol_file_path_parse(wanted->to, error) : NULL;

        if (wanted->to && !to) {
                dol_fail_while(error, "to");
                return NULL;
        }
        for (unsigned i = 0; wanted->paths && wanted->paths[i]; i++) {
                item *one = g_new0(item, 1);

                g_ptr_array_add(items, one);
                one->path = dol_file_path_parse(wanted->paths[i], error);
                if (!one->path) {
                        dol_fail_while(error, "paths[%u]", i);
                        return NULL;
                }
                one->place = place_of(one->path, to);
                one->name = g_strdup_printf("%u", i);
                if (is_taken(items, one)) {
                        dol_fail(error, DOL_ERROR_INVALID,
                                 "paths[%u]: '/%s' is the place of another one already", i,
                                 one->place);
                        return NULL;
                }
        }
        if (items->len == 0) {
                dol_fail(error, DOL_ERROR_INVALID, "paths: expected at least one path");
                return NULL;
        }
        return g_steal_pointer(&items);
}

/* Whether it can be put into its place, before anything is copied. */
static bool check(const restoring *work, GError **error)
{
        for (unsigned i = 0; i < work->items->len; i++) {
                const item *one = work->items->pdata[i];
                const char *name;
                dol_autofd parent =
                        dol_files_open_parent(work->from->root, one->path, &name, error);
                dol_autofd found =
                        parent < 0 ? -1
                                   : dol_files_open_strictly(work->from->root, one->path, error);

                if (found < 0 ||
                    !dol_files_place(work->call, parent, *name ? name : ".", work->to->root,
                                     one->place, work->overwrite, true, error))
                        return false;
        }
        return true;
}

/* ---- copying ---- */

/* What was copied must be on the disk before a name leads to it. */
static bool flush(const restoring *work, GError **error)
{
        dol_autofd fd = dol_files_reopen(work->to->root, O_RDONLY | O_DIRECTORY, "", error);

        return fd >= 0 &&
               (syncfs(fd) == 0 || dol_fail_errno(error, errno, "write to the disk of the volume"));
}

static bool copy(restoring *work, dol_files_restored *ret, GError **error)
{
        g_autoptr(dol_file_sink) sink = dol_file_sink_new(work->stage, false);
        g_autoptr(dol_file_copier) copier = dol_file_copier_new(work->from->root, sink);
        dol_file_counts counts;

        for (unsigned i = 0; i < work->items->len; i++) {
                const item *one = work->items->pdata[i];

                if (!dol_file_copier_add(copier, work->call, one->path, one->name, error))
                        return false;
        }
        if (!dol_file_sink_finish(sink, error) || !flush(work, error))
                return false;
        counts = dol_file_sink_counts(sink);
        *ret = (dol_files_restored){counts.files, counts.bytes};
        return true;
}

static bool place(const restoring *work, GError **error)
{
        for (unsigned i = 0; i < work->items->len; i++) {
                const item *one = work->items->pdata[i];

                if (!dol_files_make_parents(work->from->root, work->to->root, one->place, error) ||
                    !dol_files_place(work->call, work->stage, one->name, work->to->root, one->place,
                                     work->overwrite, false, error) ||
                    !dol_fault_point("engine.files.placed", error))
                        return false;
        }
        return flush(work, error);
}

static bool make_stage(restoring *work, GError **error)
{
        if (mkdir(work->stage_path, 0700) < 0 && errno != EEXIST)
                return dol_fail_errno(error, errno, "make '%s'", work->stage_path);
        work->stage = open(work->stage_path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        return work->stage >= 0 || dol_fail_errno(error, errno, "open '%s'", work->stage_path);
}

static bool copy_and_place(restoring *work, dol_files_restored *ret, GError **error)
{
        return make_stage(work, error) && dol_fault_point("engine.files.copy.before", error) &&
               copy(work, ret, error) && dol_fault_point("engine.files.copy.after", error) &&
               place(work, error);
}

/* ---- the record ---- */

static char *stage_path_of(const files_view *view, const running_operation *operation)
{
        g_autofree char *name = g_strconcat(DOL_FILES_STAGE_PREFIX, operation->record.uid, NULL);

        return g_build_filename(view->path, name, NULL);
}

static bool end(dol_engine *engine, const dol_call *call, running_operation *operation,
                const dol_volume *volume, const dol_files_restored *done, const GError *why,
                GError **error)
{
        g_autoptr(dol_txn) txn = dol_txn_new();

        dol_operation_end(operation, txn, why);
        if (why)
                dol_event_put(engine, txn, call, DOL_EVENT_WARNING, "FilesNotRestored", volume,
                              "volume '%s': files were not restored: %s", volume->name,
                              why->message);
        else
                dol_event_put(engine, txn, call, DOL_EVENT_NORMAL, "FilesRestored", volume,
                              "volume '%s': %" G_GUINT64_FORMAT " files were restored",
                              volume->name, done->files);
        return dol_store_commit(engine->store, txn, NULL, error);
}

/* An operation whose left-overs cannot be removed now stays open for the reconciler. */
static bool work_and_end(restoring *work, running_operation *operation, const dol_volume *volume,
                         dol_files_restored *ret, GError **error)
{
        dol_engine *engine = operation->engine;
        dol_call calm = dol_call_forever(work->call->actor);
        g_autoptr(GError) why = NULL, left = NULL;
        bool ok = copy_and_place(work, ret, &why);

        dol_close_fd(&work->stage);
        if (!dol_tree_remove(&calm, work->stage_path, &left) ||
            !end(engine, work->call, operation, volume, ret, why, &left))
                dol_log(DOL_LOG_WARNING, "operation %s is ended later: %s", operation->record.uid,
                        left->message);
        if (!ok)
                g_propagate_error(error, g_steal_pointer(&why));
        return ok;
}

static bool run(dol_engine *engine, restoring *work, const dol_snapshot *snapshot,
                const dol_volume *volume, dol_files_restored *ret, GError **error)
{
        char *uids[] = {snapshot->uid, NULL};
        g_autoptr(dol_txn) txn = dol_txn_new();
        g_autoptr(running_operation) operation = NULL;
        bool ok;

        if (!check(work, error))
                return false;
        operation = dol_operation_begin_about(engine, work->call, DOL_OPERATION_FILES_RESTORE,
                                              volume, uids, txn);
        if (!dol_store_commit(engine->store, txn, NULL, error))
                return false;
        dol_operation_recorded(operation, work->call);
        work->stage_path = stage_path_of(work->to, operation);
        ok = work_and_end(work, operation, volume, ret, error);
        g_free(work->stage_path);
        return ok;
}

bool dol_engine_files_restore(dol_engine *engine, const dol_call *call, const char *reference,
                              const dol_files_restore *wanted, dol_files_restored *ret,
                              GError **error)
{
        g_autoptr(dol_snapshot) snapshot = dol_snapshot_find(engine, reference, error);
        g_autoptr(dol_held_volume) volume =
                snapshot ? dol_index_by_uid(engine->index, snapshot->volume) : NULL;
        g_autoptr(GPtrArray) items = snapshot ? read_items(wanted, error) : NULL;
        g_autofree char *to_reference = NULL;
        g_autoptr(files_view) from = NULL, to = NULL;
        restoring work = {.call = call, .overwrite = wanted->overwrite, .stage = -1};

        if (!items)
                return false;
        if (!volume)
                return dol_fail(error, DOL_ERROR_NOT_FOUND, "the volume of '%s' is gone",
                                reference);
        to_reference = g_strconcat("uid:", volume->uid, NULL);
        if (!(from = dol_files_view_open(engine, call, reference, error)) ||
            !(to = dol_files_view_open(engine, call, to_reference, error)))
                return false;
        work.from = from;
        work.to = to;
        work.items = items;
        *ret = (dol_files_restored){0};
        return run(engine, &work, snapshot, volume, ret, error) ||
               dol_fail_while(error, "volume '%s'", volume->name);
}

bool dol_files_restore_give_up(dol_engine *engine, const dol_call *call,
                               running_operation *operation, GError **error)
{
        const char *uid = operation->record.volume;
        g_autofree char *reference = g_strconcat("uid:", uid, NULL);
        g_autoptr(dol_held_volume) volume = dol_index_by_uid(engine->index, uid);
        g_autoptr(files_view) view = NULL;
        g_autofree char *stage = NULL;
        g_autoptr(GError) reason = NULL;
        g_autoptr(dol_txn) txn = dol_txn_new();

        dol_fail(&reason, DOL_ERROR_UNAVAILABLE, "interrupted");
        if (!volume || volume->status.phase != DOL_VOLUME_AVAILABLE) { /* it went with its volume */
                dol_operation_end(operation, txn, reason);
                return dol_store_commit(engine->store, txn, NULL, error);
        }
        if (!(view = dol_files_view_open(engine, call, reference, error)))
                return false;
        stage = stage_path_of(view, operation);
        return dol_tree_remove(call, stage, error) &&
               end(engine, call, operation, volume, NULL, reason, error);
}
