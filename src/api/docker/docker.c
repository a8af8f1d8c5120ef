/* SPDX-License-Identifier: Apache-2.0 */
#include "api/docker/docker.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "codec/units.h"

#include <string.h>

static const char content_type[] = "application/vnd.docker.plugins.v1.1+json";

struct dol_docker {
        dol_engine *engine;
};

dol_docker *dol_docker_new(dol_engine *engine)
{
        dol_docker *docker = g_new0(dol_docker, 1);

        docker->engine = engine;
        return docker;
}

void dol_docker_free(dol_docker *docker)
{
        g_free(docker);
}

/* ---- requests ---- */

/* Every request's fields; each uses its own. Unknown ones are skipped: clients add some. */
typedef struct {
        char *name, *id;
        GHashTable *options;
} docker_request;

#define AT(member) offsetof(docker_request, member)
static const dol_field request_fields[] = {
        {"Name", DOL_STRING, AT(name)},
        {"ID", DOL_STRING, AT(id)},
        {"Opts", DOL_MAP, AT(options)},
        {NULL},
};
#undef AT
static const dol_schema request_schema = {"DockerRequest", sizeof(docker_request), request_fields};

/* Reads the body. A request without a body or a name is one that the client's retry has emptied:
 * its connection is closed (true, with name NULL), so that the client knows nothing was done. */
static bool read_request(dol_http_request *request, docker_request *ret, GError **error)
{
        size_t size;

        memset(ret, 0, sizeof(*ret));
        dol_http_body(request, &size);
        if (size > 0 && !dol_http_decode(request, &request_schema, DOL_DECODE_LENIENT, ret, error))
                return false;
        if (!ret->name || !*ret->name) {
                dol_schema_clear(&request_schema, ret);
                dol_http_drop(request);
        }
        return true;
}

static dol_client_kind client_of(const dol_http_request *request)
{
        const char *type = dol_http_header(request, "Content-Type");
        const char *host = dol_http_header(request, "Host");

        /* Podman names the type of its body and says "Host: plugin"; Docker does neither */
        return (type && strstr(type, "vnd.docker.plugins")) || g_strcmp0(host, "plugin") == 0
                       ? DOL_CLIENT_PODMAN
                       : DOL_CLIENT_DOCKER;
}

/* One life of a long-running client: "<pid>.<start time>" of the socket's other end. */
static char *generation_of(const dol_http_request *request)
{
        dol_http_peer peer = dol_http_peer_of(request);
        g_autofree char *path = g_strdup_printf("/proc/%d/stat", (int)peer.pid);
        g_autofree char *stat = peer.pid > 0 ? dol_file_read_line(path, NULL) : NULL;
        const char *after_name = stat ? strrchr(stat, ')') : NULL;
        g_auto(GStrv) fields = g_strsplit(after_name ? after_name + 2 : "", " ", -1);

        if (g_strv_length(fields) < 20)
                return g_strdup("");
        return g_strdup_printf("%d.%s", (int)peer.pid, fields[19]);
}

static dol_call call_of(const dol_http_request *request)
{
        dol_call call = *dol_http_call(request);

        call.actor = dol_client_words[client_of(request)];
        return call;
}

/* ---- answers ---- */

/* Always 500: Docker and Podman read the text of that one alike. */
void dol_docker_error(dol_http_request *request, int status, const GError *error)
{
        GString *body = g_string_new("{\"Err\":");

        dol_json_append_string(body, error ? error->message : "internal error");
        g_string_append(body, "}\n");
        dol_http_reply_text(request, 500, content_type, body);
}

static void reply(dol_http_request *request, GString *body)
{
        g_string_append(body, "}\n");
        dol_http_reply_text(request, 200, content_type, body);
}

static void reply_done(dol_http_request *request)
{
        reply(request, g_string_new("{\"Err\":\"\""));
}

static void append_member(GString *to, const char *key, const char *text)
{
        g_string_append_printf(to, ",\"%s\":", key);
        dol_json_append_string(to, text ? text : "");
}

static const char *mountpoint_of(const dol_volume *volume)
{
        const dol_attachment *attachment = volume->status.attachment;

        return attachment && attachment->path ? attachment->path : "";
}

