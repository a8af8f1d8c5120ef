/* SPDX-License-Identifier: Apache-2.0 */
/* Text on a terminal. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* How many columns the text takes: wide characters two, combining ones none. */
size_t dol_text_width(const char *text);
/* The text without what a terminal would obey: control characters become \xNN, direction overrides
 * \u{NNNN}, broken UTF-8 U+FFFD. Newlines stay when `lines`. The caller's to g_free. */
char *dol_text_shown(const char *text, bool lines);
