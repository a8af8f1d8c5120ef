/* SPDX-License-Identifier: Apache-2.0 */
/* The running daemon: sockets, store, engine, reconciler and faces, started and stopped in order.
 */
#pragma once

#include "cmd/doliumd/config.h"

/* Serves until SIGTERM or SIGINT. Mounts, devices and pools stay as they are. */
bool dol_daemon_run(const dol_config *config, GError **error);
