/* SPDX-License-Identifier: Apache-2.0 */
/* Removing a directory that users filled. */
#pragma once

#include "base/call.h"

/* Removes the directory and all that is in it, however deep. Symbolic links are removed, not
 * followed; a mount in it is not entered: BUSY, naming the directory, and what is left is left.
 * Absent: true. */
bool dol_tree_remove(const dol_call *call, const char *path, GError **error);
