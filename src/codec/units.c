/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/units.h"

#include <string.h>

#define USEC_PER_SEC INT64_C(1000000)

static const char binary_units[] = "KMGTPE";

/* Digits at *text; false when there is none or they exceed `max`. Advances *text past them. */
static bool take_digits(const char **text, uint64_t max, uint64_t *ret)
{
        uint64_t value = 0;
        const char *at = *text;

        if (!g_ascii_isdigit(*at))
                return false;
        for (; g_ascii_isdigit(*at); at++) {
                unsigned digit = (unsigned)(*at - '0');

                if (digit > max || value > (max - digit) / 10)
                        return false;
                value = value * 10 + digit;
        }
        *text = at;
        *ret = value;
        return true;
}

/* The multiplier that a size's suffix stands for; 0 for an unknown one. */
static uint64_t multiplier(const char *suffix)
{
        const char *unit;
        uint64_t base = 1024, value = 1;

        if (*suffix == '\0' || strcmp(suffix, "B") == 0)
                return 1;
        unit = strchr(binary_units, g_ascii_toupper(*suffix));
        if (!unit)
                return 0;
        if (strcmp(suffix + 1, "B") == 0)
                base = 1000;
        else if (suffix[1] != '\0' && strcmp(suffix + 1, "iB") != 0)
                return 0;
        for (const char *u = binary_units; u <= unit; u++)
                value *= base;
        return value;
}

bool dol_size_parse(const char *text, uint64_t *ret_bytes, GError **error)
{
        const char *at = text;
        uint64_t value, unit;

        if (!g_ascii_isdigit(*at))
                return dol_fail(error, DOL_ERROR_INVALID,
                                "expected a size like 10G or 500M, got '%.64s'", text);
        if (!take_digits(&at, INT64_MAX, &value))
                return dol_fail(error, DOL_ERROR_INVALID, "the size '%.64s' is too large", text);
        unit = multiplier(at);
        if (unit == 0)
                return dol_fail(error, DOL_ERROR_INVALID,
                                "expected a size like 10G or 500M, got '%.64s' "
                                "(units: K M G T P E, KiB ..., KB ...)",
                                text);
        if (value > (uint64_t)INT64_MAX / unit)
                return dol_fail(error, DOL_ERROR_INVALID, "the size '%.64s' is too large", text);
        *ret_bytes = value * unit;
        return true;
}

char *dol_size_format(uint64_t bytes)
{
        unsigned unit = 0;

        while (bytes > 0 && bytes % 1024 == 0 && unit < strlen(binary_units)) {
                bytes /= 1024;
                unit++;
        }
        if (unit == 0)
                return g_strdup_printf("%" G_GUINT64_FORMAT, bytes);
        return g_strdup_printf("%" G_GUINT64_FORMAT "%c", bytes, binary_units[unit - 1]);
}

char *dol_size_format_short(uint64_t bytes)
{
        double value = (double)bytes;
        unsigned unit = 0, tenths;

        while (value >= 1023.5 && unit < strlen(binary_units)) {
                value /= 1024;
                unit++;
        }
        if (unit == 0)
                return g_strdup_printf("%" G_GUINT64_FORMAT, bytes);
        tenths = (unsigned)(value * 10 + 0.5);
        if (tenths < 100 && tenths % 10)
                return g_strdup_printf("%u.%u%c", tenths / 10, tenths % 10, binary_units[unit - 1]);
        return g_strdup_printf("%.0f%c", value, binary_units[unit - 1]);
}

static const struct {
        const char *suffix;
        int64_t usec;
} duration_units[] = {
        {"w", 7 * 86400 * USEC_PER_SEC},
        {"d", 86400 * USEC_PER_SEC},
        {"h", 3600 * USEC_PER_SEC},
        {"m", 60 * USEC_PER_SEC},
        {"s", USEC_PER_SEC},
        {"ms", 1000},
        {"us", 1},
};

static int64_t duration_unit(const char **at)
{
        size_t length = 0;

        while (g_ascii_isalpha((*at)[length]))
                length++;
        for (unsigned i = 0; i < G_N_ELEMENTS(duration_units); i++)
                if (strlen(duration_units[i].suffix) == length &&
                    strncmp(*at, duration_units[i].suffix, length) == 0) {
                        *at += length;
                        return duration_units[i].usec;
                }
        return 0;
}

bool dol_duration_parse(const char *text, int64_t *ret_usec, GError **error)
{
        const char *at = text;
        int64_t total = 0;

        if (strcmp(text, "0") == 0) {
                *ret_usec = 0;
                return true;
        }
        do {
                uint64_t value;
                int64_t unit;

                if (!take_digits(&at, INT64_MAX, &value) || (unit = duration_unit(&at)) == 0)
                        return dol_fail(error, DOL_ERROR_INVALID,
                                        "expected a duration like 90s, 15m, 24h or 7d, got '%.64s'",
                                        text);
                if (value > (uint64_t)((DOL_DURATION_MAX_USEC - total) / unit))
                        return dol_fail(error, DOL_ERROR_INVALID,
                                        "the duration '%.64s' is longer than 100 years", text);
                total += (int64_t)value * unit;
        } while (*at);
        *ret_usec = total;
        return true;
}

char *dol_duration_format(int64_t usec)
{
        g_autoptr(GString) text = g_string_new(NULL);

        /* weeks are understood but not written: 14d reads better than 2w */
        for (unsigned i = 1; i < G_N_ELEMENTS(duration_units); i++) {
                int64_t count = usec / duration_units[i].usec;

                if (count)
                        g_string_append_printf(text, "%" G_GINT64_FORMAT "%s", count,
                                               duration_units[i].suffix);
                usec %= duration_units[i].usec;
        }
        return g_strdup(text->len ? text->str : "0s");
}

bool dol_mode_parse(const char *text, uint32_t *ret_mode, GError **error)
{
        size_t length = strlen(text);
        uint32_t mode = 0;

        for (const char *c = text; *c; c++) {
                if (*c < '0' || *c > '7' || length > 5 || (length == 5 && text[0] != '0'))
                        return dol_fail(error, DOL_ERROR_INVALID,
                                        "expected a mode of octal digits like 0755, got '%.64s'",
                                        text);
                mode = mode * 8 + (uint32_t)(*c - '0');
        }
        if (length == 0)
                return dol_fail(error, DOL_ERROR_INVALID,
                                "expected a mode of octal digits like 0755, got ''");
        *ret_mode = mode;
        return true;
}

bool dol_number_parse(const char *text, uint64_t max, uint64_t *ret, GError **error)
{
        const char *at = text;
        uint64_t value;

        if (!take_digits(&at, max, &value) || *at)
                return dol_fail(error, DOL_ERROR_INVALID,
                                "expected a number from 0 to %" G_GUINT64_FORMAT ", got '%.64s'",
                                max, text);
        *ret = value;
        return true;
}

bool dol_bool_parse(const char *text, bool *ret, GError **error)
{
        static const char *const words[] = {"false", "true", "no", "yes", "off", "on", "0", "1"};

        for (unsigned i = 0; i < G_N_ELEMENTS(words); i++)
                if (g_ascii_strcasecmp(words[i], text) == 0) {
                        *ret = i % 2;
                        return true;
                }
        return dol_fail(error, DOL_ERROR_INVALID, "expected true or false, got '%.64s'", text);
}
