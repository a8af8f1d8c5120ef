/* SPDX-License-Identifier: Apache-2.0 */
/* The conformance suite for snapshots, clones and growing; or for saying that there are none. */
#include "driver/test-suite.h"

#include "base/guard.h"
#include "base/random.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { BLOCK = 4096, FAR = 1 << 20 };

/* A block volume, so that what is in it can be said to the byte. */
static dol_volume *block_volume(suite_pool *suite, const char *name)
{
        dol_volume *volume = suite_volume(suite->host, name);

        volume->spec.fs = DOL_FS_NONE;
        g_free(suite_create(suite, volume));
        return volume;
}

static dol_snapshot *snapshot_of(const dol_volume *volume, const char *name)
{
        dol_snapshot *snapshot = g_new0(dol_snapshot, 1);

        snapshot->name = g_strdup(name);
        snapshot->uid = dol_uid_new();
        snapshot->volume = g_strdup(volume->uid);
        snapshot->size = volume->spec.size;
        snapshot->fs = volume->spec.fs;
        return snapshot;
}

static dol_snapshot *take(suite_pool *suite, const dol_volume *volume, const char *name)
{
        dol_snapshot *snapshot = snapshot_of(volume, name);
        g_autoptr(GError) error = NULL;

        dol_assert_done(dol_pool_snapshot_create(suite->pool, &suite->call, snapshot, &error),
                        error);
        return snapshot;
}

static void detach(suite_pool *suite, const dol_volume *volume)
{
        g_autoptr(GError) error = NULL;

        dol_assert_done(dol_pool_detach(suite->pool, &suite->call, volume->uid, &error), error);
        suite_wait_detached(suite, volume->uid);
}

static void put(suite_pool *suite, const dol_volume *volume, off_t at, char byte)
{
        dol_driver_attachment attachment;
        g_autoptr(GError) error = NULL;
        char block[BLOCK];
        dol_autofd fd = -1;

        dol_assert_done(
                dol_pool_attach(suite->pool, &suite->call, volume->uid, &attachment, NULL, &error),
                error);
        fd = open(attachment.device, O_WRONLY | O_CLOEXEC);
        memset(block, byte, sizeof(block));
        g_assert_cmpint(pwrite(fd, block, sizeof(block), at), ==, BLOCK);
        g_assert_cmpint(fsync(fd), ==, 0);
        close(dol_steal_fd(&fd));
        detach(suite, volume);
}

static char byte_at(const char *device, off_t at)
{
        dol_autofd fd = open(device, O_RDONLY | O_CLOEXEC);
        char byte = '?';

        g_assert_cmpint(pread(fd, &byte, 1, at), ==, 1);
        return byte;
}

static char get(suite_pool *suite, const dol_volume *volume, off_t at)
{
        dol_driver_attachment attachment;
        g_autoptr(GError) error = NULL;
        char byte;

        dol_assert_done(
                dol_pool_attach(suite->pool, &suite->call, volume->uid, &attachment, NULL, &error),
                error);
        byte = byte_at(attachment.device, at);
        detach(suite, volume);
        return byte;
}

static void forget(suite_pool *suite, const dol_snapshot *snapshot)
{
        g_autoptr(GError) error = NULL;

        dol_assert_done(dol_pool_snapshot_destroy(suite->pool, &suite->call, snapshot->volume,
                                                  snapshot->uid, &error),
                        error);
}

static dol_snapshot_info inspect(suite_pool *suite, const dol_snapshot *snapshot)
{
        g_autoptr(GError) error = NULL;
        dol_snapshot_info info = {0};

        dol_assert_done(dol_pool_snapshot_inspect(suite->pool, &suite->call, snapshot->volume,
                                                  snapshot->uid, &info, &error),
                        error);
        return info;
}

static bool note_name(const char *volume, const char *uid, const dol_snapshot *description,
                      const char *reason, void *user)
{
        g_string_append_printf(user, "%s;", description ? description->name : reason);
        return true;
}

static char *names(suite_pool *suite)
{
        g_autoptr(GString) found = g_string_new(NULL);
        g_autoptr(GError) error = NULL;

        dol_assert_done(dol_pool_snapshot_list(suite->pool, &suite->call, note_name, found, &error),
                        error);
        return g_strdup(found->str);
}

/* Attached it is read-only and cannot be taken away. */
static void check_attached(suite_pool *suite, const dol_snapshot *snapshot)
{
        dol_driver_attachment attachment;
        g_autoptr(GError) error = NULL;
        dol_autofd fd = -1;

        dol_assert_done(dol_pool_snapshot_attach(suite->pool, &suite->call, snapshot->volume,
                                                 snapshot->uid, &attachment, NULL, &error),
                        error);
        g_assert_cmpint(byte_at(attachment.device, 0), ==, 'a');
        fd = open(attachment.device, O_WRONLY | O_CLOEXEC);
        g_assert_true(fd < 0 || write(fd, "x", 1) < 0);
        if (fd >= 0)
                close(dol_steal_fd(&fd));
        dol_assert_done(dol_pool_snapshot_detach(suite->pool, &suite->call, snapshot->volume,
                                                 snapshot->uid, &error),
                        error);
}

