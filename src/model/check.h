/* SPDX-License-Identifier: Apache-2.0 */
/* What a check of a volume's file system found. */
#pragma once

#include "model/volume.h"

typedef struct {
        char *volume;   /* its name */
        dol_fs_kind fs; /* that was checked */
        bool clean;     /* no errors were found, or all of them were repaired */
        bool repair;    /* it was to be repaired */
        char *report;   /* what the file system's own program says; 64 KiB at most */
} dol_volume_check;

extern const dol_schema dol_volume_check_schema;

void dol_volume_check_free(dol_volume_check *check); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(dol_volume_check, dol_volume_check_free)
