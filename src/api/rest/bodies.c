/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of the bodies and answers that are not objects of the model. */
#include "api/rest/private.h"
#include "model/schedule.h"

#define AT(member) offsetof(dol_volume_patch, spec.member) - offsetof(dol_volume_patch, spec)
static const dol_field patch_spec_fields[] = {
        {"protect", DOL_BOOL, AT(protect), DOL_NOT_NULL,
         .doc = "it cannot be deleted until this is cleared"},
        {"trash", DOL_DURATION, AT(trash), DOL_NOT_NULL, .doc = "how long it is kept after delete"},
        {"mountopts", DOL_STRING, AT(mountopts), 0, .doc = "mount options, from the next mount on"},
        {"read_iops", DOL_UINT, AT(limits.read_iops), 0,
         .doc = "reads per second; 0 or null = no limit"},
        {"write_iops", DOL_UINT, AT(limits.write_iops), 0,
         .doc = "writes per second; 0 or null = no limit"},
        {"read_bps", DOL_SIZE, AT(limits.read_bps), 0,
         .doc = "bytes read per second; 0 or null = no limit"},
        {"write_bps", DOL_SIZE, AT(limits.write_bps), 0,
         .doc = "bytes written per second; 0 or null = no limit"},
        {NULL},
};
#undef AT
static const dol_schema patch_spec_schema = {"VolumePatchSpec",
                                             sizeof(((dol_volume_patch *)NULL)->spec),
                                             patch_spec_fields, "What may be changed in a spec."};

#define AT(member) offsetof(dol_volume_patch, member)
static const dol_field patch_fields[] = {
        {"name", DOL_STRING, AT(name), DOL_NOT_NULL, .doc = "another name"},
        {"labels", DOL_MAP, AT(labels), 0, .doc = "labels to set; null removes one"},
        {"spec", DOL_OBJECT, AT(spec), DOL_NOT_NULL, &patch_spec_schema},
        {NULL},
};
#undef AT
const dol_schema dol_volume_patch_schema = {"VolumePatch", sizeof(dol_volume_patch), patch_fields,
                                            "A merge patch (RFC 7396) of a volume."};

#define AT(member) offsetof(dol_mount_body, member)
static const dol_field mount_fields[] = {
        {"id", DOL_STRING, AT(id), 0, .doc = "under which id; unmount with the same one"},
        {NULL},
};
static const dol_field unmount_fields[] = {
        {"id", DOL_STRING, AT(id), 0, .doc = "the id it was mounted under"},
        {"force", DOL_BOOL, AT(force), 0,
         .doc = "take it away from everybody, even while it is in use"},
        {NULL},
};
#undef AT
const dol_schema dol_mount_body_schema = {"MountRequest", sizeof(dol_mount_body), mount_fields,
                                          "Who mounts."};
const dol_schema dol_unmount_body_schema = {"UnmountRequest", sizeof(dol_mount_body),
                                            unmount_fields, "Who unmounts."};

static const dol_field restore_fields[] = {
        {"name", DOL_STRING, offsetof(dol_restore_body, name), 0, .doc = "another name"},
        {NULL},
};
const dol_schema dol_restore_body_schema = {"RestoreRequest", sizeof(dol_restore_body),
                                            restore_fields, "How it comes back."};

static const dol_field adopt_fields[] = {
        {"uid", DOL_STRING, offsetof(dol_adopt_body, uid), DOL_REQUIRED, .doc = "which one"},
        {"name", DOL_STRING, offsetof(dol_adopt_body, name), 0, .doc = "another name"},
        {NULL},
};
const dol_schema dol_adopt_body_schema = {"AdoptRequest", sizeof(dol_adopt_body), adopt_fields,
                                          "What to record."};

static const dol_field resize_fields[] = {
        {"size", DOL_SIZE, offsetof(dol_resize_body, size), DOL_REQUIRED, .doc = "the new size"},
        {NULL},
};
const dol_schema dol_resize_body_schema = {"ResizeRequest", sizeof(dol_resize_body), resize_fields,
                                           "How large it becomes."};

static const dol_field check_fields[] = {
        {"repair", DOL_BOOL, offsetof(dol_check_body, repair), 0,
         .doc = "repair what is found, while nobody uses it"},
        {NULL},
};
const dol_schema dol_check_body_schema = {"CheckRequest", sizeof(dol_check_body), check_fields,
                                          "How to check it."};

#define AT(member) offsetof(dol_snapshot_body, member)
static const dol_field snapshot_fields[] = {
        {"name", DOL_STRING, AT(name), DOL_REQUIRED, .doc = "name of the snapshot, or of each"},
        {"volumes", DOL_STRINGS, AT(volumes), 0, .doc = "of which volumes, all at one moment"},
        {"label", DOL_STRING, AT(label), 0, .doc = "of all volumes with these labels: k=v,k2"},
        {"labels", DOL_MAP, AT(labels), 0, .doc = "labels of the snapshots"},
        {"protect", DOL_BOOL, AT(protect), 0, .doc = "they cannot be deleted until it is cleared"},
        {"no_freeze", DOL_BOOL, AT(no_freeze), 0,
         .doc = "crash consistent: the file systems are not frozen"},
        {NULL},
};
#undef AT
const dol_schema dol_snapshot_body_schema = {"SnapshotRequest", sizeof(dol_snapshot_body),
                                             snapshot_fields, "What to keep."};

