/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON documents described by tables of rows. One table serves reading (strict: an unknown field,
 * a wrong type, a duplicate key is an error that names the field), writing, copying, freeing and
 * the OpenAPI document, so that they cannot disagree.
 *
 *         static const dol_field fields[] = {
 *                 {"name", DOL_STRING, offsetof(dol_volume, name), DOL_REQUIRED, .doc = "..."},
 *                 ...
 *                 {NULL},
 *         };
 *         const dol_schema dol_volume_schema = {"Volume", sizeof(dol_volume), fields};
 */
#pragma once

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

typedef enum {
        DOL_BOOL,     /* bool */
        DOL_INT,      /* int64_t, JSON integer */
        DOL_UINT,     /* uint64_t up to INT64_MAX, JSON integer >= 0 */
        DOL_DOUBLE,   /* double, JSON number */
        DOL_SIZE,     /* uint64_t bytes; JSON integer, or a string like "10G" when read */
        DOL_DURATION, /* int64_t microseconds; JSON string like "24h"; whole seconds when read
                         as an integer */
        DOL_TIME,     /* int64_t microseconds since 1970; JSON string, RFC 3339; 0 = none */
        DOL_STRING,   /* char *, owned; NULL = absent */
        DOL_ENUM,     /* int; JSON string, one of field->words (index = value) */
        DOL_MODE,     /* uint32_t permission bits; JSON string of octal digits like "0755" */
        DOL_MAP,      /* GHashTable * of char * to char *, owned; NULL = empty */
        DOL_STRINGS,  /* char **, owned, NULL-terminated; NULL = empty */
        DOL_OBJECT,   /* a struct in place, of field->schema */
        DOL_OPTIONAL, /* pointer to a struct of field->schema, owned; NULL = absent */
        DOL_ARRAY,    /* GPtrArray * of pointers to structs of field->schema; array and structs are
                         owned by the field (the array has no free function); NULL = empty */
        DOL_ANY,      /* char *, owned: JSON text kept as it is; NULL = absent */
} dol_field_kind;

enum {
        DOL_REQUIRED = 1 << 0,   /* reading fails when it is missing */
        DOL_READONLY = 1 << 1,   /* told, never taken: reading with DOL_DECODE_REQUEST refuses it */
        DOL_SECRET = 1 << 2,     /* never written */
        DOL_INTERNAL = 1 << 3,   /* written to the store and to descriptions, not to clients */
        DOL_SHOW_EMPTY = 1 << 4, /* written also when it is zero, empty or NULL */
        DOL_NOT_NULL = 1 << 5    /* null does not empty it: DOL_DECODE_MERGE refuses that */
};

typedef struct dol_schema dol_schema;

typedef struct {
        const char *key;
        dol_field_kind kind;
        size_t offset;
        unsigned flags;
        const dol_schema *schema; /* of OBJECT, OPTIONAL and ARRAY */
        const char *const *words; /* of ENUM: NULL-terminated */
        const char *doc;          /* one sentence for people, without a full stop */
} dol_field;

struct dol_schema {
        const char *name;        /* in the OpenAPI document: "Volume" */
        size_t size;             /* of the struct */
        const dol_field *fields; /* ends with a row whose key is NULL */
        const char *doc;
};

enum {
        DOL_DECODE_REQUEST = 1 << 0, /* from a client: READONLY and INTERNAL fields are unknown */
        DOL_DECODE_MERGE = 1 << 1,   /* onto a filled struct: absent fields stay, null empties a
                                        field or a map's key (RFC 7396); REQUIRED fields may be
                                        absent, but not null */
        DOL_DECODE_LENIENT = 1 << 2, /* own older or newer document: unknown fields are skipped */
        DOL_DECODE_DEFAULTS = 1 << 3 /* onto a struct of defaults: absent and null fields stay */
};

/* Reads one JSON object into *out. *out must be a valid struct with DOL_DECODE_MERGE and
 * DOL_DECODE_DEFAULTS; without them it may be uninitialised memory of schema->size and is
 * overwritten. On failure *out is unchanged. INVALID errors name the field by
 * its path: "spec.size: expected a size like 10G or 500M, got 'ten'", "labels.tier: ...",
 * "items[3].name: ...". Input is quoted up to 64 bytes, which may split a character. */
bool dol_json_decode(const dol_schema *schema, const char *bytes, size_t size, unsigned flags,
                     void *out, GError **error);

typedef enum { DOL_ENCODE_STORE, DOL_ENCODE_CLIENT } dol_encode_for;

/* Appends the struct as one JSON object. Empty fields are left out unless DOL_SHOW_EMPTY. Maps are
 * written in the order of their keys, so equal structs give equal text. */
void dol_json_encode(const dol_schema *schema, const void *from, dol_encode_for reader,
                     GString *to);
/* Appends a JSON string literal. Bytes that are not UTF-8 become U+FFFD. */
void dol_json_append_string(GString *to, const char *text);

/* One field's value for people: strings bare, sizes like "10G", everything else as in JSON. */
char *dol_field_text(const dol_field *field, const void *object);

/* Frees what the struct's fields own and zeroes it; the struct itself is the caller's. */
void dol_schema_clear(const dol_schema *schema, void *object);
/* Deep copy; *to is overwritten. */
void dol_schema_copy(const dol_schema *schema, const void *from, void *to);
/* Heap copy and free, for structs that are allocated with g_malloc. */
void *dol_schema_dup(const dol_schema *schema, const void *from);
void dol_schema_free(const dol_schema *schema, void *object);

/* Appends the JSON Schema of one row table, and of all that it refers to, as members of
 * OpenAPI's components/schemas: "Volume":{...},"VolumeSpec":{...}. `seen` (a set of names)
 * keeps each from being written twice. */
void dol_schema_append_openapi(const dol_schema *schema, GHashTable *seen, GString *to);

/* An empty map for DOL_MAP fields. */
GHashTable *dol_map_new(void);
GHashTable *dol_map_copy(const GHashTable *map);
/* Sorted keys; g_free the array (not the keys). */
const char **dol_map_keys(GHashTable *map);
bool dol_map_equal(GHashTable *a, GHashTable *b);
