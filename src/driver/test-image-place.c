/* SPDX-License-Identifier: Apache-2.0 */
/* Where an embedded pool may live: foreign content stays as it is, byte for byte; a pool is found
 * again by what it carries, never by a device's name. */
#include "driver/test-suite.h"

#include "base/fault.h"
#include "base/file.h"
#include "base/guard.h"
#include "host/mount.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MIB (UINT64_C(1) << 20)

static char *xfs, *ext4, *tmpfs;

static const char *on_xfs(void)
{
        return xfs;
}

static const char *on_ext4(void)
{
        return ext4;
}

static const char *on_tmpfs(void)
{
        return tmpfs;
}

static const suite_host plain = {
        .name = "place", .driver = "image", .ground = on_xfs, .mounts = true, .durable = true};
static const suite_host in_file = {
        .name = "place", .driver = "image", .ground = on_ext4, .mounts = true, .durable = true};
static const suite_host in_memory = {
        .name = "place", .driver = "image", .ground = on_tmpfs, .mounts = true, .durable = true};

static void put(const char *directory, const char *name, const char *text)
{
        g_autofree char *path = g_build_filename(directory, name, NULL);
        g_autoptr(GError) error = NULL;

        dol_assert_done(dol_file_replace(path, text, strlen(text), 0600, &error), error);
}

static void test_foreign(const void *row)
{
        g_auto(suite_pool) suite = {0};

        suite_pool_init(&suite, row);
        g_assert_cmpint(mkdir(suite.spec.path, 0755), ==, 0);
        put(suite.spec.path, "thesis.tex", "mine");
        suite_assert_refused(&suite, DOL_ERROR_CONFLICT, "'thesis.tex'");
        suite.spec.size = 512 * MIB;
        suite_assert_refused(&suite, DOL_ERROR_CONFLICT, "'thesis.tex'");
        suite.request.create = false;
        suite_assert_refused(&suite, DOL_ERROR_CONFLICT, "'thesis.tex'");
        put(suite.spec.path, "pool.json", "{\"kind\":");
        suite_assert_refused(&suite, DOL_ERROR_CONFLICT, "damaged");
}

/* A file where the backing file would be, which is not it. */
static void test_foreign_backing(void)
{
        g_auto(suite_pool) suite = {0};
        g_autofree char *file = NULL;
        const char *argv[] = {"mkfs.xfs", "-q", "-f", NULL, NULL};

        suite_pool_init(&suite, &in_file);
        suite.spec.size = 512 * MIB;
        put(suite.directory, "pool.img", "mine");
        suite_assert_refused(&suite, DOL_ERROR_CONFLICT, "nothing known");
        file = dol_ground_file(suite.directory, "pool.img", 512 * MIB);
        argv[3] = file;
        g_assert_true(dol_ground_run(argv));
        suite_assert_refused(&suite, DOL_ERROR_CONFLICT, "not this pool's backing file");
        g_assert_cmpint(unlink(file), ==, 0);
        g_assert_cmpint(symlink("/etc/passwd", file), ==, 0);
        suite_assert_refused(&suite, DOL_ERROR_CONFLICT, "not a file");
}

static void test_docker(void)
{
        g_auto(suite_pool) suite = {0};
        g_autofree char *overlay = NULL, *containers = NULL;

        suite_pool_init(&suite, &plain);
        overlay = g_build_filename(suite.directory, "overlay2", NULL);
        containers = g_build_filename(suite.directory, "containers", NULL);
        g_assert_cmpint(mkdir(overlay, 0700), ==, 0);
        g_assert_cmpint(mkdir(containers, 0700), ==, 0);
        suite_assert_refused(&suite, DOL_ERROR_CONFLICT, "Docker's own storage");
        g_assert_cmpint(rmdir(overlay), ==, 0);
        g_assert_cmpint(rmdir(containers), ==, 0);
        g_free(suite.spec.path);
        suite.spec.path = g_strdup("/var/lib/docker/pool");
        suite_assert_refused(&suite, DOL_ERROR_CONFLICT, "container engine");
        g_free(suite.spec.path);
        suite.spec.path = g_build_filename(suite.directory, "pool", NULL);
}

static void test_sizes(void)
{
        g_auto(suite_pool) suite = {0};

        suite_pool_init(&suite, &in_file);
        suite.spec.size = 100 * MIB;
        suite_assert_refused(&suite, DOL_ERROR_INVALID, "at least 512M");
        suite.spec.size = UINT64_C(1) << 50;
        suite_assert_refused(&suite, DOL_ERROR_NO_SPACE, "free");
}

static void test_too_little(void)
{
        g_auto(suite_pool) suite = {0};

        suite_pool_init(&suite, &in_memory);
        suite_assert_refused(&suite, DOL_ERROR_NO_SPACE, "at least 512M in 80 %");
}

