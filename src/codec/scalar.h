/* SPDX-License-Identifier: Apache-2.0 */
/* One JSON value to one member of a struct, for the kinds that hold no other rows. Used by decode.c
 * only. */
#pragma once

#include "codec/schema.h"

#include <jansson.h>

/* Writes the value at `at`; on failure `at` is unchanged and the message says what was expected,
 * without naming the field. Not for MAP, STRINGS, OBJECT, OPTIONAL and ARRAY. */
bool dol_scalar_decode(const dol_field *field, json_t *json, void *at, GError **error);
/* Fails with "expected <expected>, got <type of json>". */
bool dol_scalar_refuse(json_t *json, const char *expected, GError **error);
