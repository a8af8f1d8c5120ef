/* SPDX-License-Identifier: Apache-2.0 */
/* Volumes, pools, operations and events as JSON: what the store keeps, what clients see and may
 * say. And the pool's own checks. */
#include "model/event.h"
#include "model/operation.h"
#include "model/pool.h"
#include "model/volume.h"

#include "base/test.h"

#include <math.h>
#include <string.h>

static const char stored[] =
        "{\"name\":\"db\",\"uid\":\"u1\",\"revision\":7,\"labels\":{\"tier\":\"gold\"},"
        "\"spec\":{\"size\":10737418240,\"pool\":\"fast\",\"fs\":\"xfs\",\"thick\":true,\"uid\":70,"
        "\"gid\":70,\"mode\":\"0700\",\"mountopts\":\"noatime\",\"protect\":true,\"trash\":\"2d\"},"
        "\"status\":{\"phase\":\"available\",\"reason\":\"fine\","
        "\"created\":\"2026-01-31T08:00:00Z\",\"changed\":\"2026-01-31T08:00:00.500000Z\","
        "\"trashed\":\"2026-02-01T08:00:00Z\",\"expires\":\"2026-02-02T08:00:00Z\","
        "\"fs_uuid\":\"f1\",\"size_enforced\":true,\"size\":3,\"used\":1,\"available\":2,"
        "\"inodes\":3,"
        "\"inodes_used\":4,\"allocated\":5,"
        "\"attachment\":{\"node\":\"n\",\"boot_id\":\"b\",\"device\":\"/dev/loop3\",\"path\":\"/"
        "p\","
        "\"since\":\"2026-01-31T08:00:01Z\",\"consumers\":[{\"client\":\"podman\",\"id\":\"\","
        "\"generation\":\"12.34\",\"count\":2,\"since\":\"2026-01-31T08:00:01Z\"}]}}}";

static dol_volume *volume_of(const char *text, unsigned flags, GError **error)
{
        dol_volume *volume = g_new0(dol_volume, 1);

        dol_volume_spec_init(&volume->spec);
        if (dol_json_decode(&dol_volume_schema, text, strlen(text), flags, volume, error))
                return volume;
        dol_volume_free(volume);
        return NULL;
}

static char *text_of(const dol_schema *schema, const void *object, dol_encode_for reader)
{
        GString *text = g_string_new(NULL);

        dol_json_encode(schema, object, reader, text);
        return g_string_free(text, false);
}

static void test_volume_in_the_store(void)
{
        g_autoptr(GError) error = NULL;
        g_autoptr(dol_volume) volume = volume_of(stored, DOL_DECODE_LENIENT, &error);
        g_autoptr(dol_volume) copy = dol_volume_copy(volume);
        g_autofree char *text = NULL;
        g_autoptr(dol_volume) back = NULL;
        g_autofree char *again = NULL;

        g_assert_no_error(error);
        text = text_of(&dol_volume_schema, copy, DOL_ENCODE_STORE);
        g_assert_cmpstr(text, ==, stored);
        back = volume_of(text, 0, &error);
        g_assert_no_error(error);
        again = text_of(&dol_volume_schema, back, DOL_ENCODE_STORE);
        g_assert_cmpstr(text, ==, again);
        g_assert_nonnull(strstr(text, "\"boot_id\":\"b\""));
        g_assert_cmpint(back->spec.fs, ==, DOL_FS_XFS);
        g_assert_cmpuint(dol_attachment_count(back->status.attachment), ==, 1);
        g_assert_cmpuint(dol_attachment_count(NULL), ==, 0);
}

static void test_clients_do_not_see_what_is_internal(void)
{
        g_autoptr(dol_volume) volume = volume_of(stored, 0, NULL);
        g_autofree char *text = text_of(&dol_volume_schema, volume, DOL_ENCODE_CLIENT);

        g_assert_null(strstr(text, "boot_id"));
        g_assert_null(strstr(text, "generation"));
        g_assert_nonnull(strstr(text, "/dev/loop3"));
}

