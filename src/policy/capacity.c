/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/capacity.h"

#include "codec/units.h"

static const uint64_t reserve_min = UINT64_C(16) << 20;
static const uint64_t reserve_max = UINT64_C(1) << 30;

uint64_t dol_capacity_reserve(const dol_pool_spec *spec, uint64_t capacity)
{
        return spec->reserve ? spec->reserve : CLAMP(capacity / 100, reserve_min, reserve_max);
}

uint64_t dol_capacity_allocatable(const dol_pool_spec *spec, const dol_capacity *now)
{
        double promised = (double)now->capacity * spec->overcommit;
        uint64_t limit = promised >= (double)INT64_MAX ? (uint64_t)INT64_MAX : (uint64_t)promised;

        return limit > now->allocated ? limit - now->allocated : 0;
}

dol_level dol_capacity_level(const dol_pool_spec *spec, const dol_capacity *now)
{
        double filled = now->capacity ? (double)now->used / (double)now->capacity : 0;

        if (filled >= spec->full || now->available < dol_capacity_reserve(spec, now->capacity))
                return DOL_LEVEL_FULL;
        return filled >= spec->warn ? DOL_LEVEL_WARN : DOL_LEVEL_FINE;
}

bool dol_capacity_check(const dol_pool_spec *spec, const dol_capacity *now, uint64_t size,
                        bool thick, GError **error)
{
        g_autofree char *wanted = dol_size_format_short(size);
        g_autofree char *promised = dol_size_format_short(now->allocated);
        g_autofree char *capacity = dol_size_format_short(now->capacity);
        g_autofree char *available = dol_size_format_short(now->available);

        if (dol_capacity_level(spec, now) == DOL_LEVEL_FULL)
                return dol_fail(error, DOL_ERROR_NO_SPACE,
                                "the pool is full (%s of %s left): delete volumes, empty the "
                                "trash, or enlarge the pool",
                                available, capacity);
        if (size > dol_capacity_allocatable(spec, now))
                return dol_fail(error, DOL_ERROR_NO_SPACE,
                                "%s more cannot be promised: %s of volumes in a pool of %s with "
                                "overcommit %g",
                                wanted, promised, capacity, spec->overcommit);
        if (thick && (size > now->available ||
                      now->available - size < dol_capacity_reserve(spec, now->capacity)))
                return dol_fail(error, DOL_ERROR_NO_SPACE,
                                "%s cannot be set aside for a thick volume: %s left", wanted,
                                available);
        return true;
}
