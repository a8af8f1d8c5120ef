/* SPDX-License-Identifier: Apache-2.0 */
#include "store/key.h"

#include <string.h>

/* Keys lie strictly between these two bytes. */
#define BELOW_ALL_KEYS "\x01"
#define ABOVE_ALL_KEYS "\x7f"

bool dol_prefix_check(const char *prefix, GError **error)
{
        size_t size = prefix ? strnlen(prefix, DOL_KEY_MAX + 1) : 0;

        if (!prefix)
                return dol_fail(error, DOL_ERROR_INVALID, "no store key given");
        if (size > DOL_KEY_MAX)
                return dol_fail(error, DOL_ERROR_INVALID,
                                "store key '%.40s...' is longer than %d bytes", prefix,
                                DOL_KEY_MAX);
        for (size_t i = 0; i < size; i++)
                if (prefix[i] <= ' ' || prefix[i] > '~')
                        return dol_fail(error, DOL_ERROR_INVALID,
                                        "store key has byte 0x%02x at position %zu (expected "
                                        "printable ASCII without spaces)",
                                        (unsigned char)prefix[i], i);
        return true;
}

bool dol_key_check(const char *key, GError **error)
{
        if (key && *key == '\0')
                return dol_fail(error, DOL_ERROR_INVALID, "store key is empty");
        return dol_prefix_check(key, error);
}

dol_key_range dol_key_range_of(const char *prefix, const char *after)
{
        dol_key_range range;
        size_t size = strlen(prefix);

        /* No key lies between `after` and `after` followed by a byte that no key has. */
        if (after && strcmp(after, prefix) >= 0)
                g_snprintf(range.from, sizeof(range.from), "%s" BELOW_ALL_KEYS, after);
        else
                g_strlcpy(range.from, prefix, sizeof(range.from));
        g_strlcpy(range.below, size ? prefix : ABOVE_ALL_KEYS, sizeof(range.below));
        if (size)
                range.below[size - 1]++;
        return range;
}
