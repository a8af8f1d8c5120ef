/* SPDX-License-Identifier: Apache-2.0 */
/* The conformance suite for snapshots that are read and made range by range. */
#include "driver/test-suite.h"

#include "base/random.h"

#include <stdio.h>
#include <string.h>

enum { BLOCK = 4096, MIB = 1 << 20 };

/* Ranges as text: "0:4096=a;1048576:8192=0;", a letter for the byte they are full of, 0 for none.
 */
typedef struct {
        char **rows; /* what is left to give */
        char *bytes; /* DOL_RANGE_BYTES_MAX */
        bool fails;  /* at the end, in place of it */
} script;

static bool next_of(dol_image_range *ret, bool *ret_any, void *user, GError **error)
{
        script *from = user;
        unsigned long long offset, length;
        char byte;

        *ret_any = *from->rows && **from->rows;
        if (!*ret_any)
                return !from->fails || dol_fail(error, DOL_ERROR_DENIED, "the source has dried up");
        g_assert_cmpint(sscanf(*from->rows++, "%llu:%llu=%c", &offset, &length, &byte), ==, 3);
        memset(from->bytes, byte, MIN(length, DOL_RANGE_BYTES_MAX));
        *ret = (dol_image_range){offset, length, byte == '0' ? NULL : from->bytes};
        return true;
}

static bool note_data(uint64_t data, void *user, GError **error)
{
        g_string_append_printf(user, "%" G_GUINT64_FORMAT " of data;", data);
        return true;
}

static bool accept(uint64_t data, void *user, GError **error)
{
        return true;
}

static bool note(const dol_image_range *range, void *user, GError **error)
{
        const char *bytes = range->bytes;

        for (uint64_t i = 1; bytes && i < range->length; i++)
                g_assert_cmpint(bytes[i], ==, bytes[0]);
        g_string_append_printf(user, "%" G_GUINT64_FORMAT ":%" G_GUINT64_FORMAT "=%c;",
                               range->offset, range->length, bytes ? bytes[0] : '0');
        return true;
}

static bool refuse(const dol_image_range *range, void *user, GError **error)
{
        ++*(unsigned *)user;
        return dol_fail(error, DOL_ERROR_DENIED, "the sink is full");
}

static dol_snapshot *wanted(const dol_volume *volume, const char *name)
{
        dol_snapshot *snapshot = g_new0(dol_snapshot, 1);

        snapshot->name = g_strdup(name);
        snapshot->uid = dol_uid_new();
        snapshot->volume = g_strdup(volume->uid);
        snapshot->size = volume->spec.size;
        snapshot->fs = DOL_FS_NONE;
        return snapshot;
}

static bool receive(suite_pool *suite, const dol_snapshot *want, const dol_snapshot *base,
                    const char *text, bool fails, GError **error)
{
        g_auto(GStrv) rows = g_strsplit(text, ";", -1);
        g_autofree char *bytes = g_malloc(DOL_RANGE_BYTES_MAX), *fs_uuid = NULL;
        script from = {rows, bytes, fails};

        return dol_pool_snapshot_receive(suite->pool, &suite->call, want, base ? base->uid : NULL,
                                         next_of, &from, &fs_uuid, error);
}

static void must_receive(suite_pool *suite, const dol_snapshot *want, const dol_snapshot *base,
                         const char *text)
{
        g_autoptr(GError) error = NULL;

        dol_assert_done(receive(suite, want, base, text, false, &error), error);
}

static void check_read(suite_pool *suite, const dol_snapshot *target, const dol_snapshot *base,
                       const char *text)
{
        g_autoptr(GString) found = g_string_new(NULL);
        g_autoptr(GError) error = NULL;

        dol_assert_done(dol_pool_snapshot_read(suite->pool, &suite->call, target->volume,
                                               target->uid, base ? base->uid : NULL, note_data,
                                               note, found, &error),
                        error);
        g_assert_cmpstr(found->str, ==, text);
}

static void forget(suite_pool *suite, const dol_snapshot *snapshot)
{
        g_autoptr(GError) error = NULL;

        dol_assert_done(dol_pool_snapshot_destroy(suite->pool, &suite->call, snapshot->volume,
                                                  snapshot->uid, &error),
                        error);
}

static dol_volume *begin(suite_pool *suite, const void *row)
{
        dol_volume *volume = suite_volume(row, "a");

        volume->spec.fs = DOL_FS_NONE;
        suite_pool_init(suite, row);
        suite_pool_open(suite);
        g_free(suite_create(suite, volume));
        return volume;
}

static void test_there_and_back(const void *row)
{
        g_auto(suite_pool) suite = {0};
        g_autoptr(dol_volume) volume = begin(&suite, row);
        g_autoptr(dol_snapshot) one = wanted(volume, "one"), two = wanted(volume, "two");

        must_receive(&suite, one, NULL, "0:4096=a;1048576:8192=b;3145728:1048576=0;");
        check_read(&suite, one, NULL, "12288 of data;0:4096=a;1048576:8192=b;");
        must_receive(&suite, two, one, "0:4096=0;1048576:8192=c;2097152:1048576=d;");
        check_read(&suite, two, NULL, "1056768 of data;1048576:8192=c;2097152:1048576=d;");
        check_read(&suite, two, one, "1056768 of data;0:4096=0;1048576:8192=c;2097152:1048576=d;");
        check_read(&suite, two, two, "0 of data;");
        forget(&suite, one);
        forget(&suite, two);
        suite_destroy(&suite, volume->uid);
}

