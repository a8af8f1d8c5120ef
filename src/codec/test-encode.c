/* SPDX-License-Identifier: Apache-2.0 */
/* Writing, and reading it again; copies, maps and OpenAPI. */
#include "codec/test-thing.h"

#include <jansson.h>
#include <math.h>

static void test_round_trip(void)
{
        g_autoptr(GError) error = NULL;
        auto_thing object = {0};
        g_autofree char *text = NULL;

        g_assert_true(decode(full, 0, &object, &error));
        g_assert_no_error(error);
        g_assert_cmpint(object.positive, ==, INT64_MAX);
        g_assert_cmpint(object.keep, ==, INT64_C(5400000000));
        g_assert_cmpint(object.shade, ==, GREEN);
        g_assert_cmpuint(object.mode, ==, 0750);
        g_assert_cmpuint(object.items->len, ==, 2);
        text = encode(&object, DOL_ENCODE_STORE);
        g_assert_cmpstr(text, ==, full);
}

static void test_copies_are_deep(void)
{
        auto_thing first = {0};
        g_autofree char *text = NULL;
        thing *copy;

        g_assert_true(decode(full, 0, &first, NULL));
        copy = dol_schema_dup(&thing_schema, &first);
        dol_schema_clear(&thing_schema, &first);
        text = encode(copy, DOL_ENCODE_STORE);
        g_assert_cmpstr(text, ==, full);
        dol_schema_free(&thing_schema, copy);
        dol_schema_free(&thing_schema, NULL);
        g_assert_null(dol_schema_dup(&thing_schema, NULL));
        g_assert_null(first.name);
        g_assert_cmpint(first.number, ==, 0);
}

static void test_readers(void)
{
        auto_thing object = {0};
        g_autofree char *client = NULL;
        GError *error = NULL;

        g_assert_true(
                decode("{\"name\":\"x\",\"uid\":\"u\",\"password\":\"p\",\"generation\":\"g\"}", 0,
                       &object, NULL));
        g_assert_cmpstr(object.password, ==, "p");
        client = encode(&object, DOL_ENCODE_CLIENT);
        g_assert_cmpstr(client, ==,
                        "{\"name\":\"x\",\"shade\":\"red\",\"spec\":{\"only\":{}},\"uid\":\"u\"}");

        g_assert_false(
                decode("{\"name\":\"x\",\"uid\":\"u\"}", DOL_DECODE_REQUEST, &object, &error));
        dol_assert_failed(error, DOL_ERROR_INVALID, "uid: this field is read-only");
        g_assert_false(
                decode("{\"name\":\"x\",\"uid\":null}", DOL_DECODE_REQUEST, &object, &error));
        dol_assert_failed(error, DOL_ERROR_INVALID, "uid: this field is read-only");
        g_assert_false(decode("{\"name\":\"x\",\"generation\":\"g\"}", DOL_DECODE_REQUEST, &object,
                              &error));
        dol_assert_invalid(error, "generation: unknown field (known: name, flag,");
        g_assert_false(decode("{\"name\":\"x\",\"other\":1}", DOL_DECODE_REQUEST, &object, &error));
        g_assert_null(strstr(error->message, "generation"));
        g_assert_null(strstr(error->message, "uid"));
        g_clear_error(&error);
}

static void test_what_is_written_can_be_read(void)
{
        static const char *const texts[] = {
                "",
                "\"\\/\b\f\n\r\t",
                "\x01\x1f\x7f",
                "\xc2\x85",
                "\xe2\x80\xa8",
                "\xf0\x9f\x8f\xba",
                "</script>",
                "%s%n",
        };

        for (unsigned i = 0; i < G_N_ELEMENTS(texts); i++) {
                auto_thing object = {.name = g_strdup(texts[i])};
                auto_thing back = {0};
                g_autofree char *text = encode(&object, DOL_ENCODE_STORE);
                g_autoptr(GError) error = NULL;

                g_assert_true(decode(text, 0, &back, &error));
                g_assert_no_error(error);
                g_assert_cmpstr(back.name, ==, texts[i]);
        }
}

