/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The use-cases. Every change is written to the store first (the object's new phase and the
 * operation record in one commit), then done through idempotent verbs, then recorded as done; a
 * crash between any two of these is finished or undone by dol_engine_resume. Work on one volume
 * is serialised; work on different volumes runs at the same time, and no lock is held around I/O
 * that another volume would wait for. Reads are answered from memory.
 *
 * Volumes are named by a reference: a name, or "uid:<uid>". Every function may be called from any
 * thread.
 */
#pragma once

#include "base/call.h"
#include "model/check.h"
#include "model/event.h"
#include "model/file.h"
#include "model/operation.h"
#include "model/pool.h"
#include "model/snapshot.h"
#include "model/volume.h"
#include "store/store.h"
#include "stream/stream.h"

typedef struct dol_engine dol_engine;

/* A range of bytes that may differ; `data` is false where the target reads as zeroes. false stops.
 */
typedef bool (*dol_changed_range_fn)(uint64_t offset, uint64_t length, bool data, void *user);

typedef struct {
        dol_store *store;      /* the engine owns it from now on */
        bool store_fresh;      /* it was made just now: rebuild it from what the pools describe */
        const char *state_dir; /* pools/ and mnt/ are below it */
        const char *node;
        const char *boot_id;         /* of this boot; attachments of another one are forgotten */
        const GPtrArray *pools;      /* of dol_pool_record: as the configuration has them */
        bool default_pool;           /* make the pool "default" when there is no pool at all */
        int64_t consumer_grace_usec; /* after this time a container's mount that no mount table
                                        shows is given up; at least a few seconds */
        bool check_unclean;          /* check a file system that was mounted when the host went
                                        down before it is mounted again */
} dol_engine_config;

/* Loads the records, opens the pools (one that cannot be opened is unavailable, no failure),
 * records what they describe and the store does not know yet. After it everything that was ever
 * created is known. */
dol_engine *dol_engine_open(const dol_engine_config *config, GError **error);
/* Leaves mounts, devices and pools as they are. NULL is fine. */
void dol_engine_close(dol_engine *engine);

/* Name of this node. Borrowed. */
const char *dol_engine_node(const dol_engine *engine);
/* The kernel's boot_id, as the configuration gave it. Borrowed. */
const char *dol_engine_boot_id(const dol_engine *engine);

/* ---- volumes ---- */

/* Creates name, labels and spec of `want` (a spec as dol_volume_spec_init leaves it says nothing).
 * A volume of that name that agrees with everything said is returned with *ret_existed = true; one
 * that differs: EXISTS, naming the differences. */
bool dol_engine_create(dol_engine *engine, const dol_call *call, const dol_volume *want,
                       dol_volume **ret_volume, bool *ret_existed, GError **error);

/* A copy, with the live fields of the status filled. Trashed volumes only by uid. */
dol_volume *dol_engine_get(dol_engine *engine, const char *reference, GError **error);
/* The same without asking the pool: never waits for a disk. */
dol_volume *dol_engine_peek(dol_engine *engine, const char *reference, GError **error);

typedef struct {
        const char *after;  /* name (and uid, for equal names) of the last one seen; NULL */
        unsigned limit;     /* 0 = all */
        const char *pool;   /* NULL = any */
        const char *labels; /* "k=v,k2": all must hold; NULL = any */
        int phase;          /* -1 = all that are not trashed */
        bool usage;         /* fill the live fields of each */
} dol_volume_filter;

/* In order of name. The volume lives during the call only; false stops. *ret_more: there is at
 * least one more. The token to go on from a volume is dol_volume_token. */
typedef bool (*dol_volume_fn)(const dol_volume *volume, void *user);
bool dol_engine_list(dol_engine *engine, const dol_volume_filter *filter, dol_volume_fn fn,
                     void *user, bool *ret_more, GError **error);
char *dol_volume_token(const dol_volume *volume);

