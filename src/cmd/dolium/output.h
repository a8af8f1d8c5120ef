/* SPDX-License-Identifier: Apache-2.0 */
/* Where large data goes: standard output, or a file that appears when it is whole. */
#pragma once

#include "base/error.h"

typedef struct {
        int fd;
        const char *name; /* for messages */
        char *path;      /* of the file as it will be called; NULL: standard output, a device ... */
        char *temporary; /* as it is called until then */
} dol_output;

#define DOL_OUTPUT_INIT ((dol_output){.fd = -1})

/* `path` must live as long. "-" is standard output; INVALID when that is a terminal. A file is
 * written beside the one of that name, which it replaces in the end; it is removed when the program
 * is interrupted. One at a time.
 */
bool dol_output_open(const char *path, dol_output *ret, GError **error);
/* All is written: makes it durable, and gives it its name. */
bool dol_output_finish(dol_output *output, GError **error);
/* Removes what was not finished. */
void dol_output_clear(dol_output *output);