#define AT(member) offsetof(dol_snapshot_patch, member)
static const dol_field snapshot_patch_fields[] = {
        {"name", DOL_STRING, AT(name), 0, .doc = "another name"},
        {"labels", DOL_MAP, AT(labels), 0, .doc = "labels to set; null removes one"},
        {"protect", DOL_BOOL, AT(protect), 0, .doc = "it cannot be deleted until it is cleared"},
        {NULL},
};
#undef AT
const dol_schema dol_snapshot_patch_schema = {"SnapshotPatch", sizeof(dol_snapshot_patch),
                                              snapshot_patch_fields,
                                              "A merge patch (RFC 7396) of a snapshot."};

static const dol_field revert_fields[] = {
        {"force", DOL_BOOL, offsetof(dol_revert_body, force), 0,
         .doc = "take the volume from its users first"},
        {NULL},
};
const dol_schema dol_revert_body_schema = {"RevertRequest", sizeof(dol_revert_body), revert_fields,
                                           "How to put it back."};

#define AT(member) offsetof(dol_files_body, member)
static const dol_field files_fields[] = {
        {"paths", DOL_STRINGS, AT(paths), DOL_REQUIRED,
         .doc = "what is wanted back; a directory with all below it"},
        {"to", DOL_STRING, AT(to), 0,
         .doc = "into this directory of the volume; otherwise to where each was"},
        {"overwrite", DOL_BOOL, AT(overwrite), 0,
         .doc = "replace files that are there, and join directories"},
        {NULL},
};
#undef AT
const dol_schema dol_files_body_schema = {"RestoreFilesRequest", sizeof(dol_files_body),
                                          files_fields, "Which files to bring back."};

/* ---- answers ---- */

typedef struct {
        GPtrArray *items;
        char *next;
} list;

#define LIST(noun, title, element)                                                            \
        static const dol_field noun##_list_fields[] = {                                       \
                {"items", DOL_ARRAY, offsetof(list, items), DOL_REQUIRED, &element,           \
                 .doc = "what was found"},                                                    \
                {NULL},                                                                       \
        };                                                                                    \
        const dol_schema dol_##noun##_list_schema = {title, sizeof(list), noun##_list_fields, \
                                                     "A list."}

LIST(pool, "PoolList", dol_pool_schema);
LIST(unknown, "UnknownVolumeList", dol_unknown_volume_schema);
LIST(operation, "OperationList", dol_operation_schema);
LIST(event, "EventList", dol_event_schema);
LIST(check, "CheckList", dol_check_schema);
LIST(snapshot, "SnapshotList", dol_snapshot_schema);
LIST(file, "FileList", dol_file_schema);
LIST(file_change, "FileChangeList", dol_file_change_schema);
LIST(schedule, "ScheduleList", dol_schedule_schema);

typedef struct {
        uint64_t offset, length;
        bool data;
} range;

static const dol_field range_fields[] = {
        {"offset", DOL_UINT, offsetof(range, offset), DOL_SHOW_EMPTY, .doc = "first byte"},
        {"length", DOL_UINT, offsetof(range, length), 0, .doc = "how many"},
        {"data", DOL_BOOL, offsetof(range, data), DOL_SHOW_EMPTY,
         .doc = "false: the target reads as zeroes there"},
        {NULL},
};
static const dol_schema range_schema = {"Range", sizeof(range), range_fields,
                                        "Bytes that may differ."};

static const dol_field range_list_fields[] = {
        {"items", DOL_ARRAY, offsetof(list, items), DOL_REQUIRED, &range_schema,
         .doc = "in order of their offsets"},
        {"continue", DOL_STRING, offsetof(list, next), 0,
         .doc = "give this as `after` to the next request; absent at the end"},
        {NULL},
};
const dol_schema dol_range_list_schema = {"RangeList", sizeof(list), range_list_fields,
                                          "Ranges that may differ."};

static const dol_field volume_list_fields[] = {
        {"items", DOL_ARRAY, offsetof(list, items), DOL_REQUIRED, &dol_volume_schema,
         .doc = "the volumes of this page"},
        {"continue", DOL_STRING, offsetof(list, next), 0,
         .doc = "give this to the next request; absent on the last page"},
        {NULL},
};
const dol_schema dol_volume_list_schema = {"VolumeList", sizeof(list), volume_list_fields,
                                           "One page of volumes."};

typedef struct {
        char *kind, *message;
        GHashTable *details;
} error_body;

typedef struct {
        error_body error;
} error_answer;

static const dol_field error_body_fields[] = {
        {"kind", DOL_STRING, offsetof(error_body, kind), DOL_REQUIRED,
         .doc = "invalid, not-found, exists, conflict, stale, unsupported, no-space, busy, "
                "unavailable, timeout, denied or internal"},
        {"message", DOL_STRING, offsetof(error_body, message), DOL_REQUIRED,
         .doc = "what failed, for people"},
        {"details", DOL_MAP, offsetof(error_body, details), 0, .doc = "more, for programs"},
        {NULL},
};
static const dol_schema error_body_schema = {"ErrorBody", sizeof(error_body), error_body_fields,
                                             "What went wrong."};
static const dol_field error_fields[] = {
        {"error", DOL_OBJECT, offsetof(error_answer, error), DOL_REQUIRED, &error_body_schema},
        {NULL},
};
const dol_schema dol_error_schema = {"Error", sizeof(error_answer), error_fields,
                                     "The answer to a request that failed."};
