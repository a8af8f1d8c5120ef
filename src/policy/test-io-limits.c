/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/io-limits.h"

#include "base/test.h"

#include <sys/sysmacros.h>

#define DEVICE makedev(7, 3)
#define OTHER  makedev(7, 4)

static const dol_io_limits none;
static const dol_io_limits all = {
        .read_iops = 100, .write_iops = 11, .read_bps = 1 << 20, .write_bps = 3 << 20};

static GPtrArray *users_of(const char *const *groups)
{
        GPtrArray *users = dol_group_limits_list();

        for (unsigned i = 0; groups[i]; i++)
                dol_group_limits_add(users, DEVICE, groups[i], &none);
        dol_group_limits_add(users, OTHER, "/elsewhere", &none);
        return users;
}

/* "/a 100 11 1048576 3145728; ..." */
static char *text_of(const GPtrArray *list)
{
        g_autoptr(GString) text = g_string_new(NULL);

        for (unsigned i = 0; i < list->len; i++) {
                const dol_group_limits *one = list->pdata[i];

                g_assert_true(one->device == DEVICE);
                g_string_append_printf(text, "%s%s %d %d %d %d", i ? "; " : "", one->group,
                                       (int)one->limits.read_iops, (int)one->limits.write_iops,
                                       (int)one->limits.read_bps, (int)one->limits.write_bps);
        }
        return g_strdup(text->str);
}

static void check(const dol_io_limits *limits, bool with_all_below, const char *const *groups,
                  const char *expected)
{
        g_autoptr(GPtrArray) users = users_of(groups);
        g_autoptr(GPtrArray) placed = dol_limits_place(limits, DEVICE, with_all_below, users);
        g_autofree char *text = text_of(placed);

        g_assert_cmpstr(text, ==, expected);
}

static void test_each_alone(void)
{
        static const dol_io_limits reads = {.read_bps = 65536};

        check(&all, false, (const char *const[]){NULL}, "/ 0 11 0 3145728");
        check(&all, false, (const char *const[]){"/docker/a", NULL},
              "/docker/a 100 11 1048576 3145728; / 0 11 0 3145728");
        check(&all, false, (const char *const[]){"/docker/a", "/docker/b", NULL},
              "/docker/a 50 5 524288 1572864; /docker/b 50 5 524288 1572864; / 0 11 0 3145728");
        /* what limits reads alone leaves the root alone; root is no group to limit */
        check(&reads, false, (const char *const[]){"/a", "/", NULL}, "/a 0 0 65536 0");
}

static void test_with_all_below(void)
{
        check(&all, true, (const char *const[]){NULL}, "");
        check(&all, true, (const char *const[]){"/", NULL}, "");
        check(&all, true, (const char *const[]){"/docker/a", "/docker/b", "/docker/b/c", NULL},
              "/docker 100 11 1048576 3145728");
        check(&all, true, (const char *const[]){"/system.slice/a.scope", "/machine.slice/b", NULL},
              "/system.slice 50 5 524288 1572864; /machine.slice 50 5 524288 1572864");
}

/* An equal part is never nothing, which would be no limit. */
static void test_many(void)
{
        static const dol_io_limits little = {.read_iops = 10};
        g_autoptr(GPtrArray) users = dol_group_limits_list();
        g_autoptr(GPtrArray) placed = NULL;

        for (unsigned i = 0; i < 11; i++) {
                g_autofree char *group = g_strdup_printf("/%u", i);

                dol_group_limits_add(users, DEVICE, group, &none);
        }
        placed = dol_limits_place(&little, DEVICE, false, users);
        g_assert_cmpuint(placed->len, ==, 11);
        for (unsigned i = 0; i < placed->len; i++)
                g_assert_cmpuint(((dol_group_limits *)placed->pdata[i])->limits.read_iops, ==, 1);
}

static void test_steps(void)
{
        static const dol_io_limits less = {.read_iops = 50};
        g_autoptr(GPtrArray) wanted = dol_group_limits_list();
        g_autoptr(GPtrArray) present = dol_group_limits_list();
        g_autoptr(GPtrArray) steps = NULL;
        g_autofree char *text = NULL;

        dol_group_limits_add(wanted, DEVICE, "/new", &less);
        dol_group_limits_add(wanted, DEVICE, "/other", &less);
        dol_group_limits_add(wanted, DEVICE, "/same", &all);
        dol_group_limits_add(present, DEVICE, "/gone", &all);
        dol_group_limits_add(present, DEVICE, "/other", &all);
        dol_group_limits_add(present, DEVICE, "/same", &all);
        dol_group_limits_add(present, OTHER, "/gone", &all);
        dol_group_limits_add(present, OTHER, "/new", &less);
        steps = dol_limits_steps(wanted, DEVICE, present);
        text = text_of(steps);
        g_assert_cmpstr(text, ==, "/new 50 0 0 0; /other 50 0 0 0; /gone 0 0 0 0");
}

int main(int argc, char **argv)
{
        dol_test_init(&argc, &argv);
        g_test_add_func("/limits/each-alone", test_each_alone);
        g_test_add_func("/limits/with-all-below", test_with_all_below);
        g_test_add_func("/limits/many", test_many);
        g_test_add_func("/limits/steps", test_steps);
        return g_test_run();
}
