/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/doliumd/yaml.h"

#include "codec/schema.h"

#include <libfyaml.h>
#include <string.h>

static bool append_node(GString *to, struct fy_node *node, GError **error);

static bool fail_at(struct fy_node *node, const char *what, GError **error)
{
        struct fy_token *token = fy_node_get_scalar_token(node);
        const struct fy_mark *mark = token ? fy_token_start_mark(token) : NULL;

        if (mark)
                return dol_fail(error, DOL_ERROR_INVALID, "line %d, column %d: %s", mark->line + 1,
                                mark->column + 1, what);
        return dol_fail(error, DOL_ERROR_INVALID, "%s", what);
}

/* JSON's own form of a number: what YAML reads more loosely (0755, 0x10, 1_000) stays a string. */
static bool is_number(const char *text)
{
        return g_regex_match_simple("^-?(0|[1-9][0-9]*)(\\.[0-9]+)?([eE][+-]?[0-9]+)?$", text, 0,
                                    0);
}

static bool is_word(const char *text)
{
        static const char *const words[] = {"true", "false", "null", NULL};

        return g_strv_contains(words, text);
}

static bool append_scalar(GString *to, struct fy_node *node, GError **error)
{
        size_t size = 0;
        const char *bytes = fy_node_get_scalar(node, &size);
        g_autofree char *text = g_strndup(bytes ? bytes : "", size);
        bool plain = fy_node_get_style(node) == FYNS_PLAIN;

        if (!g_utf8_validate_len(text, size, NULL))
                return fail_at(node, "not valid UTF-8", error);
        if (plain && (*text == '\0' || strcmp(text, "~") == 0))
                g_string_append(to, "null");
        else if (plain && (is_number(text) || is_word(text)))
                g_string_append(to, text);
        else
                dol_json_append_string(to, text);
        return true;
}

static bool append_mapping(GString *to, struct fy_node *node, GError **error)
{
        struct fy_node_pair *pair;
        void *at = NULL;

        g_string_append_c(to, '{');
        while ((pair = fy_node_mapping_iterate(node, &at))) {
                struct fy_node *key = fy_node_pair_key(pair);
                size_t size = 0;
                const char *bytes = key ? fy_node_get_scalar(key, &size) : NULL;
                g_autofree char *text = g_strndup(bytes ? bytes : "", size);

                if (!bytes || !g_utf8_validate_len(text, size, NULL))
                        return fail_at(node, "a key must be a word", error);
                if (to->str[to->len - 1] != '{')
                        g_string_append_c(to, ',');
                dol_json_append_string(to, text);
                g_string_append_c(to, ':');
                if (!append_node(to, fy_node_pair_value(pair), error))
                        return false;
        }
        g_string_append_c(to, '}');
        return true;
}

static bool append_sequence(GString *to, struct fy_node *node, GError **error)
{
        struct fy_node *item;
        void *at = NULL;

        g_string_append_c(to, '[');
        while ((item = fy_node_sequence_iterate(node, &at))) {
                if (to->str[to->len - 1] != '[')
                        g_string_append_c(to, ',');
                if (!append_node(to, item, error))
                        return false;
        }
        g_string_append_c(to, ']');
        return true;
}

static bool append_node(GString *to, struct fy_node *node, GError **error)
{
        if (!node) {
                g_string_append(to, "null");
                return true;
        }
        if (fy_node_is_alias(node) || fy_node_get_anchor(node) || fy_node_get_tag_token(node))
                return fail_at(node, "anchors, aliases and tags are not allowed here", error);
        switch (fy_node_get_type(node)) {
        case FYNT_MAPPING:
                return append_mapping(to, node, error);
        case FYNT_SEQUENCE:
                return append_sequence(to, node, error);
        case FYNT_SCALAR:
        default:
                return append_scalar(to, node, error);
        }
}

static bool fail_diagnosed(struct fy_diag *diag, GError **error)
{
        void *at = NULL;
        struct fy_diag_error *first = fy_diag_errors_iterate(diag, &at);

        if (!first)
                return dol_fail(error, DOL_ERROR_INVALID, "not valid YAML");
        return dol_fail(error, DOL_ERROR_INVALID, "line %d, column %d: %s", first->line,
                        first->column, first->msg);
}

static char *json_of(const char *text, size_t size, GError **error)
{
        struct fy_diag *diag = fy_diag_create(NULL);
        struct fy_parse_cfg config = {.flags = FYPCF_QUIET, .diag = diag};
        struct fy_document *document;
        g_autoptr(GString) json = g_string_new(NULL);
        bool ok;

        fy_diag_set_collect_errors(diag, true);
        document = fy_document_build_from_string(&config, text, size);
        if (document && !fy_document_root(document))
                ok = g_string_append(json, "{}") != NULL;
        else
                ok = document ? append_node(json, fy_document_root(document), error)
                              : fail_diagnosed(diag, error);
        fy_document_destroy(document);
        fy_diag_destroy(diag);
        return ok ? g_string_free(g_steal_pointer(&json), false) : NULL;
}

char *dol_yaml_to_json(const char *text, size_t size, GError **error)
{
        const char *wrong;

        /* libfyaml 0.7 does not come to an end on some of it */
        if (!g_utf8_validate_len(text, size, &wrong)) {
                dol_fail(error, DOL_ERROR_INVALID, "byte %zu: not valid UTF-8, or a NUL",
                         (size_t)(wrong - text) + 1);
                return NULL;
        }
        return json_of(text, size, error);
}
