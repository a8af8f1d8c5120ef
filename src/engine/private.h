/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the engine share. Lock order: a volume's uid, then a name, then pools->lock;
 * the small locks (counters, running operations) are taken last and held for a few lines. */
#pragma once

#include "base/guard.h"
#include "driver/pool.h"
#include "engine/engine.h"
#include "engine/index.h"
#include "engine/locks.h"
#include "engine/schedule-table.h"
#include "engine/snapshot-index.h"
#include "policy/capacity.h"

/* ---- the engine ---- */

typedef struct {
        pthread_mutex_t lock; /* guards what follows */
        pthread_cond_t ended; /* an operation has ended */
        GHashTable *running;  /* uid -> running_operation of this process */
        GQueue finished;      /* uids of recorded ended ones, oldest first */
        dol_engine_counters counters;
} operation_table;

typedef struct {
        pthread_mutex_t lock; /* guards what follows */
        uint64_t next;        /* sequence of the next event */
        uint64_t oldest;      /* of the oldest one kept */
        GHashTable *watchers; /* store watch (int64_t) -> who is told, owned */
} event_log;

/* One pool of the engine. Never removed while the engine lives. */
typedef struct {
        dol_pool_record record; /* status fields only as far as they do not change */
        dol_pool *pool;         /* NULL while unavailable */
        char *reason;           /* why it is unavailable */
        GPtrArray *gone;        /* pools that were replaced, closed with the engine; NULL = none */
        bool away;              /* it was told that the pool is not where it was; used by the
                                   reconciler only */
        uint64_t allocated;     /* sum of sizes, creates under way included */
        int level;              /* watermark that was told last: 0 fine, 1 warn, 2 full */
} pool_entry;

typedef struct {
        pthread_mutex_t lock; /* guards the table and every entry's changing members */
        GHashTable *by_name;  /* name -> pool_entry, owned */
} pool_table;

/* Volumes of which it is not known whether their last commit happened. */
typedef struct {
        pthread_mutex_t lock; /* guards what follows */
        GHashTable *keys;     /* of the store: "volumes/<uid>", "snapshots/<uid>"; a set */
} doubt_list;

/* Views of files that are open: see files.c. */
typedef struct {
        pthread_mutex_t lock; /* guards what follows */
        GHashTable *ids;      /* of their consumers; a set, borrowed */
} view_table;

struct dol_engine {
        dol_store *store;
        char *state_dir, *mount_dir, *node, *boot_id;
        dol_index *index;
        dol_snapshot_index *snapshots;
        dol_locks *locks;
        operation_table operations;
        event_log events;
        pool_table pools;
        doubt_list doubts;
        view_table views;
        schedule_table schedules;
        int64_t consumer_grace_usec;
        bool check_unclean;
        GHashTable *told_unknown; /* uids of unknown volumes that an event was written for;
                                     used by the survey only */
        void (*on_unsettled)(const char *uid, void *user);
        void *on_unsettled_user;
};

/* ---- record.c: documents and keys of the store ---- */

/* {"kind":...,"version":1, then the struct's fields}. */
char *dol_record_encode(const char *kind, const dol_schema *schema, const void *object);
/* UNSUPPORTED for a version newer than this program's. */
bool dol_record_decode(const char *kind, const dol_schema *schema, const char *text, size_t size,
                       void *out, GError **error);
char *dol_name_key(const char *name);
char *dol_volume_key(const char *uid);
char *dol_attachment_key(const dol_engine *engine, const char *uid);

/* Puts the volume (and its attachment, or the attachment's absence) into the transaction, guarded
 * by the revision it was read with. */
void dol_txn_put_volume(const dol_engine *engine, dol_txn *txn, const dol_volume *volume);
void dol_txn_put_name(dol_txn *txn, const char *name, const char *uid);
/* Commits. When the store failed without saying whether it did so before or after the commit, the
 * volume's key tells: the commit happened if it has the value now (NULL: if it is absent). When the
 * store does not even tell that, the volume is doubtful from now on. */
bool dol_commit_surely(dol_engine *engine, const dol_txn *txn, const char *key, const char *value,
                       int64_t *ret_revision, GError **error);
