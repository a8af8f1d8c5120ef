/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The volume: what was asked for (spec), what is (status), and its life-cycle. The same rows
 * serve the store, the description beside the data (volume.json) and REST; fields that a reader
 * must not see are marked in volume.c. No I/O here.
 */
#pragma once

#include "codec/schema.h"
#include "model/io-limits.h"

#include <sys/types.h>

#define DOL_VOLUME_NAME_MAX     128                   /* bytes of UTF-8 */
#define DOL_VOLUME_SIZE_MIN     (UINT64_C(16) << 20)  /* smaller ext4 and xfs make no sense ... */
#define DOL_VOLUME_SIZE_MIN_XFS (UINT64_C(300) << 20) /* ... and mkfs.xfs refuses less */
#define DOL_VOLUME_SIZE_MAX     (UINT64_C(64) << 40)
#define DOL_VOLUME_SIZE_DEFAULT (UINT64_C(10) << 30)
#define DOL_VOLUME_SIZE_UNSET   UINT64_MAX /* not said by the user */
#define DOL_SIZE_GRAIN          4096       /* sizes are multiples of the loop device's block */

/* auto       not said: ext4 in pools of images, directory in pools of directories
 * none       a block volume
 * directory  a plain directory of the pool's own file system */
typedef enum { DOL_FS_AUTO, DOL_FS_EXT4, DOL_FS_XFS, DOL_FS_NONE, DOL_FS_DIRECTORY } dol_fs_kind;

/* creating   named and recorded; its data may be half made
 * available  may be mounted
 * trashed    deleted by its user, kept until `expires`; its name is free
 * deleting   its data is being removed for good
 * lost       recorded, but its pool no longer has it */
typedef enum {
        DOL_VOLUME_CREATING,
        DOL_VOLUME_AVAILABLE,
        DOL_VOLUME_TRASHED,
        DOL_VOLUME_DELETING,
        DOL_VOLUME_LOST,
        DOL_VOLUME_PHASE_COUNT
} dol_volume_phase;

/* files: doliumd itself, while it reads or writes files in it */
typedef enum {
        DOL_CLIENT_DOCKER,
        DOL_CLIENT_PODMAN,
        DOL_CLIENT_REST,
        DOL_CLIENT_CSI,
        DOL_CLIENT_FILES,
} dol_client_kind;

/* Who holds a mount. Counted, because clients repeat an id (docker cp) and expect as many unmounts;
 * scoped to one life of the client, because after a crash it replays ids without unmounting. */
typedef struct {
        dol_client_kind client;
        char *id;         /* "" for clients that send none */
        char *generation; /* one life of the client: "<pid>.<start time>"; "" = unknown */
        uint64_t count;   /* >= 1 */
        int64_t since;    /* first mount, usec since 1970 */
        char *terms;      /* how the client asked for it, in its own words; NULL = not kept */
        bool exclusive;   /* no client of another kind may use the volume meanwhile */
} dol_consumer;

/* A volume's presence on this node. */
typedef struct {
        char *node;
        char *boot_id; /* of the boot in which all this was true */
        char *device;  /* "/dev/loop3"; NULL for directory volumes */
        char *path;    /* where it is mounted; NULL for block volumes */
        int64_t since;
        GPtrArray *consumers; /* of dol_consumer */
} dol_attachment;

typedef struct {
        uint64_t size; /* bytes, a multiple of DOL_SIZE_GRAIN; 0 for directories */
        char *pool;
        dol_fs_kind fs;
        bool thick;        /* space is set aside at create */
        uint64_t uid, gid; /* owner of the root directory */
        uint32_t mode;     /* of the root directory */
        char *mountopts;   /* comma separated, validated; NULL = none */
        bool protect;      /* cannot be deleted until cleared */
        char *from; /* VOLUME or VOLUME@SNAPSHOT it was cloned from, as it was said; NULL = empty */
        int64_t trash; /* how long it stays in the trash after delete, usec; 0 = gone at once */
        dol_io_limits limits; /* of all its users together */
} dol_volume_spec;