/* What may be changed on a volume; NULL and false members stay as they are. */
typedef struct {
        int64_t if_revision; /* 0 = any; else STALE when the volume has another one */
        const char *name;
        GHashTable *labels; /* replaces all of them */
        const bool *protect;
        const int64_t *trash;
        const char *mountopts;       /* "" = none; from the next mount on */
        const dol_io_limits *limits; /* at once, while it is in use too */
} dol_volume_change;

bool dol_engine_change(dol_engine *engine, const dol_call *call, const char *reference,
                       const dol_volume_change *change, dol_volume **ret_volume, GError **error);

/* To the trash, or for good with `purge`, with a trash of 0, or when it is in the trash already.
 * In use: BUSY, naming by whom. Protected: CONFLICT. */
bool dol_engine_delete(dol_engine *engine, const dol_call *call, const char *reference, bool purge,
                       int64_t if_revision, dol_volume **ret_volume, GError **error);
/* Back from the trash, as `name` (NULL = its old one). The reference may be the old name when it is
 * the only one of that name in the trash. */
bool dol_engine_restore(dol_engine *engine, const dol_call *call, const char *reference,
                        const char *name, dol_volume **ret_volume, GError **error);

typedef struct {
        dol_client_kind client;
        const char *id;
        const char *generation; /* one life of the client; "" = unknown */
        bool counted;           /* the client repeats ids and unmounts as often (Docker) */
        bool directory_only;    /* the client cannot use a block volume */
        bool exclusive;         /* no client of another kind may use it meanwhile */
        const char *terms; /* kept with the consumer; NULL = none. The same id with other terms:
                              EXISTS */
} dol_consumer_request;

/* Mounts for a consumer. Mounted already: only the consumer is added. Kept by a client of another
 * kind for itself: BUSY, naming it. */
bool dol_engine_mount(dol_engine *engine, const dol_call *call, const char *reference,
                      const dol_consumer_request *consumer, dol_volume **ret_volume,
                      GError **error);
typedef enum {
        DOL_UNMOUNT_STRICT, /* still in use: BUSY, and the consumer stays */
        DOL_UNMOUNT_LINGER, /* still in use: the consumer goes; unmounted when it is free */
        DOL_UNMOUNT_FORCE,  /* all consumers go, unmounted even while in use */
} dol_unmount_mode;
/* Takes a consumer away; unmounts when nobody is left. Unknown consumers: true. */
bool dol_engine_unmount(dol_engine *engine, const dol_call *call, const char *reference,
                        const dol_consumer_request *consumer, dol_unmount_mode mode,
                        dol_volume **ret_volume, GError **error);

/* Mounts for a consumer, and binds the volume (a block volume's device) to `path` with per-mount
 * options (NULL = none); what is not there is made (its
 * parent must be there), files in a directory or something else mounted there: CONFLICT. The same
 * again: true. */
bool dol_engine_publish(dol_engine *engine, const dol_call *call, const char *reference,
                        const dol_consumer_request *consumer, const char *path, const char *options,
                        dol_volume **ret_volume, GError **error);
/* Unbinds `path`, and with `remove` removes the empty directory or file beneath; then the consumer
 * goes. A volume that does not exist, or is not there: true, unless something else is mounted at
 * the path: CONFLICT, left alone. */
bool dol_engine_unpublish(dol_engine *engine, const dol_call *call, const char *reference,
                          const dol_consumer_request *consumer, const char *path, bool remove,
                          GError **error);

/* Makes the volume larger, while it is in use too: pool, device and file system in one operation.
 * Never smaller. After a failed grow, the size it really has (status.size) gives the rest up. */
bool dol_engine_resize(dol_engine *engine, const dol_call *call, const char *reference,
                       uint64_t size, dol_volume **ret_volume, GError **error);

/* Checks the file system of a volume, also while it is in use: a copy of the moment. With `repair`
 * repairs it, while nobody uses it; else: BUSY. Errors that were found are no failure. */
bool dol_engine_check(dol_engine *engine, const dol_call *call, const char *reference, bool repair,
                      dol_volume_check **ret_check, GError **error);