static void test_larger_pieces(const void *row)
{
        g_auto(suite_pool) suite = {0};
        g_autoptr(dol_volume) volume = begin(&suite, row);
        g_autoptr(dol_snapshot) one = wanted(volume, "one");

        must_receive(&suite, one, NULL, "4096:1048576=a;1052672:1048576=a;2101248:4096=a;");
        check_read(&suite, one, NULL,
                   "2101248 of data;4096:1048576=a;1052672:1048576=a;2101248:4096=a;");
        forget(&suite, one);
        suite_destroy(&suite, volume->uid);
}

/* Another size than the base's, and again after a whole one. */
static void test_sizes_and_again(const void *row)
{
        g_auto(suite_pool) suite = {0};
        g_autoptr(dol_volume) volume = begin(&suite, row);
        g_autoptr(dol_snapshot) one = wanted(volume, "one"), two = wanted(volume, "two");
        g_autoptr(GError) error = NULL;
        dol_snapshot_info info = {0};

        must_receive(&suite, one, NULL, "0:4096=a;67104768:4096=b;");
        two->size = volume->spec.size / 2;
        must_receive(&suite, two, one, "4096:4096=c;");
        dol_assert_done(dol_pool_snapshot_inspect(suite.pool, &suite.call, volume->uid, two->uid,
                                                  &info, &error),
                        error);
        g_assert_cmpuint(info.size, ==, volume->spec.size / 2);
        must_receive(&suite, two, one, "8192:4096=d;");
        check_read(&suite, two, one, "4096 of data;8192:4096=d;");
        two->size = volume->spec.size * 2;
        must_receive(&suite, two, one, "134213632:4096=e;");
        check_read(&suite, two, one, "4096 of data;134213632:4096=e;");
        forget(&suite, one);
        forget(&suite, two);
        suite_destroy(&suite, volume->uid);
}

static bool count(const char *volume, const char *uid, const dol_snapshot *description,
                  const char *reason, void *user)
{
        ++*(unsigned *)user;
        return true;
}

static void expect_snapshots(suite_pool *suite, unsigned want)
{
        g_autoptr(GError) error = NULL;
        unsigned found = 0;

        dol_assert_done(dol_pool_snapshot_list(suite->pool, &suite->call, count, &found, &error),
                        error);
        g_assert_cmpuint(found, ==, want);
}

static void test_failures(const void *row)
{
        g_auto(suite_pool) suite = {0};
        g_autoptr(dol_volume) volume = begin(&suite, row);
        g_autoptr(dol_snapshot) one = wanted(volume, "one"), two = wanted(volume, "two");
        g_autoptr(GError) error = NULL;
        unsigned calls = 0;

        suite_assert_failed(receive(&suite, one, NULL, "0:4096=a;", true, &error), error,
                            DOL_ERROR_DENIED, "dried up");
        expect_snapshots(&suite, 0);
        suite_assert_failed(receive(&suite, one, two, "0:4096=a;", false, &error), error,
                            DOL_ERROR_NOT_FOUND, two->uid);
        expect_snapshots(&suite, 0);
        two->fs = DOL_FS_EXT4;
        suite_assert_failed(receive(&suite, two, NULL, "0:4096=a;", false, &error), error,
                            DOL_ERROR_INVALID, "expected an image with ext4");
        expect_snapshots(&suite, 0);
        must_receive(&suite, one, NULL, "0:4096=a;8192:4096=b;");
        suite_assert_failed(dol_pool_snapshot_read(suite.pool, &suite.call, volume->uid, one->uid,
                                                   NULL, accept, refuse, &calls, &error),
                            error, DOL_ERROR_DENIED, "the sink is full");
        g_assert_cmpuint(calls, ==, 1);
        suite_assert_failed(dol_pool_snapshot_read(suite.pool, &suite.call, volume->uid, two->uid,
                                                   NULL, accept, refuse, &calls, &error),
                            error, DOL_ERROR_NOT_FOUND, two->uid);
        forget(&suite, one);
        suite_destroy(&suite, volume->uid);
}

static void test_none(const void *row)
{
        g_auto(suite_pool) suite = {0};
        g_autoptr(dol_volume) volume = suite_volume(row, "a");
        g_autoptr(dol_snapshot) one = wanted(volume, "one");
        g_autoptr(GError) error = NULL;

        suite_pool_init(&suite, row);
        suite_pool_open(&suite);
        g_free(suite_create(&suite, volume));
        suite_assert_failed(receive(&suite, one, NULL, "", false, &error), error,
                            DOL_ERROR_UNSUPPORTED, "cannot take snapshots");
        suite_assert_failed(dol_pool_snapshot_read(suite.pool, &suite.call, volume->uid, one->uid,
                                                   NULL, accept, refuse, NULL, &error),
                            error, DOL_ERROR_UNSUPPORTED, "cannot take snapshots");
        suite_destroy(&suite, volume->uid);
}

static void add(const suite_host *host, const char *name, void (*test)(const void *row))
{
        g_autofree char *path = g_strdup_printf("/%s/transfer/%s", host->name, name);

        g_test_add_data_func(path, host, test);
}

void suite_add_transfer(const suite_host *host)
{
        if (!host->snapshots) {
                add(host, "none", test_none);
                return;
        }
        add(host, "there-and-back", test_there_and_back);
        add(host, "larger-pieces", test_larger_pieces);
        add(host, "sizes-and-again", test_sizes_and_again);
        add(host, "failures", test_failures);
}
