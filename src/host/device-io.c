/* SPDX-License-Identifier: Apache-2.0 */
#include "host/device-io.h"

#include "base/file.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Sectors of this file have 512 bytes whatever the device's are; times are milliseconds. */
bool dol_device_io_parse(const char *text, dol_volume_io *ret, GError **error)
{
        uint64_t reads, read_sectors, read_msec, writes, write_sectors, write_msec;

        if (sscanf(text,
                   "%" SCNu64 " %*s %" SCNu64 " %" SCNu64 " %" SCNu64 " %*s %" SCNu64 " %" SCNu64,
                   &reads, &read_sectors, &read_msec, &writes, &write_sectors, &write_msec) != 6)
                return dol_fail(error, DOL_ERROR_INTERNAL, "expected a device's counters, got '%s'",
                                text);
        *ret = (dol_volume_io){
                .reads = reads,
                .read_bytes = read_sectors * 512,
                .read_usec = read_msec * 1000,
                .writes = writes,
                .write_bytes = write_sectors * 512,
                .write_usec = write_msec * 1000,
        };
        return true;
}

bool dol_device_io(const char *device, dol_volume_io *ret, GError **error)
{
        g_autofree char *name = g_path_get_basename(device);
        g_autofree char *path = g_strdup_printf("/sys/block/%s/stat", name);
        g_autofree char *line = dol_file_read_line(path, error);

        return line && dol_device_io_parse(line, ret, error);
}