/* The same, and puts the volume into the index with its new revision. The volume stays the
 * caller's. */
bool dol_commit_volume(dol_engine *engine, dol_txn *txn, dol_volume *volume, GError **error);

/* ---- doubt.c ---- */

/* Nobody can tell what the store has under this key ("volumes/<uid>" or "snapshots/<uid>"): it is
 * read again before it is used the next time. */
void dol_doubt(dol_engine *engine, const char *key);
bool dol_is_doubtful(dol_engine *engine, const char *key);
/* Reads again what is doubtful and nobody works on. */
void dol_doubts_settle(dol_engine *engine);

/* ---- operation.c ---- */

typedef struct {
        dol_engine *engine;
        dol_operation record;
        int64_t begun; /* CLOCK_MONOTONIC */
        bool recorded; /* it is in the store as running */
        bool ended;
} running_operation;

/* Prepares an operation and puts its record into the transaction that begins it. */
running_operation *dol_operation_begin(dol_engine *engine, const dol_call *call,
                                       dol_operation_kind kind, const dol_volume *volume,
                                       dol_txn *txn);
/* After that transaction was committed: tells the call, lets others wait for it. */
void dol_operation_recorded(running_operation *operation, const dol_call *call);
/* Puts its end (error = NULL: done) into the transaction that ends it. */
void dol_operation_end(running_operation *operation, dol_txn *txn, const GError *error);
/* After that; also when the operation was never recorded, or is left for the reconciler. Frees. */
void dol_operation_close(running_operation *operation);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(running_operation, dol_operation_close)
/* Takes over a record that a crash (or a failed end) left running; NULL when it is running here. */
running_operation *dol_operation_take_over(dol_engine *engine, const dol_operation *record);
bool dol_operations_load(dol_engine *engine, GError **error);

/* ---- event.c ---- */

/* Puts an event into the transaction: it is written exactly when the transaction is. */
void dol_event_put(dol_engine *engine, dol_txn *txn, const dol_call *call, dol_event_level level,
                   const char *reason, const dol_volume *volume, const char *format, ...)
        G_GNUC_PRINTF(7, 8);
/* Writes one at once, about a pool or this node; failing to is logged. */
void dol_event_write(dol_engine *engine, const dol_call *call, dol_event_level level,
                     const char *reason, const char *object, const char *name, const char *uid,
                     const char *format, ...) G_GNUC_PRINTF(8, 9);
bool dol_events_load(dol_engine *engine, GError **error);

/* ---- pools.c, promise.c ---- */

/* The table of pools; opening all that are recorded or configured; closing them. */
GHashTable *dol_pools_table_new(void);
/* Reads the records and signposts, adds what the configuration names, and opens all. */
bool dol_pools_load(dol_engine *engine, const dol_engine_config *config, GError **error);
void dol_pools_clear(dol_engine *engine);
/* The entry, or NULL; entries are never removed, so the pointer stays valid. */
pool_entry *dol_pools_entry(dol_engine *engine, const char *name);
/* The same with NOT_FOUND. */
pool_entry *dol_pools_known(dol_engine *engine, const char *name, GError **error);
/* With pools.lock held: UNAVAILABLE with the reason unless it is open. */
bool dol_pools_is_ready(const pool_entry *entry, GError **error);
/* The key of the lock of a pool's name. */
char *dol_pools_lock_key(const char *name);
/* Adds a new pool, makes and opens it; or tries again to make one that failed half-way. The caller
 * holds the lock of its name. */
bool dol_pools_add(dol_engine *engine, const dol_call *call, const dol_pool_record *wanted,
                   GError **error);
/* The open pool; NOT_FOUND, or UNAVAILABLE with the reason. It stays valid. */
dol_pool *dol_pools_find(dol_engine *engine, const char *name, GError **error);
/* Entries that are not in the table yet. */
pool_entry *dol_pools_entry_new(const dol_pool_record *record);
void dol_pools_entry_free(void *entry);
/* Puts the entry into the table, which owns it from then on. */
void dol_pools_insert(dol_engine *engine, pool_entry *entry);
/* Writes the record into the store and onto the signpost. A new one must not be there yet. */
bool dol_pools_save(dol_engine *engine, const dol_pool_record *record, bool is_new, GError **error);
/* Opens the pool of an entry that nobody else uses yet. A pool is made when it is opened for the
 * first time; until then its record has no date of creation, so that a crash is repeated. */
