/* SPDX-License-Identifier: Apache-2.0 */
#include "model/io-limits.h"

#include "codec/units.h"

bool dol_io_limits_equal(const dol_io_limits *a, const dol_io_limits *b)
{
        return a->read_iops == b->read_iops && a->write_iops == b->write_iops &&
               a->read_bps == b->read_bps && a->write_bps == b->write_bps;
}

bool dol_io_limits_are_none(const dol_io_limits *limits)
{
        static const dol_io_limits none;

        return dol_io_limits_equal(limits, &none);
}

static bool check_iops(const char *field, uint64_t value, GError **error)
{
        return value == 0 || (value >= DOL_LIMIT_IOPS_MIN && value <= DOL_LIMIT_IOPS_MAX) ||
               dol_fail(error, DOL_ERROR_INVALID,
                        "%s: expected %" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT
                        " per second, or 0 for no limit, got %" G_GUINT64_FORMAT,
                        field, DOL_LIMIT_IOPS_MIN, DOL_LIMIT_IOPS_MAX, value);
}

static bool check_bps(const char *field, uint64_t value, GError **error)
{
        g_autofree char *least = dol_size_format(DOL_LIMIT_BPS_MIN);
        g_autofree char *got = dol_size_format(value);

        return value == 0 || value >= DOL_LIMIT_BPS_MIN ||
               dol_fail(error, DOL_ERROR_INVALID,
                        "%s: expected at least %s per second, or 0 for no limit, got %s", field,
                        least, got);
}

bool dol_io_limits_check(const dol_io_limits *limits, GError **error)
{
        return check_iops("read_iops", limits->read_iops, error) &&
               check_iops("write_iops", limits->write_iops, error) &&
               check_bps("read_bps", limits->read_bps, error) &&
               check_bps("write_bps", limits->write_bps, error);
}

static void free_one(void *data)
{
        dol_group_limits *one = data;

        g_free(one->group);
        g_free(one);
}

GPtrArray *dol_group_limits_list(void)
{
        return g_ptr_array_new_with_free_func(free_one);
}

void dol_group_limits_add(GPtrArray *list, dev_t device, const char *group,
                          const dol_io_limits *limits)
{
        dol_group_limits *one = g_new(dol_group_limits, 1);

        *one = (dol_group_limits){device, g_strdup(group), *limits};
        g_ptr_array_add(list, one);
}
