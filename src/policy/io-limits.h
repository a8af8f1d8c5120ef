/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a volume's limits are put, so that all its users together keep to them.
 *
 * Where limits hold for groups with all below them, the topmost groups (below the root, which
 * cannot be limited) that have users are limited; usually that is one, the container engine's.
 * Where they hold for each group alone, every group that has users is. More than one: each gets an
 * equal part. There, buffered writes are done by the kernel in the root, which therefore gets the
 * whole of the write limits.
 */
#pragma once

#include "model/io-limits.h"

/* `users`: of dol_group_limits, of all devices. The answer: of dol_group_limits, of this one. */
GPtrArray *dol_limits_place(const dol_io_limits *limits, dev_t device, bool with_all_below,
                            const GPtrArray *users);
/* What has to be set to get from what is (of all devices) to what is wanted on this one: new
 * limits, then those that are lifted. */
GPtrArray *dol_limits_steps(const GPtrArray *wanted, dev_t device, const GPtrArray *present);
