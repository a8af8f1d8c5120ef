/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log: one line per event on standard error, "<time> <level> <text>"; under systemd (when
 * JOURNAL_STREAM names standard error) the sd-daemon priority prefix instead of time and level.
 * Control characters, and bytes that are not UTF-8, are written as \xNN, so that nobody can forge a
 * line. Libraries return errors; only the edges (faces, reconciler, main) log.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

typedef enum { DOL_LOG_ERROR, DOL_LOG_WARNING, DOL_LOG_INFO, DOL_LOG_DEBUG } dol_log_level;

/* The most talkative level that is still written; INFO at the start. */
void dol_log_set_level(dol_log_level level);
/* "error", "warning", "info", "debug"; false for another word. */
bool dol_log_level_parse(const char *word, dol_log_level *ret_level);
void dol_log(dol_log_level level, const char *format, ...) G_GNUC_PRINTF(2, 3);
