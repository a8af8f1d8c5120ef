/* SPDX-License-Identifier: Apache-2.0 */
/* Increments: imports that bring a volume to a later state. */
#include "engine/revert.h"

#include "base/clock.h"
#include "base/log.h"

static dol_snapshot *only(void *from, unsigned i)
{
        return from;
}

/* ---- may it be? ---- */

/* The volume's snapshot of that identity; NULL when it has none. */
static dol_snapshot *find_point(const dol_incoming *in, const char *uid)
{
        g_autoptr(GPtrArray) all = dol_snapshot_index_list(in->engine->snapshots, in->volume->uid);

        for (unsigned i = 0; i < all->len; i++) {
                const dol_snapshot *each = all->pdata[i];

                if (each->phase == DOL_SNAPSHOT_READY &&
                    g_str_equal(each->source ? each->source : each->uid, uid))
                        return dol_snapshot_copy(each);
        }
        return NULL;
}

static bool check_volume(const dol_incoming *in, GError **error)
{
        const dol_volume *volume = in->volume;
        const dol_stream_header *header = in->header;

        if (volume->status.phase != DOL_VOLUME_AVAILABLE)
                return dol_fail(error, DOL_ERROR_CONFLICT, "volume '%s' is %s", volume->name,
                                dol_volume_phase_words[volume->status.phase]);
        if (volume->spec.fs != header->fs)
                return dol_fail(error, DOL_ERROR_CONFLICT,
                                "volume '%s' has %s, and the stream has %s", volume->name,
                                dol_fs_words[volume->spec.fs], dol_fs_words[header->fs]);
        return true;
}

static bool check_points(const dol_incoming *in, dol_snapshot **ret_base, GError **error)
{
        const dol_stream_header *header = in->header;
        g_autoptr(dol_snapshot) base = find_point(in, header->base->uid);
        g_autoptr(dol_snapshot) there =
                header->snapshot ? find_point(in, header->snapshot->uid) : NULL;
        g_autoptr(dol_snapshot) same =
                header->snapshot
                        ? dol_snapshot_index_by_name(in->engine->snapshots, in->volume->uid,
                                                     header->snapshot->name)
                        : NULL;

        if (there)
                return dol_fail(error, DOL_ERROR_EXISTS,
                                "volume '%s' has what the stream brings already: '%s@%s'",
                                in->volume->name, in->volume->name, there->name);
        if (!base)
                return dol_fail(error, DOL_ERROR_CONFLICT,
                                "the stream holds what changed since '%s@%s' (%s), and volume '%s' "
                                "has no snapshot that is that one",
                                header->name, header->base->name, header->base->uid,
                                in->volume->name);
        if (same)
                return dol_fail(error, DOL_ERROR_EXISTS,
                                "volume '%s' has another snapshot '%s': rename that first",
                                in->volume->name, same->name);
        *ret_base = g_steal_pointer(&base);
        return true;
}

/* ---- the snapshot ---- */

static bool begin(dol_incoming *in, GError **error)
{
        g_autoptr(dol_txn) txn = dol_txn_new();
        char *uids[] = {in->snapshot->uid, NULL};

        in->operation = dol_operation_begin_about(in->engine, in->call, DOL_OPERATION_IMPORT,
                                                  in->volume, uids, txn);
        dol_txn_put_snapshot(in->engine, txn, in->snapshot);
        if (!dol_commit_snapshots(in->engine, txn, 1, only, in->snapshot, error))
                return false;
        dol_operation_recorded(in->operation, in->call);
        return true;
}

/* From this commit on the import is finished, whatever happens. */
static bool commit_snapshot(dol_incoming *in, GError **error)
{
        g_autoptr(dol_txn) txn = dol_txn_new();

        in->snapshot->phase = DOL_SNAPSHOT_READY;
        dol_txn_put_snapshot(in->engine, txn, in->snapshot);
        return dol_commit_snapshots(in->engine, txn, 1, only, in->snapshot, error);
}

