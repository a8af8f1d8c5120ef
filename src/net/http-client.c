/* SPDX-License-Identifier: Apache-2.0 */
#include "net/http-client.h"

#include "base/clock.h"

#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/un.h>

enum { ANSWER_MAX = 64 * 1024 * 1024, CONNECT_MSEC = 5000, PIECE_SIZE = 256 * 1024 };

#define UNIX_PREFIX "unix://"

struct dol_http_client {
        CURL *curl;
        char *url;  /* as given, for messages */
        char *base; /* what paths are appended to */
};

/* What one exchange gathers. */
typedef struct {
        dol_http_client *client;
        const dol_call *call;
        GString *body; /* or the line that is not complete yet */
        bool (*line)(const char *text, void *user);
        void *user;
        const dol_http_transfer *transfer; /* NULL: none */
        GError *failure;                   /* of the transfer's functions */
        bool is_too_large;
        bool is_stopped; /* `line` wants no more */
} exchange;

void dol_http_answer_clear(dol_http_answer *answer)
{
        g_free(answer->body);
        g_free(answer->content_type);
        g_free(answer->etag);
        g_free(answer->location);
        *answer = (dol_http_answer){0};
}

static void init_once(void)
{
        curl_global_init(CURL_GLOBAL_DEFAULT);
}

static bool check_url(const char *url, GError **error)
{
        const char *path = url + strlen(UNIX_PREFIX);

        if (g_str_has_prefix(url, "http://") || g_str_has_prefix(url, "https://"))
                return true;
        if (!g_str_has_prefix(url, UNIX_PREFIX) || *path != '/')
                return dol_fail(error, DOL_ERROR_INVALID,
                                "'%s' is not an address: expected unix:///path/of/socket or "
                                "http://host:port",
                                url);
        if (strlen(path) >= sizeof(((struct sockaddr_un *)0)->sun_path))
                return dol_fail(error, DOL_ERROR_INVALID,
                                "'%s': the path of a unix socket has at most %zu bytes", url,
                                sizeof(((struct sockaddr_un *)0)->sun_path) - 1);
        return true;
}

static char *without_slash(const char *url)
{
        size_t size = strlen(url);

        return g_strndup(url, size && url[size - 1] == '/' ? size - 1 : size);
}

dol_http_client *dol_http_client_new(const char *url, GError **error)
{
        static pthread_once_t once = PTHREAD_ONCE_INIT;
        dol_http_client *client;

        if (!check_url(url, error))
                return NULL;
        pthread_once(&once, init_once);
        client = g_new0(dol_http_client, 1);
        client->curl = curl_easy_init();
        client->url = g_strdup(url);
        client->base = without_slash(g_str_has_prefix(url, UNIX_PREFIX) ? "http://localhost" : url);
        if (client->curl)
                return client;
        dol_fail(error, DOL_ERROR_INTERNAL, "cannot set up libcurl");
        dol_http_client_free(client);
        return NULL;
}

void dol_http_client_free(dol_http_client *client)
{
        if (!client)
                return;
        if (client->curl)
                curl_easy_cleanup(client->curl);
        g_free(client->url);
        g_free(client->base);
        g_free(client);
}

/* Hands on every line that is complete; false when no more are wanted. */
static bool hand_on_lines(exchange *ex)
{
        char *end;

        while ((end = memchr(ex->body->str, '\n', ex->body->len))) {
                *end = '\0';
                if (!ex->line(ex->body->str, ex->user))
                        return false;
                g_string_erase(ex->body, 0, end + 1 - ex->body->str);
        }
        return true;
}

static bool is_good(const exchange *ex)
{
        long status = 0;

        curl_easy_getinfo(ex->client->curl, CURLINFO_RESPONSE_CODE, &status);
        return status == 200;
}

static bool is_streaming(const exchange *ex)
{
        return ex->line && is_good(ex);
}

static size_t take_body(char *bytes, size_t one, size_t size, void *data)
{
        exchange *ex = data;

        if (ex->transfer && ex->transfer->write && is_good(ex))
                return ex->transfer->write(bytes, size, ex->transfer->user, &ex->failure) ? size
                                                                                          : 0;
        if (ex->body->len + size > ANSWER_MAX) {
                ex->is_too_large = true;
                return 0;
        }
        g_string_append_len(ex->body, bytes, (gssize)size);
        if (is_streaming(ex) && !hand_on_lines(ex)) {
                ex->is_stopped = true;
                return 0;
        }
        return size;
}

