/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"

#include <stdatomic.h>
#include <string.h>

#define FIRST_SECOND INT64_C(-62135596800) /* 0001-01-01T00:00:00Z */
#define LAST_SECOND  INT64_C(253402300799) /* 9999-12-31T23:59:59Z */

static _Atomic int64_t shift_usec;

static int64_t usec_of(clockid_t clock)
{
        struct timespec ts;

        clock_gettime(clock, &ts);
        return ts.tv_sec * DOL_USEC_PER_SEC + ts.tv_nsec / 1000;
}

int64_t dol_now_usec(void)
{
        return usec_of(CLOCK_REALTIME) + atomic_load_explicit(&shift_usec, memory_order_relaxed);
}

void dol_clock_shift(int64_t usec)
{
        atomic_store(&shift_usec, usec);
}

int64_t dol_monotonic_usec(void)
{
        return usec_of(CLOCK_MONOTONIC);
}

char *dol_time_format(int64_t usec)
{
        time_t seconds = usec / DOL_USEC_PER_SEC;
        int64_t rest = usec % DOL_USEC_PER_SEC;
        struct tm tm;
        g_autofree char *text = NULL;

        if (rest < 0) {
                rest += DOL_USEC_PER_SEC;
                seconds--;
        }
        gmtime_r(&seconds, &tm);
        /* strftime's %Y does not fill up to four digits */
        text = g_strdup_printf("%04d-%02d-%02dT%02d:%02d:%02d", tm.tm_year + 1900, tm.tm_mon + 1,
                               tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
        if (rest)
                return g_strdup_printf("%s.%06" G_GINT64_FORMAT "Z", text, rest);
        return g_strconcat(text, "Z", NULL);
}

/* true when the text has the shape: 0 stands for a digit, anything else for itself. */
static bool has_shape(const char *text, const char *shape)
{
        for (; *shape; text++, shape++)
                if (*shape == '0' ? !g_ascii_isdigit(*text) : *text != *shape)
                        return false;
        return true;
}

/* GLib reads more of ISO 8601 than RFC 3339 has: week dates, basic format, second 61. */
static bool is_rfc3339(const char *text)
{
        const char *at = text + strlen("0000-00-00T00:00:00");

        if (!has_shape(text, "0000-00-00T00:00:00") || g_str_has_prefix(text + 17, "61"))
                return false;
        if (*at == '.') {
                size_t digits = strspn(at + 1, "0123456789");

                if (digits < 1 || digits > 9)
                        return false;
                at += 1 + digits;
        }
        if (*at == '+' || *at == '-')
                return has_shape(at + 1, "00:00") && at[6] == '\0';
        return strcmp(at, "Z") == 0;
}

bool dol_time_parse(const char *text, int64_t *ret_usec, GError **error)
{
        g_autoptr(GDateTime) parsed = NULL;

        if (is_rfc3339(text))
                parsed = g_date_time_new_from_iso8601(text, NULL);
        /* an offset may lead out of the years that can be written */
        if (!parsed || g_date_time_to_unix(parsed) < FIRST_SECOND ||
            g_date_time_to_unix(parsed) > LAST_SECOND)
                return dol_fail(error, DOL_ERROR_INVALID,
                                "'%.64s' is not a time (expected like 2026-01-31T08:00:00Z)", text);
        *ret_usec = g_date_time_to_unix(parsed) * DOL_USEC_PER_SEC +
                    g_date_time_get_microsecond(parsed);
        return true;
}

struct timespec dol_timespec_of(int64_t monotonic_usec)
{
        return (struct timespec){
                .tv_sec = monotonic_usec / DOL_USEC_PER_SEC,
                .tv_nsec = (monotonic_usec % DOL_USEC_PER_SEC) * 1000,
        };
}

void dol_cond_init(pthread_cond_t *cond)
{
        pthread_condattr_t attr;

        pthread_condattr_init(&attr);
        pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
        pthread_cond_init(cond, &attr);
        pthread_condattr_destroy(&attr);
}