bool dol_pools_open_or_make(dol_engine *engine, const dol_call *call, pool_entry *entry,
                            GError **error);
/* Tries again to open the pools that are unavailable, or are not where they were. */
void dol_pools_reopen(dol_engine *engine, const dol_call *call);
/* Chooses the pool of a new volume when none is said, and sets its size aside: NO_SPACE when the
 * pool is full or has promised enough. Fills spec->pool, and size and fs if they are not said. */
bool dol_pools_reserve(dol_engine *engine, const dol_call *call, dol_volume_spec *spec,
                       GError **error);
/* The pool's figures now; zeroes and an error while it is unavailable. With pools.lock held. */
bool dol_pools_capacity(dol_engine *engine, const dol_call *call, pool_entry *entry,
                        dol_capacity *now, dol_pool_space *space, GError **error);
void dol_pools_unreserve(dol_engine *engine, const char *pool, uint64_t size);
/* Counts a volume that exists already. */
void dol_pools_count(dol_engine *engine, const char *pool, uint64_t size);
/* Names of all pools; free with g_strfreev. */
char **dol_pools_names(dol_engine *engine);

/* ---- volumes ---- */

/* Takes the volume's lock and reads it: *ret_volume is a copy for changing. NOT_FOUND when there is
 * none. `trashed` lets a trashed volume be found by its old name. */
dol_lock *dol_volume_take(dol_engine *engine, const dol_call *call, const char *reference,
                          bool trashed, dol_volume **ret_volume, GError **error);
const dol_volume *dol_volume_find(dol_engine *engine, const char *reference, GError **error);
/* Writes the description beside the data. A pool too full for it is no failure: the survey writes
 * it later. */
bool dol_volume_describe(dol_engine *engine, const dol_call *call, const dol_volume *volume,
                         GError **error);
/* Fills the live fields from the kernel and the pool. */
void dol_volume_fill(dol_engine *engine, const dol_call *call, dol_volume *volume);

/* create.c: makes the data and finishes; undoes on failure. The volume is in phase creating. */
bool dol_create_finish(dol_engine *engine, const dol_call *call, running_operation *operation,
                       dol_volume *volume, GError **error);
/* delete.c: removes the data of a volume in phase deleting, and its record. */
bool dol_delete_finish(dol_engine *engine, const dol_call *call, running_operation *operation,
                       dol_volume *volume, GError **error);
/* change.c: writes the description and ends the operation. */
bool dol_change_finish(dol_engine *engine, const dol_call *call, running_operation *operation,
                       dol_volume *volume, GError **error);

/* adopt.c: records everything that pools describe which this store has not seen yet: at the first
 * start, after the store was lost, when a pool comes (back). Repeated after a crash. */
bool dol_rebuild(dol_engine *engine, const dol_call *call, GError **error);

/* mount.c */
char *dol_mount_path(const dol_engine *engine, const char *uid);
/* true when the volume is mounted (or, for a block volume, attached) as its attachment says. */
bool dol_mount_is_there(const dol_volume *volume);
/* Attaches and mounts at the volume's path; fills device and path of the attachment. */
bool dol_mount_make(dol_engine *engine, const dol_call *call, dol_volume *volume, GError **error);
/* Unmounts and detaches. BUSY with who holds it when somebody does. */
bool dol_mount_undo(dol_engine *engine, const dol_call *call, dol_volume *volume, bool force,
                    GError **error);
/* Who else uses the volume's file system, as the mount tables say: "pid 12 (sh) at /data, ...";
 * NULL = nobody. */
char *dol_volume_users(const dol_volume *volume);
/* consumer.c: ends an attachment nobody uses: unmounts, detaches, forgets it. */
bool dol_unmount_finish(dol_engine *engine, const dol_call *call, dol_volume *volume, bool force,
                        GError **error);