/* Gives the space of what was deleted in a mounted volume back to its pool. Not mounted: CONFLICT.
 */
bool dol_engine_trim(dol_engine *engine, const dol_call *call, const char *reference,
                     dol_volume **ret_volume, GError **error);

/* ---- snapshots: referred to as VOLUME@NAME, or uid:<uid> ---- */

typedef struct {
        const char *const *volumes; /* references, NULL-terminated: all at one moment */
        const char *labels;         /* or: all volumes with these labels; see the filter */
        const char *name;           /* the same for each */
        GHashTable *snapshot_labels;
        bool protect;
        bool no_freeze;       /* crash consistent: writers do not wait */
        const char *schedule; /* name of the schedule that wants it; NULL = a person */
        char **rules;         /* of that schedule, that it is for; NULL = none */
} dol_snapshot_request;

/* All or none. *ret_snapshots: of dol_snapshot, in order of their volumes' uids; frees its
 * elements. A snapshot of that name exists: EXISTS. */
bool dol_engine_snapshot_create(dol_engine *engine, const dol_call *call,
                                const dol_snapshot_request *request, GPtrArray **ret_snapshots,
                                GError **error);
/* With the live fields filled. */
dol_snapshot *dol_engine_snapshot_get(dol_engine *engine, const char *reference, GError **error);
/* Oldest first; `volume` (a reference) and labels select; `usage` fills exclusive and shared. */
GPtrArray *dol_engine_snapshot_list(dol_engine *engine, const char *volume, const char *labels,
                                    bool usage, GError **error);
typedef struct {
        const char *name;
        GHashTable *labels; /* replaces all of them */
        const bool *protect;
} dol_snapshot_change;
bool dol_engine_snapshot_change(dol_engine *engine, const dol_call *call, const char *reference,
                                const dol_snapshot_change *change, dol_snapshot **ret_snapshot,
                                GError **error);
/* For good: snapshots have no trash. Mounted: BUSY. Protected: CONFLICT. */
bool dol_engine_snapshot_delete(dol_engine *engine, const dol_call *call, const char *reference,
                                GError **error);
/* Read-only, beside its volume. */
bool dol_engine_snapshot_mount(dol_engine *engine, const dol_call *call, const char *reference,
                               const dol_consumer_request *consumer, dol_snapshot **ret_snapshot,
                               GError **error);
bool dol_engine_snapshot_unmount(dol_engine *engine, const dol_call *call, const char *reference,
                                 const dol_consumer_request *consumer, dol_unmount_mode mode,
                                 dol_snapshot **ret_snapshot, GError **error);
/* Ranges in which the target (a snapshot, or NULL: its volume as it is now) may differ from the
 * base (NULL: all that is allocated in the target). One of them at least; both of one volume. */
bool dol_engine_diff(dol_engine *engine, const dol_call *call, const char *base, const char *target,
                     dol_changed_range_fn fn, void *user, GError **error);
/* Puts the volume back to a snapshot of its own. The state before is kept as a snapshot, whose name
 * begins with "before-restore-". In use: BUSY, unless `force`, which takes it from its users. */
bool dol_engine_revert(dol_engine *engine, const dol_call *call, const char *reference, bool force,
                       dol_volume **ret_volume, GError **error);

/* ---- export and import: the stream is that of stream/stream.h ---- */

/* Writes the image of a snapshot, or (with `snapshot` NULL) of a volume through a snapshot that
 * lives as long as this takes. With `base`, a snapshot of the same volume, only what changed since.
 * When it fails after the first byte, the stream says so. */
bool dol_engine_export(dol_engine *engine, const dol_call *call, const char *volume,
                       const char *snapshot, const char *base, dol_stream_sink sink, void *user,
                       GError **error);
/* Makes the volume `name` in a pool (NULL = chosen) from a stream; an incremental one brings the
 * volume of that name, which must have the stream's base and not be in use, to a later state. What
 * was changed in it since its last import is kept as a snapshot whose name begins with
 * "before-import-". The snapshot that the stream is of becomes one of the volume. All or nothing.
 */
