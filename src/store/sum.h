/* SPDX-License-Identifier: Apache-2.0 */
/* A checksum that finds damage done by disks and memory, not by people. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* The sum of some bytes; `seed` is 0 or the sum of what came before. Changing one bit, or the
 * number of bytes, changes the sum. The same on every machine. */
uint64_t dol_sum(uint64_t seed, const void *bytes, size_t size);
