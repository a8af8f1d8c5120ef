/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel counts about a block device since it was made (Documentation/block/stat.rst). */
#pragma once

#include "model/volume.h"

/* Of "/dev/loop3". NOT_FOUND when there is no such device. */
bool dol_device_io(const char *device, dol_volume_io *ret, GError **error);
/* The same from the text of its file. */
bool dol_device_io_parse(const char *text, dol_volume_io *ret, GError **error);
