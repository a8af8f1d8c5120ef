/* SPDX-License-Identifier: Apache-2.0 */
/* /v1/volumes */
#include "api/rest/private.h"

#include <string.h>

enum { LIST_DEFAULT = 1000, LIST_MAX = 10000, CHANGE_TRIES = 10 };

/* ---- lists ---- */

typedef struct {
        GString *body;
        unsigned count;
        char *token;
} listing;

static bool add_item(const dol_volume *volume, void *user)
{
        listing *list = user;

        if (list->count++)
                g_string_append_c(list->body, ',');
        dol_json_encode(&dol_volume_schema, volume, DOL_ENCODE_CLIENT, list->body);
        g_free(list->token);
        list->token = dol_volume_token(volume);
        return true;
}

static bool decode_token(const char *text, char **ret_token, GError **error)
{
        size_t size = 0;
        g_autofree char *token = text ? (char *)g_base64_decode(text, &size) : NULL;

        if (!text)
                return true;
        if (size == 0 || strlen(token) != size || !g_utf8_validate(token, -1, NULL))
                return dol_fail(error, DOL_ERROR_INVALID,
                                "continue: '%s' is not what an answer gave", text);
        *ret_token = g_steal_pointer(&token);
        return true;
}

DOL_REST_HANDLER(volume_list)
{
        dol_engine *engine = dol_rest_engine(user, error);
        dol_volume_filter filter = {
                .pool = dol_http_query(request, "pool"),
                .labels = dol_http_query(request, "label"),
        };
        g_autofree char *token = NULL;
        listing list = {0};
        uint64_t limit;
        bool more;

        if (!engine || !decode_token(dol_http_query(request, "continue"), &token, error) ||
            !dol_rest_query_number(request, "limit", LIST_DEFAULT, LIST_MAX, &limit, error) ||
            !dol_rest_query_bool(request, "usage", &filter.usage, error) ||
            !dol_rest_query_word(request, "phase", dol_volume_phase_words, &filter.phase, error))
                return false;
        filter.after = token;
        filter.limit = limit ? (unsigned)limit : LIST_DEFAULT;
        list.body = g_string_sized_new(65536);
        g_string_append(list.body, "{\"items\":[");
        dol_engine_list(engine, &filter, add_item, &list, &more, NULL);
        g_string_append_c(list.body, ']');
        if (more) {
                g_autofree char *next =
                        g_base64_encode((const unsigned char *)list.token, strlen(list.token));

                g_string_append_printf(list.body, ",\"continue\":\"%s\"", next);
        }
        g_string_append(list.body, "}\n");
        g_free(list.token);
        dol_http_reply_text(request, 200, "application/json", list.body);
        return true;
}

/* ---- one ---- */

DOL_REST_HANDLER(volume_get)
{
        dol_engine *engine = dol_rest_engine(user, error);
        g_autoptr(dol_volume) volume = NULL;

        if (!engine ||
            !(volume = dol_engine_get(engine, dol_http_argument(request, "volume"), error)))
                return false;
        dol_rest_reply_volume(request, 200, volume);
        return true;
}

static bool decode_volume(dol_http_request *request, dol_volume *want, GError **error)
{
        *want = (dol_volume){0};
        dol_volume_spec_init(&want->spec);
        if (dol_http_decode(request, &dol_volume_schema, DOL_DECODE_REQUEST | DOL_DECODE_DEFAULTS,
                            want, error))
                return true;
        dol_schema_clear(&dol_volume_schema, want);
        return false;
}

DOL_REST_HANDLER(volume_create)
{
        dol_engine *engine = dol_rest_engine(user, error);
        g_autoptr(dol_volume) volume = NULL;
        dol_volume want;
        dol_call call;
        bool existed = false, ok;

        if (!engine || !decode_volume(request, &want, error))
                return false;
        ok = dol_rest_begin(request, engine, &call, error) &&
             dol_engine_create(engine, &call, &want, &volume, &existed, error);
        dol_schema_clear(&dol_volume_schema, &want);
        if (ok)
                dol_rest_reply_volume(request, existed ? 200 : 201, volume);
        return ok;
}

