/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/error.h"

/* Reads a YAML document (libfyaml) and writes it as JSON. Plain scalars that look like numbers,
 * true, false or null become those; everything else a string. Anchors, aliases, tags, duplicate
 * keys and keys that are not scalars are refused. Errors have line and column. An empty document
 * gives "{}". NULL on failure. */
char *dol_yaml_to_json(const char *text, size_t size, GError **error);
