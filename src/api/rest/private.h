/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the REST face share. */
#pragma once

#include "api/rest/rest.h"

#include <stdatomic.h>

struct dol_rest {
        _Atomic(dol_engine *) engine;
        int64_t started_usec; /* CLOCK_MONOTONIC */
};

/* The engine, or UNAVAILABLE while doliumd starts. */
dol_engine *dol_rest_engine(dol_rest *rest, GError **error);

/* The call of a request that changes something. Answers 202 with the operation when the work takes
 * longer than the request's `wait` (query; 60 s); the work goes on. Lives with the request. */
bool dol_rest_begin(dol_http_request *request, dol_engine *engine, dol_call *ret_call,
                    GError **error);

/* The revision of If-Match, 0 when there is none or "*". */
bool dol_rest_if_match(dol_http_request *request, int64_t *ret_revision, GError **error);
/* A number in the query, `otherwise` when it is absent. */
bool dol_rest_query_number(dol_http_request *request, const char *name, uint64_t otherwise,
                           uint64_t max, uint64_t *ret, GError **error);
bool dol_rest_query_bool(dol_http_request *request, const char *name, bool *ret, GError **error);
/* The index of one of the words; -1 when it is absent. */
bool dol_rest_query_word(dol_http_request *request, const char *name, const char *const *words,
                         int *ret, GError **error);

/* Answers {"items":[...]} from an array of structs. */
void dol_rest_reply_items(dol_http_request *request, int status, const dol_schema *schema,
                          GPtrArray *items);
/* A body that may be left out. */
bool dol_rest_decode_optional(dol_http_request *request, const dol_schema *schema, void *out,
                              GError **error);
/* The id of a mount: at most 128 bytes of UTF-8. */
bool dol_rest_check_id(const char *id, GError **error);
void dol_rest_reply_volume(dol_http_request *request, int status, const dol_volume *volume);

extern const dol_http_parameter dol_rest_wait_query[];

#define DOL_REST_HANDLER(name) \
        bool dol_rest_##name(dol_http_request *request, void *user, GError **error)

DOL_REST_HANDLER(volume_list);
DOL_REST_HANDLER(volume_create);
DOL_REST_HANDLER(volume_get);
DOL_REST_HANDLER(volume_change);
DOL_REST_HANDLER(volume_delete);
DOL_REST_HANDLER(volume_mount);
DOL_REST_HANDLER(volume_unmount);
DOL_REST_HANDLER(volume_restore);
DOL_REST_HANDLER(volume_resize);
DOL_REST_HANDLER(volume_check);
DOL_REST_HANDLER(volume_trim);
DOL_REST_HANDLER(volume_export);
DOL_REST_HANDLER(volume_import);
DOL_REST_HANDLER(snapshot_list);
DOL_REST_HANDLER(snapshot_create);
DOL_REST_HANDLER(snapshot_get);
DOL_REST_HANDLER(snapshot_change);
DOL_REST_HANDLER(snapshot_delete);
DOL_REST_HANDLER(snapshot_mount);
DOL_REST_HANDLER(snapshot_unmount);
DOL_REST_HANDLER(snapshot_restore);
DOL_REST_HANDLER(snapshot_diff);
DOL_REST_HANDLER(volume_diff);
DOL_REST_HANDLER(snapshot_export);
DOL_REST_HANDLER(files_list);
DOL_REST_HANDLER(files_read);
DOL_REST_HANDLER(files_diff);
DOL_REST_HANDLER(files_restore);
DOL_REST_HANDLER(schedule_list);
DOL_REST_HANDLER(schedule_create);
DOL_REST_HANDLER(schedule_get);
DOL_REST_HANDLER(schedule_change);
DOL_REST_HANDLER(schedule_delete);
DOL_REST_HANDLER(schedule_run);
DOL_REST_HANDLER(tar_write);
DOL_REST_HANDLER(tar_import);
DOL_REST_HANDLER(pool_list);
DOL_REST_HANDLER(pool_create);
DOL_REST_HANDLER(pool_get);
DOL_REST_HANDLER(pool_unknown);
DOL_REST_HANDLER(pool_adopt);
DOL_REST_HANDLER(operation_list);
DOL_REST_HANDLER(operation_get);
DOL_REST_HANDLER(event_list);
DOL_REST_HANDLER(doctor);
DOL_REST_HANDLER(healthz);
DOL_REST_HANDLER(readyz);
DOL_REST_HANDLER(version);
DOL_REST_HANDLER(metrics);
DOL_REST_HANDLER(openapi);

/* Bodies of requests that are not objects of the model. */
typedef struct {
        char *name;
        GHashTable *labels;
        struct {
                bool protect;
                int64_t trash;
                char *mountopts;
                dol_io_limits limits;
        } spec;
} dol_volume_patch;

typedef struct {
        char *id;
        bool force;
} dol_mount_body;

typedef struct {
        char *name;
} dol_restore_body;

typedef struct {
        char *uid, *name;
} dol_adopt_body;

typedef struct {
        uint64_t size;
} dol_resize_body;

typedef struct {
        bool repair;
} dol_check_body;

typedef struct {
        char *name;
        char **volumes;
        char *label;        /* or: all volumes with these labels */
        GHashTable *labels; /* of the snapshots */
        bool protect, no_freeze;
} dol_snapshot_body;

typedef struct {
        char *name;
        GHashTable *labels;
        bool protect;
} dol_snapshot_patch;

typedef struct {
        bool force;
} dol_revert_body;

typedef struct {
        char **paths;
        char *to;
        bool overwrite;
} dol_files_body;

extern const dol_schema dol_volume_patch_schema;
extern const dol_schema dol_mount_body_schema;
extern const dol_schema dol_unmount_body_schema;
extern const dol_schema dol_restore_body_schema;
extern const dol_schema dol_adopt_body_schema;

extern const dol_schema dol_resize_body_schema;
extern const dol_schema dol_check_body_schema;
extern const dol_schema dol_snapshot_body_schema;
extern const dol_schema dol_snapshot_patch_schema;
extern const dol_schema dol_revert_body_schema;
extern const dol_schema dol_files_body_schema;

/* Only for the OpenAPI document: {"items":[element]} lists and the error form. */
extern const dol_schema dol_volume_list_schema;
extern const dol_schema dol_pool_list_schema;
extern const dol_schema dol_unknown_list_schema;
extern const dol_schema dol_operation_list_schema;
extern const dol_schema dol_event_list_schema;
extern const dol_schema dol_check_list_schema;
extern const dol_schema dol_snapshot_list_schema;
extern const dol_schema dol_schedule_list_schema;
extern const dol_schema dol_range_list_schema;
extern const dol_schema dol_file_list_schema;
extern const dol_schema dol_file_change_list_schema;
extern const dol_schema dol_error_schema;
extern const dol_schema dol_version_schema;
