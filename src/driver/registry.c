/* SPDX-License-Identifier: Apache-2.0 */
/* Which drivers there are, and how one is found by the name that is stored with its pools. */
#include "driver/driver.h"

#include <stdatomic.h>
#include <string.h>

const dol_driver *const dol_drivers[] = {&dol_driver_image, &dol_driver_dir, NULL};

static atomic_bool fake_allowed;

void dol_driver_allow_fake(void)
{
        atomic_store(&fake_allowed, true);
}

static char *known_names(void)
{
        g_autoptr(GString) names = g_string_new(dol_drivers[0]->name);

        for (unsigned i = 1; dol_drivers[i]; i++)
                g_string_append_printf(names, ", %s", dol_drivers[i]->name);
        return g_string_free(g_steal_pointer(&names), false);
}

const dol_driver *dol_driver_find(const char *name, GError **error)
{
        g_autofree char *known = NULL;

        for (unsigned i = 0; name && dol_drivers[i]; i++)
                if (strcmp(dol_drivers[i]->name, name) == 0)
                        return dol_drivers[i];
        if (name && atomic_load(&fake_allowed) && strcmp(dol_driver_fake.name, name) == 0)
                return &dol_driver_fake;
        known = known_names();
        dol_fail(error, DOL_ERROR_INVALID, "driver: expected one of %s, got '%s'", known,
                 name ? name : "");
        return NULL;
}
