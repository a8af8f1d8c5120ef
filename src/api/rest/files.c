/* SPDX-License-Identifier: Apache-2.0 */
/* Files in volumes and snapshots: .../files, .../file, .../files/diff, .../files/restore. Answers
 * of any length are streams, begun with the first piece: what fails before that is answered as an
 * error, what fails later breaks the connection off. */
#include "api/rest/private.h"

#include "base/clock.h"
#include "codec/units.h"

#include <string.h>

enum { PIECE = 64 * 1024 };

/* How long a client may take nothing. */
static const int64_t idle_usec = 60 * DOL_USEC_PER_SEC;

typedef struct {
        dol_http_request *request;
        const char *content_type;
        dol_http_stream *stream; /* NULL until something was sent */
        GString *waiting;
        uint64_t count; /* of items */
        bool is_gone;   /* the client */
} answer;

static const char *reference_of(const dol_http_request *request)
{
        const char *snapshot = dol_http_argument(request, "snapshot");

        return snapshot ? snapshot : dol_http_argument(request, "volume");
}

static const char *path_of(const dol_http_request *request)
{
        const char *path = dol_http_query(request, "path");

        return path ? path : "/";
}

static bool send(answer *to, const void *bytes, size_t size, GError **error)
{
        if (!to->stream)
                to->stream = dol_http_stream_begin(to->request, to->content_type);
        if (!to->is_gone && !dol_http_stream_send(to->stream, bytes, size, idle_usec))
                to->is_gone = true;
        return !to->is_gone || dol_fail(error, DOL_ERROR_UNAVAILABLE, "the client has gone");
}

static bool send_waiting(answer *to, GError **error)
{
        bool ok = send(to, to->waiting->str, to->waiting->len, error);

        g_string_truncate(to->waiting, 0);
        return ok;
}

/* Ends what was begun. An error without an answer yet is the caller's to answer. */
static bool end(answer *to, bool ok, GError **error)
{
        if (ok && to->waiting)
                ok = send_waiting(to, error);
        if (to->waiting)
                g_string_free(to->waiting, true);
        if (!to->stream)
                return ok;
        if (ok)
                dol_http_stream_end(to->stream);
        else
                dol_http_stream_break(to->stream);
        return ok;
}

/* ---- lists ---- */

static answer list_begin(dol_http_request *request)
{
        return (answer){
                .request = request,
                .content_type = "application/json",
                .waiting = g_string_new("{\"items\":["),
        };
}

static bool list_end(answer *to, bool ok, GError **error)
{
        if (ok)
                g_string_append(to->waiting, "]}\n");
        return end(to, ok, error);
}

static bool item_done(answer *to, GError **error)
{
        to->count++;
        return to->waiting->len < PIECE || send_waiting(to, error);
}

static bool add_file(const dol_file *file, void *user, GError **error)
{
        answer *to = user;

        g_string_append(to->waiting, to->count ? ",\n" : "");
        dol_file_encode(file, to->waiting);
        return item_done(to, error);
}

DOL_REST_HANDLER(files_list)
{
        dol_engine *engine = dol_rest_engine(user, error);
        bool deep;
        answer to;

        if (!engine || !dol_rest_query_bool(request, "recursive", &deep, error))
                return false;
        to = list_begin(request);
        return list_end(&to,
                        dol_engine_files_list(engine, dol_http_call(request), reference_of(request),
                                              path_of(request), deep, add_file, &to, error),
                        error);
}

static bool add_change(const dol_file_change *change, void *user)
{
        answer *to = user;

        g_string_append(to->waiting, to->count ? ",\n" : "");
        dol_file_change_encode(change, to->waiting);
        return item_done(to, NULL);
}

DOL_REST_HANDLER(files_diff)
{
        dol_engine *engine = dol_rest_engine(user, error);
        const char *base = dol_http_query(request, "base");
        const char *target = dol_http_argument(request, "snapshot");
        answer to;
        bool ok;

        if (!engine)
                return false;
        if (!base)
                return dol_fail(error, DOL_ERROR_INVALID, "base: expected a snapshot");
        to = list_begin(request);
        ok = dol_engine_files_diff(engine, dol_http_call(request), base, target, add_change, &to,
                                   error);
        return list_end(&to, ok && !to.is_gone, error);
}

/* ---- content ---- */

static bool add_bytes(const void *bytes, size_t size, void *user, GError **error)
{
        return send(user, bytes, size, error);
}

DOL_REST_HANDLER(files_read)
{
        dol_engine *engine = dol_rest_engine(user, error);
        answer to = {.request = request, .content_type = "application/octet-stream"};
        bool ok;

        if (!engine)
                return false;
        ok = dol_engine_files_read(engine, dol_http_call(request), reference_of(request),
                                   path_of(request), add_bytes, &to, error);
        if (ok && !to.stream) /* an empty file */
                to.stream = dol_http_stream_begin(request, to.content_type);
        return end(&to, ok, error);
}

DOL_REST_HANDLER(tar_write)
{
        dol_engine *engine = dol_rest_engine(user, error);
        answer to = {.request = request, .content_type = "application/x-tar"};

        return engine &&
               end(&to,
                   dol_engine_tar_write(engine, dol_http_call(request), reference_of(request),
                                        path_of(request), add_bytes, &to, error),
                   error);
}

static bool read_bytes(void *to, size_t max, size_t *ret_size, void *user, GError **error)
{
        return dol_http_read(user, to, max, ret_size, error);
}

/* What the query says about the new volume. */
static bool read_wanted(dol_http_request *request, dol_volume *ret, GError **error)
{
        const char *size = dol_http_query(request, "size");
        int fs;

        dol_volume_spec_init(&ret->spec);
        ret->name = g_strdup(dol_http_argument(request, "volume"));
        ret->spec.pool = g_strdup(dol_http_query(request, "pool"));
        if (size && !dol_size_parse(size, &ret->spec.size, error))
                return dol_fail_while(error, "size");
        if (!dol_rest_query_word(request, "fs", dol_fs_words, &fs, error))
                return false;
        if (fs >= 0)
                ret->spec.fs = (dol_fs_kind)fs;
        return true;
}

DOL_REST_HANDLER(tar_import)
{
        dol_engine *engine = dol_rest_engine(user, error);
        g_autoptr(dol_volume) want = g_new0(dol_volume, 1);
        g_autoptr(dol_volume) volume = NULL;
        dol_call call = *dol_http_call(request);

        call.actor = "rest";
        if (!engine || !read_wanted(request, want, error) ||
            !dol_engine_tar_import(engine, &call, want, read_bytes, request, &volume, error))
                return false;
        dol_rest_reply_volume(request, 200, volume);
        return true;
}

/* ---- restore ---- */

DOL_REST_HANDLER(files_restore)
{
        dol_engine *engine = dol_rest_engine(user, error);
        dol_files_restored done;
        dol_files_body body;
        dol_call call;
        bool ok;

        if (!engine ||
            !dol_http_decode(request, &dol_files_body_schema, DOL_DECODE_REQUEST, &body, error))
                return false;
        ok = dol_rest_begin(request, engine, &call, error) &&
             dol_engine_files_restore(engine, &call, dol_http_argument(request, "snapshot"),
                                      &(dol_files_restore){body.paths, body.to, body.overwrite},
                                      &done, error);
        dol_schema_clear(&dol_files_body_schema, &body);
        if (ok)
                dol_http_reply_json(request, 200, &dol_files_restored_schema, &done);
        return ok;
}
