/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "cmd/dolium/command.h"

/* The help page of a command. `path` is how it is called: "dolium volume create". The caller's to
 * g_free. */
char *dol_help_text(const dol_command *command, const char *path);
