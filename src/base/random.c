/* SPDX-License-Identifier: Apache-2.0 */
#include "base/random.h"

#include <errno.h>
#include <glib.h>
#include <stdint.h>
#include <sys/random.h>

void dol_random_bytes(void *buffer, size_t size)
{
        uint8_t *to = buffer;

        while (size > 0) {
                ssize_t n = getrandom(to, MIN(size, 256), 0);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        g_error("getrandom: %s", g_strerror(errno));
                to += n;
                size -= (size_t)n;
        }
}

char *dol_uid_new(void)
{
        uint8_t b[16];

        dol_random_bytes(b, sizeof(b));
        b[6] = (b[6] & 0x0f) | 0x40;
        b[8] = (b[8] & 0x3f) | 0x80;
        return g_strdup_printf(
                "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
                b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
                b[15]);
}
