/* SPDX-License-Identifier: Apache-2.0 */
/* /v1/snapshots */
#include "api/rest/private.h"

enum { RANGES_DEFAULT = 1000, RANGES_MAX = 100000 };

static void reply_snapshot(dol_http_request *request, int status, const dol_snapshot *snapshot)
{
        dol_http_reply_json(request, status, &dol_snapshot_schema, snapshot);
}

DOL_REST_HANDLER(snapshot_list)
{
        dol_engine *engine = dol_rest_engine(user, error);
        g_autoptr(GPtrArray) found = NULL;
        bool usage;

        if (!engine || !dol_rest_query_bool(request, "usage", &usage, error) ||
            !(found = dol_engine_snapshot_list(engine, dol_http_query(request, "volume"),
                                               dol_http_query(request, "label"), usage, error)))
                return false;
        dol_rest_reply_items(request, 200, &dol_snapshot_schema, found);
        return true;
}

DOL_REST_HANDLER(snapshot_create)
{
        dol_engine *engine = dol_rest_engine(user, error);
        g_autoptr(GPtrArray) made = NULL;
        dol_snapshot_body body;
        dol_call call;
        bool ok;

        if (!engine ||
            !dol_http_decode(request, &dol_snapshot_body_schema, DOL_DECODE_REQUEST, &body, error))
                return false;
        ok = dol_rest_begin(request, engine, &call, error) &&
             dol_engine_snapshot_create(engine, &call,
                                        &(dol_snapshot_request){
                                                .volumes = (const char *const *)body.volumes,
                                                .labels = body.label,
                                                .name = body.name,
                                                .snapshot_labels = body.labels,
                                                .protect = body.protect,
                                                .no_freeze = body.no_freeze,
                                        },
                                        &made, error);
        dol_schema_clear(&dol_snapshot_body_schema, &body);
        if (ok)
                dol_rest_reply_items(request, 201, &dol_snapshot_schema, made);
        return ok;
}

DOL_REST_HANDLER(snapshot_get)
{
        dol_engine *engine = dol_rest_engine(user, error);
        g_autoptr(dol_snapshot) snapshot = NULL;

        if (!engine || !(snapshot = dol_engine_snapshot_get(
                                 engine, dol_http_argument(request, "snapshot"), error)))
                return false;
        reply_snapshot(request, 200, snapshot);
        return true;
}

DOL_REST_HANDLER(snapshot_change)
{
        dol_engine *engine = dol_rest_engine(user, error);
        const char *reference = dol_http_argument(request, "snapshot");
        g_autoptr(dol_snapshot) now = NULL, changed = NULL;
        dol_snapshot_patch patch = {0};
        dol_call call;
        bool ok;

        if (!engine || !(now = dol_engine_snapshot_get(engine, reference, error)))
                return false;
        patch.name = g_strdup(now->name);
        patch.labels = now->labels ? dol_map_copy(now->labels) : dol_map_new();
        patch.protect = now->protect;
        ok = dol_http_decode(request, &dol_snapshot_patch_schema,
                             DOL_DECODE_REQUEST | DOL_DECODE_MERGE, &patch, error) &&
             dol_rest_begin(request, engine, &call, error) &&
             dol_engine_snapshot_change(
                     engine, &call, reference,
                     &(dol_snapshot_change){patch.name, patch.labels, &patch.protect}, &changed,
                     error);
        dol_schema_clear(&dol_snapshot_patch_schema, &patch);
        if (ok)
                reply_snapshot(request, 200, changed);
        return ok;
}

DOL_REST_HANDLER(snapshot_delete)
{
        dol_engine *engine = dol_rest_engine(user, error);
        const char *reference = dol_http_argument(request, "snapshot");
        g_autoptr(dol_snapshot) snapshot = NULL;
        dol_call call;

        if (!engine || !(snapshot = dol_engine_snapshot_get(engine, reference, error)) ||
            !dol_rest_begin(request, engine, &call, error) ||
            !dol_engine_snapshot_delete(engine, &call, reference, error))
                return false;
        snapshot->phase = DOL_SNAPSHOT_DELETING;
        reply_snapshot(request, 200, snapshot);
        return true;
}

/* ---- mount ---- */

typedef bool (*mount_fn)(dol_engine *engine, const dol_call *call, const char *reference,
                         const dol_consumer_request *consumer, bool force,
                         dol_snapshot **ret_snapshot, GError **error);

static bool with_body(dol_http_request *request, void *user, const dol_schema *schema, mount_fn fn,
                      GError **error)
{
        dol_engine *engine = dol_rest_engine(user, error);
        g_autoptr(dol_snapshot) snapshot = NULL;
        dol_mount_body body;
        dol_call call;
        bool ok;

        if (!engine || !dol_rest_decode_optional(request, schema, &body, error))
                return false;
        ok = dol_rest_check_id(body.id, error) && dol_rest_begin(request, engine, &call, error) &&
             fn(engine, &call, dol_http_argument(request, "snapshot"),
                &(dol_consumer_request){
                        .client = DOL_CLIENT_REST, .id = body.id ? body.id : "", .generation = ""},
                body.force, &snapshot, error);
        dol_schema_clear(schema, &body);
        if (ok)
                reply_snapshot(request, 200, snapshot);
        return ok;
}

