/* SPDX-License-Identifier: Apache-2.0 */
#include "model/snapshot.h"

#include "base/test.h"

#include <string.h>

static void test_names(void)
{
        g_autofree char *longest = g_strnfill(64, 'x'), *too_long = g_strnfill(65, 'x');
        GError *error = NULL;

        g_assert_true(dol_snapshot_name_check("daily 1", NULL));
        g_assert_true(dol_snapshot_name_check(longest, NULL));
        g_assert_false(dol_snapshot_name_check(too_long, &error));
        dol_assert_failed(error, DOL_ERROR_INVALID,
                          "name: a snapshot's name has at most 64 bytes, got 65");
        g_assert_false(dol_snapshot_name_check("a@b", &error));
        dol_assert_failed(error, DOL_ERROR_INVALID, "name: 'a@b' must not contain '/' or '@'");
        g_assert_false(dol_snapshot_name_check("..", NULL));
        g_assert_false(dol_snapshot_name_check("", NULL));
        g_assert_false(dol_snapshot_name_check(NULL, NULL));
}

static void test_references(void)
{
        static const char *const bad[] = {"", "db", "@", "db@", "@daily"};
        g_autofree char *volume = NULL, *name = NULL;
        char *untouched = NULL;
        GError *error = NULL;

        g_assert_true(dol_snapshot_reference_parse("my db@a@b", &volume, &name, NULL));
        g_assert_cmpstr(volume, ==, "my db");
        g_assert_cmpstr(name, ==, "a@b");
        for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
                g_assert_false(
                        dol_snapshot_reference_parse(bad[i], &untouched, &untouched, &error));
                dol_assert_invalid(error, "expected VOLUME@SNAPSHOT, got '");
                g_assert_null(untouched);
        }
}

static const char stored[] =
        "{\"name\":\"daily\",\"uid\":\"s1\",\"revision\":7,\"labels\":{\"a\":\"b\"},"
        "\"volume\":\"v1\",\"volume_name\":\"db\",\"protect\":true,\"group\":\"g\","
        "\"schedule\":\"nightly\",\"phase\":\"ready\",\"consistency\":\"crash\","
        "\"size\":10737418240,\"fs\":\"xfs\",\"fs_uuid\":\"f1\","
        "\"created\":\"2026-01-31T08:00:00Z\",\"frozen_usec\":900,\"exclusive\":1,\"shared\":2,"
        "\"extents\":3,\"attachment\":{\"node\":\"n\",\"boot_id\":\"b\",\"consumers\":[]}}";

static void test_in_the_store(void)
{
        g_autoptr(dol_snapshot) snapshot = g_new0(dol_snapshot, 1);
        g_autoptr(dol_snapshot) copy = NULL;
        g_autoptr(GString) text = g_string_new(NULL);
        g_autoptr(GError) error = NULL;

        g_assert_true(
                dol_json_decode(&dol_snapshot_schema, stored, strlen(stored), 0, snapshot, &error));
        g_assert_no_error(error);
        copy = dol_snapshot_copy(snapshot);
        dol_json_encode(&dol_snapshot_schema, copy, DOL_ENCODE_STORE, text);
        g_assert_cmpstr(text->str, ==, stored);
        g_assert_null(dol_snapshot_copy(NULL));
}

static void test_requests(void)
{
        static const char bad[] = "{\"name\":\"x\",\"volume\":\"v\"}";
        dol_snapshot snapshot;
        GError *error = NULL;

        g_assert_false(dol_json_decode(&dol_snapshot_schema, bad, strlen(bad), DOL_DECODE_REQUEST,
                                       &snapshot, &error));
        dol_assert_failed(error, DOL_ERROR_INVALID, "volume: this field is read-only");
}

int main(int argc, char **argv)
{
        dol_test_init(&argc, &argv);
        g_test_add_func("/snapshot/names", test_names);
        g_test_add_func("/snapshot/references", test_references);
        g_test_add_func("/snapshot/store", test_in_the_store);
        g_test_add_func("/snapshot/requests", test_requests);
        return g_test_run();
}
