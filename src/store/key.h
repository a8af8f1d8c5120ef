/* SPDX-License-Identifier: Apache-2.0 */
/* Keys: what is allowed in them, and the range of keys that a list walks. */
#pragma once

#include "base/error.h"

enum {
        DOL_KEY_MAX = 512,      /* bytes of a key */
        DOL_VALUE_MAX = 1 << 20 /* bytes of a value */
};

/* 1 to 512 bytes of printable ASCII without spaces; else INVALID. */
bool dol_key_check(const char *key, GError **error);
/* The same, but it may be empty. */
bool dol_prefix_check(const char *prefix, GError **error);

/* The keys from `from` on and before `below`, both compared as bytes. */
typedef struct {
        char from[DOL_KEY_MAX + 2];
        char below[DOL_KEY_MAX + 2];
} dol_key_range;

/* The keys that begin with `prefix` and are greater than `after` (NULL = all of them). Both have
 * passed dol_prefix_check. */
dol_key_range dol_key_range_of(const char *prefix, const char *after);
