/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration file: YAML that is taken gives JSON that can be read, and that the command
 * line prints as YAML which says the same. */
#include "fuzz.h"

#include "cmd/dolium/document.h"
#include "cmd/doliumd/yaml.h"

#include <string.h>

/* Fractions are shown with 15 digits in both forms, so that is the form to compare with. */
static void check_printed(const json_t *exact)
{
        g_autofree char *shown = dol_json_print(exact, true);
        g_autoptr(dol_json) document = json_loads(shown, 0, NULL);
        g_autofree char *yaml = dol_yaml_print(document);
        g_autofree char *json = dol_yaml_to_json(yaml, strlen(yaml), NULL);
        g_autoptr(dol_json) back = NULL;

        fuzz_require(json);
        back = json_loads(json, JSON_DECODE_ANY, NULL);
        fuzz_require(back && json_equal(document, back));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        g_autoptr(GError) error = NULL;
        g_autofree char *json = dol_yaml_to_json((const char *)data, size, &error);
        g_autoptr(dol_json) document = NULL;

        if (!json) {
                fuzz_require(dol_error_is(error, DOL_ERROR_INVALID));
                return 0;
        }
        document = json_loads(json, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
        if (json_is_object(document))
                check_printed(document);
        return 0;
}
