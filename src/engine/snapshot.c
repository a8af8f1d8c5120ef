/* SPDX-License-Identifier: Apache-2.0 */
/* Taking snapshots: of one volume, or of several at one moment. All file systems are frozen, all
 * images cloned, all thawed; all snapshots are there then, or none. */
#include "engine/private.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "host/freeze.h"

#include <string.h>

enum { GROUP_MAX = 64 };

/* The clones of a frozen group may take this long; a guard thaws what takes longer. */
static const int64_t freeze_limit_usec = 10 * DOL_USEC_PER_SEC;

/* One volume of the group, locked. */
typedef struct {
        dol_lock *lock;
        dol_volume *volume;
        dol_snapshot *snapshot;
} member;

static void member_free(void *data)
{
        member *one = data;

        dol_snapshot_free(one->snapshot);
        dol_volume_free(one->volume);
        dol_lock_release(one->lock);
        g_free(one);
}

/* ---- who is in it ---- */

static bool is_selected(const dol_volume *volume, void *user)
{
        g_ptr_array_add(user, g_strdup(volume->uid));
        return true;
}

static int compare_text(const void *a, const void *b)
{
        return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The uids of the group in their order: locks are always taken in it. */
static GPtrArray *select_uids(dol_engine *engine, const dol_snapshot_request *request,
                              GError **error)
{
        g_autoptr(GPtrArray) uids = g_ptr_array_new_with_free_func(g_free);
        dol_volume_filter filter = {.phase = DOL_VOLUME_AVAILABLE, .labels = request->labels};
        bool more;

        if (request->labels)
                dol_engine_list(engine, &filter, is_selected, uids, &more, NULL);
        for (unsigned i = 0; request->volumes && request->volumes[i]; i++) {
                g_autoptr(dol_held_volume) volume =
                        dol_volume_find(engine, request->volumes[i], error);

                if (!volume)
                        return NULL;
                g_ptr_array_add(uids, g_strdup(volume->uid));
        }
        g_ptr_array_sort(uids, compare_text);
        for (unsigned i = uids->len; i > 1; i--)
                if (strcmp(uids->pdata[i - 1], uids->pdata[i - 2]) == 0)
                        g_ptr_array_remove_index(uids, i - 1);
        if (uids->len == 0 || uids->len > GROUP_MAX) {
                dol_fail(error, uids->len ? DOL_ERROR_INVALID : DOL_ERROR_NOT_FOUND,
                         "expected 1 to %d volumes, got %u", GROUP_MAX, uids->len);
                return NULL;
        }
        return g_steal_pointer(&uids);
}

static dol_snapshot *make_snapshot(const dol_volume *volume, const dol_snapshot_request *request,
                                   const char *group)
{
        dol_snapshot *snapshot = g_new0(dol_snapshot, 1);

        *snapshot = (dol_snapshot){
                .name = g_strdup(request->name),
                .uid = dol_uid_new(),
                .labels = dol_map_copy(request->snapshot_labels),
                .volume = g_strdup(volume->uid),
                .protect = request->protect,
                .group = g_strdup(group),
                .schedule = g_strdup(request->schedule),
                .rules = g_strdupv(request->rules),
                .phase = DOL_SNAPSHOT_CREATING,
                .size = volume->status.size,
                .fs = volume->spec.fs,
                .fs_uuid = g_strdup(volume->status.fs_uuid),
                .created = dol_now_usec(),
        };
        if (volume->status.attachment && volume->status.attachment->path)
                snapshot->consistency =
                        request->no_freeze ? DOL_CONSISTENCY_CRASH : DOL_CONSISTENCY_FILE_SYSTEM;
        else
                snapshot->consistency = volume->status.attachment ? DOL_CONSISTENCY_CRASH
                                                                  : DOL_CONSISTENCY_UNMOUNTED;
        return snapshot;
}

static bool check_member(dol_engine *engine, const dol_call *call, const dol_volume *volume,
                         const char *name, GError **error)
{
        dol_pool *pool = dol_pools_find(engine, volume->spec.pool, error);
        g_autoptr(dol_snapshot) same =
                dol_snapshot_index_by_name(engine->snapshots, volume->uid, name);

        if (!pool)
                return false;
        if (volume->status.phase != DOL_VOLUME_AVAILABLE)
                return dol_fail(error, DOL_ERROR_CONFLICT, "volume '%s' is %s", volume->name,
                                dol_volume_phase_words[volume->status.phase]);
        if (!dol_pool_has_snapshots(pool))
                return dol_fail(error, DOL_ERROR_UNSUPPORTED,
                                "pool '%s' (driver %s) has no snapshots", volume->spec.pool,
                                dol_pool_driver(pool)->name);
        if (same)
                return dol_fail(error, DOL_ERROR_EXISTS, "snapshot '%s@%s' exists already",
                                volume->name, name);
        return dol_pools_check_room(engine, call, volume->spec.pool, error);
}

static bool add_member(dol_engine *engine, const dol_call *call,
                       const dol_snapshot_request *request, const char *uid, const char *group,
                       GPtrArray *members, GError **error)
{
        g_autofree char *reference = g_strconcat("uid:", uid, NULL);
        member *one = g_new0(member, 1);

        g_ptr_array_add(members, one);
        one->lock = dol_volume_take(engine, call, reference, false, &one->volume, error);
        if (!one->lock || !check_member(engine, call, one->volume, request->name, error))
                return false;
        one->snapshot = make_snapshot(one->volume, request, group);
        return true;
}

/* ---- the records ---- */

static running_operation *begin(dol_engine *engine, const dol_call *call, GPtrArray *members,
                                GError **error)
{
        g_autoptr(dol_txn) txn = dol_txn_new();
        g_autoptr(running_operation) operation = NULL;
        g_autoptr(GPtrArray) uids = g_ptr_array_new();
        const member *first = members->pdata[0];

        for (unsigned i = 0; i < members->len; i++)
                g_ptr_array_add(uids, ((const member *)members->pdata[i])->snapshot->uid);
        g_ptr_array_add(uids, NULL);
        operation = dol_operation_begin_about(engine, call, DOL_OPERATION_SNAPSHOT, first->volume,
                                              (char **)uids->pdata, txn);
        for (unsigned i = 0; i < members->len; i++)
                dol_txn_put_snapshot(engine, txn, ((const member *)members->pdata[i])->snapshot);
        if (!dol_commit_snapshots(engine, txn, members->len, dol_member_snapshot, members, error))
                return NULL;
        dol_operation_recorded(operation, call);
        return g_steal_pointer(&operation);
}

dol_snapshot *dol_member_snapshot(void *members, unsigned i)
{
        return ((member *)((GPtrArray *)members)->pdata[i])->snapshot;
}

static bool finish(dol_engine *engine, const dol_call *call, running_operation *operation,
                   GPtrArray *members, GError **error)
{
        g_autoptr(dol_txn) txn = dol_txn_new();

        for (unsigned i = 0; i < members->len; i++) {
                const member *one = members->pdata[i];

                one->snapshot->phase = DOL_SNAPSHOT_READY;
                dol_txn_put_snapshot(engine, txn, one->snapshot);
                dol_event_put(engine, txn, call, DOL_EVENT_NORMAL, "SnapshotCreated", one->volume,
                              "snapshot '%s@%s' was taken; writers waited %.1f ms",
                              one->volume->name, one->snapshot->name,
                              (double)one->snapshot->frozen_usec / 1000);
        }
        dol_operation_end(operation, txn, NULL);
        return dol_commit_snapshots(engine, txn, members->len, dol_member_snapshot, members, error);
}

/* ---- the moment itself ---- */

static bool clone_all(dol_engine *engine, const dol_call *call, GPtrArray *members, GError **error)
{
        for (unsigned i = 0; i < members->len; i++) {
                const member *one = members->pdata[i];
                dol_pool *pool = dol_pools_find(engine, one->volume->spec.pool, error);

                if (!pool || !dol_pool_snapshot_create(pool, call, one->snapshot, error))
                        return dol_fail_while(error, "volume '%s'", one->volume->name);
        }
        return true;
}

/* The paths of the file systems to freeze; free the array only. */
static GPtrArray *paths_to_freeze(GPtrArray *members)
{
        GPtrArray *paths = g_ptr_array_new();

        for (unsigned i = 0; i < members->len; i++) {
                const member *one = members->pdata[i];

                if (one->snapshot->consistency == DOL_CONSISTENCY_FILE_SYSTEM &&
                    dol_mount_is_there(one->volume))
                        g_ptr_array_add(paths, one->volume->status.attachment->path);
        }
        g_ptr_array_add(paths, NULL);
        return paths;
}

/* Freezing writes out what is buffered: with limits, that might take longer than it may. */
static void lift_limits(const dol_engine *engine, const GPtrArray *members)
{
        for (unsigned i = 0; i < members->len; i++)
                dol_limits_lift(engine, ((const member *)members->pdata[i])->volume);
}

static void hold_limits(const dol_engine *engine, const GPtrArray *members)
{
        for (unsigned i = 0; i < members->len; i++) {
                const dol_volume *volume = ((const member *)members->pdata[i])->volume;

                if (!dol_io_limits_are_none(&volume->spec.limits))
                        dol_limits_hold(engine, volume, NULL); /* else the reconciler does */
        }
}

static bool freeze_and_clone(dol_engine *engine, const dol_call *call, GPtrArray *members,
                             GError **error)
{
        g_autoptr(GPtrArray) paths = paths_to_freeze(members);
        g_autoptr(GError) why = NULL;
        dol_freeze *freeze = NULL;
        int64_t frozen_usec = 0;
        bool cloned;

        if (paths->len > 1 && !(freeze = dol_freeze_begin(call, (const char *const *)paths->pdata,
                                                          freeze_limit_usec, error)))
                return false;
        cloned = clone_all(engine, call, members, &why);
        if (freeze && !dol_freeze_end(freeze, &frozen_usec, cloned ? &why : NULL))
                cloned = false;
        for (unsigned i = 0; i < members->len; i++)
                ((const member *)members->pdata[i])->snapshot->frozen_usec = (uint64_t)frozen_usec;
        if (!cloned)
                g_propagate_error(error, g_steal_pointer(&why));
        return cloned;
}

/* None of them, then. What cannot be removed now, the reconciler removes. */
static void undo(dol_engine *engine, const dol_call *call, running_operation *operation,
                 GPtrArray *members, const GError *why)
{
        dol_call calm = dol_call_within(call->actor, 30 * DOL_USEC_PER_SEC);
        g_autoptr(dol_txn) txn = dol_txn_new();
        g_autoptr(GError) error = NULL;

        for (unsigned i = 0; i < members->len; i++) {
                const member *one = members->pdata[i];

                if (!dol_snapshot_remove_data(engine, &calm, one->snapshot, &error)) {
                        dol_log(DOL_LOG_WARNING, "snapshot of '%s' is cleaned up later: %s",
                                one->volume->name, error->message);
                        return;
                }
                dol_txn_delete_snapshot(txn, one->snapshot);
                dol_txn_free_snapshot_name(txn, one->snapshot);
                dol_event_put(engine, txn, call, DOL_EVENT_WARNING, "SnapshotFailed", one->volume,
                              "snapshot '%s@%s' was not taken: %s", one->volume->name,
                              one->snapshot->name, why->message);
        }
        dol_operation_end(operation, txn, why);
        if (!dol_store_commit(engine->store, txn, NULL, &error)) {
                dol_log(DOL_LOG_WARNING, "%s", error->message);
                return;
        }
        for (unsigned i = 0; i < members->len; i++)
                dol_snapshot_index_remove(engine->snapshots,
                                          ((const member *)members->pdata[i])->snapshot->uid);
}

/* When nobody can tell whether they were recorded as ready, nothing is removed: what the store says
 * when it can be read again decides, and the reconciler undoes what it has as unfinished. */
static bool is_in_doubt(dol_engine *engine, GPtrArray *members)
{
        const member *first = members->pdata[0];
        g_autofree char *key = g_strconcat("snapshots/", first->snapshot->uid, NULL);

        return dol_is_doubtful(engine, key);
}

static bool take(dol_engine *engine, const dol_call *call, GPtrArray *members, GError **error)
{
        g_autoptr(running_operation) operation = begin(engine, call, members, error);
        g_autoptr(GError) why = NULL;
        bool cloned;

        if (!operation)
                return false;
        lift_limits(engine, members);
        cloned = freeze_and_clone(engine, call, members, &why);
        hold_limits(engine, members);
        if (cloned && finish(engine, call, operation, members, &why))
                return true;
        if (!is_in_doubt(engine, members))
                undo(engine, call, operation, members, why);
        g_propagate_error(error, g_steal_pointer(&why));
        return false;
}

static void free_snapshot(void *data)
{
        dol_snapshot_free(data);
}

bool dol_engine_snapshot_create(dol_engine *engine, const dol_call *call,
                                const dol_snapshot_request *request, GPtrArray **ret_snapshots,
                                GError **error)
{
        g_autoptr(GPtrArray) members = g_ptr_array_new_with_free_func(member_free);
        g_autoptr(GPtrArray) uids = NULL;
        g_autofree char *group = NULL;

        if (!dol_snapshot_name_check(request->name, error) ||
            !dol_labels_check(request->snapshot_labels, error) ||
            !(uids = select_uids(engine, request, error)))
                return false;
        group = uids->len > 1 ? dol_uid_new() : NULL;
        for (unsigned i = 0; i < uids->len; i++)
                if (!add_member(engine, call, request, uids->pdata[i], group, members, error))
                        return false;
        if (!take(engine, call, members, error))
                return dol_fail_while(error, "snapshot '%s'", request->name);
        *ret_snapshots = g_ptr_array_new_with_free_func(free_snapshot);
        for (unsigned i = 0; i < members->len; i++) {
                const member *one = members->pdata[i];
                dol_snapshot *copy = dol_snapshot_copy(one->snapshot);

                dol_snapshot_fill(engine, call, copy, true);
                g_ptr_array_add(*ret_snapshots, copy);
        }
        return true;
}

bool dol_snapshot_locked(dol_engine *engine, const dol_call *call, const dol_volume *volume,
                         const char *name, const char *uid, GError **error)
{
        const dol_snapshot_request request = {.name = name};
        g_autoptr(GPtrArray) members = g_ptr_array_new_with_free_func(member_free);
        member *one = g_new0(member, 1);

        g_ptr_array_add(members, one);
        one->volume = dol_volume_copy(volume);
        if (!check_member(engine, call, volume, name, error))
                return false;
        one->snapshot = make_snapshot(volume, &request, NULL);
        if (uid) {
                g_free(one->snapshot->uid);
                one->snapshot->uid = g_strdup(uid);
        }
        return take(engine, call, members, error);
}
