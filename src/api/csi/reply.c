/* SPDX-License-Identifier: Apache-2.0 */
#include "api/csi/private.h"

#include <string.h>

void *dol_csi_alloc(csi_call *call, size_t size)
{
        void *memory = g_malloc0(size);

        g_ptr_array_add(call->memory, memory);
        return memory;
}

char *dol_csi_text(csi_call *call, const char *text)
{
        char *copy = g_strdup(text ? text : "");

        g_ptr_array_add(call->memory, copy);
        return copy;
}
