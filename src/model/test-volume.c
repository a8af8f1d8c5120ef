/* SPDX-License-Identifier: Apache-2.0 */
#include "model/volume.h"

#include "base/test.h"
#include "codec/units.h"

#include <string.h>

static void assert_name(const char *name, const char *message)
{
        GError *error = NULL;

        if (!message) {
                g_assert_true(dol_volume_name_check(name, &error));
                g_assert_no_error(error);
                g_clear_error(&error);
                return;
        }
        if (dol_volume_name_check(name, &error))
                g_test_fail_printf("'%s' was taken for a name", name ? name : "NULL");
        else
                dol_assert_failed(error, DOL_ERROR_INVALID, message);
}

static void test_names(void)
{
        g_autofree char *longest = g_strnfill(128, 'x');

        assert_name("db", NULL);
        assert_name("x", NULL);
        assert_name(longest, NULL);
        assert_name("...", NULL);
        assert_name(".hidden", NULL);
        assert_name("-rf", NULL);
        assert_name("with space", NULL);
        assert_name("uid", NULL);
        assert_name("my-uid:x", NULL);
        assert_name("d\xc3\xb6lium \xe2\x82\xac \xf0\x9f\x8f\xba", NULL);
        assert_name("%s;rm -rf *\\\"'", NULL);
}

static void test_wrong_names(void)
{
        g_autofree char *too_long = g_strnfill(129, 'x');
        g_autofree char *umlauts = g_strnfill(130, 'x');

        /* 65 characters of two bytes each */
        for (unsigned i = 0; i < 65; i++)
                memcpy(umlauts + 2 * i, "\xc3\xb6", 2);
        assert_name(NULL, "name: expected a volume name, got ''");
        assert_name("", "name: expected a volume name, got ''");
        assert_name(too_long, "name: expected at most 128 bytes, got 129");
        assert_name(umlauts, "name: expected at most 128 bytes, got 130");
        assert_name("a\xff", "name: not valid UTF-8");
        assert_name("\xc0\xaf", "name: not valid UTF-8");
        assert_name("\xed\xa0\x80", "name: not valid UTF-8");
        assert_name("a\xc3", "name: not valid UTF-8");
        assert_name("a\nb", "name: control characters are not allowed");
        assert_name("a\x7f", "name: control characters are not allowed");
        assert_name("a\xc2\x85", "name: control characters are not allowed");
        assert_name(".", "name: '.' is not a name");
        assert_name("..", "name: '..' is not a name");
        assert_name("a/b", "name: 'a/b' must not contain '/' or '@'");
        assert_name("../etc", "name: '../etc' must not contain '/' or '@'");
        assert_name("db@snap", "name: 'db@snap' must not contain '/' or '@'");
        assert_name("uid:1", "name: 'uid:1' must not begin with 'uid:'");
        assert_name(" db", "name: ' db' must not begin or end with white space");
        assert_name("db\xc2\xa0", "name: 'db\xc2\xa0' must not begin or end with white space");
        assert_name(" ", "name: ' ' must not begin or end with white space");
}

static bool check_label(const char *key, const char *value, GError **error)
{
        g_autoptr(GHashTable) labels = dol_map_new();

        g_hash_table_insert(labels, g_strdup(key), g_strdup(value));
        return dol_labels_check(labels, error);
}

