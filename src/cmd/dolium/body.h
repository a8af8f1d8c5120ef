/* SPDX-License-Identifier: Apache-2.0 */
/* Request bodies from options. */
#pragma once

#include "cmd/dolium/cli.h"

/* Which option goes where in the body; its kind says as what. Ends with {NULL}. */
typedef struct {
        const char *option;
        const char *path; /* "spec.size" */
} dol_body_row;

/* Puts every option of the rows that was given into the body. Labels become members of an object;
 * an empty text becomes null, which clears a field. */
void dol_body_put(json_t *body, const dol_args *args, const dol_body_row *rows);
