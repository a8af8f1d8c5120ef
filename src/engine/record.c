/* SPDX-License-Identifier: Apache-2.0 */
/* How the engine's objects lie in the store:
 *
 *         volumes/<uid>              the volume without its attachment
 *         names/<escaped name>       {"uid"}: who owns a name
 *         attachments/<node>/<uid>   its presence on a node
 *         snapshots/<uid>            a snapshot, without its attachment
 *         snapshot-names/<uid of the volume>/<escaped name>
 *         pools/<name>, schedules/<name>, operations/<uid>, events/<sequence>
 *
 * Each document begins with its kind and version. */
#include "engine/private.h"

#include <string.h>

enum { RECORD_VERSION = 1 };

char *dol_record_encode(const char *kind, const dol_schema *schema, const void *object)
{
        GString *text = g_string_new(NULL);
        GString *body = g_string_new(NULL);

        dol_json_encode(schema, object, DOL_ENCODE_STORE, body);
        g_string_append_printf(text, "{\"kind\":\"%s\",\"version\":%d%s%s", kind, RECORD_VERSION,
                               body->len > 2 ? "," : "", body->str + 1);
        g_string_free(body, true);
        return g_string_free(text, false);
}

typedef struct {
        char *kind;
        int64_t version;
} header;

static const dol_field header_fields[] = {
        {"kind", DOL_STRING, offsetof(header, kind), DOL_REQUIRED},
        {"version", DOL_INT, offsetof(header, version), DOL_REQUIRED},
        {NULL},
};
static const dol_schema header_schema = {"RecordHeader", sizeof(header), header_fields};

static bool check_header(const char *kind, const char *text, size_t size, GError **error)
{
        g_autofree char *usual =
                g_strdup_printf("{\"kind\":\"%s\",\"version\":%d", kind, RECORD_VERSION);
        header head;
        bool same;
        int64_t version;

        if (g_str_has_prefix(text, usual) && !g_ascii_isdigit(text[strlen(usual)]))
                return true;
        if (!dol_json_decode(&header_schema, text, size, DOL_DECODE_LENIENT, &head, error))
                return false;
        same = strcmp(head.kind, kind) == 0;
        version = head.version;
        dol_schema_clear(&header_schema, &head);
        if (!same)
                return dol_fail(error, DOL_ERROR_CONFLICT, "this is not a record of kind '%s'",
                                kind);
        if (version > RECORD_VERSION)
                return dol_fail(error, DOL_ERROR_UNSUPPORTED,
                                "written by a newer version (record version %" G_GINT64_FORMAT
                                "): upgrade doliumd",
                                version);
        return true;
}

bool dol_record_decode(const char *kind, const dol_schema *schema, const char *text, size_t size,
                       void *out, GError **error)
{
        return check_header(kind, text, size, error) &&
               dol_json_decode(schema, text, size, DOL_DECODE_LENIENT, out, error);
}

static char *escaped_key(const char *prefix, const char *name)
{
        GString *key = g_string_new(prefix);

        for (const char *c = name; *c; c++) {
                if (g_ascii_isalnum(*c) || strchr("-_.", *c))
                        g_string_append_c(key, *c);
                else
                        g_string_append_printf(key, "%%%02X", (unsigned char)*c);
        }
        return g_string_free(key, false);
}

char *dol_name_key(const char *name)
{
        return escaped_key("names/", name);
}

char *dol_volume_key(const char *uid)
{
        return g_strconcat("volumes/", uid, NULL);
}

char *dol_attachment_key(const dol_engine *engine, const char *uid)
{
        return g_strconcat("attachments/", engine->node, "/", uid, NULL);
}

static char *encode_bare(const dol_volume *volume)
{
        dol_volume bare = *volume;

        bare.status.attachment = NULL;
        return dol_record_encode("volume", &dol_volume_schema, &bare);
}

void dol_txn_put_volume(const dol_engine *engine, dol_txn *txn, const dol_volume *volume)
{
        g_autofree char *key = dol_volume_key(volume->uid);
        g_autofree char *attachment_key = dol_attachment_key(engine, volume->uid);
        g_autofree char *text = encode_bare(volume);

        dol_txn_require(txn, key, volume->revision);
        dol_txn_put(txn, key, text);
        if (volume->status.attachment) {
                g_autofree char *value = dol_record_encode("attachment", &dol_attachment_schema,
                                                           volume->status.attachment);

                dol_txn_put(txn, attachment_key, value);
        } else {
                dol_txn_delete(txn, attachment_key);
        }
}

static void put_name(dol_txn *txn, const char *key, const char *uid)
{
        g_autofree char *value = g_strdup_printf(
                "{\"kind\":\"name\",\"version\":%d,\"uid\":\"%s\"}", RECORD_VERSION, uid);

        dol_txn_require(txn, key, 0);
        dol_txn_put(txn, key, value);
}