static void append_status(GString *to, const dol_volume *volume)
{
        g_autofree char *size = dol_size_format(volume->spec.size);
        g_autofree char *used = dol_size_format_short(volume->status.used);

        g_string_append(to, ",\"Status\":{\"driver\":\"dolium\"");
        append_member(to, "size", volume->status.size_enforced ? size : "not enforced");
        append_member(to, "used", used);
        append_member(to, "pool", volume->spec.pool);
        append_member(to, "fs", dol_fs_words[volume->spec.fs]);
        append_member(to, "state", dol_volume_phase_words[volume->status.phase]);
        append_member(to, "uid", volume->uid);
        g_string_append_printf(to, ",\"consumers\":%u}",
                               dol_attachment_count(volume->status.attachment));
}

/* ---- the calls ---- */

static bool activate(dol_http_request *request, void *user, GError **error)
{
        reply(request, g_string_new("{\"Implements\":[\"VolumeDriver\"]"));
        return true;
}

static bool capabilities(dol_http_request *request, void *user, GError **error)
{
        reply(request, g_string_new("{\"Capabilities\":{\"Scope\":\"local\"}"));
        return true;
}

static bool create(dol_http_request *request, void *user, GError **error)
{
        dol_docker *docker = user;
        docker_request asked;
        dol_volume want = {0};
        g_autoptr(dol_volume) volume = NULL;
        dol_call call = call_of(request);
        bool existed, ok;

        if (!read_request(request, &asked, error))
                return false;
        if (!asked.name)
                return true;
        dol_volume_spec_init(&want.spec);
        want.name = g_strdup(asked.name);
        ok = dol_docker_options(asked.options, &want, error) &&
             dol_engine_create(docker->engine, &call, &want, &volume, &existed, error);
        dol_schema_clear(&request_schema, &asked);
        dol_schema_clear(&dol_volume_schema, &want);
        if (ok)
                reply_done(request);
        return ok;
}

static bool remove_volume(dol_http_request *request, void *user, GError **error)
{
        dol_docker *docker = user;
        docker_request asked;
        g_autoptr(dol_volume) volume = NULL;
        dol_call call = call_of(request);
        bool ok;

        if (!read_request(request, &asked, error))
                return false;
        if (!asked.name)
                return true;
        ok = dol_engine_delete(docker->engine, &call, asked.name, false, 0, &volume, error);
        dol_schema_clear(&request_schema, &asked);
        if (ok)
                reply_done(request);
        return ok;
}

/* The client waits no longer (Docker: 2 minutes, Podman: 5 seconds) and will not unmount what it
 * does not know of. */
static void undo_unheard(dol_docker *docker, const dol_call *call, const char *name,
                         const dol_consumer_request *consumer)
{
        dol_call calm = dol_call_within(call->actor, 30 * DOL_USEC_PER_SEC);
        g_autoptr(dol_volume) volume = NULL;
        g_autoptr(GError) error = NULL;

        dol_log(DOL_LOG_WARNING, "volume '%s': the client has gone before it was mounted", name);
        if (!dol_engine_unmount(docker->engine, &calm, name, consumer, DOL_UNMOUNT_LINGER, &volume,
                                &error))
                dol_log(DOL_LOG_WARNING, "%s", error->message);
}

static bool mount_volume(dol_http_request *request, void *user, GError **error)
{
        dol_docker *docker = user;
        docker_request asked;
        dol_call call = call_of(request);
        g_autofree char *generation = NULL;
        g_autoptr(dol_volume) volume = NULL;
        dol_consumer_request consumer = {.client = client_of(request), .directory_only = true};
        bool ok;

        if (!read_request(request, &asked, error))
                return false;
        if (!asked.name)
                return true;
        consumer.counted = consumer.client == DOL_CLIENT_DOCKER;
        generation = consumer.counted ? generation_of(request) : g_strdup("");
        consumer.generation = generation;
        consumer.id = asked.id ? asked.id : "";
        ok = dol_engine_mount(docker->engine, &call, asked.name, &consumer, &volume, error);
        if (ok && dol_http_client_gone(request)) {
                undo_unheard(docker, &call, asked.name, &consumer);
                dol_http_drop(request);
        } else if (ok) {
                GString *body = g_string_new("{\"Err\":\"\"");

                append_member(body, "Mountpoint", mountpoint_of(volume));
                reply(request, body);
        }
        dol_schema_clear(&request_schema, &asked);
        return ok;
}

