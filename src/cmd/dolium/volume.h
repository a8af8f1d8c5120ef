/* SPDX-License-Identifier: Apache-2.0 */
/* The volume commands, which fill two files: those that look, and those that change. */
#pragma once

#include "cmd/dolium/cli.h"

extern const dol_command dol_volume_create_command, dol_volume_rm_command,
        dol_volume_rename_command, dol_volume_set_command, dol_volume_mount_command,
        dol_volume_unmount_command, dol_volume_adopt_command, dol_volume_clone_command,
        dol_volume_restore_command, dol_volume_resize_command, dol_volume_trim_command,
        dol_volume_export_command, dol_volume_import_command, dol_volume_check_command;
