/* SPDX-License-Identifier: Apache-2.0 */
/* Checks values by their kind, and says what is unknown. */
#include "cmd/dolium/command.h"

#include "cmd/dolium/suggest.h"
#include "codec/units.h"
#include "model/pool.h"
#include "model/schedule.h"
#include "model/volume.h"

#include <string.h>

static bool check_ratio(const char *text, GError **error)
{
        char *end = NULL;

        g_ascii_strtod(text, &end);
        /* no sign, exponent, "inf" or hexadecimal digits */
        if (!g_ascii_isdigit(text[0]) || *end || strspn(text, "0123456789.") != strlen(text))
                return dol_fail(error, DOL_ERROR_INVALID, "expected a number like 1.5, got '%s'",
                                text);
        return true;
}

/* A number or a size; a limit may be "none", too. */
static bool check_amount(dol_value_kind kind, const char *text, GError **error)
{
        bool is_limit = kind == DOL_VALUE_IOPS || kind == DOL_VALUE_BPS;
        uint64_t amount;

        if (is_limit && strcmp(text, "none") == 0)
                return true;
        return kind == DOL_VALUE_NUMBER || kind == DOL_VALUE_IOPS
                       ? dol_number_parse(text, INT64_MAX, &amount, error)
                       : dol_size_parse(text, &amount, error);
}

static bool check_label(const char *text, bool key_alone, GError **error)
{
        const char *equals = strchr(text, '=');

        if (equals == text || *text == '\0' || (!equals && !key_alone))
                return dol_fail(error, DOL_ERROR_INVALID, "expected %s, got '%s'",
                                key_alone ? "key=value or key" : "key=value", text);
        return true;
}

static bool check_word(const char *const *words, const char *text, GError **error)
{
        g_autofree char *list = NULL;

        if (g_strv_contains(words, text))
                return true;
        list = g_strjoinv(", ", (char **)words);
        return dol_fail(error, DOL_ERROR_INVALID, "expected one of %s, got '%s'", list, text);
}

static bool check_uid(const char *text, GError **error)
{
        if (*text == '\0' || strcmp(text, ".") == 0 || strcmp(text, "..") == 0)
                return dol_fail(error, DOL_ERROR_INVALID, "expected a uid, got '%s'", text);
        return true;
}

static bool check_volume(const char *text, GError **error)
{
        static const char prefix[] = "uid:";

        if (g_str_has_prefix(text, prefix))
                return check_uid(text + strlen(prefix), error);
        return dol_volume_name_check(text, error);
}

static bool check_snapshot(const char *text, GError **error)
{
        return *text != '\0' || dol_fail(error, DOL_ERROR_INVALID, "expected VOLUME@NAME, got ''");
}

bool dol_value_check(dol_value_kind kind, const char *const *words, const char *text,
                     GError **error)
{
        switch (kind) {
        case DOL_VALUE_TOGGLE:
                return dol_bool_parse(text, &(bool){false}, error);
        case DOL_VALUE_NUMBER:
        case DOL_VALUE_SIZE:
        case DOL_VALUE_IOPS:
        case DOL_VALUE_BPS:
                return check_amount(kind, text, error);
        case DOL_VALUE_DURATION:
                return dol_duration_parse(text, &(int64_t){0}, error);
        case DOL_VALUE_MODE:
                return dol_mode_parse(text, &(uint32_t){0}, error);
        case DOL_VALUE_RATIO:
                return check_ratio(text, error);
        case DOL_VALUE_LABEL:
        case DOL_VALUE_SELECTOR:
                return check_label(text, kind == DOL_VALUE_SELECTOR, error);
        case DOL_VALUE_WORD:
                return check_word(words, text, error);
        case DOL_VALUE_VOLUME:
        case DOL_VALUE_TRASHED:
                return check_volume(text, error);
        case DOL_VALUE_SNAPSHOT:
        case DOL_VALUE_IMAGE:
                return check_snapshot(text, error);
        case DOL_VALUE_POOL:
                return dol_pool_name_check(text, error);
        case DOL_VALUE_SCHEDULE:
                return dol_schedule_name_check(text, error);
        case DOL_VALUE_OPERATION:
                return check_uid(text, error);
        case DOL_VALUE_FLAG:
        case DOL_VALUE_TEXT:
        case DOL_VALUE_PATH:
        case DOL_VALUE_COMMAND:
        default:
                return true;
        }
}

/* "; did you mean 'x'?" or "". The caller's to g_free. */
static char *hint_of(const dol_nearest *nearest, const char *prefix)
{
        if (!nearest->best)
                return g_strdup("");
        return g_strdup_printf("; did you mean '%s%s'?", prefix, nearest->best);
}

bool dol_command_unknown(const dol_command *group, const char *path, const char *word,
                         GError **error)
{
        dol_nearest nearest = dol_nearest_to(word);
        g_autofree char *hint = NULL;

        for (const dol_command *const *at = group->commands; at && *at; at++) {
                if ((*at)->flags & DOL_HIDDEN)
                        continue;
                dol_nearest_offer(&nearest, (*at)->name);
                dol_nearest_offer(&nearest, (*at)->alias);
        }
        hint = hint_of(&nearest, "");
        return dol_fail(error, DOL_ERROR_INVALID, "'%s' is not a command of '%s'%s", word, path,
                        hint);
}

bool dol_option_unknown(const dol_command *command, const char *path, const char *word,
                        GError **error)
{
        g_autofree char *name = g_strndup(word, strcspn(word, "="));
        dol_nearest nearest = dol_nearest_to(name + strspn(name, "-"));
        g_autofree char *hint = NULL;

        if (g_str_has_prefix(name, "--")) {
                for (const dol_option *at = command->options; at && at->name; at++)
                        dol_nearest_offer(&nearest, at->name);
                for (const dol_option *at = dol_global_options; at->name; at++)
                        dol_nearest_offer(&nearest, at->name);
        }
        hint = hint_of(&nearest, "--");
        return dol_fail(error, DOL_ERROR_INVALID, "'%s' is not an option of '%s'%s", name, path,
                        hint);
}