/* "docker 3f2a since 2026-...": one of them. */
char *dol_consumer_text(const dol_consumer *consumer);
/* How many bytes of such a client's ids people are shown. */
int dol_consumer_id_shown(dol_client_kind client);
/* "docker 3f2a since 2026-...": the first consumers of an attachment, for messages. */
char *dol_consumers_text(const dol_attachment *attachment);

/* ---- limits.c ---- */

/* UNSUPPORTED with the reason when the volume has limits and this host cannot hold them. */
bool dol_limits_check(const dol_volume *volume, GError **error);
/* Makes the kernel's limits those of the volume, as long as it is attached. */
bool dol_limits_hold(const dol_engine *engine, const dol_volume *volume, GError **error);
/* Tells the reconciler that its users have to be looked at, if it has limits. */
void dol_limits_watch(const dol_engine *engine, const dol_volume *volume);
/* Takes them away, before the device goes or is flushed; a failure is logged. */
void dol_limits_lift(const dol_engine *engine, const dol_volume *volume);

/* ---- snapshots ---- */

/* record.c */
void dol_txn_put_snapshot(const dol_engine *engine, dol_txn *txn, const dol_snapshot *snapshot);
/* Its name is taken with the first put, and given up or moved apart from it. */
void dol_txn_put_snapshot_name(dol_txn *txn, const dol_snapshot *snapshot);
void dol_txn_free_snapshot_name(dol_txn *txn, const dol_snapshot *snapshot);
void dol_txn_delete_snapshot(dol_txn *txn, const dol_snapshot *snapshot);
/* Commits (surely), and puts `count` snapshots into the index with their new revision. */
bool dol_commit_snapshots(dol_engine *engine, dol_txn *txn, unsigned count,
                          dol_snapshot *(*get)(void *from, unsigned i), void *from, GError **error);
/* operation.c: as dol_operation_begin, naming snapshots (NULL-terminated uids). */
running_operation *dol_operation_begin_about(dol_engine *engine, const dol_call *call,
                                             dol_operation_kind kind, const dol_volume *volume,
                                             char **snapshots, dol_txn *txn);

/* snapshot.c */
dol_snapshot *dol_member_snapshot(void *members, unsigned i);
/* Takes a snapshot of a volume whose lock the caller holds; `uid` NULL: a new one. */
bool dol_snapshot_locked(dol_engine *engine, const dol_call *call, const dol_volume *volume,
                         const char *name, const char *uid, GError **error);

/* snapshot-cases.c */
/* Fills the volume's name, and with `usage` what it takes in the pool. */
void dol_snapshot_fill(dol_engine *engine, const dol_call *call, dol_snapshot *snapshot,
                       bool usage);
/* Removes its data from the pool; absent: true. */
bool dol_snapshot_remove_data(dol_engine *engine, const dol_call *call,
                              const dol_snapshot *snapshot, GError **error);
/* "VOLUME@NAME" or "uid:..."; NOT_FOUND. A copy. */
dol_snapshot *dol_snapshot_find(dol_engine *engine, const char *reference, GError **error);
/* Its volume locked and read again. */
dol_lock *dol_snapshot_take(dol_engine *engine, const dol_call *call, const char *reference,
                            dol_snapshot **ret_snapshot, dol_volume **ret_volume, GError **error);
/* Removes data and record of a snapshot in phase deleting. */
bool dol_snapshot_delete_finish(dol_engine *engine, const dol_call *call,
                                running_operation *operation, dol_snapshot *snapshot,
                                GError **error);

/* clone.c */
/* Finds what spec.from says, and takes over size, file system and pool. */
bool dol_clone_resolve(dol_engine *engine, dol_volume *volume, GError **error);
/* Makes the data of a volume that has an origin. */
bool dol_clone_data(dol_engine *engine, const dol_call *call, dol_pool *pool,
                    const dol_volume *want, char **ret_fs_uuid, GError **error);

/* snapshot-mount.c: mounts again what is recorded as mounted and is not, unmounts what nobody uses
 * any more. */
void dol_snapshot_settle(dol_engine *engine, const dol_call *call, const char *uid);
/* Unmounts a snapshot that is mounted though nothing is recorded about it. */
void dol_snapshot_explain_mount(dol_engine *engine, const dol_call *call, const char *uid);