static void test_labels(void)
{
        g_autoptr(GHashTable) many = dol_map_new();
        g_autofree char *k129 = g_strnfill(129, 'k'), *v257 = g_strnfill(257, 'v');
        GError *error = NULL;

        g_assert_true(dol_labels_check(NULL, NULL));
        g_assert_true(check_label("tier", "", NULL));
        g_assert_true(check_label(k129 + 1, v257 + 1, NULL));
        g_assert_true(check_label("d\xc3\xb6", "a=b", NULL));
        g_assert_false(check_label(k129, "", &error));
        dol_assert_failed(error, DOL_ERROR_INVALID, "labels: a key may have 128 bytes, got 129");
        g_assert_false(check_label("k", v257, &error));
        dol_assert_failed(error, DOL_ERROR_INVALID, "labels: a value may have 256 bytes, got 257");
        g_assert_false(check_label("", "x", &error));
        dol_assert_invalid(error, "labels: a key must not be empty or contain '='");
        g_assert_false(check_label("a=b", "x", NULL));
        g_assert_false(check_label("a\xff", "x", &error));
        dol_assert_invalid(error, "labels: a key must be UTF-8 without control characters");
        g_assert_false(check_label("a", "x\ny", &error));
        dol_assert_invalid(error, "labels: a value must be UTF-8 without control characters");

        for (unsigned i = 0; i < 64; i++)
                g_hash_table_insert(many, g_strdup_printf("%u", i), g_strdup("x"));
        g_assert_true(dol_labels_check(many, NULL));
        g_hash_table_insert(many, g_strdup("one more"), g_strdup("x"));
        g_assert_false(dol_labels_check(many, &error));
        dol_assert_failed(error, DOL_ERROR_INVALID, "labels: at most 64, got 65");
}

static void assert_size(dol_fs_kind fs, uint64_t size, uint64_t rounded, const char *message)
{
        dol_volume_spec spec;
        GError *error = NULL;

        dol_volume_spec_init(&spec);
        spec.fs = fs;
        spec.size = size;
        if (message) {
                g_assert_false(dol_volume_spec_check(&spec, &error));
                dol_assert_failed(
                        error, fs == DOL_FS_DIRECTORY ? DOL_ERROR_UNSUPPORTED : DOL_ERROR_INVALID,
                        message);
                return;
        }
        g_assert_true(dol_volume_spec_check(&spec, &error));
        g_assert_no_error(error);
        g_assert_cmpuint(spec.size, ==, rounded);
}

static void test_sizes(void)
{
        const uint64_t mib = 1 << 20;

        assert_size(DOL_FS_EXT4, 16 * mib, 16 * mib, NULL);
        assert_size(DOL_FS_EXT4, 16 * mib + 1, 16 * mib + 4096, NULL);
        assert_size(DOL_FS_NONE, 17 * mib - 1, 17 * mib, NULL);
        assert_size(DOL_FS_EXT4, DOL_VOLUME_SIZE_MAX, DOL_VOLUME_SIZE_MAX, NULL);
        assert_size(DOL_FS_EXT4, DOL_VOLUME_SIZE_MAX - 1, DOL_VOLUME_SIZE_MAX, NULL);
        assert_size(DOL_FS_XFS, 300 * mib, 300 * mib, NULL);
        assert_size(DOL_FS_DIRECTORY, 0, 0, NULL);

        assert_size(DOL_FS_EXT4, 0, 0, "size: a volume with fs=ext4 has at least 16M, got 0");
        assert_size(DOL_FS_EXT4, 16 * mib - 1, 0,
                    "size: a volume with fs=ext4 has at least 16M, got 16777215");
        assert_size(DOL_FS_XFS, 299 * mib, 0,
                    "size: a volume with fs=xfs has at least 300M, got 299M");
        assert_size(DOL_FS_EXT4, DOL_VOLUME_SIZE_MAX + 1, 0,
                    "size: a volume has at most 64T, got 70368744177665");
        assert_size(DOL_FS_EXT4, INT64_MAX, 0,
                    "size: a volume has at most 64T, got 9223372036854775807");
        assert_size(DOL_FS_EXT4, DOL_VOLUME_SIZE_UNSET, 0,
                    "size: a volume has at most 64T, got 18446744073709551615");
        assert_size(DOL_FS_DIRECTORY, 16 * mib, 0,
                    "size: a plain directory has no enforced size; leave it out");
}

/* A spec that is fine; tests spoil one field. */
static dol_volume_spec good_spec(void)
{
        dol_volume_spec spec;

        dol_volume_spec_init(&spec);
        spec.fs = DOL_FS_EXT4;
        spec.size = DOL_VOLUME_SIZE_DEFAULT;
        return spec;
}

static void assert_spoilt(dol_volume_spec spec, const char *message)
{
        GError *error = NULL;

        g_assert_false(dol_volume_spec_check(&spec, &error));
        dol_assert_failed(error, DOL_ERROR_INVALID, message);
}

