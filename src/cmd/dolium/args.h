/* SPDX-License-Identifier: Apache-2.0 */
/* A command line that was read and checked against the command table. */
#pragma once

#include "cmd/dolium/command.h"

typedef struct {
        const dol_command *command;
        char *path;         /* "dolium volume create", for messages */
        GPtrArray *words;   /* the arguments, borrowed from argv; ends with NULL */
        GPtrArray *options; /* of const dol_option *, in the order given */
        GPtrArray *values;  /* of the option at the same index; NULL for a flag without one */
} dol_args;

/* Reads argv[1..]. All must be UTF-8. With --help the arguments are not checked, so that help can
 * be had for any command. INVALID says what is wrong and what was expected. On failure *ret holds
 * what was read so far; clear it in both cases. */
bool dol_args_read(int argc, char **argv, dol_args *ret, GError **error);
void dol_args_clear(dol_args *args);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(dol_args, dol_args_clear)

/* How many arguments there are, and the nth (from 0); NULL when it was not given. */
unsigned dol_args_count(const dol_args *args);
const char *dol_args_word(const dol_args *args, unsigned n);

/* true when the option was given. Its name must be in the table. */
bool dol_args_given(const dol_args *args, const char *name);
/* The last value of an option; NULL when it was not given. */
const char *dol_args_value(const dol_args *args, const char *name);
/* Whether a flag or toggle is on; false when it was not given. */
bool dol_args_is_on(const dol_args *args, const char *name);
/* Goes through the values of a repeated option: begin with *at = 0. NULL at the end. */
const char *dol_args_next(const dol_args *args, const char *name, unsigned *at);
