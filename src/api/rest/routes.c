/* SPDX-License-Identifier: Apache-2.0 */
/* The REST interface as one table: dispatch, checks and the OpenAPI document come from it. */
#include "api/rest/private.h"
#include "model/schedule.h"

static const dol_http_parameter volume_list_query[] = {
        {"limit", "how many at most; 1000"},
        {"continue", "where the page before ended"},
        {"label", "only with these labels: k=v,k2"},
        {"phase", "only in this phase; otherwise all that are not in the trash"},
        {"pool", "only in this pool"},
        {"usage", "true: ask the pool for what each takes"},
        {NULL},
};
static const dol_http_parameter delete_query[] = {
        {"purge", "true: past the trash, for good"},
        {"wait", "answer 202 with the operation when it takes longer; 60s"},
        {NULL},
};
static const dol_http_parameter operation_list_query[] = {
        {"volume", "only of this volume"},
        {"phase", "running, done or failed"},
        {"limit", "how many at most; 1000"},
        {NULL},
};
static const dol_http_parameter operation_get_query[] = {
        {"wait", "answer when it has ended, or after this time"},
        {NULL},
};
static const dol_http_parameter event_list_query[] = {
        {"after", "only with a greater sequence"},
        {"limit", "how many at most; 1000"},
        {"volume", "only of this volume"},
        {"watch", "true: one event per line, without end"},
        {NULL},
};

static const dol_http_parameter snapshot_list_query[] = {
        {"volume", "only of this volume"},
        {"label", "only with these labels: k=v,k2"},
        {"usage", "true: ask the pool for what each takes"},
        {NULL},
};
static const dol_http_parameter diff_query[] = {
        {"base", "a snapshot of the same volume; otherwise all that is allocated"},
        {"after", "only from this offset on"},
        {"limit", "how many at most; 1000"},
        {NULL},
};

static const dol_http_parameter volume_diff_query[] = {
        {"base", "the snapshot of this volume to compare it with"},
        {"after", "only from this offset on"},
        {"limit", "how many at most; 1000"},
        {NULL},
};

static const dol_http_parameter export_query[] = {
        {"base", "a snapshot of the same volume: only what changed since"},
        {NULL},
};
static const dol_http_parameter import_query[] = {
        {"pool", "in which pool; otherwise one is chosen"},
        {NULL},
};

static const dol_http_parameter files_query[] = {
        {"path", "which file or directory; otherwise the root"},
        {"recursive", "true: all below it too"},
        {NULL},
};
static const dol_http_parameter file_query[] = {
        {"path", "which file"},
        {NULL},
};
static const dol_http_parameter files_diff_query[] = {
        {"base", "the snapshot before; this one is the later state"},
        {NULL},
};
static const dol_http_parameter volume_files_diff_query[] = {
        {"base", "the snapshot before; the volume as it is now is the later state"},
        {NULL},
};

static const dol_http_parameter tar_query[] = {
        {"path", "which file or directory; otherwise all"},
        {NULL},
};
static const dol_http_parameter tar_import_query[] = {
        {"size", "of the volume; 10G"},
        {"fs", "ext4 or xfs; directory in pools of directories"},
        {"pool", "in which pool; otherwise one is chosen"},
        {NULL},
};

#define TAR_TYPE    "application/x-tar"
#define FILES_FLAGS (DOL_ROUTE_STREAM | DOL_ROUTE_TRANSFER)

#define SNAPSHOT "/v1/snapshots/{snapshot}"
#define SCHEDULE "/v1/schedules/{schedule}"
#define VOLUME   "/v1/volumes/{volume}"
#define POOL     "/v1/pools/{pool}"

