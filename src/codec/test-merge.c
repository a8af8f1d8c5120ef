/* SPDX-License-Identifier: Apache-2.0 */
/* Merge patches (RFC 7396). */
#include "codec/test-thing.h"

static void assert_merged(const char *patch, const char *wanted)
{
        auto_thing object = {0};
        g_autoptr(GError) error = NULL;
        g_autofree char *text = NULL;

        g_assert_true(decode("{\"name\":\"db\",\"flag\":true,\"number\":4,\"mode\":\"0700\","
                             "\"shade\":\"green\",\"labels\":{\"a\":\"1\",\"b\":\"2\"},"
                             "\"words\":[\"w\"],\"spec\":{\"size\":7,\"pool\":\"p\"},"
                             "\"maybe\":{\"name\":\"m\",\"count\":3},\"items\":[{\"name\":\"i\"}],"
                             "\"any\":[1]}",
                             0, &object, NULL));
        g_assert_true(decode(patch, DOL_DECODE_MERGE | DOL_DECODE_REQUEST, &object, &error));
        g_assert_no_error(error);
        text = encode(&object, DOL_ENCODE_STORE);
        g_assert_cmpstr(text, ==, wanted);
}

#define HEAD "{\"name\":\"db\",\"flag\":true,\"number\":4,\"shade\":\"green\",\"mode\":\"0700\","
#define MAPS "\"labels\":{\"a\":\"1\",\"b\":\"2\"},\"words\":[\"w\"],"
#define SPEC "\"spec\":{\"size\":7,\"pool\":\"p\",\"only\":{}},"
#define TAIL "\"maybe\":{\"name\":\"m\",\"count\":3},\"items\":[{\"name\":\"i\"}],\"any\":[1]}"

static void test_merge(void)
{
        assert_merged("{}", HEAD MAPS SPEC TAIL);
        assert_merged("{\"labels\":{}}", HEAD MAPS SPEC TAIL);
        assert_merged("{\"labels\":{\"b\":null,\"c\":\"3\"}}",
                      HEAD "\"labels\":{\"a\":\"1\",\"c\":\"3\"},\"words\":[\"w\"]," SPEC TAIL);
        assert_merged("{\"labels\":{\"none\":null}}", HEAD MAPS SPEC TAIL);
        assert_merged("{\"labels\":null}", HEAD "\"words\":[\"w\"]," SPEC TAIL);
        assert_merged("{\"words\":[]}", HEAD "\"labels\":{\"a\":\"1\",\"b\":\"2\"}," SPEC TAIL);
        assert_merged("{\"spec\":{\"pool\":\"q\"}}",
                      HEAD MAPS "\"spec\":{\"size\":7,\"pool\":\"q\",\"only\":{}}," TAIL);
        assert_merged("{\"spec\":{\"size\":null}}",
                      HEAD MAPS "\"spec\":{\"pool\":\"p\",\"only\":{}}," TAIL);
        assert_merged("{\"spec\":null}", HEAD MAPS "\"spec\":{\"only\":{}}," TAIL);
        assert_merged("{\"maybe\":{\"count\":9}}",
                      HEAD MAPS SPEC "\"maybe\":{\"name\":\"m\",\"count\":9},"
                                     "\"items\":[{\"name\":\"i\"}],\"any\":[1]}");
        assert_merged("{\"items\":[{\"name\":\"k\"}],\"any\":null,\"maybe\":null}",
                      HEAD MAPS SPEC "\"items\":[{\"name\":\"k\"}]}");
        assert_merged("{\"flag\":null,\"number\":null,\"mode\":null,\"shade\":null}",
                      "{\"name\":\"db\",\"shade\":\"red\"," MAPS SPEC TAIL);
}

static void test_failed_merge_changes_nothing(void)
{
        static const char *const patches[] = {
                "{\"name\":null}",
                "{\"number\":5,\"name\":7}",
                "{\"labels\":{\"a\":\"x\",\"b\":7}}",
                "{\"spec\":{\"pool\":\"x\",\"size\":\"x\"}}",
                "{\"maybe\":{\"name\":\"x\",\"count\":\"x\"}}",
                "{\"items\":[{\"name\":\"x\"},{}]}",
                "{\"words\":[\"x\",1]}",
                "{\"items\":[{\"name\":null}]}",
                "{\"any\":5,\"unknown\":5}",
                "{\"uid\":\"x\"}",
                "{\"maybe\":null,\"spec\":null,\"uid\":null}",
        };
        auto_thing object = {0};

        g_assert_true(decode(full, 0, &object, NULL));
        for (unsigned i = 0; i < G_N_ELEMENTS(patches); i++) {
                g_autofree char *text = NULL;

                g_assert_false(
                        decode(patches[i], DOL_DECODE_MERGE | DOL_DECODE_REQUEST, &object, NULL));
                text = encode(&object, DOL_ENCODE_STORE);
                g_assert_cmpstr(text, ==, full);
        }
}

static void test_emptied_fields_leave_neighbours(void)
{
        auto_thing object = {0};

        g_assert_true(decode(full, 0, &object, NULL));
        object.guard_a = object.guard_b = 'x';
        memcpy(object.guard_c, "xyz", 3);
        memcpy(object.guard_d, "xyz", 3);
        g_assert_true(decode("{\"flag\":null,\"shade\":null,\"mode\":null}", DOL_DECODE_MERGE,
                             &object, NULL));
        g_assert_cmpint(object.guard_a, ==, 'x');
        g_assert_cmpint(object.guard_b, ==, 'x');
        g_assert_cmpmem(object.guard_c, 3, "xyz", 3);
        g_assert_cmpmem(object.guard_d, 3, "xyz", 3);
}

static void test_defaults(void)
{
        auto_thing object = {.mode = 0755, .keep = 5, .spec.size = 9, .labels = dol_map_new()};
        GError *error = NULL;

        g_assert_true(decode("{\"name\":\"x\",\"mode\":null,\"keep\":\"7us\",\"labels\":null,"
                             "\"spec\":{\"size\":null,\"pool\":\"p\"}}",
                             DOL_DECODE_DEFAULTS, &object, NULL));
        g_assert_cmpuint(object.mode, ==, 0755);
        g_assert_cmpint(object.keep, ==, 7);
        g_assert_cmpuint(object.spec.size, ==, 9);
        g_assert_cmpstr(object.spec.pool, ==, "p");
        g_assert_nonnull(object.labels);
        g_assert_true(decode("{\"name\":\"x\",\"spec\":null}", DOL_DECODE_DEFAULTS, &object, NULL));
        g_assert_cmpstr(object.spec.pool, ==, "p");

        g_assert_false(decode("{\"mode\":\"0700\"}", DOL_DECODE_DEFAULTS, &object, &error));
        dol_assert_failed(error, DOL_ERROR_INVALID, "name: this field is required");
        g_assert_false(decode("{\"name\":\"y\",\"labels\":{\"a\":null}}", DOL_DECODE_DEFAULTS,
                              &object, &error));
        dol_assert_failed(error, DOL_ERROR_INVALID, "labels.a: expected a string, got null");
        g_assert_cmpstr(object.name, ==, "x");
        g_assert_cmpuint(object.mode, ==, 0755);
}

int main(int argc, char **argv)
{
        dol_test_init(&argc, &argv);
        g_test_add_func("/merge/merge", test_merge);
        g_test_add_func("/merge/failed", test_failed_merge_changes_nothing);
        g_test_add_func("/merge/neighbours", test_emptied_fields_leave_neighbours);
        g_test_add_func("/merge/defaults", test_defaults);
        return g_test_run();
}
