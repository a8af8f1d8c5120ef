/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Volumes from streams. A stream is read into a snapshot of the volume, unchanged, so that later
 * increments fit onto it; then the volume becomes a clone of it, with a file-system UUID of its
 * own. Until the stream was read to its end there is nothing but a snapshot that is being created.
 */
#include "engine/private.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"

/* After so many bytes it is looked whether the pool still has room. */
enum { LOOK_AFTER = 64 << 20 };

dol_snapshot *dol_incoming_snapshot_new(const dol_incoming *in)
{
        const dol_stream_point *point = in->header->snapshot;
        dol_snapshot *snapshot = g_new0(dol_snapshot, 1);

        *snapshot = (dol_snapshot){
                .uid = dol_uid_new(),
                .volume = g_strdup(in->volume->uid),
                .source = g_strdup(point ? point->uid : NULL),
                .phase = DOL_SNAPSHOT_CREATING,
                .consistency = DOL_CONSISTENCY_CRASH, /* whoever took it knows better */
                .size = in->header->size,
                .fs = in->header->fs,
                .created = dol_now_usec(),
        };
        snapshot->name =
                point ? g_strdup(point->name) : g_strdup_printf("import-%.8s", snapshot->uid);
        return snapshot;
}

bool dol_incoming_commit(dol_incoming *in, dol_txn *txn, GError **error)
{
        g_autofree char *volume_key = dol_volume_key(in->volume->uid);
        g_autofree char *key = g_strconcat("snapshots/", in->snapshot->uid, NULL);

        if (!dol_commit_volume(in->engine, txn, in->volume, error)) {
                if (dol_is_doubtful(in->engine, volume_key))
                        dol_doubt(in->engine, key);
                return false;
        }
        in->snapshot->revision = in->volume->revision;
        dol_snapshot_index_put(in->engine->snapshots, dol_snapshot_copy(in->snapshot));
        return true;
}

/* ---- the stream ---- */

static bool next_range(dol_image_range *ret, bool *ret_any, void *user, GError **error)
{
        dol_incoming *in = user;
        dol_stream_piece piece;

        if (!dol_stream_reader_next(in->reader, &piece, ret_any, error))
                return false;
        if (!*ret_any)
                return true;
        *ret = (dol_image_range){piece.offset, piece.length, piece.bytes};
        in->unlooked += piece.bytes ? piece.length : 0;
        if (in->unlooked < LOOK_AFTER)
                return true;
        in->unlooked = 0;
        return dol_pools_check_room(in->engine, in->call, in->volume->spec.pool, error);
}

bool dol_incoming_receive(dol_incoming *in, const char *base, GError **error)
{
        g_free(in->snapshot->fs_uuid);
        in->snapshot->fs_uuid = NULL;
        return dol_pool_snapshot_receive(in->pool, in->call, in->snapshot, base, next_range, in,
                                         &in->snapshot->fs_uuid, error);
}

/* ---- the end ---- */

static bool add_length(uint64_t offset, uint64_t length, bool data, void *user)
{
        *(uint64_t *)user += length;
        return true;
}

bool dol_incoming_distance(const dol_incoming *in, const char *snapshot, uint64_t *ret,
                           GError **error)
{
        *ret = 0;
        return dol_pool_diff(in->pool, in->call, in->volume->uid, snapshot, NULL, add_length, ret,
                             error);
}

/* A stream of no snapshot leaves none: it goes by an operation of its own. */
static running_operation *drop_snapshot(const dol_incoming *in, dol_txn *txn)
{
        char *uids[] = {in->snapshot->uid, NULL};
        running_operation *operation = dol_operation_begin_about(
                in->engine, in->call, DOL_OPERATION_SNAPSHOT_DELETE, in->volume, uids, txn);

        in->snapshot->phase = DOL_SNAPSHOT_DELETING;
        dol_txn_free_snapshot_name(txn, in->snapshot);
        return operation;
}

bool dol_incoming_finish(dol_incoming *in, GError **error)
{
        g_autoptr(dol_txn) txn = dol_txn_new();
        g_autoptr(running_operation) drop = NULL;
        g_autoptr(GError) why = NULL;
        const char *kept = in->snapshot->source;

        if (kept && !dol_incoming_distance(in, in->snapshot->uid,
                                           &in->volume->status.received_apart, error))
                return false;
        in->snapshot->phase = DOL_SNAPSHOT_READY;
        if (!kept)
                drop = drop_snapshot(in, txn);
        g_free(in->volume->status.received);
        in->volume->status.received = g_strdup(kept);
        in->volume->status.changed = dol_now_usec();
        dol_txn_put_snapshot(in->engine, txn, in->snapshot);
        dol_txn_put_volume(in->engine, txn, in->volume);
        dol_operation_end(in->operation, txn, NULL);
        dol_event_put(in->engine, txn, in->call, DOL_EVENT_NORMAL, "VolumeImported", in->volume,
                      "volume '%s' was imported%s%s", in->volume->name, kept ? " as of " : "",
                      kept ? in->snapshot->name : "");
        if (!dol_incoming_commit(in, txn, error))
                return false;
        if (!drop)
                return true;
        dol_operation_recorded(drop, in->call);
        if (!dol_snapshot_delete_finish(in->engine, in->call, drop, in->snapshot, &why))
                dol_log(DOL_LOG_WARNING, "volume '%s': %s", in->volume->name, why->message);
        return true;
}

/* ---- the use-case ---- */

static bool import_it(dol_incoming *in, const char *name, const char *pool, GError **error)
{
        in->header = dol_stream_reader_begin(in->reader, error);
        if (!in->header)
                return false;
        if (!in->header->base)
                return dol_import_new(in, name, pool, error);
        if (pool)
                return dol_fail(error, DOL_ERROR_INVALID,
                                "pool: this stream goes onto a volume that is there already");
        return dol_import_onto(in, name, error);
}

bool dol_engine_import(dol_engine *engine, const dol_call *call, const char *name, const char *pool,
                       dol_stream_source source, void *user, dol_volume **ret_volume,
                       GError **error)
{
        g_autoptr(dol_stream_reader) reader = dol_stream_reader_new(source, user);
        dol_incoming in = {.engine = engine, .call = call, .reader = reader};
        bool done = dol_volume_name_check(name, error) && import_it(&in, name, pool, error);

        dol_operation_close(in.operation);
        dol_snapshot_free(in.snapshot);
        if (done) {
                dol_volume_fill(engine, call, in.volume);
                *ret_volume = in.volume;
                return true;
        }
        dol_volume_free(in.volume);
        return dol_fail_while(error, "import of '%s'", name);
}
