/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/dolium/cell.h"

#include "base/clock.h"
#include "codec/units.h"

#include <stdlib.h>
#include <string.h>

#define ID_SHOWN        12
#define CONSUMERS_SHOWN 3

char *dol_cell_text(const json_t *value)
{
        if (json_is_string(value))
                return g_strdup(json_string_value(value));
        if (json_is_boolean(value))
                return g_strdup(json_is_true(value) ? "yes" : "no");
        if (json_is_integer(value))
                return g_strdup_printf("%" JSON_INTEGER_FORMAT, json_integer_value(value));
        return json_is_real(value) ? g_strdup_printf("%g", json_real_value(value)) : NULL;
}

char *dol_cell_size(const json_t *value)
{
        if (!json_is_integer(value) || json_integer_value(value) < 0)
                return NULL;
        return dol_size_format_short((uint64_t)json_integer_value(value));
}

char *dol_age_format(int64_t usec)
{
        int64_t seconds = MAX(usec, 0) / DOL_USEC_PER_SEC;

        if (seconds < 120)
                return g_strdup_printf("%" G_GINT64_FORMAT "s", seconds);
        if (seconds < 120 * 60)
                return g_strdup_printf("%" G_GINT64_FORMAT "m", seconds / 60);
        if (seconds < INT64_C(48) * 3600)
                return g_strdup_printf("%" G_GINT64_FORMAT "h", seconds / 3600);
        return g_strdup_printf("%" G_GINT64_FORMAT "d", seconds / 86400);
}

/* The point in time of a document's string; false when it is none. */
static bool time_of(const json_t *value, int64_t *ret_usec)
{
        return json_is_string(value) && dol_time_parse(json_string_value(value), ret_usec, NULL);
}

char *dol_cell_age(const json_t *value)
{
        int64_t time, now = dol_now_usec();
        g_autofree char *ahead = NULL;

        if (!time_of(value, &time))
                return NULL;
        /* clocks are never quite alike: what is a second ahead has just happened */
        if (time <= now + DOL_USEC_PER_SEC)
                return dol_age_format(now - time);
        ahead = dol_age_format(time - now);
        return g_strconcat("in ", ahead, NULL);
}

char *dol_cell_second(const json_t *value)
{
        int64_t time;

        if (!time_of(value, &time))
                return NULL;
        return dol_time_format(time - time % DOL_USEC_PER_SEC);
}

char *dol_cell_time(const json_t *value)
{
        g_autofree char *second = dol_cell_second(value);
        g_autofree char *age = dol_cell_age(value);

        if (!age)
                return NULL;
        return g_strdup_printf("%s (%s%s)", second, age,
                               g_str_has_prefix(age, "in ") ? "" : " ago");
}

char *dol_cell_labels(const json_t *value)
{
        g_autoptr(GString) list = g_string_new(NULL);
        const char *key;
        json_t *text;

        json_object_foreach((json_t *)value, key, text)
                g_string_append_printf(list, "%s%s=%s", list->len ? ", " : "", key,
                                       json_string_value(text) ? json_string_value(text) : "");
        return list->len ? g_strdup(list->str) : NULL;
}

char *dol_cell_list(const json_t *value)
{
        g_autoptr(GString) list = g_string_new(NULL);
        size_t index;
        json_t *text;

        json_array_foreach(value, index, text)
                g_string_append_printf(list, "%s%s", list->len ? ", " : "",
                                       json_string_value(text) ? json_string_value(text) : "");
        return list->len ? g_strdup(list->str) : NULL;
}

/* A file system always uses something: two zeros mean that it could not be asked. */
static bool is_measured(const json_t *status)
{
        return dol_json_number(status, "used") > 0 || dol_json_number(status, "available") > 0;
}

char *dol_cell_used(const json_t *value)
{
        return is_measured(value) ? dol_cell_size(dol_json_at(value, "used")) : NULL;
}

char *dol_cell_available(const json_t *value)
{
        return is_measured(value) ? dol_cell_size(dol_json_at(value, "available")) : NULL;
}

