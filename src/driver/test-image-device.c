/* SPDX-License-Identifier: Apache-2.0 */
/* The embedded pool on a block device that the user gives: formatted only when it is empty, found
 * again by what it carries, never by its name. */
#include "driver/test-suite.h"

#include "base/guard.h"
#include "host/image.h"
#include "host/loop.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define MIB (UINT64_C(1) << 20)

static char *ext4;

static const char *on_ext4(void)
{
        return ext4;
}

static const suite_host in_file = {
        .name = "device", .driver = "image", .ground = on_ext4, .mounts = true, .durable = true};

/* A loop device serves as the block device that a user gives. */
static void device_init(suite_pool *suite, dol_loop *loop, char **ret_file)
{
        static const dol_loop_options options = {0};
        g_autoptr(GError) error = NULL;

        suite_pool_init(suite, &in_file);
        *ret_file = dol_ground_file(ext4, "device", 512 * MIB);
        *loop = DOL_LOOP_INIT;
        dol_assert_done(dol_loop_attach(&suite->call, *ret_file, &options, loop, &error), error);
        suite->spec.device = g_strdup(loop->device);
        dol_close_fd(&loop->fd);
}

static void device_clear(suite_pool *suite, const dol_loop *loop, const char *file)
{
        g_autoptr(GError) error = NULL;

        suite_pool_clear(suite);
        dol_assert_done(dol_loop_detach(loop->device, &error), error);
        g_assert_cmpint(unlink(file), ==, 0);
}

static void test_device(void)
{
        g_auto(suite_pool) suite = {0};
        g_autoptr(dol_volume) volume = suite_volume(&in_file, "a");
        g_autofree char *file = NULL, *type = NULL, *uuid = NULL;
        g_autoptr(GError) error = NULL;
        dol_loop loop;

        device_init(&suite, &loop, &file);
        suite.request.create = false;
        suite_assert_refused(&suite, DOL_ERROR_NOT_FOUND, "neither on");
        suite.request.create = true;
        suite_pool_open(&suite);
        suite_assert_kind(&suite, "xfs on a device");
        g_free(suite_create(&suite, volume));
        dol_assert_done(dol_image_probe(loop.device, &type, &uuid, &error), error);
        g_assert_cmpstr(type, ==, "xfs");
        g_assert_cmpstr(uuid, ==, suite.request.uid);
        suite_pool_unmount(&suite);
        suite.request.create = false;
        suite_pool_open(&suite);
        suite_assert_kind(&suite, "xfs on a device");
        g_assert_cmpuint(suite_count(&suite, NULL), ==, 1);
        suite_destroy(&suite, volume->uid);
        device_clear(&suite, &loop, file);
}

/* The device's name now belongs to something else: it is neither mounted nor formatted. */
static void test_device_renamed(void)
{
        g_auto(suite_pool) suite = {0};
        g_autofree char *file = NULL, *before = NULL, *after = NULL;
        const char *argv[] = {"mkfs.ext4", "-q", "-F", NULL, NULL};
        dol_loop loop;

        device_init(&suite, &loop, &file);
        suite_pool_open(&suite);
        suite_pool_unmount(&suite);
        argv[3] = loop.device;
        g_assert_true(dol_ground_run(argv));
        suite.request.create = false;
        before = suite_digest(ext4);
        suite_assert_refused(&suite, DOL_ERROR_NOT_FOUND, "neither on");
        suite.request.create = true;
        suite_assert_refused(&suite, DOL_ERROR_CONFLICT, "it holds ext4");
        after = suite_digest(ext4);
        g_assert_cmpstr(before, ==, after);
        device_clear(&suite, &loop, file);
}

static void assert_device_refused(const char *const argv[], const char *found)
{
        g_auto(suite_pool) suite = {0};
        g_autofree char *file = NULL, *before = NULL, *after = NULL;
        g_autofree const char **full = g_new0(const char *, 10);
        dol_loop loop;
        unsigned i;

        device_init(&suite, &loop, &file);
        for (i = 0; argv[i]; i++)
                full[i] = argv[i];
        full[i] = loop.device;
        g_assert_true(dol_ground_run(full));
        before = suite_digest(ext4);
        suite_assert_refused(&suite, DOL_ERROR_CONFLICT, found);
        after = suite_digest(ext4);
        g_assert_cmpstr(before, ==, after);
        device_clear(&suite, &loop, file);
}

static void test_device_used(void)
{
        static const char *const mkfs_ext4[] = {"mkfs.ext4", "-q", "-F", NULL};
        static const char *const mkfs_xfs[] = {"mkfs.xfs", "-q", "-f", NULL};
        static const char *const mkswap[] = {"mkswap", NULL};

        assert_device_refused(mkfs_ext4, "it holds ext4");
        assert_device_refused(mkfs_xfs, "it holds xfs");
        assert_device_refused(mkswap, "it holds swap");
}

static void test_device_in_use(void)
{
        g_auto(suite_pool) suite = {0};
        g_autofree char *file = NULL;
        dol_autofd exclusive = -1;
        dol_loop loop;

        device_init(&suite, &loop, &file);
        exclusive = open(loop.device, O_RDWR | O_EXCL | O_CLOEXEC);
        g_assert_cmpint(exclusive, >=, 0);
        suite_assert_refused(&suite, DOL_ERROR_BUSY, "in use");
        dol_close_fd(&exclusive);
        device_clear(&suite, &loop, file);
}

static void test_no_device(void)
{
        g_auto(suite_pool) suite = {0};

        suite_pool_init(&suite, &in_file);
        suite.spec.device = g_strdup("/dev/nothing");
        suite_assert_refused(&suite, DOL_ERROR_NOT_FOUND, "/dev/nothing");
        g_free(suite.spec.device);
        suite.spec.device = g_strdup("/dev/null");
        suite_assert_refused(&suite, DOL_ERROR_INVALID, "not a block device");
}

static void add_tests(void)
{
        ext4 = dol_ground_disk("ext4", 1024 * MIB);
        g_test_add_func("/device/new", test_device);
        g_test_add_func("/device/renamed", test_device_renamed);
        g_test_add_func("/device/used", test_device_used);
        g_test_add_func("/device/in-use", test_device_in_use);
        g_test_add_func("/device/none", test_no_device);
}

int main(int argc, char **argv)
{
        return dol_ground_main(argc, argv, add_tests);
}