static void test_requests(void)
{
        static const struct {
                const char *text, *message;
        } rows[] = {
                {"{}", "name: this field is required"},
                {"{\"name\":\"x\",\"uid\":\"u\"}", "uid: this field is read-only"},
                {"{\"name\":\"x\",\"status\":{}}", "status: this field is read-only"},
                {"{\"name\":\"x\",\"revision\":1}", "revision: this field is read-only"},
                {"{\"name\":\"x\",\"size\":\"1G\"}",
                 "size: unknown field (known: name, labels, spec)"},
                {"{\"name\":\"x\",\"spec\":{\"size\":\"1.5G\"}}",
                 "spec.size: expected a size like 10G or 500M, got '1.5G' "
                 "(units: K M G T P E, KiB ..., KB ...)"},
                {"{\"name\":\"x\",\"spec\":{\"fs\":\"zfs\"}}",
                 "spec.fs: expected one of auto, ext4, xfs, none, directory, got 'zfs'"},
                {"{\"name\":\"x\",\"spec\":{\"thick\":\"yes\"}}",
                 "spec.thick: expected true or false, got a string"},
                {"{\"name\":\"x\",\"labels\":{\"a\":1}}",
                 "labels.a: expected a string, got a number"},
        };
        GError *error = NULL;

        for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
                g_assert_null(
                        volume_of(rows[i].text, DOL_DECODE_REQUEST | DOL_DECODE_DEFAULTS, &error));
                dol_assert_failed(error, DOL_ERROR_INVALID, rows[i].message);
        }
}

static void test_request_over_defaults(void)
{
        g_autoptr(dol_volume) volume =
                volume_of("{\"name\":\"x\",\"spec\":{\"fs\":\"ext4\",\"trash\":null}}",
                          DOL_DECODE_REQUEST | DOL_DECODE_DEFAULTS, NULL);

        g_assert_nonnull(volume);
        g_assert_cmpuint(volume->spec.size, ==, DOL_VOLUME_SIZE_UNSET);
        g_assert_cmpint(volume->spec.fs, ==, DOL_FS_EXT4);
        g_assert_cmpuint(volume->spec.mode, ==, 0755);
        g_assert_cmpint(volume->spec.trash, ==, INT64_C(86400000000));
}

static void test_patch(void)
{
        g_autoptr(dol_volume) volume = volume_of(stored, 0, NULL);
        static const char patch[] = "{\"name\":\"db2\",\"labels\":{\"tier\":null,\"a\":\"b\"},"
                                    "\"spec\":{\"protect\":false,\"mountopts\":null}}";
        GError *error = NULL;

        g_assert_true(dol_json_decode(&dol_volume_schema, patch, strlen(patch),
                                      DOL_DECODE_REQUEST | DOL_DECODE_MERGE, volume, NULL));
        g_assert_cmpstr(volume->name, ==, "db2");
        g_assert_cmpuint(g_hash_table_size(volume->labels), ==, 1);
        g_assert_null(volume->spec.mountopts);
        g_assert_false(volume->spec.protect);
        g_assert_true(volume->spec.thick);
        g_assert_cmpstr(volume->status.fs_uuid, ==, "f1");
        g_assert_false(dol_json_decode(&dol_volume_schema, "{\"name\":null}", 13, DOL_DECODE_MERGE,
                                       volume, &error));
        dol_assert_failed(error, DOL_ERROR_INVALID, "name: this field is required");
}

static void test_pool_names(void)
{
        g_autofree char *longest = g_strnfill(63, 'a'), *too_long = g_strnfill(64, 'a');
        const char *const good[] = {"a", "default", "fast-2", "a-", longest};
        const char *const bad[] = {"",    "A",   "2fast",    "-a",  "a_b",    "a.b",
                                   "a/b", "a b", "\xc3\xb6", "a\n", too_long, ".."};
        GError *error = NULL;

        for (unsigned i = 0; i < G_N_ELEMENTS(good); i++)
                g_assert_true(dol_pool_name_check(good[i], NULL));
        for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
                if (dol_pool_name_check(bad[i], &error))
                        g_test_fail_printf("'%s' was taken for a pool's name", bad[i]);
                else
                        dol_assert_invalid(error, "name: a pool's name has 1 to 63 of a-z");
        }
        g_assert_false(dol_pool_name_check(NULL, NULL));
}

static bool check_pool(double overcommit, double warn, double full, GError **error)
{
        char driver[] = "image", path[] = "/p";
        const dol_pool_spec spec = {.driver = driver,
                                    .path = path,
                                    .overcommit = overcommit,
                                    .warn = warn,
                                    .full = full};

        return dol_pool_spec_check(&spec, error);
}

