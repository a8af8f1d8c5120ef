/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

/* Fills the buffer from the kernel's random source; aborts when there is none. */
void dol_random_bytes(void *buffer, size_t size);
/* A new random UUID (RFC 9562 version 4) in lower case, as used for every uid. g_free it. */
char *dol_uid_new(void);
