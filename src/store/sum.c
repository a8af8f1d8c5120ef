/* SPDX-License-Identifier: Apache-2.0 */
#include "store/sum.h"

#include <glib.h>
#include <string.h>

/* An odd number with half of its bits set. Multiplying by it, and xor with a shift, map different
 * sums to different sums, so that a difference once made is not lost by what follows. */
#define FACTOR UINT64_C(0x9e6c63d0876a9a69)

static uint64_t mix(uint64_t sum, uint64_t word)
{
        sum = (sum ^ word) * FACTOR;
        return sum ^ (sum >> 29);
}

uint64_t dol_sum(uint64_t seed, const void *bytes, size_t size)
{
        const unsigned char *from = bytes;
        uint64_t sum = mix(seed, size);
        uint64_t word;

        for (; size >= sizeof(word); size -= sizeof(word), from += sizeof(word)) {
                memcpy(&word, from, sizeof(word));
                sum = mix(sum, GUINT64_FROM_LE(word));
        }
        word = 0;
        memcpy(&word, from, size);
        return mix(sum, GUINT64_FROM_LE(word));
}
