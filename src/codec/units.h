/* SPDX-License-Identifier: Apache-2.0 */
/* Sizes, durations and file modes as people write them. All parsers are strict and whole-string;
 * their INVALID errors quote the input (its first 64 bytes) and show what was expected. */
#pragma once

#include "base/error.h"

#include <stdint.h>
#include <sys/types.h>

/* Sizes as coreutils has them: 512, 10K = 10KiB = 10 x 1024, 10KB = 10 x 1000; K M G T P E, in
 * lower case too. No sign, no fraction. Up to INT64_MAX. */
bool dol_size_parse(const char *text, uint64_t *ret_bytes, GError **error);
/* Exact and short: the largest binary unit that divides it, "10G", "1536M", "1000". */
char *dol_size_format(uint64_t bytes);
/* Rounded for people: "1.5G", "10G", "1023". At most 5 characters. */
char *dol_size_format_short(uint64_t bytes);

#define DOL_DURATION_MAX_USEC (INT64_C(100) * 366 * 86400 * 1000000)

/* "90s", "15m", "24h", "7d", "2w", "1h30m", "500ms"; "0" is zero. No sign. Up to 100 years. */
bool dol_duration_parse(const char *text, int64_t *ret_usec, GError **error);
/* The exact shortest form: "1h30m", "7d", "500ms", "0s". */
char *dol_duration_format(int64_t usec);

/* One to four octal digits, with or without a leading 0: "755", "0755", "1777". */
bool dol_mode_parse(const char *text, uint32_t *ret_mode, GError **error);
/* An unsigned decimal number without sign, up to `max`. */
bool dol_number_parse(const char *text, uint64_t max, uint64_t *ret, GError **error);
/* "true" or "false", also yes/no, on/off, 1/0. */
bool dol_bool_parse(const char *text, bool *ret, GError **error);
