/* SPDX-License-Identifier: Apache-2.0 */
/* A volume as a client asks for it, and as the store has it: what can be read can be written and
 * read again, and is then the same. */
#include "fuzz.h"

#include "model/volume.h"

#include <string.h>

static char *text_of(const dol_volume *volume)
{
        GString *text = g_string_new(NULL);

        dol_json_encode(&dol_volume_schema, volume, DOL_ENCODE_STORE, text);
        return g_string_free(text, false);
}

static void check_round_trip(const dol_volume *volume)
{
        g_autofree char *text = text_of(volume);
        dol_volume back = {0};
        g_autofree char *again = NULL;

        fuzz_require(dol_json_decode(&dol_volume_schema, text, strlen(text), 0, &back, NULL));
        again = text_of(&back);
        fuzz_require(strcmp(text, again) == 0);
        dol_schema_clear(&dol_volume_schema, &back);
}

static void try_request(const char *bytes, size_t size)
{
        dol_volume want = {0};
        g_autoptr(GError) error = NULL;

        dol_volume_spec_init(&want.spec);
        want.spec.size = DOL_VOLUME_SIZE_DEFAULT; /* "unset" is not for JSON */
        if (dol_json_decode(&dol_volume_schema, bytes, size,
                            DOL_DECODE_REQUEST | DOL_DECODE_DEFAULTS, &want, &error)) {
                fuzz_require(want.name && !want.uid && !want.status.attachment);
                check_round_trip(&want);
                (void)(dol_volume_name_check(want.name, NULL) &&
                       dol_labels_check(want.labels, NULL) &&
                       dol_volume_spec_check(&want.spec, NULL));
        } else {
                fuzz_require(dol_error_is(error, DOL_ERROR_INVALID));
                fuzz_require(!want.name && !want.labels && want.spec.mode == 0755);
        }
        dol_schema_clear(&dol_volume_schema, &want);
}

static void try_stored(const char *bytes, size_t size)
{
        dol_volume stored;
        dol_volume *copy;

        if (!dol_json_decode(&dol_volume_schema, bytes, size, DOL_DECODE_LENIENT, &stored, NULL))
                return;
        copy = dol_volume_copy(&stored);
        dol_schema_clear(&dol_volume_schema, &stored);
        check_round_trip(copy);
        dol_volume_free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        try_request((const char *)data, size);
        try_stored((const char *)data, size);
        return 0;
}
