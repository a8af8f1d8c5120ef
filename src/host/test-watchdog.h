/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests that freeze file systems: a process that thaws them when a test hangs or ends without
 * thawing, because what is left frozen blocks every writer of the machine.
 */
#pragma once

#include <stdbool.h>

/* Starts it for the file systems at these paths. It thaws all when `seconds` pass without a sign
 * of life, and when this process has ended, however it ended. */
void dol_watchdog_start(const char *const *paths, unsigned seconds);
/* A sign of life. */
void dol_watchdog_alive(void);

/* Whether the file system at the path is frozen; asked by freezing it for a moment. */
bool dol_is_frozen(const char *path);
/* Waits for it to be thawed; false when that takes longer than `msec`. */
bool dol_is_thawed_within(const char *path, unsigned msec);
