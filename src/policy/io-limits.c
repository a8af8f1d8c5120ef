/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/io-limits.h"

#include <string.h>

static const char root[] = "/";

static dol_group_limits *find(const GPtrArray *list, dev_t device, const char *group)
{
        for (unsigned i = 0; i < list->len; i++) {
                dol_group_limits *one = list->pdata[i];

                if (one->device == device && strcmp(one->group, group) == 0)
                        return one;
        }
        return NULL;
}

/* "/docker" of "/docker/3f2a". */
static char *topmost(const char *group)
{
        return g_strndup(group, strcspn(group + 1, "/") + 1);
}

static uint64_t part(uint64_t limit, unsigned count)
{
        return limit ? MAX(limit / count, 1) : 0;
}

/* The groups to limit, without limits yet. */
static GPtrArray *groups_of(dev_t device, bool with_all_below, const GPtrArray *users)
{
        static const dol_io_limits none;
        GPtrArray *groups = dol_group_limits_list();

        for (unsigned i = 0; i < users->len; i++) {
                const dol_group_limits *user = users->pdata[i];
                g_autofree char *group =
                        with_all_below ? topmost(user->group) : g_strdup(user->group);

                if (user->device == device && strcmp(group, root) != 0 &&
                    !find(groups, device, group))
                        dol_group_limits_add(groups, device, group, &none);
        }
        return groups;
}

GPtrArray *dol_limits_place(const dol_io_limits *limits, dev_t device, bool with_all_below,
                            const GPtrArray *users)
{
        GPtrArray *groups = groups_of(device, with_all_below, users);
        unsigned count = groups->len;
        dol_io_limits buffered = {.write_iops = limits->write_iops, .write_bps = limits->write_bps};

        for (unsigned i = 0; i < count; i++)
                ((dol_group_limits *)groups->pdata[i])->limits = (dol_io_limits){
                        part(limits->read_iops, count),
                        part(limits->write_iops, count),
                        part(limits->read_bps, count),
                        part(limits->write_bps, count),
                };
        if (!with_all_below && !dol_io_limits_are_none(&buffered))
                dol_group_limits_add(groups, device, root, &buffered);
        return groups;
}

GPtrArray *dol_limits_steps(const GPtrArray *wanted, dev_t device, const GPtrArray *present)
{
        static const dol_io_limits none;
        GPtrArray *steps = dol_group_limits_list();

        for (unsigned i = 0; i < wanted->len; i++) {
                const dol_group_limits *want = wanted->pdata[i];
                const dol_group_limits *is = find(present, device, want->group);

                if (!dol_io_limits_equal(&want->limits, is ? &is->limits : &none))
                        dol_group_limits_add(steps, device, want->group, &want->limits);
        }
        for (unsigned i = 0; i < present->len; i++) {
                const dol_group_limits *is = present->pdata[i];

                if (is->device == device && !find(wanted, device, is->group))
                        dol_group_limits_add(steps, device, is->group, &none);
        }
        return steps;
}