static void undo(dol_incoming *in, const GError *why)
{
        dol_call calm = dol_call_within(in->call->actor, 30 * DOL_USEC_PER_SEC);
        g_autoptr(dol_txn) txn = dol_txn_new();
        g_autoptr(GError) error = NULL;

        dol_txn_delete_snapshot(txn, in->snapshot);
        dol_txn_free_snapshot_name(txn, in->snapshot);
        dol_event_put(in->engine, txn, in->call, DOL_EVENT_WARNING, "ImportFailed", in->volume,
                      "volume '%s' was not brought to a later state: %s", in->volume->name,
                      why->message);
        dol_operation_end(in->operation, txn, why);
        if (!dol_snapshot_remove_data(in->engine, &calm, in->snapshot, &error) ||
            !dol_store_commit(in->engine->store, txn, NULL, &error)) {
                dol_log(DOL_LOG_WARNING, "the import of '%s' is cleaned up later: %s",
                        in->volume->name, error->message);
                return;
        }
        dol_snapshot_index_remove(in->engine->snapshots, in->snapshot->uid);
}

/* Is the volume still what its last import has made of it? A mount ends that, and so does whoever
 * writes to it by other ways. */
static bool is_untouched(const dol_incoming *in, const dol_snapshot *base, bool *ret,
                         GError **error)
{
        const char *state = base->source ? base->source : base->uid;
        uint64_t apart;

        *ret = g_strcmp0(in->volume->status.received, state) == 0;
        if (!*ret)
                return true;
        if (!dol_incoming_distance(in, base->uid, &apart, error))
                return false;
        *ret = apart == in->volume->status.received_apart;
        return true;
}

/* The reader's last word is the end of the stream: it was whole. */
static bool receive(dol_incoming *in, const dol_snapshot *base, GError **error)
{
        bool untouched;

        if (!dol_incoming_receive(in, base->uid, error) ||
            !is_untouched(in, base, &untouched, error))
                return false;
        if (!untouched &&
            !dol_volume_keep_state(in->engine, in->call, in->volume, "before-import-", error))
                return false;
        return commit_snapshot(in, error);
}

/* ---- the volume ---- */

/* The pool's promise follows the size. */
static void account(const dol_incoming *in, uint64_t before)
{
        uint64_t now = in->volume->spec.size;

        if (now > before)
                dol_pools_count(in->engine, in->volume->spec.pool, now - before);
        else
                dol_pools_unreserve(in->engine, in->volume->spec.pool, before - now);
}

bool dol_import_onto_finish(dol_incoming *in, GError **error)
{
        dol_volume *volume = in->volume;
        uint64_t before = volume->spec.size;
        g_autofree char *fs_uuid = NULL;

        if (!dol_pool_revert(in->pool, in->call, volume->uid, in->snapshot->uid, &fs_uuid, error))
                return false;
        volume->spec.size = volume->status.size = in->snapshot->size;
        g_free(volume->status.fs_uuid);
        volume->status.fs_uuid = g_steal_pointer(&fs_uuid);
        if (!dol_volume_describe(in->engine, in->call, volume, error) ||
            !dol_incoming_finish(in, error))
                return false;
        account(in, before);
        return true;
}

static bool check_room(const dol_incoming *in, GError **error)
{
        uint64_t more = in->header->size - MIN(in->header->size, in->volume->spec.size);

        if (!dol_pools_promise_more(in->engine, in->call, in->volume->spec.pool, more,
                                    in->volume->spec.thick, error))
                return false;
        dol_pools_unreserve(in->engine, in->volume->spec.pool, more); /* counted at the end */
        return true;
}

static bool receive_and_finish(dol_incoming *in, const dol_snapshot *base, GError **error)
{
        g_autofree char *key = g_strconcat("snapshots/", in->snapshot->uid, NULL);
        g_autoptr(GError) why = NULL;

        if (!receive(in, base, &why)) {
                if (!dol_is_doubtful(in->engine, key))
                        undo(in, why);
                g_propagate_error(error, g_steal_pointer(&why));
                return false;
        }
        return dol_import_onto_finish(in, error) ||
               dol_fail_while(error, "the stream was received, and the rest is done later");
}

bool dol_import_onto(dol_incoming *in, const char *name, GError **error)
{
        g_autoptr(dol_lock) lock =
                dol_volume_take(in->engine, in->call, name, false, &in->volume, error);
        g_autoptr(dol_snapshot) base = NULL;

        if (!lock)
                return dol_fail_while(error, "the stream holds what changed since '%s@%s'",
                                      in->header->name, in->header->base->name);
        if (!(in->pool = dol_pools_find(in->engine, in->volume->spec.pool, error)) ||
            !check_volume(in, error) || !check_points(in, &base, error) || !check_room(in, error) ||
            !dol_volume_free_from_users(in->engine, in->call, in->volume, false, error))
                return false;
        in->snapshot = dol_incoming_snapshot_new(in);
        return begin(in, error) && receive_and_finish(in, base, error);
}