/* ---- change ---- */

/* Applies the patch to what the volume is now; somebody else's change in between is seen by its
 * revision, and then it is done again unless the client asked for this one. */
static bool change_once(dol_http_request *request, dol_engine *engine, const dol_call *call,
                        int64_t wanted_revision, dol_volume **ret_volume, GError **error)
{
        const char *reference = dol_http_argument(request, "volume");
        g_autoptr(dol_volume) now = dol_engine_peek(engine, reference, error);
        dol_volume_patch patch = {0};
        dol_volume_change change;
        bool ok;

        if (!now)
                return false;
        patch.name = g_strdup(now->name);
        patch.labels = dol_map_copy(now->labels);
        patch.spec.protect = now->spec.protect;
        patch.spec.trash = now->spec.trash;
        patch.spec.mountopts = g_strdup(now->spec.mountopts ? now->spec.mountopts : "");
        patch.spec.limits = now->spec.limits;
        ok = dol_http_decode(request, &dol_volume_patch_schema,
                             DOL_DECODE_REQUEST | DOL_DECODE_MERGE, &patch, error);
        if (ok && !patch.labels)
                patch.labels = dol_map_new();
        change = (dol_volume_change){
                .if_revision = wanted_revision ? wanted_revision : now->revision,
                .name = patch.name ? patch.name : "",
                .labels = patch.labels,
                .protect = &patch.spec.protect,
                .trash = &patch.spec.trash,
                .mountopts = patch.spec.mountopts ? patch.spec.mountopts : "",
                .limits = &patch.spec.limits,
        };
        ok = ok && dol_engine_change(engine, call, reference, &change, ret_volume, error);
        dol_schema_clear(&dol_volume_patch_schema, &patch);
        return ok;
}

DOL_REST_HANDLER(volume_change)
{
        dol_engine *engine = dol_rest_engine(user, error);
        g_autoptr(dol_volume) volume = NULL;
        int64_t revision;
        dol_call call;

        if (!engine || !dol_rest_if_match(request, &revision, error) ||
            !dol_rest_begin(request, engine, &call, error))
                return false;
        for (unsigned i = 0;; i++) {
                g_autoptr(GError) why = NULL;

                if (change_once(request, engine, &call, revision, &volume, &why))
                        break;
                if (revision || !dol_error_is(why, DOL_ERROR_STALE) || i >= CHANGE_TRIES) {
                        g_propagate_error(error, g_steal_pointer(&why));
                        return false;
                }
        }
        dol_rest_reply_volume(request, 200, volume);
        return true;
}

/* ---- delete and restore ---- */

DOL_REST_HANDLER(volume_delete)
{
        dol_engine *engine = dol_rest_engine(user, error);
        g_autoptr(dol_volume) volume = NULL;
        int64_t revision;
        dol_call call;
        bool purge;

        if (!engine || !dol_rest_if_match(request, &revision, error) ||
            !dol_rest_query_bool(request, "purge", &purge, error) ||
            !dol_rest_begin(request, engine, &call, error) ||
            !dol_engine_delete(engine, &call, dol_http_argument(request, "volume"), purge, revision,
                               &volume, error))
                return false;
        dol_rest_reply_volume(request, 200, volume);
        return true;
}

DOL_REST_HANDLER(volume_restore)
{
        dol_engine *engine = dol_rest_engine(user, error);
        g_autoptr(dol_volume) volume = NULL;
        dol_restore_body body;
        dol_call call;
        bool ok;

        if (!engine || !dol_rest_decode_optional(request, &dol_restore_body_schema, &body, error))
                return false;
        ok = dol_rest_begin(request, engine, &call, error) &&
             dol_engine_restore(engine, &call, dol_http_argument(request, "volume"), body.name,
                                &volume, error);
        dol_schema_clear(&dol_restore_body_schema, &body);
        if (ok)
                dol_rest_reply_volume(request, 200, volume);
        return ok;
}

