/* SPDX-License-Identifier: Apache-2.0 */
/* How much I/O a volume may do, and how that is spread over the groups of processes that use it. */
#pragma once

#include "base/error.h"

#include <stdint.h>
#include <sys/types.h>

#define DOL_LIMIT_IOPS_MIN UINT64_C(10) /* with less, a file system cannot even be unmounted */
#define DOL_LIMIT_IOPS_MAX ((uint64_t)UINT32_MAX)
#define DOL_LIMIT_BPS_MIN  (UINT64_C(64) << 10)

/* Requests and bytes per second; 0 = no limit. */
typedef struct {
        uint64_t read_iops, write_iops;
        uint64_t read_bps, write_bps;
} dol_io_limits;

/* A control group and what it may do on one device; with no limits: that it uses the device. */
typedef struct {
        dev_t device;
        char *group; /* "/docker/3f2a": below the root of the hierarchy */
        dol_io_limits limits;
} dol_group_limits;

/* true when there is no limit at all. */
bool dol_io_limits_are_none(const dol_io_limits *limits);
bool dol_io_limits_equal(const dol_io_limits *a, const dol_io_limits *b);
/* INVALID naming the field, when one is too small to work with or too large. */
bool dol_io_limits_check(const dol_io_limits *limits, GError **error);

/* An array that frees its elements. */
GPtrArray *dol_group_limits_list(void);
void dol_group_limits_add(GPtrArray *list, dev_t device, const char *group,
                          const dol_io_limits *limits);
