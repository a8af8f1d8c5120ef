/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fault.h"

#include "base/guard.h"
#include "base/log.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

typedef enum { ACTION_KILL, ACTION_ERROR, ACTION_DELAY, ACTION_LOG } action;

typedef struct {
        char *glob;
        char *if_path; /* NULL = always */
        action action;
        dol_error_kind kind;   /* of ACTION_ERROR */
        uint64_t msec;         /* of ACTION_DELAY */
        uint64_t after, times; /* times 0 = without end */
        uint64_t seen;
} fault;

static atomic_bool armed;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards what follows */
static GArray *faults;
static unsigned passes;

static void fault_clear(void *data)
{
        fault *row = data;

        g_free(row->glob);
        g_free(row->if_path);
}

static bool parse_number(const char *text, uint64_t max, uint64_t *ret, GError **error)
{
        if (!g_ascii_string_to_unsigned(text, 10, 0, max, ret, NULL))
                return dol_fail(error, DOL_ERROR_INVALID,
                                "expected a number from 0 to %" G_GUINT64_FORMAT ", got '%s'", max,
                                text);
        return true;
}

static bool parse_kind(const char *word, dol_error_kind *ret, GError **error)
{
        *ret = dol_error_kind_from_word(word);
        if (strcmp(dol_error_info_of(*ret)->word, word) != 0)
                return dol_fail(error, DOL_ERROR_INVALID, "unknown kind of error '%s'", word);
        return true;
}

static bool parse_action(const char *text, fault *row, GError **error)
{
        if (strcmp(text, "kill") == 0) {
                row->action = ACTION_KILL;
        } else if (strcmp(text, "log") == 0) {
                row->action = ACTION_LOG;
                row->times = 0;
        } else if (g_str_has_prefix(text, "error:")) {
                row->action = ACTION_ERROR;
                return parse_kind(text + strlen("error:"), &row->kind, error);
        } else if (g_str_has_prefix(text, "delay:")) {
                row->action = ACTION_DELAY;
                return parse_number(text + strlen("delay:"), 3600000, &row->msec, error);
        } else {
                return dol_fail(error, DOL_ERROR_INVALID, "unknown action '%s'", text);
        }
        return true;
}

static bool parse_option(const char *text, fault *row, GError **error)
{
        if (g_str_has_prefix(text, "after="))
                return parse_number(text + strlen("after="), UINT32_MAX, &row->after, error);
        if (g_str_has_prefix(text, "times="))
                return parse_number(text + strlen("times="), UINT32_MAX, &row->times, error);
        if (g_str_has_prefix(text, "if=")) {
                g_free(row->if_path);
                row->if_path = g_strdup(text + strlen("if="));
                return true;
        }
        return dol_fail(error, DOL_ERROR_INVALID, "unknown option '%s'", text);
}

static bool parse_row(const char *text, fault *row, GError **error)
{
        const char *equals = strchr(text, '=');
        g_auto(GStrv) parts = NULL;

        *row = (fault){.times = 1};
        if (!equals || equals == text)
                return dol_fail(error, DOL_ERROR_INVALID, "expected POINT=ACTION");
        parts = g_strsplit(equals + 1, ",", -1);
        if (!parts[0])
                return dol_fail(error, DOL_ERROR_INVALID, "expected an action after '='");
        if (!parse_action(parts[0], row, error))
                return false;
        for (unsigned i = 1; parts[i]; i++)
                if (!parse_option(parts[i], row, error))
                        return false;
        row->glob = g_strndup(text, (size_t)(equals - text));
        return true;
}

bool dol_fault_arm(const char *plan, GError **error)
{
        g_auto(GStrv) rows = g_strsplit(plan ? plan : "", ";", -1);
        g_autoptr(GArray) parsed = g_array_new(false, false, sizeof(fault));

        /* GLib's patterns insist on it */
        if (plan && !g_utf8_validate(plan, -1, NULL))
                return dol_fail(error, DOL_ERROR_INVALID, "a fault plan must be UTF-8");
        g_array_set_clear_func(parsed, fault_clear);
        for (unsigned i = 0; rows[i]; i++) {
                fault row;

                if (*g_strstrip(rows[i]) == '\0')
                        continue;
                if (!parse_row(rows[i], &row, error)) {
                        fault_clear(&row);
                        return dol_fail_while(error, "fault '%s'", rows[i]);
                }
                g_array_append_val(parsed, row);
        }
        pthread_mutex_lock(&lock);
        g_clear_pointer(&faults, g_array_unref);
        passes = 0;
        atomic_store(&armed, parsed->len > 0);
        faults = g_steal_pointer(&parsed);
        pthread_mutex_unlock(&lock);
        return true;
}

/* The row that hits this pass, copied to *ret; its glob is not. */
static bool hit(const char *name, fault *ret)
{
        bool matched = false, found = false;
        dol_lock_scope(&lock);

        for (unsigned i = 0; faults && i < faults->len; i++) {
                fault *row = &g_array_index(faults, fault, i);

                if (!g_pattern_match_simple(row->glob, name) ||
                    (row->if_path && access(row->if_path, F_OK) < 0))
                        continue;
                matched = true;
                row->seen++;
                if (!found && row->seen > row->after &&
                    (row->times == 0 || row->seen <= row->after + row->times)) {
                        *ret = *row;
                        found = true;
                }
        }
        passes += matched;
        return found;
}

bool dol_fault_point(const char *name, GError **error)
{
        fault row;

        if (!atomic_load_explicit(&armed, memory_order_relaxed) || !hit(name, &row))
                return true;
        switch (row.action) {
        case ACTION_KILL:
                dol_log(DOL_LOG_INFO, "fault: killed at %s", name);
                raise(SIGKILL);
                return true;
        case ACTION_DELAY:
                g_usleep(row.msec * 1000);
                return true;
        case ACTION_LOG:
                dol_log(DOL_LOG_INFO, "fault: passed %s", name);
                return true;
        case ACTION_ERROR:
                return dol_fail(error, row.kind, "fault injected at %s", name);
        default:
                return true;
        }
}

unsigned dol_fault_passes(void)
{
        dol_lock_scope(&lock);

        return passes;
}