static void test_spec_fields(void)
{
        dol_volume_spec spec = good_spec();
        char mountopts[] = "noatime";

        spec.uid = spec.gid = UINT32_MAX - 1;
        spec.mode = 07777;
        spec.mountopts = mountopts;
        g_assert_true(dol_volume_spec_check(&spec, NULL));

        spec.uid = UINT32_MAX;
        assert_spoilt(spec, "uid: expected at most 4294967294, got 4294967295");
        spec = good_spec();
        spec.gid = INT64_MAX;
        assert_spoilt(spec, "gid: expected at most 4294967294, got 9223372036854775807");
        spec = good_spec();
        spec.mode = 010000;
        assert_spoilt(spec, "mode: expected at most 7777 (octal), got 10000");
        spec = good_spec();
        spec.trash = -1;
        assert_spoilt(spec, "trash: expected a duration >= 0");
        spec = good_spec();
        spec.fs = DOL_FS_NONE;
        spec.mountopts = mountopts;
        assert_spoilt(spec, "mountopts: a block volume (fs=none) is not mounted");
}

static const char *const bad_mountopts[] = {",",
                                            "noatime,",
                                            ",noatime",
                                            "noatime,,ro",
                                            "noatime ro",
                                            " ro",
                                            "RO",
                                            "suid",
                                            "dev",
                                            "exec",
                                            "loop",
                                            "offset=1",
                                            "commit",
                                            "commit=",
                                            "commit=0",
                                            "commit=301",
                                            "commit=-1",
                                            "commit=5 ",
                                            "data=",
                                            "data=x",
                                            "uid=0",
                                            "remount",
                                            "bind",
                                            "errors=panic",
                                            "journal_dev=1",
                                            "x-systemd.automount",
                                            "ro\n",
                                            "\xff",
                                            "context=x"};

static void test_mountopts(void)
{
        static const char *const good[] = {"",
                                           "noatime",
                                           "ro,nosuid,nodev,noexec",
                                           "commit=1",
                                           "commit=300,data=journal",
                                           "rw,ro",
                                           "discard,discard"};
        GError *error = NULL;

        for (unsigned i = 0; i < G_N_ELEMENTS(good); i++) {
                g_assert_true(dol_mountopts_check(good[i], DOL_FS_EXT4, &error));
                g_assert_no_error(error);
        }
        for (unsigned i = 0; i < G_N_ELEMENTS(bad_mountopts); i++) {
                if (dol_mountopts_check(bad_mountopts[i], DOL_FS_EXT4, &error))
                        g_test_fail_printf("mount options '%s' were taken", bad_mountopts[i]);
                else
                        dol_assert_invalid(error, "is not allowed (allowed: noatime, ");
        }
        g_assert_true(dol_mountopts_check("noatime,discard", DOL_FS_XFS, NULL));
        g_assert_false(dol_mountopts_check("commit=5", DOL_FS_XFS, NULL));
        g_assert_false(dol_mountopts_check("data=ordered", DOL_FS_XFS, NULL));
}

static void test_life_cycle(void)
{
        /* rows: from; columns: to; in the order of dol_volume_phase */
        static const char *const wanted[DOL_VOLUME_PHASE_COUNT] = {
                ".a.d.", /* creating */
                "..tdl", /* available */
                ".a.d.", /* trashed */
                ".....", /* deleting */
                ".a.d.", /* lost */
        };

        for (unsigned from = 0; from < DOL_VOLUME_PHASE_COUNT; from++)
                for (unsigned to = 0; to < DOL_VOLUME_PHASE_COUNT; to++)
                        g_assert_cmpint(dol_volume_may_move(from, to), ==, wanted[from][to] != '.');
}