void dol_txn_put_name(dol_txn *txn, const char *name, const char *uid)
{
        g_autofree char *key = dol_name_key(name);

        put_name(txn, key, uid);
}

bool dol_commit_surely(dol_engine *engine, const dol_txn *txn, const char *key, const char *value,
                       int64_t *ret_revision, GError **error)
{
        g_autoptr(GError) why = NULL;
        g_autoptr(GError) absent = NULL;
        g_autofree char *now = NULL;
        int64_t revision = 0;
        bool found;

        if (dol_store_commit(engine->store, txn, ret_revision, &why))
                return true;
        if (!dol_error_is(why, DOL_ERROR_STALE)) {
                found = dol_store_get(engine->store, key, &now, &revision, &absent);
                if (!found && !dol_error_is(absent, DOL_ERROR_NOT_FOUND))
                        dol_doubt(engine, key);
                if (value ? found && strcmp(now, value) == 0
                          : dol_error_is(absent, DOL_ERROR_NOT_FOUND)) {
                        if (ret_revision)
                                *ret_revision = revision;
                        return true;
                }
        }
        g_propagate_error(error, g_steal_pointer(&why));
        return false;
}

bool dol_commit_volume(dol_engine *engine, dol_txn *txn, dol_volume *volume, GError **error)
{
        g_autofree char *key = dol_volume_key(volume->uid);
        g_autofree char *text = encode_bare(volume);
        dol_volume *copy;
        int64_t revision;

        /* the text has the revision before, so no other commit wrote the same */
        if (!dol_commit_surely(engine, txn, key, text, &revision, error))
                return false;
        volume->revision = revision;
        copy = dol_volume_copy(volume);
        dol_index_put(engine->index, copy);
        g_free(copy);
        return true;
}

/* ---- snapshots ---- */

static char *snapshot_name_key(const dol_snapshot *snapshot)
{
        g_autofree char *prefix = g_strconcat("snapshot-names/", snapshot->volume, "/", NULL);

        return escaped_key(prefix, snapshot->name);
}

void dol_txn_free_snapshot_name(dol_txn *txn, const dol_snapshot *snapshot)
{
        g_autofree char *name_key = snapshot_name_key(snapshot);

        dol_txn_delete(txn, name_key);
}

void dol_txn_put_snapshot_name(dol_txn *txn, const dol_snapshot *snapshot)
{
        g_autofree char *name_key = snapshot_name_key(snapshot);

        put_name(txn, name_key, snapshot->uid);
}

void dol_txn_delete_snapshot(dol_txn *txn, const dol_snapshot *snapshot)
{
        g_autofree char *key = g_strconcat("snapshots/", snapshot->uid, NULL);

        dol_txn_delete(txn, key);
}

static char *encode_snapshot(const dol_snapshot *snapshot)
{
        dol_snapshot bare = *snapshot;

        bare.attachment = NULL;
        bare.volume_name = NULL;
        bare.reference = NULL;
        bare.exclusive = bare.shared = 0;
        return dol_record_encode("snapshot", &dol_snapshot_schema, &bare);
}

void dol_txn_put_snapshot(const dol_engine *engine, dol_txn *txn, const dol_snapshot *snapshot)
{
        g_autofree char *key = g_strconcat("snapshots/", snapshot->uid, NULL);
        g_autofree char *attachment_key = dol_attachment_key(engine, snapshot->uid);
        g_autofree char *text = encode_snapshot(snapshot);

        dol_txn_require(txn, key, snapshot->revision);
        dol_txn_put(txn, key, text);
        if (snapshot->revision == 0)
                dol_txn_put_snapshot_name(txn, snapshot);
        if (snapshot->attachment) {
                g_autofree char *value = dol_record_encode("attachment", &dol_attachment_schema,
                                                           snapshot->attachment);

                dol_txn_put(txn, attachment_key, value);
        } else {
                dol_txn_delete(txn, attachment_key);
        }
}

bool dol_commit_snapshots(dol_engine *engine, dol_txn *txn, unsigned count,
                          dol_snapshot *(*get)(void *from, unsigned i), void *from, GError **error)
{
        g_autofree char *key = g_strconcat("snapshots/", get(from, 0)->uid, NULL);
        g_autofree char *text = encode_snapshot(get(from, 0));
        int64_t revision;

        if (!dol_commit_surely(engine, txn, key, text, &revision, error)) {
                for (unsigned i = 1; i < count && dol_is_doubtful(engine, key); i++) {
                        g_autofree char *other = g_strconcat("snapshots/", get(from, i)->uid, NULL);

                        dol_doubt(engine, other);
                }
                return false;
        }
        for (unsigned i = 0; i < count; i++) {
                dol_snapshot *snapshot = get(from, i);

                snapshot->revision = revision;
                dol_snapshot_index_put(engine->snapshots, dol_snapshot_copy(snapshot));
        }
        return true;
}
