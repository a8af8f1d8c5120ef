/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of drivers share: a pool of one's own, volumes in it, and the proof that nothing
 * is left of them. */
#include "driver/test-suite.h"

#include "base/random.h"
#include "driver/tree.h"
#include "host/loop.h"
#include "host/mount.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

void suite_pool_init(suite_pool *suite, const suite_host *host)
{
        *suite = (suite_pool){.host = host, .call = dol_call_forever("test")};
        if (strcmp(host->driver, "fake") == 0)
                dol_driver_allow_fake();
        dol_pool_spec_init(&suite->spec);
        g_free(suite->spec.driver);
        suite->spec.driver = g_strdup(host->driver);
        suite->spec.size = host->size;
        suite->directory = g_strdup_printf("%s/suite-%08x", host->ground(), g_random_int());
        g_assert_cmpint(mkdir(suite->directory, 0755), ==, 0);
        suite->spec.path = g_build_filename(suite->directory, "pool", NULL);
        suite->request = (dol_pool_request){
                .uid = dol_uid_new(),
                .name = "fast",
                .default_path = "/nowhere",
                .spec = &suite->spec,
                .create = true,
        };
}

void suite_pool_open(suite_pool *suite)
{
        g_autoptr(GError) error = NULL;

        g_clear_pointer(&suite->pool, dol_pool_close);
        suite->pool = dol_pool_open(&suite->call, &suite->request, &error);
        dol_assert_done(suite->pool != NULL, error);
}

static bool report_loop(const char *device, const char *backing_file, void *user)
{
        g_test_message("left behind: %s on %s", device, backing_file);
        g_test_fail();
        return dol_loop_detach(device, NULL);
}

void suite_pool_clear(suite_pool *suite)
{
        g_autoptr(GError) error = NULL;
        g_autofree char *backing = NULL;

        if (!suite->directory)
                return;
        backing = g_strconcat(suite->spec.path, ".img", NULL);
        g_clear_pointer(&suite->pool, dol_pool_close);
        if (suite->host->mounts) {
                dol_assert_done(dol_unmount(&suite->call, suite->spec.path, &error), error);
                dol_assert_done(dol_loop_each(suite->directory, report_loop, NULL, &error), error);
                dol_mountpoint_remove(suite->spec.path, NULL);
        }
        dol_assert_done(dol_tree_remove(&suite->call, suite->spec.path, &error), error);
        unlink(backing);
        /* fails when anything but the pool is in it */
        g_assert_cmpint(rmdir(suite->directory), ==, 0);
        g_free((char *)suite->request.uid);
        g_clear_pointer(&suite->directory, g_free);
        dol_schema_clear(&dol_pool_spec_schema, &suite->spec);
}

dol_volume *suite_volume(const suite_host *host, const char *name)
{
        g_autoptr(dol_volume) volume = g_new0(dol_volume, 1);

        volume->name = g_strdup(name);
        volume->uid = dol_uid_new();
        dol_volume_spec_init(&volume->spec);
        volume->spec.size = host->directories ? 0 : UINT64_C(64) << 20;
        volume->spec.fs = host->directories ? DOL_FS_DIRECTORY : DOL_FS_EXT4;
        volume->spec.uid = getuid();
        volume->spec.gid = getgid();
        volume->spec.pool = g_strdup("fast");
        return g_steal_pointer(&volume);
}

char *suite_create(suite_pool *suite, const dol_volume *volume)
{
        g_autoptr(GError) error = NULL;
        char *fs_uuid = NULL;

        dol_assert_done(dol_pool_create(suite->pool, &suite->call, volume, &fs_uuid, &error),
                        error);
        return fs_uuid;
}

void suite_destroy(suite_pool *suite, const char *uid)
{
        g_autoptr(GError) error = NULL;

        dol_assert_done(dol_pool_destroy(suite->pool, &suite->call, uid, &error), error);
}

typedef struct {
        unsigned count;
        char **last;
} tally;

