/* SPDX-License-Identifier: Apache-2.0 */
/* A merge patch onto a volume that has everything: a refused one changes nothing, and one that was
 * taken gives the same when it is applied again. */
#include "fuzz.h"

#include "model/volume.h"

#include <string.h>

static const char full[] =
        "{\"name\":\"db\",\"uid\":\"u\",\"revision\":7,\"labels\":{\"a\":\"1\",\"b\":\"2\"},"
        "\"spec\":{\"size\":\"10G\",\"pool\":\"fast\",\"fs\":\"xfs\",\"thick\":true,\"uid\":1,"
        "\"mode\":\"0700\",\"mountopts\":\"noatime\",\"protect\":true,\"trash\":\"1d\"},"
        "\"status\":{\"phase\":\"available\",\"attachment\":{\"node\":\"n\",\"consumers\":["
        "{\"client\":\"docker\",\"id\":\"i\",\"count\":1},{\"client\":\"rest\",\"id\":\"\"}]}}}";

static char *text_of(const dol_volume *volume)
{
        GString *text = g_string_new(NULL);

        dol_json_encode(&dol_volume_schema, volume, DOL_ENCODE_STORE, text);
        return g_string_free(text, false);
}

static void try_patch(const char *bytes, size_t size, unsigned flags)
{
        dol_volume volume;
        g_autofree char *before = NULL, *after = NULL, *again = NULL;

        fuzz_require(dol_json_decode(&dol_volume_schema, full, strlen(full), 0, &volume, NULL));
        before = text_of(&volume);
        if (dol_json_decode(&dol_volume_schema, bytes, size, flags, &volume, NULL)) {
                after = text_of(&volume);
                fuzz_require(volume.name);
                fuzz_require(
                        dol_json_decode(&dol_volume_schema, bytes, size, flags, &volume, NULL));
                again = text_of(&volume);
                fuzz_require(strcmp(after, again) == 0);
        } else {
                after = text_of(&volume);
                fuzz_require(strcmp(before, after) == 0);
        }
        dol_schema_clear(&dol_volume_schema, &volume);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        try_patch((const char *)data, size, DOL_DECODE_MERGE | DOL_DECODE_REQUEST);
        try_patch((const char *)data, size, DOL_DECODE_MERGE);
        return 0;
}
