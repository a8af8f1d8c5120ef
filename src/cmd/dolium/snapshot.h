/* SPDX-License-Identifier: Apache-2.0 */
/* The snapshot commands that have a file of their own. */
#pragma once

#include "cmd/dolium/cli.h"

extern const dol_command dol_snapshot_diff_command;