static void test_life(const void *row)
{
        g_auto(suite_pool) suite = {0};
        g_autoptr(dol_volume) volume = NULL;
        g_autoptr(dol_snapshot) one = NULL;
        g_autofree char *before = NULL, *after = NULL;
        g_autoptr(GError) error = NULL;

        suite_pool_init(&suite, row);
        suite_pool_open(&suite);
        volume = block_volume(&suite, "a");
        put(&suite, volume, 0, 'a');
        one = take(&suite, volume, "one");
        put(&suite, volume, 0, 'b');
        dol_assert_done(dol_pool_snapshot_create(suite.pool, &suite.call, one, &error), error);
        check_attached(&suite, one);
        g_assert_cmpint(get(&suite, volume, 0), ==, 'b');
        g_assert_cmpuint(inspect(&suite, one).exclusive, >=, BLOCK);
        g_assert_cmpuint(inspect(&suite, one).size, ==, volume->spec.size);
        g_free(one->name);
        one->name = g_strdup("uno");
        dol_assert_done(dol_pool_snapshot_describe(suite.pool, &suite.call, one, &error), error);
        suite_pool_open(&suite);
        before = names(&suite);
        g_assert_cmpstr(before, ==, "uno;");
        suite_assert_failed(dol_pool_destroy(suite.pool, &suite.call, volume->uid, &error), error,
                            DOL_ERROR_CONFLICT, "snapshots");
        forget(&suite, one);
        forget(&suite, one);
        suite_assert_failed(dol_pool_snapshot_inspect(suite.pool, &suite.call, volume->uid,
                                                      one->uid, NULL, &error),
                            error, DOL_ERROR_NOT_FOUND, "pool 'fast': ");
        after = names(&suite);
        g_assert_cmpstr(after, ==, "");
        suite_destroy(&suite, volume->uid);
}

/* A clone is what its origin was, may be larger, and outlives it. */
static void test_clone(const void *row)
{
        g_auto(suite_pool) suite = {0};
        g_autoptr(dol_volume) volume = NULL, clone = NULL;
        g_autoptr(dol_snapshot) one = NULL;
        g_autoptr(GError) error = NULL;
        dol_volume_info info;

        suite_pool_init(&suite, row);
        suite_pool_open(&suite);
        volume = block_volume(&suite, "a");
        put(&suite, volume, FAR, 'a');
        one = take(&suite, volume, "one");
        put(&suite, volume, FAR, 'b');
        clone = suite_volume(row, "c");
        clone->spec.fs = DOL_FS_NONE;
        clone->spec.size *= 2;
        for (unsigned i = 0; i < 2; i++) /* again: as it is */
                dol_assert_done(dol_pool_clone(suite.pool, &suite.call, volume->uid, one->uid,
                                               clone, NULL, &error),
                                error);
        forget(&suite, one);
        suite_destroy(&suite, volume->uid);
        dol_assert_done(dol_pool_inspect(suite.pool, &suite.call, clone->uid, &info, &error),
                        error);
        g_assert_cmpuint(info.size, ==, clone->spec.size);
        g_assert_cmpint(get(&suite, clone, FAR), ==, 'a');
        put(&suite, clone, (off_t)clone->spec.size - BLOCK, 'z');
        suite_destroy(&suite, clone->uid);
}

/* Two file systems of one identity cannot be mounted side by side. */
static void test_clone_identity(const void *row)
{
        g_auto(suite_pool) suite = {0};
        g_autoptr(dol_volume) volume = suite_volume(row, "a"), clone = suite_volume(row, "c");
        g_autofree char *uuid = NULL, *other = NULL, *at = NULL;
        g_autoptr(GError) error = NULL;

        suite_pool_init(&suite, row);
        suite_pool_open(&suite);
        uuid = suite_create(&suite, volume);
        dol_assert_done(
                dol_pool_clone(suite.pool, &suite.call, volume->uid, NULL, clone, &other, &error),
                error);
        g_assert_cmpstr(uuid, !=, other);
        suite_assert_sound(&suite, clone->uid);
        at = suite_mount(&suite, clone);
        suite_unmount(&suite, at);
        suite_wait_detached(&suite, clone->uid);
        suite_destroy(&suite, clone->uid);
        suite_destroy(&suite, volume->uid);
}