/* What the kernel counted on the volume's device. It may have served another volume before: only
 * differences tell. */
typedef struct {
        uint64_t reads, read_bytes, read_usec; /* usec: sum of what each request took */
        uint64_t writes, write_bytes, write_usec;
} dol_volume_io;

typedef struct {
        dol_volume_phase phase;
        char *reason; /* why it is lost, or why the last step failed; for people */
        int64_t created, changed;
        int64_t trashed, expires; /* while in the trash */
        bool unclean;             /* the host went down while it was mounted; not checked since */
        char *fs_uuid;      /* of the file system in it; NULL for block and directory volumes */
        bool size_enforced; /* false in pools that cannot (driver dir) */
        uint64_t size;      /* what it really has; below spec.size while a grow has not ended */
        char *received;     /* uid of the imported snapshot whose state it has, until a mount */
        uint64_t received_apart; /* bytes in which it differs from that even so: its own UUID */
        char *origin;            /* "<uid of a volume>[/<uid of a snapshot>]" of a clone */
        uint64_t used;           /* bytes used in the file system; filled when shown */
        uint64_t available;      /* bytes left in it; filled when shown */
        uint64_t inodes, inodes_used; /* filled when shown, while mounted */
        uint64_t allocated;           /* bytes it takes in its pool; filled when shown */
        dol_volume_io *io;            /* NULL without a device; filled when shown, never stored */
        dol_attachment *attachment;   /* NULL while not in use; kept apart in the store */
} dol_volume_status;

typedef struct {
        char *name;
        char *uid;
        int64_t revision; /* of the store; changes with each change */
        GHashTable *labels;
        dol_volume_spec spec;
        dol_volume_status status;
} dol_volume;

extern const dol_schema dol_volume_schema;
extern const dol_schema dol_volume_spec_schema;
extern const dol_schema dol_attachment_schema;
extern const char *const dol_fs_words[];
extern const char *const dol_volume_phase_words[];
extern const char *const dol_client_words[];

/* A deep copy; NULL gives NULL. */
dol_volume *dol_volume_copy(const dol_volume *volume);
void dol_volume_free(dol_volume *volume); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(dol_volume, dol_volume_free)

/* A spec in which nothing was said yet: size DOL_VOLUME_SIZE_UNSET, fs auto, pool NULL, root:root
 * 0755, one day in the trash. */
void dol_volume_spec_init(dol_volume_spec *spec);

/* The life-cycle table. A move that it does not list is refused with CONFLICT, naming both. */
bool dol_volume_may_move(dol_volume_phase from, dol_volume_phase to);
bool dol_volume_move(dol_volume *volume, dol_volume_phase to, GError **error);

/* Validation. Each error begins with the field's name. */
/* 1 to 128 bytes of UTF-8 without control characters, not "." or "..", without '/' and '@' (which
 * begins a snapshot's name), not beginning with "uid:" (which refers to a volume by its uid), no
 * white space at its ends. */
bool dol_volume_name_check(const char *name, GError **error);
/* Label keys 1-128 bytes without '=', values up to 256, at most 64 of them; UTF-8 without control
 * characters. */
bool dol_labels_check(GHashTable *labels, GError **error);
/* Checks every field of a spec whose size and fs are decided, and rounds the size up to the grain.
 */
bool dol_volume_spec_check(dol_volume_spec *spec, GError **error);
/* Mount options that cannot harm the host: noatime, nodiratime, relatime, strictatime, lazytime,
 * nosuid, nodev, noexec, ro, rw, discard, nodiscard, sync, dirsync; and for ext4 commit=1..300 and
 * data=ordered|journal|writeback. "" is none. */
bool dol_mountopts_check(const char *options, dol_fs_kind fs, GError **error);

/* How many different consumers there are; NULL: 0. */
unsigned dol_attachment_count(const dol_attachment *attachment);
