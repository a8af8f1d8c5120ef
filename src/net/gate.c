/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What libmicrohttpd lets through and two readers of one stream could understand differently (the
 * ground of request smuggling), and what could forge a line of a log: repeated Content-Length, Host
 * and Transfer-Encoding, lengths beside chunks, NUL and control characters, folded lines.
 */
#include "net/http-private.h"

#include <string.h>

/* RFC 9110: the characters of a token, as methods and header names are. */
static bool is_token(const char *text)
{
        const char *at = text;

        while (*at && (g_ascii_isalnum(*at) || strchr("!#$%&'*+-.^_`|~", *at)))
                at++;
        return at > text && !*at;
}

static bool is_visible(const char *text)
{
        while (*text > ' ' && *text < 127)
                text++;
        return !*text;
}

static bool has_control(const char *text)
{
        while (*text && (*text == '\t' || !g_ascii_iscntrl(*text)))
                text++;
        return *text;
}

static enum MHD_Result copy_header(void *data, enum MHD_ValueKind kind, const char *name,
                                   size_t name_size, const char *value, size_t value_size)
{
        dol_http_request *request = data;

        dol_http_pairs_add(request->headers, g_strndup(name, name_size),
                           g_strndup(value ? value : "", value_size));
        return MHD_YES;
}

static unsigned count(const dol_http_request *request, const char *name)
{
        unsigned found = 0;

        for (unsigned i = 0; i < request->headers->len; i++)
                found += !g_ascii_strcasecmp(g_array_index(request->headers, dol_http_pair, i).name,
                                             name);
        return found;
}

static bool check_line(const dol_http_request *request, const char *method, GError **error)
{
        if (!is_token(method))
                return dol_fail(error, DOL_ERROR_INVALID, "the request's method is not a word");
        if (!is_visible(request->target))
                return dol_fail(error, DOL_ERROR_INVALID,
                                "the request's target has characters that must be percent-encoded");
        return true;
}

/*
 * libmicrohttpd 0.9 keeps the head as it came, with a NUL in place of what ended each part, and
 * tells only where the parts begin. So a NUL that was sent cuts a part short without a trace; but
 * then the next part does not begin where it should. The same shows folded lines, lines without a
 * name, and lines that end without CR. Later versions refuse all that themselves.
 */
typedef struct {
        const char *at; /* where the next header must begin */
        bool is_exact;  /* so far */
} layout;

/* Is there a line's end, of CR and LF? */
static bool ends_line(const char *at)
{
        return !at[0] && !at[1];
}

static enum MHD_Result check_place(void *data, enum MHD_ValueKind kind, const char *name,
                                   size_t name_size, const char *value, size_t value_size)
{
        layout *head = data;
        const char *at = name + name_size + 1;

        head->is_exact = name == head->at && value >= at;
        while (head->is_exact && at < value)
                head->is_exact = strchr(" \t", *at++) != NULL;
        head->is_exact = head->is_exact && ends_line(value + value_size);
        head->at = value + value_size + 2;
        return head->is_exact ? MHD_YES : MHD_NO;
}

static bool check_layout(const dol_http_request *request, struct MHD_Connection *mhd,
                         const char *method, const char *version, GError **error)
{
        size_t size =
                MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE)->header_size;
        layout head = {version + strlen(version) + 2};

        if (!g_str_has_prefix(MHD_get_version(), "0.9."))
                return true;
        head.is_exact = request->target_at == method + strlen(method) + 1 &&
                        version == request->target_at + strlen(request->target) + 1 &&
                        ends_line(version + strlen(version));
        if (head.is_exact)
                MHD_get_connection_values_n(mhd, MHD_HEADER_KIND, check_place, &head);
        if (!head.is_exact || !ends_line(head.at) || head.at + 2 != method + size)
                return dol_fail(error, DOL_ERROR_INVALID,
                                "the request's head has a NUL, a folded line, a line without a "
                                "name, or one that does not end in CR LF");
        return true;
}

static bool check_headers(const dol_http_request *request, GError **error)
{
        for (unsigned i = 0; i < request->headers->len; i++) {
                const dol_http_pair *pair = &g_array_index(request->headers, dol_http_pair, i);
                g_autofree char *name = dol_http_quotable(pair->name);

                if (!is_token(pair->name))
                        return dol_fail(error, DOL_ERROR_INVALID, "header '%s': not a header name",
                                        name);
                if (has_control(pair->value))
                        return dol_fail(error, DOL_ERROR_INVALID,
                                        "header '%s': control characters are not allowed", name);
        }
        return true;
}

static bool check_once(const dol_http_request *request, GError **error)
{
        static const char *const once[] = {"Content-Length", "Transfer-Encoding", "Host"};

        for (unsigned i = 0; i < G_N_ELEMENTS(once); i++) {
                if (count(request, once[i]) > 1)
                        return dol_fail(error, DOL_ERROR_INVALID, "header '%s' is given twice",
                                        once[i]);
        }
        return true;
}

static bool check_encoding(const dol_http_request *request, const char *version, GError **error)
{
        const char *encoding = dol_http_header(request, "Transfer-Encoding");
        g_autofree char *quotable = encoding ? dol_http_quotable(encoding) : NULL;

        if (!encoding)
                return true;
        if (dol_http_header(request, "Content-Length"))
                return dol_fail(error, DOL_ERROR_INVALID,
                                "Content-Length and Transfer-Encoding exclude each other");
        if (g_ascii_strcasecmp(encoding, "chunked") != 0)
                return dol_fail(error, DOL_ERROR_INVALID,
                                "Transfer-Encoding '%s': only chunked is known", quotable);
        if (strcmp(version, MHD_HTTP_VERSION_1_0) == 0)
                return dol_fail(error, DOL_ERROR_INVALID,
                                "Transfer-Encoding does not exist in HTTP/1.0");
        return true;
}

static bool check_length(const dol_http_request *request, GError **error)
{
        const char *length = dol_http_header(request, "Content-Length");
        g_autofree char *quotable = length ? dol_http_quotable(length) : NULL;

        if (length && (!*length || strspn(length, "0123456789") != strlen(length)))
                return dol_fail(error, DOL_ERROR_INVALID, "Content-Length '%s' is not a number",
                                quotable);
        return true;
}

bool dol_http_gate_body(const dol_http_request *request, GError **error)
{
        const char *length = dol_http_header(request, "Content-Length");
        size_t max = request->server->config.body_max;

        if (!length || g_ascii_strtoull(length, NULL, 10) <= max ||
            (request->route && request->route->flags & DOL_ROUTE_UPLOAD))
                return true;
        return dol_fail(error, DOL_ERROR_INVALID, "the body is larger than the %zu bytes allowed",
                        max);
}

bool dol_http_gate(dol_http_request *request, struct MHD_Connection *mhd, const char *method,
                   const char *version, GError **error)
{
        MHD_get_connection_values_n(mhd, MHD_HEADER_KIND, copy_header, request);
        if (!check_line(request, method, error) ||
            !check_layout(request, mhd, method, version, error) || !check_headers(request, error) ||
            !check_once(request, error) || !check_encoding(request, version, error) ||
            !check_length(request, error))
                return false;
        if (request->path[0] != '/')
                return dol_fail(error, DOL_ERROR_INVALID,
                                "the request's target must be a path that begins with '/'");
        return true;
}