static void test_revert(const void *row)
{
        g_auto(suite_pool) suite = {0};
        g_autoptr(dol_volume) volume = NULL;
        g_autoptr(dol_snapshot) one = NULL;
        dol_driver_attachment attachment;
        g_autoptr(GError) error = NULL;
        dol_volume_info info;
        int hold = -1;

        suite_pool_init(&suite, row);
        suite_pool_open(&suite);
        volume = block_volume(&suite, "a");
        put(&suite, volume, 0, 'a');
        one = take(&suite, volume, "one");
        put(&suite, volume, 0, 'b');
        dol_assert_done(dol_pool_resize(suite.pool, &suite.call, volume->uid, volume->spec.size * 2,
                                        &error),
                        error);
        suite_assert_failed(
                dol_pool_resize(suite.pool, &suite.call, volume->uid, volume->spec.size, &error),
                error, DOL_ERROR_INVALID, "shrink");
        dol_assert_done(
                dol_pool_attach(suite.pool, &suite.call, volume->uid, &attachment, &hold, &error),
                error);
        suite_assert_failed(
                dol_pool_revert(suite.pool, &suite.call, volume->uid, one->uid, NULL, &error),
                error, DOL_ERROR_BUSY, "open");
        close(hold);
        detach(&suite, volume);
        dol_assert_done(
                dol_pool_revert(suite.pool, &suite.call, volume->uid, one->uid, NULL, &error),
                error);
        dol_assert_done(dol_pool_inspect(suite.pool, &suite.call, volume->uid, &info, &error),
                        error);
        g_assert_cmpuint(info.size, ==, volume->spec.size);
        g_assert_cmpint(get(&suite, volume, 0), ==, 'a');
        forget(&suite, one);
        suite_destroy(&suite, volume->uid);
}

static bool note_range(uint64_t offset, uint64_t length, bool data, void *user)
{
        g_string_append_printf(user, "%" G_GUINT64_FORMAT "+%" G_GUINT64_FORMAT ";", offset,
                               length);
        return true;
}

static void check_diff(suite_pool *suite, const dol_volume *volume, const dol_snapshot *base,
                       const dol_snapshot *target, const char *want)
{
        g_autoptr(GString) found = g_string_new(NULL);
        g_autoptr(GError) error = NULL;

        dol_assert_done(dol_pool_diff(suite->pool, &suite->call, volume->uid,
                                      base ? base->uid : NULL, target ? target->uid : NULL,
                                      note_range, found, &error),
                        error);
        g_assert_cmpstr(found->str, ==, want);
}

static void test_diff(const void *row)
{
        g_auto(suite_pool) suite = {0};
        g_autoptr(dol_volume) volume = NULL;
        g_autoptr(dol_snapshot) one = NULL, two = NULL;

        suite_pool_init(&suite, row);
        suite_pool_open(&suite);
        volume = block_volume(&suite, "a");
        put(&suite, volume, 0, 'a');
        one = take(&suite, volume, "one");
        put(&suite, volume, FAR, 'b');
        two = take(&suite, volume, "two");
        put(&suite, volume, 0, 'c');
        check_diff(&suite, volume, NULL, one, "0+4096;");
        check_diff(&suite, volume, one, one, "");
        check_diff(&suite, volume, one, two, "1048576+4096;");
        check_diff(&suite, volume, two, NULL, "0+4096;");
        check_diff(&suite, volume, one, NULL, "0+4096;1048576+4096;");
        forget(&suite, one);
        forget(&suite, two);
        suite_destroy(&suite, volume->uid);
}

/* A driver without these slots says so before anything is touched. */
static void test_none(const void *row)
{
        g_auto(suite_pool) suite = {0};
        g_autoptr(dol_volume) volume = suite_volume(row, "a"), clone = suite_volume(row, "c");
        g_autoptr(dol_snapshot) one = snapshot_of(volume, "one");
        g_autofree char *none = NULL;
        g_autoptr(GError) error = NULL;

        suite_pool_init(&suite, row);
        suite_pool_open(&suite);
        g_free(suite_create(&suite, volume));
        suite_assert_failed(dol_pool_snapshot_create(suite.pool, &suite.call, one, &error), error,
                            DOL_ERROR_UNSUPPORTED, "cannot take snapshots");
        suite_assert_failed(
                dol_pool_clone(suite.pool, &suite.call, volume->uid, NULL, clone, NULL, &error),
                error, DOL_ERROR_UNSUPPORTED, "pool 'fast'");
        suite_assert_failed(
                dol_pool_revert(suite.pool, &suite.call, volume->uid, one->uid, NULL, &error),
                error, DOL_ERROR_UNSUPPORTED, "pool 'fast'");
        none = names(&suite);
        g_assert_cmpstr(none, ==, "");
        suite_destroy(&suite, volume->uid);
}

static void add(const suite_host *host, const char *name, void (*test)(const void *row))
{
        g_autofree char *path = g_strdup_printf("/%s/snapshot/%s", host->name, name);

        g_test_add_data_func(path, host, test);
}

void suite_add_snapshots(const suite_host *host)
{
        if (!host->snapshots) {
                add(host, "none", test_none);
                return;
        }
        add(host, "life", test_life);
        add(host, "clone", test_clone);
        add(host, "clone-identity", test_clone_identity);
        add(host, "revert", test_revert);
        add(host, "diff", test_diff);
}
