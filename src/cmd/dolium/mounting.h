/* SPDX-License-Identifier: Apache-2.0 */
/* mount and unmount, of volumes and of snapshots: the same words and the same answers. */
#pragma once

#include "cmd/dolium/show.h"

/* What is mounted. */
typedef struct {
        const char *noun;       /* "volume": its path is /v1/volumes/NAME */
        const char *attachment; /* where a document says its attachment: "status.attachment" */
        const dol_view *view;
} dol_mountable;

extern const dol_option dol_mount_options[], dol_unmount_options[];

/* Mount what the first argument names, and print where. */
bool dol_cli_mount(dol_cli *cli, const dol_mountable *kind, GError **error);
/* Give that mount back, and tell who still has it. */
bool dol_cli_unmount(dol_cli *cli, const dol_mountable *kind, GError **error);
