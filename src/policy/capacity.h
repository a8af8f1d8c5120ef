/* SPDX-License-Identifier: Apache-2.0 */
/* What a pool may promise, and when it is too full. Pure decisions on figures. */
#pragma once

#include "model/pool.h"

typedef struct {
        uint64_t capacity, used, available; /* as the kernel counts, bytes */
        uint64_t allocated;                 /* sum of the sizes promised */
} dol_capacity;

typedef enum { DOL_LEVEL_FINE, DOL_LEVEL_WARN, DOL_LEVEL_FULL } dol_level;

/* The reserve in force: the spec's, or 1% of the capacity, between 16 MiB and 1 GiB. */
uint64_t dol_capacity_reserve(const dol_pool_spec *spec, uint64_t capacity);
/* Bytes that may still be promised: capacity x overcommit - allocated, at least 0. */
uint64_t dol_capacity_allocatable(const dol_pool_spec *spec, const dol_capacity *now);
/* Where the fill level is against the watermarks; below the reserve is full. */
dol_level dol_capacity_level(const dol_pool_spec *spec, const dol_capacity *now);
/* May a volume of this size be created? NO_SPACE with the figures otherwise. */
bool dol_capacity_check(const dol_pool_spec *spec, const dol_capacity *now, uint64_t size,
                        bool thick, GError **error);
