/* SPDX-License-Identifier: Apache-2.0 */
/* What the files about loop devices share; for them and their tests. */
#pragma once

#include "host/loop.h"

#include <linux/loop.h>

enum { DOL_LOOP_MAJOR = 7 };

/* Opens a device, whose node is made first where no devtmpfs does that; -1 with errno. */
int dol_loop_open(const char *device, dev_t number, int flags);
/* Finds the device that the file with this identity backs, and its status; ret->fd is open on it,
 * so it cannot go away. *ret_found false = none; a device that is detaching itself counts as none.
 * One caller at a time. */
bool dol_loop_scan(dev_t device, ino_t inode, dol_loop *ret, struct loop_info64 *ret_info,
                   bool *ret_found, GError **error);
/* The device that the file system of a loop device's backing file has. */
bool dol_loop_backing_device(dev_t loop, dev_t *ret);
