/* SPDX-License-Identifier: Apache-2.0 */
/* Reading, and what cannot be read. */
#include "codec/test-thing.h"

static void test_uninitialised_memory_may_be_read_into(void)
{
        auto_thing object;

        memset(&object, 0xa5, sizeof(object));
        g_assert_true(decode("{\"name\":\"x\"}", 0, &object, NULL));
        g_assert_null(object.labels);
        g_assert_cmpuint(object.size, ==, 0);
}

static const struct {
        const char *text, *message;
} wrong[] = {
        {"{}", "name: this field is required"},
        {"{\"name\":null}", "name: this field is required"},
        {"{\"name\":5}", "name: expected a string, got a number"},
        {"[]", "expected an object, got a list"},
        {"{\"name\":\"x\",\"flag\":1}", "flag: expected true or false, got a number"},
        {"{\"name\":\"x\",\"flag\":\"true\"}", "flag: expected true or false, got a string"},
        {"{\"name\":\"x\",\"number\":1.0}", "number: expected a whole number, got a fraction"},
        {"{\"name\":\"x\",\"number\":1e3}", "number: expected a whole number, got a fraction"},
        {"{\"name\":\"x\",\"number\":\"1\"}", "number: expected a whole number, got a string"},
        {"{\"name\":\"x\",\"positive\":-1}", "positive: expected a number >= 0, got -1"},
        {"{\"name\":\"x\",\"ratio\":\"1\"}", "ratio: expected a number, got a string"},
        {"{\"name\":\"x\",\"size\":\"ten\"}", "size: expected a size like 10G or 500M, got 'ten'"},
        {"{\"name\":\"x\",\"size\":-1}", "size: expected a number >= 0, got -1"},
        {"{\"name\":\"x\",\"size\":1.5}", "size: expected a size like \"10G\", got a fraction"},
        {"{\"name\":\"x\",\"size\":true}", "size: expected a size like \"10G\", got true"},
        {"{\"name\":\"x\",\"keep\":-1}",
         "keep: expected a duration from 0 to 100 years in seconds, got -1"},
        {"{\"name\":\"x\",\"keep\":3162240001}",
         "keep: expected a duration from 0 to 100 years in seconds, got 3162240001"},
        {"{\"name\":\"x\",\"keep\":9223372036854775807}",
         "keep: expected a duration from 0 to 100 years in seconds, got "
         "9223372036854775807"},
        {"{\"name\":\"x\",\"keep\":[]}", "keep: expected a duration like \"24h\", got a list"},
        {"{\"name\":\"x\",\"when\":0}",
         "when: expected a time like \"2026-01-31T08:00:00Z\", got a number"},
        {"{\"name\":\"x\",\"when\":\"soon\"}",
         "when: 'soon' is not a time (expected like 2026-01-31T08:00:00Z)"},
        {"{\"name\":\"x\",\"shade\":\"blue\"}", "shade: expected one of red, green, got 'blue'"},
        {"{\"name\":\"x\",\"shade\":0}", "shade: expected one of red, green, got a number"},
        {"{\"name\":\"x\",\"mode\":755}", "mode: expected a mode like \"0755\", got a number"},
        {"{\"name\":\"x\",\"mode\":\"99\"}",
         "mode: expected a mode of octal digits like 0755, got '99'"},
        {"{\"name\":\"x\",\"labels\":[]}", "labels: expected an object of strings, got a list"},
        {"{\"name\":\"x\",\"labels\":{\"a\":\"1\",\"b\":2}}",
         "labels.b: expected a string, got a number"},
        {"{\"name\":\"x\",\"labels\":{\"a\":null}}", "labels.a: expected a string, got null"},
        {"{\"name\":\"x\",\"words\":{}}", "words: expected a list of strings, got an object"},
        {"{\"name\":\"x\",\"words\":[\"a\",1]}", "words[1]: expected a string, got a number"},
        {"{\"name\":\"x\",\"spec\":5}", "spec: expected an object, got a number"},
        {"{\"name\":\"x\",\"spec\":{\"size\":\"ten\"}}",
         "spec.size: expected a size like 10G or 500M, got 'ten'"},
        {"{\"name\":\"x\",\"maybe\":{}}", "maybe.name: this field is required"},
        {"{\"name\":\"x\",\"spec\":{\"expected\":1}}",
         "spec.expected: unknown field (known: size, pool, only)"},
        {"{\"name\":\"x\",\"maybe\":{\"name\":\"y\",\"count\":\"1\"}}",
         "maybe.count: expected a whole number, got a string"},
        {"{\"name\":\"x\",\"items\":{}}", "items: expected a list, got an object"},
        {"{\"name\":\"x\",\"items\":[{\"name\":\"y\"},{\"count\":1}]}",
         "items[1].name: this field is required"},
        {"{\"name\":\"x\",\"items\":[{\"name\":\"y\"},7]}",
         "items[1]: expected an object, got a number"},
        {"{\"name\":\"x\",\"items\":[null]}", "items[0]: expected an object, got null"},
};

static void test_messages_name_the_field(void)
{
        GError *error = NULL;

        for (unsigned i = 0; i < G_N_ELEMENTS(wrong); i++) {
                thing object;

                /* nothing may be left to free, so nothing is freed */
                g_assert_false(decode(wrong[i].text, 0, &object, &error));
                dol_assert_failed(error, DOL_ERROR_INVALID, wrong[i].message);
                g_assert_false(decode(wrong[i].text, 0, &object, NULL));
        }
}