bool dol_engine_import(dol_engine *engine, const dol_call *call, const char *name, const char *pool,
                       dol_stream_source source, void *user, dol_volume **ret_volume,
                       GError **error);

/* ---- files in a volume or snapshot, which is mounted for the time ---- */

/* `reference` is of a volume or a snapshot; paths begin at its root (model/file.h). Block volumes:
 * UNSUPPORTED. */

/* A file is shown; false ends it with this error. */
typedef bool (*dol_engine_file_fn)(const dol_file *file, void *user, GError **error);
/* The file at the path, what it holds, and with `deep` all below; in order. */
bool dol_engine_files_list(dol_engine *engine, const dol_call *call, const char *reference,
                           const char *path, bool deep, dol_engine_file_fn fn, void *user,
                           GError **error);
/* Some bytes; false ends it with this error. */
typedef bool (*dol_engine_bytes_fn)(const void *bytes, size_t size, void *user, GError **error);
/* The content of a regular file, in order. Symbolic links are followed within the volume. */
bool dol_engine_files_read(dol_engine *engine, const dol_call *call, const char *reference,
                           const char *path, dol_engine_bytes_fn fn, void *user, GError **error);
/* What differs between a snapshot and a later one (`target` NULL: its volume as it is now), in
 * order of the paths. false stops. */
typedef bool (*dol_engine_file_change_fn)(const dol_file_change *change, void *user);
bool dol_engine_files_diff(dol_engine *engine, const dol_call *call, const char *base,
                           const char *target, dol_engine_file_change_fn fn, void *user,
                           GError **error);

typedef struct {
        char **paths;   /* what is wanted back; a directory with all below */
        const char *to; /* into this directory of the volume; NULL = where each was */
        bool overwrite; /* join directories and replace files that are there; else EXISTS */
} dol_files_restore;
typedef struct {
        uint64_t files, bytes; /* brought back; directories count as files */
} dol_files_restored;
extern const dol_schema dol_files_restored_schema;
/* Copies files from a snapshot back into its volume, which may be in use: owner, mode, times, ACLs,
 * attributes, links, holes. Each file is put into its place whole, once all have been copied. */
bool dol_engine_files_restore(dol_engine *engine, const dol_call *call, const char *reference,
                              const dol_files_restore *wanted, dol_files_restored *ret,
                              GError **error);

/* Writes the file at the path and all below it as a tar stream (host/tar.h). */
bool dol_engine_tar_write(dol_engine *engine, const dol_call *call, const char *reference,
                          const char *path, dol_engine_bytes_fn fn, void *user, GError **error);
/* Up to `max` bytes; *ret_size 0 = the end. */
typedef bool (*dol_engine_source_fn)(void *to, size_t max, size_t *ret_size, void *user,
                                     GError **error);
/* Makes the volume `want` (as dol_engine_create does; one of that name: EXISTS) and fills it from a
 * tar stream. All or nothing: until it is full, nobody can use it. */
bool dol_engine_tar_import(dol_engine *engine, const dol_call *call, const dol_volume *want,
                           dol_engine_source_fn source, void *user, dol_volume **ret_volume,
                           GError **error);

/* ---- pools ---- */

/* Makes the pool and opens it. A pool of that name: EXISTS. What its place holds already is
 * recorded. */
bool dol_engine_pool_create(dol_engine *engine, const dol_call *call, const dol_pool_record *want,
                            dol_pool_record **ret_pool, GError **error);
/* With the live fields filled. */
dol_pool_record *dol_engine_pool_get(dol_engine *engine, const char *name, GError **error);
/* All, in order of name; the array frees its records. */
GPtrArray *dol_engine_pool_list(dol_engine *engine);

