/* SPDX-License-Identifier: Apache-2.0 */
/* The conformance suite for the drivers that need no root: the fake, and plain directories. */
#include "driver/test-suite.h"

static const suite_host hosts[] = {
        {.name = "fake",
         .driver = "fake",
         .ground = suite_unit_directory,
         .size = UINT64_C(1) << 40},
        {.name = "dir",
         .driver = "dir",
         .directories = true,
         .ground = suite_unit_directory,
         .durable = true},
};

static void test_unknown_driver(void)
{
        g_autoptr(GError) error = NULL;

        suite_assert_failed(dol_driver_find("zfs", &error), error, DOL_ERROR_INVALID, "image, dir");
        suite_assert_failed(dol_driver_find(NULL, &error), error, DOL_ERROR_INVALID, "image, dir");
        suite_assert_failed(dol_driver_find("fake", &error), error, DOL_ERROR_INVALID, "'fake'");
        suite_assert_failed(dol_driver_find("imag", &error), error, DOL_ERROR_INVALID, "'imag'");
}

/* A driver's row is all there is to know of it: every one in the registry is complete. */
static void test_registry(void)
{
        for (unsigned i = 0; dol_drivers[i]; i++) {
                g_assert_true(dol_driver_find(dol_drivers[i]->name, NULL) == dol_drivers[i]);
                g_assert_true(dol_drivers[i]->open && dol_drivers[i]->close);
                g_assert_true(dol_drivers[i]->relieve == NULL || dol_drivers[i]->replenish != NULL);
        }
}

static void add_tests(void)
{
        g_test_add_func("/registry/unknown", test_unknown_driver);
        g_test_add_func("/registry/rows", test_registry);
        for (unsigned i = 0; i < G_N_ELEMENTS(hosts); i++) {
                suite_add(&hosts[i]);
                suite_add_faults(&hosts[i]);
                suite_add_snapshots(&hosts[i]);
                suite_add_transfer(&hosts[i]);
        }
}

int main(int argc, char **argv)
{
        return suite_unit_main(argc, argv, add_tests);
}