static bool count_one(const char *uid, const dol_volume *description, const char *reason,
                      void *user)
{
        tally *counted = user;

        counted->count++;
        if (counted->last) {
                g_free(*counted->last);
                *counted->last = g_strdup(description ? description->name : reason);
        }
        return true;
}

unsigned suite_count(suite_pool *suite, char **ret_last)
{
        g_autoptr(GError) error = NULL;
        tally counted = {.last = ret_last};

        if (ret_last)
                *ret_last = NULL;
        dol_assert_done(dol_pool_list(suite->pool, &suite->call, count_one, &counted, &error),
                        error);
        return counted.count;
}

bool suite_is_attached(suite_pool *suite, const char *uid)
{
        g_autoptr(GError) error = NULL;
        dol_volume_info info;

        dol_assert_done(dol_pool_inspect(suite->pool, &suite->call, uid, &info, &error), error);
        return info.attached;
}

void suite_wait_detached(suite_pool *suite, const char *uid)
{
        for (unsigned i = 0; i < 100 && suite_is_attached(suite, uid); i++)
                g_usleep(10000);
        g_assert_false(suite_is_attached(suite, uid));
}

char *suite_path(const suite_pool *suite, const char *uid, const char *name)
{
        return g_build_filename(suite->spec.path, "volumes", uid, name, NULL);
}

char *suite_mount(suite_pool *suite, const dol_volume *volume)
{
        g_autofree char *at = g_strdup_printf("%s/at-%08x", dol_ground_directory(), g_random_int());
        dol_driver_attachment attachment;
        g_autoptr(GError) error = NULL;
        int hold = -1;

        dol_assert_done(
                dol_pool_attach(suite->pool, &suite->call, volume->uid, &attachment, &hold, &error),
                error);
        if (attachment.directory)
                dol_assert_done(
                        dol_mount_bind(&suite->call, attachment.directory, at, NULL, &error),
                        error);
        else
                dol_assert_done(dol_mount_device(&suite->call, attachment.device,
                                                 dol_fs_words[volume->spec.fs], at, NULL, &error),
                                error);
        if (hold >= 0)
                close(hold);
        g_free(attachment.directory);
        return g_steal_pointer(&at);
}

void suite_unmount(suite_pool *suite, const char *at)
{
        g_autoptr(GError) error = NULL;

        dol_assert_done(dol_unmount(&suite->call, at, &error), error);
        dol_assert_done(dol_mountpoint_remove(at, &error), error);
}

void suite_assert_sound(suite_pool *suite, const char *uid)
{
        g_autofree char *disk = suite_path(suite, uid, "disk");
        const char *argv[] = {"e2fsck", "-fn", disk, NULL};

        g_assert_true(dol_ground_run(argv));
}

const char *suite_unit_directory(void)
{
        return g_get_tmp_dir();
}

static volatile sig_atomic_t unit_child;

static void stop_child(int signal_number)
{
        kill(unit_child, SIGKILL);
}

/* A signal ends the child, never this process before it has cleaned up. */
static int run_in_child(int argc, char **argv, void (*add_tests)(void))
{
        int status = 0;

        unit_child = fork();
        if (unit_child < 0)
                return EXIT_FAILURE;
        if (unit_child == 0) {
                prctl(PR_SET_PDEATHSIG, SIGKILL);
                g_test_init(&argc, &argv, NULL);
                add_tests();
                exit(g_test_run());
        }
        signal(SIGTERM, stop_child);
        signal(SIGINT, stop_child);
        while (waitpid(unit_child, &status, 0) < 0 && errno == EINTR)
                ;
        return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_FAILURE;
}

int suite_unit_main(int argc, char **argv, void (*add_tests)(void))
{
        dol_call call = dol_call_forever("test");
        g_autofree char *directory = NULL;
        const char *parent = getenv("TMPDIR");
        int status;

        directory = g_strdup_printf("%s/dolium-driver-XXXXXX", parent ? parent : "/tmp");
        if (!g_mkdtemp(directory) || setenv("TMPDIR", directory, true) < 0)
                return EXIT_FAILURE;
        status = run_in_child(argc, argv, add_tests);
        dol_tree_remove(&call, directory, NULL);
        return status;
}