static const struct {
        const char *text, *message;
} malformed[] = {
        {"", "not valid JSON"},
        {"{", "not valid JSON"},
        {"null", "not valid JSON"},
        {"\"x\"", "not valid JSON"},
        {"{\"name\":\"x\"} x", "end of file expected"},
        {"{\"name\":\"x\"}{}", "end of file expected"},
        {"{\"name\":\"x\",}", "not valid JSON"},
        {"{'name':'x'}", "not valid JSON"},
        {"{name:\"x\"}", "not valid JSON"},
        {"{\"name\":\"x\" /* c */}", "not valid JSON"},
        {"\xef\xbb\xbf{\"name\":\"x\"}", "not valid JSON"},
        {"{\"name\":\"a\",\"name\":\"b\"}", "duplicate object key"},
        {"{\"name\":\"x\",\"labels\":{\"a\":\"1\",\"a\":\"2\"}}", "duplicate object key"},
        {"{\"name\":\"x\",\"n\\u0061me\":\"y\"}", "duplicate object key"},
        {"{\"name\":\"\xff\"}", "unable to decode byte 0xff"},
        {"{\"name\":\"\xc0\x80\"}", "unable to decode byte 0xc0"},
        {"{\"name\":\"\xed\xa0\x80\"}", "unable to decode byte 0xed"},
        {"{\"name\":\"\\ud800\"}", "invalid Unicode"},
        {"{\"name\":\"a\\u0000b\"}", "not allowed"},
        {"{\"na\\u0000me\":\"b\"}", "NUL byte in object key"},
        {"{\"name\":\"a\nb\"}", "unexpected newline"},
        {"{\"name\":\"a\x01\"}", "control character 0x1"},
        {"{\"name\":\"x\",\"number\":9223372036854775808}", "too big integer"},
        {"{\"name\":\"x\",\"number\":-9223372036854775809}", "too big negative integer"},
        {"{\"name\":\"x\",\"number\":01}", "not valid JSON"},
        {"{\"name\":\"x\",\"number\":+1}", "not valid JSON"},
        {"{\"name\":\"x\",\"number\":0x1}", "not valid JSON"},
        {"{\"name\":\"x\",\"ratio\":1e999}", "real number overflow"},
        {"{\"name\":\"x\",\"ratio\":NaN}", "not valid JSON"},
};

static void test_bad_syntax(void)
{
        GError *error = NULL;

        for (unsigned i = 0; i < G_N_ELEMENTS(malformed); i++) {
                thing object;

                g_assert_false(decode(malformed[i].text, 0, &object, &error));
                dol_assert_invalid(error, malformed[i].message);
        }
}

static void test_bytes_not_text(void)
{
        static const char nul[] = "{\"name\":\"x\"}\0";
        GError *error = NULL;
        thing object;

        g_assert_false(dol_json_decode(&thing_schema, nul, sizeof(nul), 0, &object, &error));
        dol_assert_invalid(error, "not valid JSON");
        g_assert_false(dol_json_decode(&thing_schema, nul, 5, 0, &object, &error));
        dol_assert_invalid(error, "not valid JSON");
        g_assert_false(dol_json_decode(&thing_schema, NULL, 0, 0, &object, &error));
        dol_assert_invalid(error, "not valid JSON");
}

static char *nested(unsigned depth)
{
        g_autofree char *open = g_strnfill(depth, '[');
        g_autofree char *close = g_strnfill(depth, ']');

        return g_strdup_printf("{\"name\":\"x\",\"any\":%s%s}", open, close);
}

static void test_depth(void)
{
        g_autofree char *deep = nested(2000);
        g_autofree char *deeper = nested(100000);
        auto_thing object = {0};
        thing other;
        GError *error = NULL;

        g_assert_true(decode(deep, 0, &object, NULL));
        g_assert_cmpuint(strlen(object.any), ==, 4000);
        g_assert_false(decode(deeper, 0, &other, &error));
        dol_assert_invalid(error, "maximum parsing depth reached");
}

static void test_long_keys_are_cut(void)
{
        g_autofree char *key = g_strnfill(100000, 'k');
        g_autofree char *text = g_strdup_printf("{\"name\":\"x\",\"%s\":1}", key);
        g_autoptr(GError) error = NULL;
        thing object;

        g_assert_false(decode(text, 0, &object, &error));
        g_assert_cmpuint(strlen(error->message), <, 400);
}

static void test_lenient(void)
{
        auto_thing object = {0};
        GError *error = NULL;

        g_assert_true(decode("{\"name\":\"x\",\"new\":{\"a\":[1]},\"spec\":{\"newer\":null}}",
                             DOL_DECODE_LENIENT, &object, NULL));
        g_assert_cmpstr(object.name, ==, "x");
        g_assert_false(decode("{\"new\":1}", DOL_DECODE_LENIENT, &object, &error));
        dol_assert_failed(error, DOL_ERROR_INVALID, "name: this field is required");
}

static void test_null_is_absent(void)
{
        auto_thing object = {0};

        g_assert_true(decode("{\"name\":\"x\",\"size\":null,\"labels\":null,\"spec\":null,"
                             "\"maybe\":null,\"items\":null,\"any\":null,\"words\":null}",
                             0, &object, NULL));
        g_assert_null(object.labels);
        g_assert_null(object.any);
        g_assert_null(object.maybe);
}

int main(int argc, char **argv)
{
        dol_test_init(&argc, &argv);
        g_test_add_func("/decode/uninitialised", test_uninitialised_memory_may_be_read_into);
        g_test_add_func("/decode/messages", test_messages_name_the_field);
        g_test_add_func("/decode/bad-syntax", test_bad_syntax);
        g_test_add_func("/decode/bytes", test_bytes_not_text);
        g_test_add_func("/decode/depth", test_depth);
        g_test_add_func("/decode/long-keys", test_long_keys_are_cut);
        g_test_add_func("/decode/lenient", test_lenient);
        g_test_add_func("/decode/null", test_null_is_absent);
        return g_test_run();
}