/* files.c: a volume or snapshot, mounted for work on its files. */
typedef struct {
        dol_engine *engine;
        char *reference; /* "uid:..." */
        char *id;        /* of the consumer */
        bool is_snapshot;
        char *path; /* where it is mounted */
        int root;   /* that directory, O_PATH */
} files_view;

/* `reference` is of a volume or of a snapshot. UNSUPPORTED for block volumes. */
files_view *dol_files_view_open(dol_engine *engine, const dol_call *call, const char *reference,
                                GError **error);
/* Unmounts it when nobody else uses it; the reconciler does what cannot be done now. NULL is fine.
 */
void dol_files_view_close(files_view *view);
/* Takes away the consumers of views that are not open: of an earlier life of doliumd, or left when
 * a view was closed. Returns how many. */
unsigned dol_files_drop_ended(dol_engine *engine, dol_attachment *attachment);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(files_view, dol_files_view_close)

/* files-restore.c: ends a restore that a crash cut off. What it had made ready goes. */
bool dol_files_restore_give_up(dol_engine *engine, const dol_call *call,
                               running_operation *operation, GError **error);

/* resize.c, revert.c: what is left to do after the first commit. */
bool dol_resize_finish(dol_engine *engine, const dol_call *call, running_operation *operation,
                       dol_volume *volume, GError **error);
bool dol_revert_finish(dol_engine *engine, const dol_call *call, running_operation *operation,
                       dol_volume *volume, GError **error);

/* ---- export and import ---- */

/* What an import works with. */
typedef struct {
        dol_engine *engine;
        const dol_call *call;
        dol_stream_reader *reader;
        const dol_stream_header *header; /* the reader's */
        dol_pool *pool;
        uint64_t unlooked; /* bytes written since the pool's room was looked at */
        dol_volume *volume;
        dol_snapshot *snapshot; /* that the stream becomes; it stays when it has a source */
        running_operation *operation;
} dol_incoming;

/* import.c */
/* The snapshot that the stream becomes, of in->volume; not recorded yet. */
dol_snapshot *dol_incoming_snapshot_new(const dol_incoming *in);
/* Commits what was put of volume and snapshot, and puts both into their indexes. */
bool dol_incoming_commit(dol_incoming *in, dol_txn *txn, GError **error);
/* Reads the stream to its end into the snapshot, over `base` (a uid; NULL = zeroes). */
bool dol_incoming_receive(dol_incoming *in, const char *base, GError **error);
/* Bytes in which the volume differs from a snapshot of its own. */
bool dol_incoming_distance(const dol_incoming *in, const char *snapshot, uint64_t *ret,
                           GError **error);
/* The last commit: volume and snapshot are ready, or the snapshot goes, and the operation ends. */
bool dol_incoming_finish(dol_incoming *in, GError **error);

/* import-new.c */
bool dol_import_new(dol_incoming *in, const char *name, const char *pool, GError **error);
/* Takes away what a failed import has made; what cannot be removed now, the reconciler removes. */
void dol_import_new_undo(dol_incoming *in, const GError *why);
/* import-onto.c */
bool dol_import_onto(dol_incoming *in, const char *name, GError **error);
/* The snapshot is whole: brings the volume to it. */
bool dol_import_onto_finish(dol_incoming *in, GError **error);

/* volume.c: do the labels have all that is wanted ("k=v" or "k"; NULL = nothing)? */
bool dol_labels_match(GHashTable *labels, char **wanted);

/* snapshot-found.c: records the snapshots in a pool that are not, of volumes that are. */
bool dol_snapshots_record_found(dol_engine *engine, const dol_call *call, const char *pool,
                                GError **error);

/* promise.c: sets `more` bytes aside for a volume that grows. */
bool dol_pools_promise_more(dol_engine *engine, const dol_call *call, const char *pool,
                            uint64_t more, bool thick, GError **error);
/* NO_SPACE when the pool is too full for anything new. */
bool dol_pools_check_room(dol_engine *engine, const dol_call *call, const char *pool,
                          GError **error);