const dol_http_route dol_rest_routes[] = {
        {"GET", "/v1/volumes", dol_rest_volume_list, 0, "List volumes in order of name", NULL,
         &dol_volume_list_schema, 200, volume_list_query},
        {"POST", "/v1/volumes", dol_rest_volume_create, DOL_ROUTE_LONG,
         "Create a volume; 200 when it exists and agrees", &dol_volume_schema, &dol_volume_schema,
         201, dol_rest_wait_query},
        {"GET", VOLUME, dol_rest_volume_get, 0, "Show a volume", NULL, &dol_volume_schema, 200,
         NULL},
        {"PATCH", VOLUME, dol_rest_volume_change, DOL_ROUTE_LONG,
         "Change name, labels or settings; If-Match", &dol_volume_patch_schema, &dol_volume_schema,
         200, dol_rest_wait_query},
        {"DELETE", VOLUME, dol_rest_volume_delete, DOL_ROUTE_LONG,
         "Delete a volume: to the trash, or for good; If-Match", NULL, &dol_volume_schema, 200,
         delete_query},
        {"POST", VOLUME "/mount", dol_rest_volume_mount, DOL_ROUTE_LONG,
         "Mount a volume on this node", &dol_mount_body_schema, &dol_volume_schema, 200,
         dol_rest_wait_query},
        {"POST", VOLUME "/unmount", dol_rest_volume_unmount, DOL_ROUTE_LONG,
         "Give a mount back; unmounts when nobody is left", &dol_unmount_body_schema,
         &dol_volume_schema, 200, dol_rest_wait_query},
        {"POST", VOLUME "/restore", dol_rest_volume_restore, DOL_ROUTE_LONG,
         "Bring a volume back from the trash", &dol_restore_body_schema, &dol_volume_schema, 200,
         dol_rest_wait_query},
        {"POST", VOLUME "/resize", dol_rest_volume_resize, DOL_ROUTE_LONG,
         "Make a volume larger, while it is in use too", &dol_resize_body_schema,
         &dol_volume_schema, 200, dol_rest_wait_query},
        {"POST", VOLUME "/trim", dol_rest_volume_trim, DOL_ROUTE_LONG,
         "Give the space of deleted files of a mounted volume back to its pool", NULL,
         &dol_volume_schema, 200, dol_rest_wait_query},
        {"GET", VOLUME "/export", dol_rest_volume_export, DOL_ROUTE_STREAM | DOL_ROUTE_TRANSFER,
         "Send the image of a volume as a stream, as it is now", NULL, NULL, 200, export_query,
         DOL_STREAM_MEDIA_TYPE},
        {"POST", VOLUME "/import", dol_rest_volume_import, DOL_ROUTE_UPLOAD | DOL_ROUTE_TRANSFER,
         "Make a volume from a stream, or bring it to a later state", NULL, &dol_volume_schema, 200,
         import_query, DOL_STREAM_MEDIA_TYPE},
        {"POST", VOLUME "/check", dol_rest_volume_check, DOL_ROUTE_LONG,
         "Check its file system, also while it is in use, or repair it", &dol_check_body_schema,
         &dol_volume_check_schema, 200, dol_rest_wait_query},
        {"GET", "/v1/snapshots", dol_rest_snapshot_list, 0, "List snapshots, oldest first", NULL,
         &dol_snapshot_list_schema, 200, snapshot_list_query},
        {"POST", "/v1/snapshots", dol_rest_snapshot_create, DOL_ROUTE_LONG,
         "Take a snapshot of one volume, or of several at one moment", &dol_snapshot_body_schema,
         &dol_snapshot_list_schema, 201, dol_rest_wait_query},
        {"GET", SNAPSHOT, dol_rest_snapshot_get, 0, "Show a snapshot: VOLUME@NAME or uid:UID", NULL,
         &dol_snapshot_schema, 200, NULL},
        {"PATCH", SNAPSHOT, dol_rest_snapshot_change, DOL_ROUTE_LONG,
         "Change name, labels or protection", &dol_snapshot_patch_schema, &dol_snapshot_schema, 200,
         dol_rest_wait_query},
        {"DELETE", SNAPSHOT, dol_rest_snapshot_delete, DOL_ROUTE_LONG,
         "Delete a snapshot, for good", NULL, &dol_snapshot_schema, 200, dol_rest_wait_query},
        {"POST", SNAPSHOT "/mount", dol_rest_snapshot_mount, DOL_ROUTE_LONG,
         "Mount a snapshot read-only beside its volume", &dol_mount_body_schema,
         &dol_snapshot_schema, 200, dol_rest_wait_query},
        {"POST", SNAPSHOT "/unmount", dol_rest_snapshot_unmount, DOL_ROUTE_LONG,
         "Give that mount back", &dol_unmount_body_schema, &dol_snapshot_schema, 200,
         dol_rest_wait_query},
        {"POST", SNAPSHOT "/restore", dol_rest_snapshot_restore, DOL_ROUTE_LONG,
         "Put the volume back to its snapshot", &dol_revert_body_schema, &dol_volume_schema, 200,
         dol_rest_wait_query},
        {"GET", SNAPSHOT "/diff", dol_rest_snapshot_diff, 0,
         "List the ranges in which a snapshot may differ from an earlier one", NULL,
         &dol_range_list_schema, 200, diff_query},
        {"GET", VOLUME "/diff", dol_rest_volume_diff, 0,
         "List the ranges in which a volume may differ now from a snapshot of its own", NULL,
         &dol_range_list_schema, 200, volume_diff_query},
        {"GET", SNAPSHOT "/export", dol_rest_snapshot_export, DOL_ROUTE_STREAM | DOL_ROUTE_TRANSFER,
         "Send a snapshot as a stream", NULL, NULL, 200, export_query, DOL_STREAM_MEDIA_TYPE},
        {"GET", SNAPSHOT "/files", dol_rest_files_list, FILES_FLAGS,
         "List files of a snapshot: the one at a path, and what it holds", NULL,
         &dol_file_list_schema, 200, files_query},
        {"GET", SNAPSHOT "/file", dol_rest_files_read, FILES_FLAGS,
         "Read a file of a snapshot: its bytes", NULL, NULL, 200, file_query,
         "application/octet-stream"},
        {"GET", SNAPSHOT "/files/diff", dol_rest_files_diff, FILES_FLAGS,
         "List the files that differ from those of an earlier snapshot", NULL,
         &dol_file_change_list_schema, 200, files_diff_query},
        {"POST", SNAPSHOT "/files/restore", dol_rest_files_restore,
         DOL_ROUTE_LONG | DOL_ROUTE_TRANSFER, "Copy files from a snapshot back into its volume",
         &dol_files_body_schema, &dol_files_restored_schema, 200, dol_rest_wait_query},
        {"GET", SNAPSHOT "/tar", dol_rest_tar_write, FILES_FLAGS,
         "Send files of a snapshot as a tar stream", NULL, NULL, 200, tar_query, TAR_TYPE},
        {"GET", VOLUME "/tar", dol_rest_tar_write, FILES_FLAGS,
         "Send files of a volume as a tar stream", NULL, NULL, 200, tar_query, TAR_TYPE},
        {"POST", VOLUME "/tar", dol_rest_tar_import, DOL_ROUTE_UPLOAD | DOL_ROUTE_TRANSFER,
         "Make a volume from a tar stream", NULL, &dol_volume_schema, 200, tar_import_query,
         TAR_TYPE},
        {"GET", VOLUME "/files", dol_rest_files_list, FILES_FLAGS,
         "List files of a volume as it is now", NULL, &dol_file_list_schema, 200, files_query},
        {"GET", VOLUME "/file", dol_rest_files_read, FILES_FLAGS,
         "Read a file of a volume: its bytes", NULL, NULL, 200, file_query,
         "application/octet-stream"},
        {"GET", VOLUME "/files/diff", dol_rest_files_diff, FILES_FLAGS,
         "List the files that differ now from those of a snapshot", NULL,
         &dol_file_change_list_schema, 200, volume_files_diff_query},
        {"GET", "/v1/schedules", dol_rest_schedule_list, 0, "List schedules in order of name", NULL,
         &dol_schedule_list_schema, 200, NULL},
        {"POST", "/v1/schedules", dol_rest_schedule_create, DOL_ROUTE_LONG,
         "Create a schedule of snapshots", &dol_schedule_schema, &dol_schedule_schema, 201,
         dol_rest_wait_query},
        {"GET", SCHEDULE, dol_rest_schedule_get, 0, "Show a schedule", NULL, &dol_schedule_schema,
         200, NULL},
        {"PATCH", SCHEDULE, dol_rest_schedule_change, DOL_ROUTE_LONG,
         "Change when, of what, or how; If-Match", &dol_schedule_schema, &dol_schedule_schema, 200,
         dol_rest_wait_query},
        {"DELETE", SCHEDULE, dol_rest_schedule_delete, DOL_ROUTE_LONG,
         "Delete a schedule; its snapshots stay", NULL, &dol_schedule_schema, 200,
         dol_rest_wait_query},
        {"POST", SCHEDULE "/run", dol_rest_schedule_run, DOL_ROUTE_LONG, "Take its snapshots now",
         NULL, &dol_schedule_schema, 200, dol_rest_wait_query},
        {"GET", "/v1/pools", dol_rest_pool_list, 0, "List pools", NULL, &dol_pool_list_schema, 200,
         NULL},
        {"POST", "/v1/pools", dol_rest_pool_create, DOL_ROUTE_LONG, "Create a pool",
         &dol_pool_schema, &dol_pool_schema, 201, dol_rest_wait_query},
        {"GET", POOL, dol_rest_pool_get, 0, "Show a pool", NULL, &dol_pool_schema, 200, NULL},
        {"GET", POOL "/unknown", dol_rest_pool_unknown, 0,
         "List what lies in a pool and is not recorded", NULL, &dol_unknown_list_schema, 200, NULL},
        {"POST", POOL "/adopt", dol_rest_pool_adopt, DOL_ROUTE_LONG,
         "Record a volume that lies in a pool", &dol_adopt_body_schema, &dol_volume_schema, 200,
         dol_rest_wait_query},
        {"GET", "/v1/operations", dol_rest_operation_list, 0, "List operations, newest first", NULL,
         &dol_operation_list_schema, 200, operation_list_query},
        {"GET", "/v1/operations/{operation}", dol_rest_operation_get, 0,
         "Show an operation, or wait for its end", NULL, &dol_operation_schema, 200,
         operation_get_query},
        {"GET", "/v1/events", dol_rest_event_list, DOL_ROUTE_STREAM,
         "List events, oldest first, or watch them", NULL, &dol_event_list_schema, 200,
         event_list_query},
        {"GET", "/v1/doctor", dol_rest_doctor, 0, "What this host can and cannot do, and why", NULL,
         &dol_check_list_schema, 200, NULL},
        {"GET", "/healthz", dol_rest_healthz, DOL_ROUTE_INLINE, "Does the process answer?", NULL,
         NULL, 200, NULL},
        {"GET", "/readyz", dol_rest_readyz, DOL_ROUTE_INLINE, "Can it serve?", NULL, NULL, 200,
         NULL},
        {"GET", "/version", dol_rest_version, DOL_ROUTE_INLINE, "Who answers", NULL,
         &dol_version_schema, 200, NULL},
        {"GET", "/metrics", dol_rest_metrics, 0, "Figures in Prometheus' text format", NULL, NULL,
         200, NULL},
        {"GET", "/openapi.json", dol_rest_openapi, 0, "This document", NULL, NULL, 200, NULL},
        {NULL},
};
