/* SPDX-License-Identifier: Apache-2.0 */
/* Writing images as streams. A volume is exported through a snapshot of the moment, so that it can
 * be used meanwhile; the operation's record names it before it is made, and it goes with it. */
#include "engine/private.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"

typedef struct {
        dol_engine *engine;
        const dol_call *call;
        dol_volume *volume;     /* as it was at the begin */
        dol_snapshot *snapshot; /* whose image it is */
        dol_snapshot *base;     /* NULL: everything */
        running_operation *operation;
        bool momentary; /* the snapshot was taken for this */
        dol_stream_writer *writer;
        bool has_begun; /* bytes have been written */
        uint64_t data;  /* bytes of data in the ranges: what is read */
} outgoing;

static void outgoing_clear(outgoing *out)
{
        dol_volume_free(out->volume);
        dol_snapshot_free(out->snapshot);
        dol_snapshot_free(out->base);
        dol_operation_close(out->operation);
        dol_stream_writer_free(out->writer);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(outgoing, outgoing_clear)

/* ---- what is exported ---- */

/* The snapshot is named in the record before it exists, so that a crash does not leave it. */
static bool begin(outgoing *out, const char *momentary, GError **error)
{
        g_autoptr(dol_txn) txn = dol_txn_new();
        char *uids[] = {(char *)momentary, NULL};

        out->operation = dol_operation_begin_about(out->engine, out->call, DOL_OPERATION_EXPORT,
                                                   out->volume, momentary ? uids : NULL, txn);
        if (!dol_store_commit(out->engine->store, txn, NULL, error))
                return false;
        dol_operation_recorded(out->operation, out->call);
        return true;
}

static bool take_momentary(outgoing *out, const char *reference, GError **error)
{
        g_autoptr(dol_lock) lock =
                dol_volume_take(out->engine, out->call, reference, false, &out->volume, error);
        g_autofree char *uid = dol_uid_new();
        g_autofree char *name = g_strdup_printf("export-%.8s", uid);

        if (!lock || !begin(out, uid, error))
                return false;
        out->momentary = true;
        if (!dol_snapshot_locked(out->engine, out->call, out->volume, name, uid, error))
                return false;
        out->snapshot = dol_snapshot_index_by_uid(out->engine->snapshots, uid);
        return out->snapshot || dol_fail(error, DOL_ERROR_INTERNAL, "the snapshot is gone");
}

static bool find_snapshot(outgoing *out, const char *reference, GError **error)
{
        g_autoptr(dol_held_volume) volume = NULL;
        g_autofree char *volume_reference = NULL;

        out->snapshot = dol_snapshot_find(out->engine, reference, error);
        if (!out->snapshot)
                return false;
        volume_reference = g_strconcat("uid:", out->snapshot->volume, NULL);
        volume = dol_volume_find(out->engine, volume_reference, error);
        if (!volume)
                return false;
        out->volume = dol_volume_copy(volume);
        if (out->snapshot->phase != DOL_SNAPSHOT_READY)
                return dol_fail(error, DOL_ERROR_CONFLICT, "snapshot '%s' is %s", reference,
                                dol_snapshot_phase_words[out->snapshot->phase]);
        return begin(out, NULL, error);
}

static bool find_base(outgoing *out, const char *reference, GError **error)
{
        if (!reference)
                return true;
        out->base = dol_snapshot_find(out->engine, reference, error);
        if (!out->base)
                return dol_fail_while(error, "base");
        if (g_strcmp0(out->base->volume, out->volume->uid) != 0)
                return dol_fail(error, DOL_ERROR_INVALID,
                                "base: '%s' is a snapshot of another volume than '%s'", reference,
                                out->volume->name);
        if (out->base->phase != DOL_SNAPSHOT_READY)
                return dol_fail(error, DOL_ERROR_CONFLICT, "base: snapshot '%s' is %s", reference,
                                dol_snapshot_phase_words[out->base->phase]);
        return g_strcmp0(out->base->uid, out->snapshot->uid) != 0 ||
               dol_fail(error, DOL_ERROR_INVALID, "base: a snapshot does not differ from itself");
}

/* ---- the stream ---- */

/* An imported snapshot goes on under the identity that it has elsewhere. */
static dol_stream_point point_of(const dol_snapshot *snapshot)
{
        return (dol_stream_point){snapshot->source ? snapshot->source : snapshot->uid,
                                  snapshot->name};
}

static bool write_header(uint64_t data, void *user, GError **error)
{
        outgoing *out = user;
        dol_stream_point snapshot = point_of(out->snapshot);
        dol_stream_point base = out->base ? point_of(out->base) : (dol_stream_point){0};
        dol_stream_header header = {
                .uid = out->volume->uid,
                .name = out->volume->name,
                .size = out->snapshot->size,
                .fs = out->snapshot->fs,
                .snapshot = out->momentary ? NULL : &snapshot,
                .base = out->base ? &base : NULL,
                .data = data,
                .created = out->momentary ? out->snapshot->created : dol_now_usec(),
        };

        out->has_begun = true;
        out->data = data;
        return dol_stream_writer_begin(out->writer, &header, error);
}

static bool write_range(const dol_image_range *range, void *user, GError **error)
{
        const outgoing *out = user;
        dol_stream_piece piece = {range->offset, range->length, range->bytes};

        return dol_stream_writer_add(out->writer, &piece, error);
}

static bool write_stream(outgoing *out, dol_pool *pool, GError **error)
{
        const char *base = out->base ? out->base->uid : NULL;

        return dol_pool_snapshot_read(pool, out->call, out->volume->uid, out->snapshot->uid, base,
                                      write_header, write_range, out, error) &&
               dol_stream_writer_end(out->writer, error);
}

/* ---- the end ---- */

/* What cannot be removed now, the reconciler removes: the operation stays recorded as running. */
static void finish(outgoing *out, const GError *why)
{
        dol_call calm = dol_call_within(out->call->actor, 30 * DOL_USEC_PER_SEC);
        g_autoptr(dol_txn) txn = dol_txn_new();
        g_autofree char *reference = NULL;
        g_autoptr(GError) error = NULL;

        if (!out->operation || !out->operation->recorded)
                return;
        if (out->momentary && out->snapshot) {
                reference = g_strconcat("uid:", out->snapshot->uid, NULL);
                if (!dol_engine_snapshot_delete(out->engine, &calm, reference, &error) &&
                    !dol_error_is(error, DOL_ERROR_NOT_FOUND)) {
                        dol_log(DOL_LOG_WARNING, "the export of '%s' is cleaned up later: %s",
                                out->volume->name, error->message);
                        return;
                }
                g_clear_error(&error);
        }
        dol_operation_end(out->operation, txn, why);
        if (why)
                dol_event_put(out->engine, txn, out->call, DOL_EVENT_WARNING, "ExportFailed",
                              out->volume, "volume '%s' was not exported: %s", out->volume->name,
                              why->message);
        else
                dol_event_put(out->engine, txn, out->call, DOL_EVENT_NORMAL, "VolumeExported",
                              out->volume,
                              "volume '%s' was exported: %" G_GUINT64_FORMAT " bytes were read",
                              out->volume->name, out->data);
        if (!dol_store_commit(out->engine->store, txn, NULL, &error))
                dol_log(DOL_LOG_WARNING, "%s", error->message);
}

static bool export_it(outgoing *out, const char *volume, const char *snapshot, const char *base,
                      GError **error)
{
        dol_pool *pool;

        if (!(snapshot ? find_snapshot(out, snapshot, error)
                       : take_momentary(out, volume, error)) ||
            !find_base(out, base, error) ||
            !(pool = dol_pools_find(out->engine, out->volume->spec.pool, error)))
                return false;
        return write_stream(out, pool, error) ||
               dol_fail_while(error, "export of '%s'", out->volume->name);
}

bool dol_engine_export(dol_engine *engine, const dol_call *call, const char *volume,
                       const char *snapshot, const char *base, dol_stream_sink sink, void *user,
                       GError **error)
{
        g_auto(outgoing) out = {.engine = engine, .call = call};
        g_autoptr(GError) why = NULL;
        bool done;

        out.writer = dol_stream_writer_new(sink, user);
        done = export_it(&out, volume, snapshot, base, &why);
        if (!done && out.has_begun)
                dol_stream_writer_abort(out.writer, why->message, NULL);
        finish(&out, why);
        if (!done)
                g_propagate_error(error, g_steal_pointer(&why));
        return done;
}