/* What lies in a pool and is not recorded. */
typedef struct {
        char *uid, *name; /* name: as its description says; NULL without one */
        uint64_t size, allocated;
        int64_t created;
        char *reason; /* why it cannot be adopted; NULL = it can */
} dol_unknown_volume;
extern const dol_schema dol_unknown_volume_schema;
GPtrArray *dol_engine_pool_unknown(dol_engine *engine, const dol_call *call, const char *pool,
                                   GError **error);
/* Records such a volume, as `name` (NULL = its old one). */
bool dol_engine_adopt(dol_engine *engine, const dol_call *call, const char *pool, const char *uid,
                      const char *name, dol_volume **ret_volume, GError **error);

/* ---- operations and events ---- */

/* Newest first; `volume` (a uid) and `phase` (-1 = any) select; the array frees its elements. */
GPtrArray *dol_engine_operation_list(dol_engine *engine, const char *volume, int phase,
                                     unsigned limit, GError **error);
/* A running operation of this process, from memory; NULL when it has ended. */
dol_operation *dol_engine_operation_peek(dol_engine *engine, const char *uid);
/* Waits up to `wait_usec` until it has ended. */
dol_operation *dol_engine_operation_get(dol_engine *engine, const char *uid, int64_t wait_usec,
                                        GError **error);

/* Oldest first, sequence > after. */
GPtrArray *dol_engine_event_list(dol_engine *engine, uint64_t after, unsigned limit,
                                 const char *volume, GError **error);
/* Every event from now on, in order, from a thread of the store's. */
typedef void (*dol_event_fn)(const dol_event *event, void *user);
bool dol_engine_event_watch(dol_engine *engine, dol_event_fn fn, void *user, int64_t *ret_watch,
                            GError **error);
void dol_engine_event_unwatch(dol_engine *engine, int64_t watch);

/* ---- health ---- */

typedef enum { DOL_CHECK_OK, DOL_CHECK_WARNING, DOL_CHECK_ERROR } dol_check_level;
typedef struct {
        char *name;
        dol_check_level level;
        char *message;
        char *help; /* what to do; NULL when there is nothing to do */
} dol_check;
extern const dol_schema dol_check_schema;
/* What this host can and cannot do, and why. */
GPtrArray *dol_engine_doctor(dol_engine *engine, const dol_call *call);

typedef struct {
        uint64_t volumes, trashed, attached, consumers;
        uint64_t operations_running;
        uint64_t operations_done[32], operations_failed[32]; /* since start, by operation kind */
        uint64_t usec[32];                                   /* spent in them */
} dol_engine_counters;
void dol_engine_count(dol_engine *engine, dol_engine_counters *ret);

/* ---- for the reconciler: one idempotent step each ---- */

/* Finishes or undoes the operations that a crash left behind, and repeats those that failed
 * half-way. Running ones of this process are left alone. */
void dol_engine_resume(dol_engine *engine, const dol_call *call);
/* Compares the record of one attached volume with the kernel: mounts what should be mounted,
 * unmounts what nobody uses, drops consumers that are gone. */
void dol_engine_settle(dol_engine *engine, const dol_call *call, const char *uid);
/* All of: settle each attachment; unmount and detach what no record explains; remove left-over
 * mount points. */
void dol_engine_settle_all(dol_engine *engine, const dol_call *call);
/* Empties the trash of what has expired; gives up scheduled snapshots, then trash, oldest first,
 * while a pool is above its watermark; tells about watermarks that were crossed. */
void dol_engine_tend_pools(dol_engine *engine, const dol_call *call);
/* Holds all users of each limited volume to its limits; false = no such volume is attached. */
bool dol_engine_hold_limits(dol_engine *engine);
/* Trims every mounted volume that does not discard by itself. */
void dol_engine_trim_all(dol_engine *engine, const dol_call *call);
/* Compares pools and records: lost volumes, found again ones, unknown ones, stale descriptions. */
void dol_engine_survey(dol_engine *engine, const dol_call *call);
/* `fn` is called when a volume needs settling soon (from any thread). */
void dol_engine_on_unsettled(dol_engine *engine, void (*fn)(const char *uid, void *user),
                             void *user);
