/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON documents as the CLI handles them: kept as they came, so that `-o json` shows everything a
 * newer server may tell, and read by paths ("status.attachment.path") where a table needs a value.
 */
#pragma once

#include "base/error.h"

#include <jansson.h>

/* For g_autoptr(dol_json). */
typedef json_t dol_json;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(dol_json, json_decref)

/* What lies at the path; NULL when something on the way is missing. Borrowed. */
const json_t *dol_json_at(const json_t *document, const char *path);
/* The string there; NULL when there is none. Borrowed. */
const char *dol_json_text(const json_t *document, const char *path);
/* The number there; 0 when there is none. */
int64_t dol_json_number(const json_t *document, const char *path);
/* Puts a value at the path, making the objects on the way. Takes the value. */
void dol_json_put(json_t *document, const char *path, json_t *value);

/* Documents as text, ending with a newline; the caller's to g_free. Control characters are escaped
 * in both, so that a document cannot command a terminal. Single-line JSON when `compact`. */
char *dol_json_print(const json_t *document, bool compact);
/* Block style. A string is quoted unless no YAML reader can take it for anything else. */
char *dol_yaml_print(const json_t *document);
