/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Freezing file systems (FIFREEZE, FITHAW; ioctl_fsfreeze) for the moment in which their images are
 * cloned. A freeze must never outlive who asked for it: a guard process holds it, and thaws when it
 * is told to, when its parent dies, or when the deadline passes, whichever is first.
 */
#pragma once

#include "base/call.h"

#include <stdint.h>

typedef struct dol_freeze dol_freeze;

/* Freezes the file systems mounted at `paths` (1 to 64; one mounted twice is frozen once), in this
 * order, all or none. They stay frozen at most `limit_usec` from now on. BUSY when one is frozen
 * by somebody else; UNSUPPORTED where the file system cannot; TIMEOUT when syncing takes longer
 * than the limit. */
dol_freeze *dol_freeze_begin(const dol_call *call, const char *const *paths, int64_t limit_usec,
                             GError **error);
/* Thaws, and frees. false with TIMEOUT: the guard had to thaw before, so what was done in the
 * meantime may not be consistent. *ret_usec (may be NULL): how long it was frozen. */
bool dol_freeze_end(dol_freeze *freeze, int64_t *ret_usec, GError **error);

/* For the start after a crash: thaws what may be frozen at the path. *ret_thawed: it was. Not
 * frozen, or nothing mounted there: true. */
bool dol_freeze_recover(const char *path, bool *ret_thawed, GError **error);
