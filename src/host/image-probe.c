/* SPDX-License-Identifier: Apache-2.0 */
#include "host/image.h"

#include <blkid/blkid.h>
#include <errno.h>

static char *value_of(blkid_probe probe, const char *name)
{
        const char *value;

        return blkid_probe_lookup_value(probe, name, &value, NULL) == 0 ? g_strdup(value) : NULL;
}

/* 0 = found, 1 = nothing, -2 = several signatures that contradict each other, -1 = error. */
static int look(blkid_probe probe)
{
        blkid_probe_enable_superblocks(probe, 1);
        blkid_probe_set_superblocks_flags(probe, BLKID_SUBLKS_TYPE | BLKID_SUBLKS_UUID);
        blkid_probe_enable_partitions(probe, 1);
        errno = 0;
        return blkid_do_safeprobe(probe);
}

bool dol_image_probe(const char *path, char **ret_type, char **ret_uuid, GError **error)
{
        blkid_probe probe;
        char *type = NULL, *uuid = NULL;
        int found, err;

        errno = 0;
        probe = blkid_new_probe_from_filename(path);
        if (!probe)
                return dol_fail_errno(error, errno ? errno : EIO, "open '%s'", path);
        found = blkid_probe_get_size(probe) == 0 ? 1 : look(probe);
        err = errno;
        if (found == 0) {
                type = value_of(probe, "TYPE");
                uuid = value_of(probe, "UUID");
                if (!type)
                        type = value_of(probe, "PTTYPE");
                if (!uuid)
                        uuid = value_of(probe, "PTUUID");
        }
        blkid_free_probe(probe);
        if (found == -2)
                return dol_fail(error, DOL_ERROR_CONFLICT,
                                "'%s' carries the signatures of several file systems", path);
        if (found < 0)
                return dol_fail_errno(error, err ? err : EIO, "read '%s'", path);
        *ret_type = type;
        *ret_uuid = uuid;
        return true;
}