static bool mount_it(dol_engine *engine, const dol_call *call, const char *reference,
                     const dol_consumer_request *consumer, bool force, dol_snapshot **ret_snapshot,
                     GError **error)
{
        return dol_engine_snapshot_mount(engine, call, reference, consumer, ret_snapshot, error);
}

static bool unmount_it(dol_engine *engine, const dol_call *call, const char *reference,
                       const dol_consumer_request *consumer, bool force,
                       dol_snapshot **ret_snapshot, GError **error)
{
        return dol_engine_snapshot_unmount(engine, call, reference, consumer,
                                           force ? DOL_UNMOUNT_FORCE : DOL_UNMOUNT_STRICT,
                                           ret_snapshot, error);
}

DOL_REST_HANDLER(snapshot_mount)
{
        return with_body(request, user, &dol_mount_body_schema, mount_it, error);
}

DOL_REST_HANDLER(snapshot_unmount)
{
        return with_body(request, user, &dol_unmount_body_schema, unmount_it, error);
}

/* ---- restore and diff ---- */

DOL_REST_HANDLER(snapshot_restore)
{
        dol_engine *engine = dol_rest_engine(user, error);
        g_autoptr(dol_volume) volume = NULL;
        dol_revert_body body;
        dol_call call;

        if (!engine || !dol_rest_decode_optional(request, &dol_revert_body_schema, &body, error) ||
            !dol_rest_begin(request, engine, &call, error) ||
            !dol_engine_revert(engine, &call, dol_http_argument(request, "snapshot"), body.force,
                               &volume, error))
                return false;
        dol_rest_reply_volume(request, 200, volume);
        return true;
}

typedef struct {
        GString *body;
        uint64_t after, count, limit;
        uint64_t next; /* offset of the first range that was not written; 0 = none */
} range_page;

static bool add_range(uint64_t offset, uint64_t length, bool data, void *user)
{
        range_page *page = user;
        uint64_t end = offset + length;

        if (end <= page->after)
                return true;
        offset = MAX(offset, page->after);
        if (page->count == page->limit) {
                page->next = offset;
                return false;
        }
        g_string_append_printf(
                page->body,
                "%s{\"offset\":%" G_GUINT64_FORMAT ",\"length\":%" G_GUINT64_FORMAT ",\"data\":%s}",
                page->count++ ? "," : "", offset, end - offset, data ? "true" : "false");
        return true;
}

/* Base and target as dol_engine_diff takes them. */
static bool reply_diff(dol_http_request *request, dol_engine *engine, const char *base,
                       const char *target, GError **error)
{
        range_page page = {0};
        bool ok;

        if (!dol_rest_query_number(request, "after", 0, INT64_MAX, &page.after, error) ||
            !dol_rest_query_number(request, "limit", RANGES_DEFAULT, RANGES_MAX, &page.limit,
                                   error))
                return false;
        page.body = g_string_new("{\"items\":[");
        ok = dol_engine_diff(engine, dol_http_call(request), base, target, add_range, &page, error);
        if (!ok) {
                g_string_free(page.body, true);
                return false;
        }
        g_string_append_c(page.body, ']');
        if (page.next)
                g_string_append_printf(page.body, ",\"continue\":\"%" G_GUINT64_FORMAT "\"",
                                       page.next);
        g_string_append(page.body, "}\n");
        dol_http_reply_text(request, 200, "application/json", page.body);
        return true;
}

DOL_REST_HANDLER(snapshot_diff)
{
        dol_engine *engine = dol_rest_engine(user, error);

        return engine && reply_diff(request, engine, dol_http_query(request, "base"),
                                    dol_http_argument(request, "snapshot"), error);
}

/* What has changed in the volume since one of its snapshots. */
DOL_REST_HANDLER(volume_diff)
{
        dol_engine *engine = dol_rest_engine(user, error);
        const char *name = dol_http_argument(request, "volume");
        const char *base = dol_http_query(request, "base");
        g_autoptr(dol_snapshot) snapshot = NULL;
        g_autoptr(dol_volume) volume = NULL;

        if (!engine || !(volume = dol_engine_peek(engine, name, error)))
                return false;
        if (!base)
                return dol_fail(error, DOL_ERROR_INVALID,
                                "base: expected a snapshot of volume '%s' to compare it with",
                                volume->name);
        if (!(snapshot = dol_engine_snapshot_get(engine, base, error)))
                return false;
        if (g_strcmp0(snapshot->volume, volume->uid) != 0)
                return dol_fail(error, DOL_ERROR_INVALID,
                                "base: '%s' is no snapshot of volume '%s'", base, volume->name);
        return reply_diff(request, engine, base, NULL, error);
}
