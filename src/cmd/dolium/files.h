/* SPDX-License-Identifier: Apache-2.0 */
/* What the commands of dolium files share. */
#pragma once

#include "cmd/dolium/cli.h"

extern const dol_command dol_files_cp_command;

/* "/v1/snapshots/db@x/file?path=...", or that of the volume. The caller's to g_free. */
char *dol_files_route(const dol_cli *cli, const char *what, const char *path, bool recursive);
/* Asks for an answer of any length, and hands it to `write`. */
bool dol_files_transfer(dol_cli *cli, const char *route,
                        bool (*write)(const void *bytes, size_t size, void *user, GError **error),
                        void *user, GError **error);
/* The same, to standard output. */
bool dol_files_pour(dol_cli *cli, const char *route, GError **error);
