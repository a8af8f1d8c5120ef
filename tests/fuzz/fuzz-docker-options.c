/* SPDX-License-Identifier: Apache-2.0 */
/* Options of `docker volume create`: one per line, NAME=VALUE. */
#include "fuzz.h"

#include "api/docker/docker.h"

#include <string.h>

static GHashTable *options_of(const char *text)
{
        GHashTable *options = dol_map_new();
        g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

        for (unsigned i = 0; lines[i]; i++) {
                g_auto(GStrv) pair = g_strsplit(lines[i], "=", 2);

                if (pair[0])
                        g_hash_table_replace(options, g_strdup(pair[0]),
                                             g_strdup(pair[1] ? pair[1] : ""));
        }
        return options;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        g_autofree char *text = fuzz_text(data, size);
        g_autoptr(GHashTable) options = options_of(text);
        g_autoptr(GError) error = NULL;
        dol_volume want = {0};

        dol_volume_spec_init(&want.spec);
        if (!dol_docker_options(options, &want, &error))
                fuzz_require(dol_error_is(error, DOL_ERROR_INVALID) ||
                             dol_error_is(error, DOL_ERROR_UNSUPPORTED));
        else if (want.spec.fs != DOL_FS_AUTO)
                (void)(dol_labels_check(want.labels, NULL) &&
                       dol_volume_spec_check(&want.spec, NULL));
        dol_schema_clear(&dol_volume_schema, &want);
        return 0;
}
