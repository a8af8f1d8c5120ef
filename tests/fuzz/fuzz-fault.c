/* SPDX-License-Identifier: Apache-2.0 */
/* Fault plans. Points are passed only under plans that neither kill nor delay nor talk. */
#include "fuzz.h"

#include "base/fault.h"

#include <string.h>

static void pass(void)
{
        for (unsigned i = 0; i < 4; i++) {
                g_autoptr(GError) error = NULL;

                fuzz_require(dol_fault_point("store.commit", &error) == (error == NULL));
        }
        fuzz_require(dol_fault_passes() <= 4);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        g_autofree char *plan = fuzz_text(data, size);
        g_autoptr(GError) error = NULL;

        if (!dol_fault_arm(plan, &error))
                fuzz_require(dol_error_is(error, DOL_ERROR_INVALID));
        else if (!strstr(plan, "kill") && !strstr(plan, "delay") && !strstr(plan, "log"))
                pass();
        fuzz_require(dol_fault_arm(NULL, NULL));
        fuzz_require(dol_fault_point("store.commit", NULL));
        return 0;
}