static void test_moves_are_checked(void)
{
        g_autoptr(dol_volume) volume = g_new0(dol_volume, 1);
        GError *error = NULL;

        volume->name = g_strdup("db");
        g_assert_true(dol_volume_move(volume, DOL_VOLUME_AVAILABLE, NULL));
        g_assert_false(dol_volume_move(volume, DOL_VOLUME_CREATING, &error));
        dol_assert_failed(error, DOL_ERROR_CONFLICT,
                          "volume 'db' is available and cannot become creating");
        g_assert_cmpint(volume->status.phase, ==, DOL_VOLUME_AVAILABLE);
        g_assert_true(dol_volume_move(volume, DOL_VOLUME_DELETING, NULL));
        g_assert_false(dol_volume_move(volume, DOL_VOLUME_AVAILABLE, NULL));
}

static void check_limits(dol_fs_kind fs, dol_io_limits limits, dol_error_kind kind,
                         const char *message)
{
        dol_volume_spec spec = {
                .size = fs == DOL_FS_DIRECTORY ? 0 : UINT64_C(1) << 30, .fs = fs, .limits = limits};
        g_autoptr(GError) error = NULL;

        g_assert_true(dol_volume_spec_check(&spec, &error) == !message);
        if (message)
                dol_assert_failed(error, kind, message);
}

static void test_limits(void)
{
        check_limits(DOL_FS_EXT4, (dol_io_limits){.read_iops = 10, .write_bps = 65536}, 0, NULL);
        check_limits(DOL_FS_XFS, (dol_io_limits){.write_iops = UINT32_MAX}, 0, NULL);
        check_limits(DOL_FS_NONE, (dol_io_limits){0}, 0, NULL);
        check_limits(DOL_FS_EXT4, (dol_io_limits){.write_iops = 9}, DOL_ERROR_INVALID,
                     "write_iops: expected 10 to 4294967295 per second, or 0 for no limit, got 9");
        check_limits(DOL_FS_EXT4, (dol_io_limits){.read_iops = UINT64_C(1) << 32},
                     DOL_ERROR_INVALID,
                     "read_iops: expected 10 to 4294967295 per second, or 0 for no limit, got "
                     "4294967296");
        check_limits(DOL_FS_EXT4, (dol_io_limits){.read_bps = 65535}, DOL_ERROR_INVALID,
                     "read_bps: expected at least 64K per second, or 0 for no limit, got 65535");
        check_limits(DOL_FS_NONE, (dol_io_limits){.read_iops = 10}, DOL_ERROR_UNSUPPORTED,
                     "limits: a volume with fs=none cannot be limited: nobody can tell who uses "
                     "its device");
        check_limits(DOL_FS_DIRECTORY, (dol_io_limits){.read_iops = 10}, DOL_ERROR_UNSUPPORTED,
                     "limits: a volume with fs=directory cannot be limited: it has no device of "
                     "its own");
}

static void test_words_match_the_enums(void)
{
        g_assert_cmpuint(g_strv_length((char **)dol_volume_phase_words), ==,
                         DOL_VOLUME_PHASE_COUNT);
        g_assert_cmpstr(dol_fs_words[DOL_FS_DIRECTORY], ==, "directory");
        g_assert_null(dol_fs_words[DOL_FS_DIRECTORY + 1]);
        g_assert_cmpstr(dol_client_words[DOL_CLIENT_REST], ==, "rest");
        g_assert_cmpstr(dol_client_words[DOL_CLIENT_CSI], ==, "csi");
        g_assert_cmpstr(dol_client_words[DOL_CLIENT_FILES], ==, "files");
        g_assert_null(dol_client_words[DOL_CLIENT_FILES + 1]);
}

int main(int argc, char **argv)
{
        dol_test_init(&argc, &argv);
        g_test_add_func("/volume/names", test_names);
        g_test_add_func("/volume/wrong-names", test_wrong_names);
        g_test_add_func("/volume/labels", test_labels);
        g_test_add_func("/volume/sizes", test_sizes);
        g_test_add_func("/volume/spec", test_spec_fields);
        g_test_add_func("/volume/mountopts", test_mountopts);
        g_test_add_func("/volume/limits", test_limits);
        g_test_add_func("/volume/life-cycle", test_life_cycle);
        g_test_add_func("/volume/moves", test_moves_are_checked);
        g_test_add_func("/volume/words", test_words_match_the_enums);
        return g_test_run();
}
