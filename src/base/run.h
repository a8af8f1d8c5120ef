/* SPDX-License-Identifier: Apache-2.0 */
/* Running another program: an argv array, never a shell string; a deadline; its output bounded. */
#pragma once

#include "base/call.h"

/* Runs argv[0] (looked up in PATH and the sbin directories) and waits for it. Standard input is
 * /dev/null. When it exits with 0: true, and *ret_output (may be NULL; g_free it) has up to 64 KiB
 * of what it wrote to standard output and error together. Otherwise an error that quotes the end
 * of that output. Past the call's deadline, or when cancelled, the program is killed: TIMEOUT or
 * UNAVAILABLE. */
bool dol_run(const dol_call *call, const char *const argv[], char **ret_output, GError **error);
/* The same, but any exit status will do: *ret_status gets it. */
bool dol_run_status(const dol_call *call, const char *const argv[], int *ret_status,
                    char **ret_output, GError **error);
