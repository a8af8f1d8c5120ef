/* SPDX-License-Identifier: Apache-2.0 */
/* Percent-encoding in paths and queries: what is decoded is text, and encodes to what decodes to
 * the same. */
#include "fuzz.h"

#include "net/http-private.h"

#include <string.h>

static void try_unescape(const char *text, size_t size, bool plus_is_space)
{
        g_autoptr(GError) error = NULL;
        g_autofree char *plain = dol_http_unescape(text, size, plus_is_space, &error);
        g_autofree char *escaped = NULL, *back = NULL;

        if (!plain) {
                fuzz_require(dol_error_is(error, DOL_ERROR_INVALID));
                fuzz_require(g_utf8_validate(error->message, -1, NULL));
                return;
        }
        fuzz_require(g_utf8_validate(plain, -1, NULL) && strlen(plain) <= size);
        escaped = dol_http_escape(plain);
        back = dol_http_unescape(escaped, strlen(escaped), plus_is_space, NULL);
        fuzz_require(back && strcmp(back, plain) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        g_autofree char *text = fuzz_text(data, size);
        g_autofree char *quotable = dol_http_quotable(text);

        try_unescape((const char *)data, size, false);
        try_unescape((const char *)data, size, true);
        fuzz_require(g_utf8_validate(quotable, -1, NULL));
        return 0;
}