static void test_bad_utf8_is_repaired_on_the_way_out(void)
{
        auto_thing object = {.name = g_strdup("a\xff\xc3")};
        auto_thing back = {0};
        g_autofree char *text = encode(&object, DOL_ENCODE_STORE);

        g_assert_true(decode(text, 0, &back, NULL));
        g_assert_cmpstr(back.name, ==, "a\xef\xbf\xbd\xef\xbf\xbd");
}

static void test_odd_numbers_are_written_as_json(void)
{
        static const double ratios[] = {NAN,     INFINITY, -INFINITY,    1e300,
                                        -1e-300, 0.1,      123456789.125};

        for (unsigned i = 0; i < G_N_ELEMENTS(ratios); i++) {
                auto_thing object = {
                        .name = g_strdup("x"), .ratio = ratios[i], .number = INT64_MIN};
                auto_thing back = {0};
                g_autofree char *text = encode(&object, DOL_ENCODE_STORE);

                g_assert_true(decode(text, 0, &back, NULL));
                g_assert_cmpfloat(back.ratio, ==, isfinite(ratios[i]) ? ratios[i] : 0);
                g_assert_cmpint(back.number, ==, INT64_MIN);
        }
}

static void test_maps(void)
{
        g_autoptr(GHashTable) a = dol_map_new();
        g_autoptr(GHashTable) b = NULL;
        g_autofree const char **keys = NULL;

        g_assert_true(dol_map_equal(NULL, NULL));
        g_assert_true(dol_map_equal(a, NULL));
        g_hash_table_insert(a, g_strdup("z"), g_strdup("1"));
        g_hash_table_insert(a, g_strdup("a"), g_strdup("2"));
        g_assert_false(dol_map_equal(a, NULL));
        g_assert_false(dol_map_equal(NULL, a));
        b = dol_map_copy(a);
        g_assert_true(dol_map_equal(a, b));
        g_hash_table_replace(b, g_strdup("a"), g_strdup("3"));
        g_assert_false(dol_map_equal(a, b));
        g_hash_table_remove(b, "a");
        g_hash_table_insert(b, g_strdup("c"), g_strdup("2"));
        g_assert_false(dol_map_equal(a, b));
        keys = dol_map_keys(a);
        g_assert_cmpstr(keys[0], ==, "a");
        g_assert_cmpstr(keys[1], ==, "z");
        g_assert_null(keys[2]);
        g_assert_null(dol_map_copy(NULL));
}

static void test_openapi(void)
{
        g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
        g_autoptr(GString) text = g_string_new("{");
        json_t *json, *properties;

        dol_schema_append_openapi(&thing_schema, seen, text);
        dol_schema_append_openapi(&item_schema, seen, text);
        g_string_append_c(text, '}');
        json = json_loads(text->str, JSON_REJECT_DUPLICATES, NULL);
        g_assert_nonnull(json);
        g_assert_cmpuint(json_object_size(json), ==, 4);
        properties = json_object_get(json_object_get(json, "Thing"), "properties");
        g_assert_cmpuint(json_object_size(properties), ==, G_N_ELEMENTS(thing_fields) - 3);
        g_assert_null(json_object_get(properties, "password"));
        g_assert_null(json_object_get(properties, "generation"));
        g_assert_true(
                json_is_true(json_object_get(json_object_get(properties, "uid"), "readOnly")));
        json_decref(json);
}

int main(int argc, char **argv)
{
        dol_test_init(&argc, &argv);
        g_test_add_func("/encode/round-trip", test_round_trip);
        g_test_add_func("/encode/copies", test_copies_are_deep);
        g_test_add_func("/encode/readers", test_readers);
        g_test_add_func("/encode/texts", test_what_is_written_can_be_read);
        g_test_add_func("/encode/bad-utf8", test_bad_utf8_is_repaired_on_the_way_out);
        g_test_add_func("/encode/odd-numbers", test_odd_numbers_are_written_as_json);
        g_test_add_func("/encode/maps", test_maps);
        g_test_add_func("/encode/openapi", test_openapi);
        return g_test_run();
}