static bool unmount_volume(dol_http_request *request, void *user, GError **error)
{
        dol_docker *docker = user;
        docker_request asked;
        dol_call call = call_of(request);
        g_autoptr(dol_volume) volume = NULL;
        g_autoptr(GError) why = NULL;
        dol_consumer_request consumer = {.client = client_of(request)};
        bool ok;

        if (!read_request(request, &asked, error))
                return false;
        if (!asked.name)
                return true;
        consumer.id = asked.id ? asked.id : "";
        consumer.generation = "";
        ok = dol_engine_unmount(docker->engine, &call, asked.name, &consumer, DOL_UNMOUNT_LINGER,
                                &volume, &why);
        dol_schema_clear(&request_schema, &asked);
        /* what is not there needs no unmount; an error would only pin it in the client's books */
        if (!ok && !dol_error_is(why, DOL_ERROR_NOT_FOUND)) {
                g_propagate_error(error, g_steal_pointer(&why));
                return false;
        }
        reply_done(request);
        return true;
}

/* Docker takes any error for "there is no such volume", and makes an empty local one of that name.
 * So only those are answered that say so; otherwise the connection is closed, which it takes for
 * "cannot tell". */
static bool not_found(dol_http_request *request, GError *why, GError **error)
{
        if (dol_error_is(why, DOL_ERROR_NOT_FOUND)) {
                g_propagate_error(error, why);
                return false;
        }
        dol_log(DOL_LOG_WARNING, "a Get is not answered: %s", why->message);
        g_error_free(why);
        dol_http_drop(request);
        return true;
}

/* From memory, whatever the pool does. */
static bool get(dol_http_request *request, void *user, GError **error)
{
        dol_docker *docker = user;
        docker_request asked;
        g_autoptr(dol_volume) volume = NULL;
        g_autofree char *created = NULL;
        GError *why = NULL;
        GString *body;

        if (!read_request(request, &asked, &why))
                return not_found(request, why, error);
        if (!asked.name)
                return true;
        volume = dol_engine_peek(docker->engine, asked.name, &why);
        dol_schema_clear(&request_schema, &asked);
        if (!volume)
                return not_found(request, why, error);
        created = dol_time_format(volume->status.created / DOL_USEC_PER_SEC * DOL_USEC_PER_SEC);
        body = g_string_new("{\"Err\":\"\",\"Volume\":{\"Name\":");
        dol_json_append_string(body, volume->name);
        append_member(body, "Mountpoint", mountpoint_of(volume));
        append_member(body, "CreatedAt", created);
        append_status(body, volume);
        g_string_append_c(body, '}');
        reply(request, body);
        return true;
}

static bool path(dol_http_request *request, void *user, GError **error)
{
        dol_docker *docker = user;
        docker_request asked;
        g_autoptr(dol_volume) volume = NULL;
        GString *body;

        if (!read_request(request, &asked, error))
                return false;
        if (!asked.name)
                return true;
        volume = dol_engine_peek(docker->engine, asked.name, error);
        dol_schema_clear(&request_schema, &asked);
        if (!volume)
                return false;
        body = g_string_new("{\"Err\":\"\"");
        append_member(body, "Mountpoint", mountpoint_of(volume));
        reply(request, body);
        return true;
}

static bool append_listed(const dol_volume *volume, void *user)
{
        GString *body = user;

        if (body->str[body->len - 1] == '}')
                g_string_append_c(body, ',');
        g_string_append(body, "{\"Name\":");
        dol_json_append_string(body, volume->name);
        append_member(body, "Mountpoint", mountpoint_of(volume));
        g_string_append_c(body, '}');
        return true;
}

static bool list(dol_http_request *request, void *user, GError **error)
{
        dol_docker *docker = user;
        dol_volume_filter filter = {.phase = -1};
        GString *body = g_string_new("{\"Err\":\"\",\"Volumes\":[");
        bool more;

        dol_engine_list(docker->engine, &filter, append_listed, body, &more, NULL);
        g_string_append_c(body, ']');
        reply(request, body);
        return true;
}

const dol_http_route dol_docker_routes[] = {
        {"POST", "/Plugin.Activate", activate, DOL_ROUTE_INLINE},
        {"POST", "/VolumeDriver.Capabilities", capabilities, DOL_ROUTE_INLINE},
        {"POST", "/VolumeDriver.Get", get, DOL_ROUTE_INLINE},
        {"POST", "/VolumeDriver.List", list, DOL_ROUTE_INLINE},
        {"POST", "/VolumeDriver.Path", path, DOL_ROUTE_INLINE},
        {"POST", "/VolumeDriver.Create", create, 0},
        {"POST", "/VolumeDriver.Remove", remove_volume, 0},
        {"POST", "/VolumeDriver.Mount", mount_volume, 0},
        {"POST", "/VolumeDriver.Unmount", unmount_volume, 0},
        {NULL},
};