static void test_pool_spec(void)
{
        char empty[] = "", relative[] = "p", driver[] = "image";
        dol_pool_spec spec;
        GError *error = NULL;

        dol_pool_spec_init(&spec);
        g_assert_true(dol_pool_spec_check(&spec, NULL));
        g_assert_cmpstr(spec.driver, ==, "image");
        dol_schema_clear(&dol_pool_spec_schema, &spec);

        g_assert_true(check_pool(1, 0.5, 1, NULL));
        g_assert_true(check_pool(1000, 0.01, 0.02, NULL));
        g_assert_false(check_pool(0.99, 0.8, 0.9, &error));
        dol_assert_failed(error, DOL_ERROR_INVALID, "overcommit: expected 1 to 1000, got 0.99");
        g_assert_false(check_pool(NAN, 0.8, 0.9, NULL));
        g_assert_false(check_pool(INFINITY, 0.8, 0.9, NULL));
        g_assert_false(check_pool(1, 0.9, 0.8, &error));
        dol_assert_failed(error, DOL_ERROR_INVALID,
                          "warn, full: expected 0 < warn < full <= 1, got 0.9 and 0.8");
        g_assert_false(check_pool(1, 0.9, 0.9, NULL));
        g_assert_false(check_pool(1, 0, 0.9, NULL));
        g_assert_false(check_pool(1, 0.9, 1.1, NULL));
        g_assert_false(check_pool(1, NAN, 0.9, NULL));
        g_assert_false(check_pool(1, 0.8, NAN, NULL));

        spec = (dol_pool_spec){.driver = empty};
        g_assert_false(dol_pool_spec_check(&spec, &error));
        dol_assert_failed(error, DOL_ERROR_INVALID, "driver: expected a driver's name");
        spec = (dol_pool_spec){.driver = driver, .path = relative};
        g_assert_false(dol_pool_spec_check(&spec, &error));
        dol_assert_failed(error, DOL_ERROR_INVALID, "path: expected an absolute path, got 'p'");
        spec = (dol_pool_spec){.driver = driver, .device = empty};
        g_assert_false(dol_pool_spec_check(&spec, &error));
        dol_assert_failed(error, DOL_ERROR_INVALID, "device: expected an absolute path, got ''");
}

static void assert_round_trip(const dol_schema *schema, const char *text)
{
        g_autofree void *object = g_malloc0(schema->size);
        g_autoptr(GError) error = NULL;
        g_autofree char *back = NULL;

        g_assert_true(dol_json_decode(schema, text, strlen(text), 0, object, &error));
        g_assert_no_error(error);
        back = text_of(schema, object, DOL_ENCODE_STORE);
        g_assert_cmpstr(back, ==, text);
        dol_schema_clear(schema, object);
}

static void test_operations_and_events(void)
{
        assert_round_trip(
                &dol_operation_schema,
                "{\"uid\":\"o\",\"revision\":3,\"operation\":\"adopt\",\"volume\":\"v\","
                "\"volume_name\":\"db\",\"actor\":\"rest\",\"phase\":\"failed\","
                "\"error_kind\":\"no-space\",\"message\":\"full\","
                "\"started\":\"2026-01-31T08:00:00Z\",\"ended\":\"2026-01-31T08:00:01Z\"}");
        assert_round_trip(&dol_event_schema,
                          "{\"sequence\":9,\"time\":\"2026-01-31T08:00:00Z\",\"level\":\"warning\","
                          "\"reason\":\"PoolLow\",\"object\":\"pool\",\"name\":\"p\",\"uid\":\"u\","
                          "\"message\":\"m\",\"actor\":\"reconcile\"}");
}

int main(int argc, char **argv)
{
        dol_test_init(&argc, &argv);
        g_test_add_func("/documents/store", test_volume_in_the_store);
        g_test_add_func("/documents/internal", test_clients_do_not_see_what_is_internal);
        g_test_add_func("/documents/requests", test_requests);
        g_test_add_func("/documents/defaults", test_request_over_defaults);
        g_test_add_func("/documents/patch", test_patch);
        g_test_add_func("/documents/operations-and-events", test_operations_and_events);
        g_test_add_func("/pool/names", test_pool_names);
        g_test_add_func("/pool/spec", test_pool_spec);
        return g_test_run();
}
