/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Showing a mounted volume, or its device, at a path that is somebody else's to name and to clean
 * up (kubelet's, say): binds. Unlike the mount points of mount.h these are not made immutable.
 */
#pragma once

#include "base/call.h"

/* Binds a directory or a block device to `path` with the per-mount options of the list ("ro",
 * "noexec", ...; NULL = none). What is not there is made: a directory of mode 0750, an empty file
 * for a device; its parent must be there (NOT_FOUND). The same there already: true, nothing
 * stacked. Something else there, also files in the directory: CONFLICT. Fault points:
 * host.expose.before, .after. */
bool dol_expose(const dol_call *call, const char *from, const char *path, const char *options,
                GError **error);
/* true when what is mounted at `path` is `from`. */
bool dol_is_exposed(const char *from, const char *path);
/* true when anything is mounted at `path`. */
bool dol_is_exposed_at(const char *path);
/* Unmounts what is mounted at `path`, and with `remove` the empty directory or file beneath it,
 * never more. Nothing there: true. In use: BUSY, naming by whom. Fault points: as dol_unmount. */
bool dol_unexpose(const dol_call *call, const char *path, bool remove, GError **error);