static size_t give_body(char *to, size_t one, size_t max, void *data)
{
        exchange *ex = data;
        size_t size = 0;

        return ex->transfer->read(to, max, &size, ex->transfer->user, &ex->failure)
                       ? size
                       : CURL_READFUNC_ABORT;
}

/* Not 0 ends the transfer. */
static int check_cancelled(void *data, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
        const exchange *ex = data;

        return !dol_call_check(ex->call, NULL);
}

static struct curl_slist *header_list(const char *const *headers, bool has_body)
{
        struct curl_slist *list = curl_slist_append(NULL, "Expect:");
        bool has_type = false;

        for (; headers && *headers; headers++) {
                has_type |= !g_ascii_strncasecmp(*headers, "Content-Type:", 13);
                list = curl_slist_append(list, *headers);
        }
        /* Without a value: none, instead of libcurl's own. */
        if (!has_type)
                list = curl_slist_append(list, has_body ? "Content-Type: application/json"
                                                        : "Content-Type:");
        return list;
}

static void set_method(CURL *curl, const char *method, const char *body)
{
        bool sends = body || strcmp(method, "POST") == 0 || strcmp(method, "PUT") == 0 ||
                     strcmp(method, "PATCH") == 0;

        if (sends) {
                curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE,
                                 (curl_off_t)(body ? strlen(body) : 0));
                curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body ? body : "");
        }
        if (strcmp(method, "HEAD") == 0)
                curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
        else if (sends || strcmp(method, "GET") != 0)
                curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
}

static void set_limits(CURL *curl, exchange *ex)
{
        int64_t left_usec = dol_call_left_usec(ex->call, 0);

        curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MSEC);
        if (ex->call->deadline_usec)
                curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS,
                                 (long)CLAMP(left_usec / DOL_USEC_PER_MSEC, 1, INT_MAX));
        curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
        curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, check_cancelled);
        curl_easy_setopt(curl, CURLOPT_XFERINFODATA, ex);
}

static void set_target(dol_http_client *client, const char *path)
{
        g_autofree char *url = g_strconcat(client->base, path, NULL);

        curl_easy_setopt(client->curl, CURLOPT_URL, url);
        if (g_str_has_prefix(client->url, UNIX_PREFIX))
                curl_easy_setopt(client->curl, CURLOPT_UNIX_SOCKET_PATH,
                                 client->url + strlen(UNIX_PREFIX));
        curl_easy_setopt(client->curl, CURLOPT_PROTOCOLS_STR, "http,https");
        curl_easy_setopt(client->curl, CURLOPT_PROXY, "");
        curl_easy_setopt(client->curl, CURLOPT_PATH_AS_IS, 1L);
        curl_easy_setopt(client->curl, CURLOPT_NOSIGNAL, 1L);
}

/* Nobody could be reached: why, and what to do. */
static bool fail_to_connect(const dol_http_client *client, GError **error)
{
        long err = 0;

        curl_easy_getinfo(client->curl, CURLINFO_OS_ERRNO, &err);
        if (err == EACCES || err == EPERM)
                return dol_fail(error, DOL_ERROR_DENIED, "no permission for '%s': run this as root",
                                client->url);
        return dol_fail(error, DOL_ERROR_UNAVAILABLE,
                        "nobody answers at '%s'%s%s: is the daemon "
                        "running?",
                        client->url, err ? ": " : "", err ? g_strerror((int)err) : "");
}

static bool fail_with(exchange *ex, CURLcode code, GError **error)
{
        const dol_http_client *client = ex->client;

        if (ex->failure) {
                g_propagate_error(error, g_steal_pointer(&ex->failure));
                return false;
        }
        if (!dol_call_check(ex->call, error))
                return false;
        if (ex->is_too_large)
                return dol_fail(error, DOL_ERROR_INVALID,
                                "the answer of '%s' is larger than %d MiB", client->url,
                                ANSWER_MAX >> 20);
        if (code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST)
                return fail_to_connect(client, error);
        if (code == CURLE_OPERATION_TIMEDOUT && !ex->call->deadline_usec)
                return fail_to_connect(client, error);
        if (code == CURLE_OPERATION_TIMEDOUT)
                return dol_fail(error, DOL_ERROR_TIMEOUT, "'%s' has not answered in time",
                                client->url);
        if (code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL)
                return dol_fail(error, DOL_ERROR_INVALID, "'%s' is not an address: %s", client->url,
                                curl_easy_strerror(code));
        return dol_fail(error, DOL_ERROR_UNAVAILABLE, "talking to '%s': %s", client->url,
                        curl_easy_strerror(code));
}

