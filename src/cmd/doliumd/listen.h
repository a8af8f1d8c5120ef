/* SPDX-License-Identifier: Apache-2.0 */
/* Where doliumd listens: unix sockets of its own making, or handed over by systemd
 * (sd_listen_fds(3)), told apart by their names "rest", "docker" and "csi". */
#pragma once

#include "base/error.h"

#include <sys/types.h>

typedef struct {
        int fd;
        char *path; /* of a socket that we made, to be removed at the end; NULL otherwise */
} dol_listener;

/* Takes the socket `name` that systemd handed over, or makes one at `path` (its directory too) with
 * this mode and group (-1 = none). A path where somebody listens: CONFLICT; a dead socket there is
 * replaced; anything else there: CONFLICT, left alone. */
bool dol_listen(const char *name, const char *path, mode_t mode, gid_t group, dol_listener *ret,
                GError **error);
/* Removes the socket's path. The fd belongs to the server. */
void dol_listener_clear(dol_listener *listener);

/* Tells systemd (sd_notify(3)): "READY=1", "STOPPING=1". Nothing without NOTIFY_SOCKET. */
void dol_notify(const char *state);