char *dol_cell_use(const json_t *value)
{
        double used = (double)dol_json_number(value, "used");
        double all = used + (double)dol_json_number(value, "available");
        double percent = all > 0 ? used * 100 / all : 0;

        if (!is_measured(value))
                return NULL;
        return g_strdup_printf("%d%%", (int)percent + (percent > (int)percent));
}

char *dol_cell_inodes(const json_t *value)
{
        if (dol_json_number(value, "inodes") <= 0)
                return NULL;
        return g_strdup_printf("%" G_GINT64_FORMAT " of %" G_GINT64_FORMAT,
                               dol_json_number(value, "inodes_used"),
                               dol_json_number(value, "inodes"));
}

char *dol_cell_place(const json_t *value)
{
        const char *path = dol_json_text(value, "path");

        return g_strdup(path ? path : dol_json_text(value, "device"));
}

static void append_consumer(GString *list, const json_t *consumer)
{
        const char *client = dol_json_text(consumer, "client");
        const char *id = dol_json_text(consumer, "id");
        int64_t count = dol_json_number(consumer, "count");

        g_string_append_printf(list, "%s%s", list->len ? ", " : "", client ? client : "?");
        if (id && *id) {
                g_autofree char *start =
                        g_utf8_substring(id, 0, MIN(g_utf8_strlen(id, -1), ID_SHOWN));

                g_string_append_printf(list, ":%s", start);
        }
        if (count > 1)
                g_string_append_printf(list, " x%" G_GINT64_FORMAT, count);
}

char *dol_cell_consumers(const json_t *value)
{
        const json_t *consumers = dol_json_at(value, "consumers");
        g_autoptr(GString) list = g_string_new(NULL);
        size_t index;
        json_t *consumer;

        json_array_foreach(consumers, index, consumer)
        {
                if (index < CONSUMERS_SHOWN)
                        append_consumer(list, consumer);
        }
        if (json_array_size(consumers) > CONSUMERS_SHOWN)
                g_string_append_printf(list, ", +%zu",
                                       json_array_size(consumers) - CONSUMERS_SHOWN);
        return list->len ? g_strdup(list->str) : NULL;
}

/* As ls -l has it. */
char *dol_cell_mode(const json_t *value)
{
        static const char *const letters[] = {
                "file",   "-", "directory",        "d", "symlink",      "l", "fifo", "p",
                "socket", "s", "character-device", "c", "block-device", "b"};
        const char *type = dol_json_text(value, "type"), *text = dol_json_text(value, "mode");
        unsigned mode = text ? (unsigned)strtoul(text, NULL, 8) : 0;
        GString *shown = g_string_new(NULL);

        for (unsigned i = 0; i < G_N_ELEMENTS(letters); i += 2)
                if (g_strcmp0(type, letters[i]) == 0)
                        g_string_append(shown, letters[i + 1]);
        for (int bit = 8; bit >= 0; bit--)
                g_string_append_c(shown, mode >> bit & 1 ? "xwr"[bit % 3] : '-');
        for (int bit = 0; bit < 3 && shown->len == 10; bit++)
                if (mode >> (11 - bit) & 1)
                        shown->str[3 + 3 * bit] =
                                (shown->str[3 + 3 * bit] == 'x' ? "sst" : "SST")[bit];
        return g_string_free(shown, false);
}

char *dol_cell_path(const json_t *value)
{
        const char *path = dol_json_text(value, "path"), *target = dol_json_text(value, "target");

        return path && target ? g_strconcat(path, " -> ", target, NULL) : g_strdup(path);
}

char *dol_cell_took(const json_t *value)
{
        int64_t started, ended;

        if (!time_of(dol_json_at(value, "started"), &started))
                return NULL;
        if (!time_of(dol_json_at(value, "ended"), &ended))
                return dol_age_format(dol_now_usec() - started);
        if (ended - started < DOL_USEC_PER_SEC)
                return g_strdup_printf("%" G_GINT64_FORMAT "ms",
                                       MAX(ended - started, 0) / DOL_USEC_PER_MSEC);
        return dol_age_format(ended - started);
}