static char *header_of(CURL *curl, const char *name)
{
        struct curl_header *header;

        if (curl_easy_header(curl, name, 0, CURLH_HEADER, -1, &header) != CURLHE_OK)
                return NULL;
        return g_strdup(header->value);
}

static void fill_answer(exchange *ex, dol_http_answer *ret)
{
        CURL *curl = ex->client->curl;
        long status = 0;

        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
        *ret = (dol_http_answer){
                .status = (int)status,
                .size = ex->body->len,
                .content_type = header_of(curl, "Content-Type"),
                .etag = header_of(curl, "ETag"),
                .location = header_of(curl, "Location"),
        };
        ret->body = g_string_free(g_steal_pointer(&ex->body), false);
}

/* Large pieces; and the data comes when the server wants it. */
static void set_transfer(CURL *curl, exchange *ex)
{
        const dol_http_transfer *transfer = ex->transfer;

        if (!transfer)
                return;
        curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, (long)PIECE_SIZE);
        if (!transfer->read)
                return;
        curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(curl, CURLOPT_UPLOAD_BUFFERSIZE, (long)PIECE_SIZE);
        curl_easy_setopt(curl, CURLOPT_INFILESIZE_LARGE, (curl_off_t)transfer->size);
        curl_easy_setopt(curl, CURLOPT_READFUNCTION, give_body);
        curl_easy_setopt(curl, CURLOPT_READDATA, ex);
        curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, transfer->method);
}

static bool perform(exchange *ex, const char *method, const char *path, const char *const *headers,
                    const char *body, GError **error)
{
        CURL *curl = ex->client->curl;
        struct curl_slist *list = header_list(headers, body);
        CURLcode code;

        curl_easy_reset(curl);
        set_target(ex->client, path);
        set_method(curl, method, body);
        set_transfer(curl, ex);
        set_limits(curl, ex);
        curl_easy_setopt(curl, CURLOPT_HTTPHEADER, list);
        curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
        curl_easy_setopt(curl, CURLOPT_WRITEDATA, ex);
        code = curl_easy_perform(curl);
        curl_slist_free_all(list);
        if (code == CURLE_OK || ex->is_stopped)
                return true;
        return fail_with(ex, code, error);
}

bool dol_http_client_send(dol_http_client *client, const dol_call *call, const char *method,
                          const char *path, const char *const *headers, const char *body,
                          dol_http_answer *ret, GError **error)
{
        g_autoptr(GString) gathered = g_string_new(NULL);
        exchange ex = {.client = client, .call = call, .body = gathered};

        if (!dol_call_check(call, error) || !perform(&ex, method, path, headers, body, error))
                return false;
        fill_answer(&ex, ret);
        gathered = NULL;
        return true;
}

bool dol_http_client_stream(dol_http_client *client, const dol_call *call, const char *path,
                            bool (*line)(const char *text, void *user), void *user,
                            dol_http_answer *ret, GError **error)
{
        g_autoptr(GString) gathered = g_string_new(NULL);
        exchange ex = {
                .client = client, .call = call, .body = gathered, .line = line, .user = user};

        if (!dol_call_check(call, error) || !perform(&ex, "GET", path, NULL, NULL, error))
                return false;
        /* A last line without its end is handed on too. */
        if (is_streaming(&ex)) {
                if (!ex.is_stopped && gathered->len)
                        line(gathered->str, user);
                g_string_truncate(gathered, 0);
        }
        fill_answer(&ex, ret);
        gathered = NULL;
        return true;
}

bool dol_http_client_transfer(dol_http_client *client, const dol_call *call,
                              const dol_http_transfer *transfer, dol_http_answer *ret,
                              GError **error)
{
        g_autoptr(GString) gathered = g_string_new(NULL);
        exchange ex = {.client = client, .call = call, .body = gathered, .transfer = transfer};
        g_autofree char *type = g_strconcat("Content-Type: ", transfer->content_type, NULL);
        const char *const headers[] = {transfer->read ? type : NULL, NULL};

        if (!dol_call_check(call, error) ||
            !perform(&ex, transfer->method, transfer->path, headers, NULL, error))
                return false;
        fill_answer(&ex, ret);
        gathered = NULL;
        return true;
}
