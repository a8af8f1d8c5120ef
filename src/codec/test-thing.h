/* SPDX-License-Identifier: Apache-2.0 */
/* A struct with a field of every kind, for the tests of what the rows serve. */
#pragma once

#include "codec/schema.h"

#include "base/test.h"

#include <string.h>

typedef struct {
        char *name;
        int64_t count;
} item;

static const dol_field item_fields[] = {
        {"name", DOL_STRING, offsetof(item, name), DOL_REQUIRED},
        {"count", DOL_INT, offsetof(item, count)},
        {NULL},
};
static const dol_schema item_schema = {"Item", sizeof(item), item_fields, "One item."};

typedef struct {
        char *name;
} place;

static const dol_field place_fields[] = {
        {"name", DOL_STRING, offsetof(place, name)},
        {NULL},
};
static const dol_schema place_schema = {"Place", sizeof(place), place_fields};

typedef struct {
        uint64_t size;
        char *pool;
        place only;
} inner;

static const dol_field inner_fields[] = {
        {"size", DOL_SIZE, offsetof(inner, size)},
        {"pool", DOL_STRING, offsetof(inner, pool)},
        {"only", DOL_OBJECT, offsetof(inner, only), 0, &place_schema},
        {NULL},
};
static const dol_schema inner_schema = {"Inner", sizeof(inner), inner_fields};

typedef enum { RED, GREEN } colour;
static const char *const colours[] = {"red", "green", NULL};

typedef struct {
        char *name;
        char guard_a;
        bool flag;
        char guard_b;
        int64_t number;
        uint64_t positive;
        double ratio;
        uint64_t size;
        int64_t keep;
        int64_t when;
        colour shade;
        char guard_c[3];
        uint32_t mode;
        char guard_d[3];
        GHashTable *labels;
        char **words;
        inner spec;
        item *maybe;
        GPtrArray *items;
        char *any;
        char *uid, *password, *generation;
} thing;

#define AT(member) offsetof(thing, member)
static const dol_field thing_fields[] = {
        {"name", DOL_STRING, AT(name), DOL_REQUIRED, .doc = "its \"name\""},
        {"flag", DOL_BOOL, AT(flag)},
        {"number", DOL_INT, AT(number)},
        {"positive", DOL_UINT, AT(positive)},
        {"ratio", DOL_DOUBLE, AT(ratio)},
        {"size", DOL_SIZE, AT(size)},
        {"keep", DOL_DURATION, AT(keep)},
        {"when", DOL_TIME, AT(when)},
        {"shade", DOL_ENUM, AT(shade), .words = colours},
        {"mode", DOL_MODE, AT(mode)},
        {"labels", DOL_MAP, AT(labels)},
        {"words", DOL_STRINGS, AT(words)},
        {"spec", DOL_OBJECT, AT(spec), 0, &inner_schema},
        {"maybe", DOL_OPTIONAL, AT(maybe), 0, &item_schema},
        {"items", DOL_ARRAY, AT(items), 0, &item_schema},
        {"any", DOL_ANY, AT(any)},
        {"uid", DOL_STRING, AT(uid), DOL_READONLY},
        {"password", DOL_STRING, AT(password), DOL_SECRET},
        {"generation", DOL_STRING, AT(generation), DOL_INTERNAL},
        {NULL},
};
#undef AT
static const dol_schema thing_schema = {"Thing", sizeof(thing), thing_fields, "A thing."};

static inline void thing_cleanup(thing *object)
{
        dol_schema_clear(&thing_schema, object);
}

#define auto_thing __attribute__((cleanup(thing_cleanup))) thing

static inline bool decode(const char *text, unsigned flags, thing *out, GError **error)
{
        return dol_json_decode(&thing_schema, text, strlen(text), flags, out, error);
}

static inline char *encode(const thing *object, dol_encode_for reader)
{
        GString *to = g_string_new(NULL);

        dol_json_encode(&thing_schema, object, reader, to);
        return g_string_free(to, false);
}

/* A thing with everything set, as it is written. */
static const char full[] =
        "{\"name\":\"db\",\"flag\":true,\"number\":-5,\"positive\":9223372036854775807,"
        "\"ratio\":0.5,\"size\":1024,\"keep\":\"1h30m\",\"when\":\"2026-01-31T08:00:00.000001Z\","
        "\"shade\":\"green\",\"mode\":\"0750\",\"labels\":{\"a\":\"1\",\"b\":\"2\"},"
        "\"words\":[\"x\",\"\"],\"spec\":{\"size\":7,\"pool\":\"fast\",\"only\":{\"name\":\"o\"}},"
        "\"maybe\":{\"name\":\"m\",\"count\":3},"
        "\"items\":[{\"name\":\"i\",\"count\":1},{\"name\":\"j\"}],"
        "\"any\":{\"deep\":[1,2.5,null,\"t\"]},\"uid\":\"u\",\"generation\":\"g\"}";