/* ---- mount and unmount ---- */

DOL_REST_HANDLER(volume_mount)
{
        dol_engine *engine = dol_rest_engine(user, error);
        g_autoptr(dol_volume) volume = NULL;
        dol_mount_body body;
        dol_call call;
        bool ok;

        if (!engine || !dol_rest_decode_optional(request, &dol_mount_body_schema, &body, error))
                return false;
        ok = dol_rest_check_id(body.id, error) && dol_rest_begin(request, engine, &call, error) &&
             dol_engine_mount(engine, &call, dol_http_argument(request, "volume"),
                              &(dol_consumer_request){.client = DOL_CLIENT_REST,
                                                      .id = body.id ? body.id : "",
                                                      .generation = ""},
                              &volume, error);
        dol_schema_clear(&dol_mount_body_schema, &body);
        if (ok)
                dol_rest_reply_volume(request, 200, volume);
        return ok;
}

DOL_REST_HANDLER(volume_unmount)
{
        dol_engine *engine = dol_rest_engine(user, error);
        g_autoptr(dol_volume) volume = NULL;
        dol_mount_body body;
        dol_call call;
        bool ok;

        if (!engine || !dol_rest_decode_optional(request, &dol_unmount_body_schema, &body, error))
                return false;
        ok = dol_rest_check_id(body.id, error) && dol_rest_begin(request, engine, &call, error) &&
             dol_engine_unmount(engine, &call, dol_http_argument(request, "volume"),
                                &(dol_consumer_request){.client = DOL_CLIENT_REST,
                                                        .id = body.id ? body.id : "",
                                                        .generation = ""},
                                body.force ? DOL_UNMOUNT_FORCE : DOL_UNMOUNT_STRICT, &volume,
                                error);
        dol_schema_clear(&dol_unmount_body_schema, &body);
        if (ok)
                dol_rest_reply_volume(request, 200, volume);
        return ok;
}

DOL_REST_HANDLER(volume_resize)
{
        dol_engine *engine = dol_rest_engine(user, error);
        g_autoptr(dol_volume) volume = NULL;
        dol_resize_body body;
        dol_call call;

        if (!engine ||
            !dol_http_decode(request, &dol_resize_body_schema, DOL_DECODE_REQUEST, &body, error) ||
            !dol_rest_begin(request, engine, &call, error) ||
            !dol_engine_resize(engine, &call, dol_http_argument(request, "volume"), body.size,
                               &volume, error))
                return false;
        dol_rest_reply_volume(request, 200, volume);
        return true;
}

DOL_REST_HANDLER(volume_check)
{
        dol_engine *engine = dol_rest_engine(user, error);
        g_autoptr(dol_volume_check) check = NULL;
        dol_check_body body;
        dol_call call;

        if (!engine || !dol_rest_decode_optional(request, &dol_check_body_schema, &body, error) ||
            !dol_rest_begin(request, engine, &call, error) ||
            !dol_engine_check(engine, &call, dol_http_argument(request, "volume"), body.repair,
                              &check, error))
                return false;
        dol_http_reply_json(request, 200, &dol_volume_check_schema, check);
        return true;
}

DOL_REST_HANDLER(volume_trim)
{
        dol_engine *engine = dol_rest_engine(user, error);
        g_autoptr(dol_volume) volume = NULL;
        dol_call call;

        if (!engine || !dol_rest_begin(request, engine, &call, error) ||
            !dol_engine_trim(engine, &call, dol_http_argument(request, "volume"), &volume, error))
                return false;
        dol_rest_reply_volume(request, 200, volume);
        return true;
}