/* A fresh host: nothing said, and no file system that shares extents. */
static void test_default(void)
{
        g_auto(suite_pool) suite = {0};
        g_autofree char *backing = NULL;
        struct stat st;

        suite_pool_init(&suite, &in_file);
        suite.request.default_path = suite.spec.path;
        suite.spec.path = NULL;
        suite_pool_open(&suite);
        suite_assert_kind(&suite, "xfs in a backing file");
        g_assert_true(dol_pool_has(suite.pool, DOL_TRAIT_SIZE_ENFORCED));
        suite.spec.path = (char *)suite.request.default_path;
        backing = g_strconcat(suite.spec.path, ".img", NULL);
        g_assert_cmpint(stat(backing, &st), ==, 0);
        g_assert_cmpint(st.st_size % (1 << 20), ==, 0);
        g_assert_cmpint(st.st_size, >, 900 << 20);
        g_assert_cmpint(st.st_blocks * 512, <, st.st_size / 4);
        g_assert_cmpint(stat(suite.spec.path, &st), ==, 0);
        g_assert_cmpuint(st.st_mode & 07777, ==, 0700);
}

static void test_as_it_is(void)
{
        g_auto(suite_pool) suite = {0};
        g_autoptr(dol_mount_entry) entry = NULL;
        g_autoptr(GError) error = NULL;

        suite_pool_init(&suite, &plain);
        suite_pool_open(&suite);
        suite_assert_kind(&suite, "xfs");
        entry = dol_mount_find(suite.spec.path, &error);
        g_assert_no_error(error);
        g_assert_null(entry);
}

/* A size that was asked for is kept, also where the directory could be used as it is. */
static void test_as_large_as_said(void)
{
        g_auto(suite_pool) suite = {0};
        g_autoptr(GError) error = NULL;
        dol_pool_space space;

        suite_pool_init(&suite, &plain);
        suite.spec.size = 512 * MIB;
        suite_pool_open(&suite);
        suite_assert_kind(&suite, "xfs in a backing file");
        dol_assert_done(dol_pool_space_of(suite.pool, &suite.call, &space, &error), error);
        g_assert_cmpuint(space.capacity, <=, 512 * MIB);
}

static void assert_unavailable(suite_pool *suite, const char *uid)
{
        g_autoptr(dol_volume) volume = suite_volume(suite->host, "b");
        g_autoptr(GError) error = NULL;

        suite_assert_failed(dol_pool_inspect(suite->pool, &suite->call, uid, NULL, &error), error,
                            DOL_ERROR_UNAVAILABLE, "not mounted");
        suite_assert_failed(dol_pool_create(suite->pool, &suite->call, volume, NULL, &error), error,
                            DOL_ERROR_UNAVAILABLE, "not mounted");
        suite_assert_failed(dol_pool_destroy(suite->pool, &suite->call, uid, &error), error,
                            DOL_ERROR_UNAVAILABLE, "not mounted");
        suite_assert_failed(dol_pool_space_of(suite->pool, &suite->call, NULL, &error), error,
                            DOL_ERROR_UNAVAILABLE, "not mounted");
}

/* Its file system goes away beneath it: nothing is lost, found or made until it is back. */
static void test_remount(void)
{
        g_auto(suite_pool) suite = {0};
        g_autoptr(dol_volume) volume = NULL;
        g_autofree char *name = NULL;

        suite_pool_init(&suite, &in_file);
        suite_pool_open(&suite);
        volume = suite_volume(&in_file, "a");
        g_free(suite_create(&suite, volume));
        suite_pool_unmount(&suite);
        assert_unavailable(&suite, volume->uid);
        suite.request.create = false;
        suite_pool_open(&suite);
        g_assert_cmpuint(suite_count(&suite, &name), ==, 1);
        g_assert_cmpstr(name, ==, "a");
        suite_assert_kind(&suite, "xfs in a backing file");
        suite_destroy(&suite, volume->uid);
}

static void open_quietly(void *user)
{
        suite_pool *suite = user;

        dol_pool_open(&suite->call, &suite->request, NULL);
}

typedef struct {
        suite_pool *suite;
        unsigned step;
} kill_plan;

static void open_and_die(void *user)
{
        kill_plan *plan = user;
        g_autofree char *text = g_strdup_printf("*=kill,after=%u", plan->step);

        dol_fault_arm(text, NULL);
        open_quietly(plan->suite);
}

/* Killed at each step of mounting it again. */
static void test_remount_killed(void)
{
        g_auto(suite_pool) suite = {0};
        kill_plan plan = {&suite, 0};
        int status;

        suite_pool_init(&suite, &in_file);
        suite_pool_open(&suite);
        suite.request.create = false;
        do {
                suite_pool_unmount(&suite);
                status = dol_ground_child(open_and_die, &plan);
                suite_pool_open(&suite);
                g_assert_cmpuint(suite_count(&suite, NULL), ==, 0);
                plan.step++;
        } while (WIFSIGNALED(status) && plan.step < 100);
        g_assert_cmpuint(plan.step, >, 4);
        g_assert_cmpuint(plan.step, <, 100);
}

static uint64_t backing_allocated(const suite_pool *suite)
{
        g_autofree char *backing = g_strconcat(suite->spec.path, ".img", NULL);
        struct stat st;

        g_assert_cmpint(stat(backing, &st), ==, 0);
        return (uint64_t)st.st_blocks * 512;
}

