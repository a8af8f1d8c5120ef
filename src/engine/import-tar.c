/* SPDX-License-Identifier: Apache-2.0 */
/* Volumes from tar streams. The volume is being created until the stream was read to its end, and
 * is mounted where only this process sees it; so a crash leaves nothing but a volume that the
 * reconciler removes. */
#include "base/clock.h"
#include "base/fault.h"
#include "base/guard.h"
#include "base/random.h"
#include "engine/private.h"
#include "host/mount.h"
#include "host/tar.h"

#include <errno.h>
#include <fcntl.h>

static dol_volume *make_volume(const dol_volume *want)
{
        dol_volume *volume = dol_volume_copy(want);

        g_free(volume->uid);
        volume->uid = dol_uid_new();
        volume->revision = 0;
        volume->status.phase = DOL_VOLUME_CREATING;
        volume->status.created = volume->status.changed = dol_now_usec();
        return volume;
}

static bool begin(dol_incoming *in, GError **error)
{
        g_autoptr(dol_txn) txn = dol_txn_new();

        in->operation =
                dol_operation_begin(in->engine, in->call, DOL_OPERATION_IMPORT, in->volume, txn);
        dol_txn_put_volume(in->engine, txn, in->volume);
        dol_txn_put_name(txn, in->volume->name, in->volume->uid);
        if (!dol_commit_volume(in->engine, txn, in->volume, error))
                return false;
        dol_operation_recorded(in->operation, in->call);
        return true;
}

/* The name is taken from here on; others wait for the volume. */
static bool take_name(dol_incoming *in, GError **error)
{
        g_autofree char *name_key = dol_name_key(in->volume->name);
        dol_volume_spec *spec = &in->volume->spec;
        g_autoptr(dol_held_volume) existing = NULL;
        g_autoptr(dol_lock) lock = NULL;

        dol_doubts_settle(in->engine);
        lock = dol_locks_take(in->engine->locks, in->call, name_key, error);
        if (!lock)
                return false;
        existing = dol_index_by_name(in->engine->index, in->volume->name);
        if (existing)
                return dol_fail(error, DOL_ERROR_EXISTS, "volume '%s' exists already",
                                in->volume->name);
        if (!dol_pools_reserve(in->engine, in->call, spec, error))
                return false;
        in->volume->status.size_enforced = spec->size > 0;
        in->volume->status.size = spec->size;
        in->pool = dol_pools_find(in->engine, spec->pool, error);
        if (in->pool && begin(in, error))
                return true;
        dol_pools_unreserve(in->engine, spec->pool, spec->size);
        return false;
}

/* ---- filling it ---- */

static int open_root(dol_incoming *in, GError **error)
{
        dol_driver_attachment place = {0};
        g_autofree char *directory = NULL;
        dol_autofd hold = -1;
        int fd = -1;

        if (!dol_pool_attach(in->pool, in->call, in->volume->uid, &place, &hold, error))
                return -1;
        directory = place.directory;
        if (!directory) {
                dol_mount_detached(in->call, place.device, dol_fs_words[in->volume->spec.fs], &fd,
                                   error);
                return fd;
        }
        fd = open(directory, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                dol_fail_errno(error, errno, "open '%s'", directory);
        return fd;
}

static bool flush(int root, GError **error)
{
        dol_autofd fd = dol_files_reopen(root, O_RDONLY | O_DIRECTORY, "", error);

        return fd >= 0 &&
               (syncfs(fd) == 0 || dol_fail_errno(error, errno, "write to the disk of the volume"));
}

static bool fill(dol_incoming *in, dol_engine_source_fn source, void *user, GError **error)
{
        dol_autofd root = open_root(in, error);
        g_autoptr(dol_file_sink) sink = root < 0 ? NULL : dol_file_sink_new(root, false);

        return sink && dol_fault_point("engine.tar.read.before", error) &&
               dol_tar_read(in->call, source, user, NULL, sink, error) && flush(root, error) &&
               dol_fault_point("engine.tar.read.after", error);
}

static bool make(dol_incoming *in, dol_engine_source_fn source, void *user, GError **error)
{
        g_autoptr(dol_txn) txn = dol_txn_new();
        dol_volume described = *in->volume;
        g_autofree char *fs_uuid = NULL;

        described.status.phase = DOL_VOLUME_AVAILABLE;
        described.revision = 0;
        if (!dol_pool_create(in->pool, in->call, &described, &fs_uuid, error) ||
            !fill(in, source, user, error) ||
            !dol_pool_detach(in->pool, in->call, in->volume->uid, error))
                return false;
        in->volume->status.phase = DOL_VOLUME_AVAILABLE;
        in->volume->status.fs_uuid = g_steal_pointer(&fs_uuid);
        dol_txn_put_volume(in->engine, txn, in->volume);
        dol_operation_end(in->operation, txn, NULL);
        dol_event_put(in->engine, txn, in->call, DOL_EVENT_NORMAL, "VolumeImported", in->volume,
                      "volume '%s' was imported from a tar", in->volume->name);
        return dol_commit_volume(in->engine, txn, in->volume, error);
}

static bool import_it(dol_incoming *in, dol_engine_source_fn source, void *user, GError **error)
{
        g_autofree char *key = dol_volume_key(in->volume->uid);
        g_autoptr(dol_lock) lock =
                dol_locks_take(in->engine->locks, in->call, in->volume->uid, error);
        g_autoptr(GError) why = NULL;

        if (!lock || !take_name(in, error))
                return false;
        if (make(in, source, user, &why))
                return true;
        in->volume->status.phase = DOL_VOLUME_CREATING;
        if (!dol_is_doubtful(in->engine, key))
                dol_import_new_undo(in, why);
        g_propagate_error(error, g_steal_pointer(&why));
        return false;
}

bool dol_engine_tar_import(dol_engine *engine, const dol_call *call, const dol_volume *want,
                           dol_engine_source_fn source, void *user, dol_volume **ret_volume,
                           GError **error)
{
        dol_incoming in = {.engine = engine, .call = call};
        bool done;

        if (!dol_volume_name_check(want->name, error))
                return false;
        if (want->spec.fs == DOL_FS_NONE)
                return dol_fail(error, DOL_ERROR_UNSUPPORTED,
                                "fs: a block volume (none) has no files to import");
        in.volume = make_volume(want);
        done = import_it(&in, source, user, error);
        dol_operation_close(in.operation);
        if (done) {
                dol_volume_fill(engine, call, in.volume);
                *ret_volume = in.volume;
                return true;
        }
        dol_volume_free(in.volume);
        return dol_fail_while(error, "import of '%s'", want->name);
}