/* What is freed in the pool is freed beneath it, soon. */
static void test_discard(void)
{
        g_auto(suite_pool) suite = {0};
        g_autoptr(dol_volume) volume = suite_volume(&in_file, "a");
        g_autofree char *disk = NULL, *bytes = g_strnfill(32 * MIB, 'x');
        dol_autofd fd = -1;
        uint64_t before;

        suite_pool_init(&suite, &in_file);
        suite_pool_open(&suite);
        before = backing_allocated(&suite);
        g_free(suite_create(&suite, volume));
        disk = suite_path(&suite, volume->uid, "disk");
        fd = open(disk, O_WRONLY | O_CLOEXEC);
        g_assert_true(fd >= 0 && dol_write_all(fd, bytes, 32 * MIB, NULL) && fsync(fd) == 0);
        dol_close_fd(&fd);
        g_assert_cmpuint(backing_allocated(&suite), >, before + 30 * MIB);
        suite_destroy(&suite, volume->uid);
        for (unsigned i = 0; i < 500 && backing_allocated(&suite) > before + 20 * MIB; i++) {
                fd = open(suite.spec.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                syncfs(fd);
                dol_close_fd(&fd);
                g_usleep(10000);
        }
        g_assert_cmpuint(backing_allocated(&suite), <, before + 20 * MIB);
}

static void test_backing_gone(void)
{
        g_auto(suite_pool) suite = {0};
        g_autofree char *backing = NULL;

        suite_pool_init(&suite, &in_file);
        suite_pool_open(&suite);
        suite_pool_unmount(&suite);
        backing = g_strconcat(suite.spec.path, ".img", NULL);
        g_assert_cmpint(unlink(backing), ==, 0);
        suite.request.create = false;
        suite_assert_refused(&suite, DOL_ERROR_NOT_FOUND, "is their file system mounted?");
}

static void test_two_at_once(void)
{
        g_auto(suite_pool) one = {0};
        g_auto(suite_pool) two = {0};
        g_autoptr(dol_volume) volume = suite_volume(&in_file, "a");

        suite_pool_init(&one, &in_file);
        suite_pool_init(&two, &in_file);
        one.spec.size = two.spec.size = 512 * MIB;
        suite_pool_open(&one);
        suite_pool_open(&two);
        g_free(suite_create(&one, volume));
        g_assert_cmpuint(suite_count(&one, NULL), ==, 1);
        g_assert_cmpuint(suite_count(&two, NULL), ==, 0);
        suite_pool_unmount(&one);
        suite_pool_open(&two);
        suite_pool_open(&one);
        g_assert_cmpuint(suite_count(&one, NULL), ==, 1);
        suite_destroy(&one, volume->uid);
}

/* Anything mounted where a new pool would be mounted stays the only mount there. */
static void test_mounted_place(void)
{
        g_auto(suite_pool) suite = {0};
        g_autoptr(GPtrArray) entries = NULL;
        unsigned found = 0;

        suite_pool_init(&suite, &in_file);
        g_assert_cmpint(mkdir(suite.spec.path, 0700), ==, 0);
        g_assert_cmpint(mount("tmpfs", suite.spec.path, "tmpfs", 0, NULL), ==, 0);
        suite_assert_refused(&suite, DOL_ERROR_CONFLICT, "is mounted at");
        entries = dol_mountinfo_read("/proc/self/mountinfo", NULL);
        for (unsigned i = 0; i < entries->len; i++) {
                const dol_mount_entry *entry = entries->pdata[i];

                found += strcmp(entry->path, suite.spec.path) == 0;
        }
        g_assert_cmpuint(found, ==, 1);
}

static void add_tests(void)
{
        xfs = dol_ground_disk("xfs", 1024 * MIB);
        ext4 = dol_ground_disk("ext4", 2048 * MIB);
        tmpfs = dol_ground_disk("tmpfs", 100 * MIB);
        g_test_add_data_func("/place/foreign/as-it-is", &plain, test_foreign);
        g_test_add_data_func("/place/foreign/file", &in_file, test_foreign);
        g_test_add_func("/place/foreign/backing", test_foreign_backing);
        g_test_add_func("/place/docker", test_docker);
        g_test_add_func("/place/sizes", test_sizes);
        g_test_add_func("/place/too-little", test_too_little);
        g_test_add_func("/place/default", test_default);
        g_test_add_func("/place/as-it-is", test_as_it_is);
        g_test_add_func("/place/as-large-as-said", test_as_large_as_said);
        g_test_add_func("/place/remount", test_remount);
        g_test_add_func("/place/remount-killed", test_remount_killed);
        g_test_add_func("/place/discard", test_discard);
        g_test_add_func("/place/backing-gone", test_backing_gone);
        g_test_add_func("/place/two-at-once", test_two_at_once);
        g_test_add_func("/place/mounted-place", test_mounted_place);
}

int main(int argc, char **argv)
{
        return dol_ground_main(argc, argv, add_tests);
}
