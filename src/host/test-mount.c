/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fault.h"
#include "base/guard.h"
#include "host/test-mount-fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>

static void test_mount_is_not_stacked(fixture *f, const void *data)
{
        g_autoptr(dol_mount_entry) entry = NULL;

        g_assert_true(mount_ext4(f, NULL));
        g_assert_true(mount_ext4(f, NULL));
        g_assert_true(mount_ext4(f, "noatime"));
        g_assert_cmpuint(mounts_at(f->path), ==, 1);
        entry = dol_mount_find(f->path, NULL);
        g_assert_nonnull(entry);
        g_assert_true(entry->device == f->loop.number);
        g_assert_cmpstr(entry->source, ==, f->loop.device);
        g_assert_cmpstr(entry->root, ==, "/");
        g_assert_cmpstr(entry->path, ==, f->path);
}

static void test_device_goes_with_mount(fixture *f, const void *data)
{
        g_auto(dol_loop) found = DOL_LOOP_INIT;
        g_autoptr(GError) error = NULL;

        g_assert_true(mount_ext4(f, NULL));
        dol_loop_clear(&f->loop);
        g_assert_true(dol_loop_find(f->image, &found, NULL));
        dol_loop_clear(&found);
        dol_assert_done(dol_unmount(&f->call, f->path, &error), error);
        /* at once, unless another program just looks over all devices */
        for (unsigned i = 0; i < 500 && dol_loop_find(f->image, &found, NULL); i++) {
                dol_loop_clear(&found);
                g_usleep(10000);
        }
        g_assert_false(dol_loop_find(f->image, &found, NULL));
}

static void test_options(fixture *f, const void *data)
{
        g_autoptr(dol_mount_entry) entry = NULL;
        struct statvfs st;

        g_assert_true(mount_ext4(f, "noatime,nosuid,nodev,commit=17,discard"));
        entry = dol_mount_find(f->path, NULL);
        g_assert_nonnull(strstr(entry->options, "noatime"));
        g_assert_nonnull(strstr(entry->super_options, "commit=17"));
        g_assert_nonnull(strstr(entry->super_options, "discard"));
        g_assert_cmpint(statvfs(f->path, &st), ==, 0);
        g_assert_true((st.f_flag & ST_NOSUID) && (st.f_flag & ST_NODEV));
}

static void test_other_device_there(fixture *f, const void *data)
{
        fixture other;
        g_autoptr(GError) error = NULL;

        fixture_set_up(&other, NULL);
        g_assert_true(mount_ext4(f, NULL));
        g_assert_false(
                dol_mount_device(&f->call, other.loop.device, "ext4", f->path, NULL, &error));
        g_assert_error(error, DOL_ERROR, DOL_ERROR_CONFLICT);
        g_assert_nonnull(strstr(error->message, f->loop.device));
        g_assert_cmpuint(mounts_at(f->path), ==, 1);
        fixture_tear_down(&other, NULL);
}

static void test_bad_mounts(fixture *f, const void *data)
{
        g_autofree char *file = dol_ground_file(disk, "plain-file", 0);
        g_autoptr(GError) error = NULL;
        const char *device = f->loop.device;

        g_assert_false(dol_mount_device(&f->call, device, "xfs", f->path, NULL, &error));
        g_assert_nonnull(strstr(error->message, "xfs"));
        g_clear_error(&error);
        g_assert_false(dol_mount_device(&f->call, device, "ext4", f->path, "nonsense", &error));
        g_assert_error(error, DOL_ERROR, DOL_ERROR_INVALID);
        g_assert_nonnull(strstr(error->message, "nonsense"));
        g_clear_error(&error);
        g_assert_false(dol_mount_device(&f->call, device, "nofs", f->path, NULL, &error));
        g_assert_error(error, DOL_ERROR, DOL_ERROR_UNSUPPORTED);
        g_clear_error(&error);
        g_assert_false(dol_mount_device(&f->call, "/dev/null", "ext4", f->path, NULL, &error));
        g_assert_error(error, DOL_ERROR, DOL_ERROR_INVALID);
        g_clear_error(&error);
        g_assert_false(dol_mount_device(&f->call, "/dev/nix", "ext4", f->path, NULL, &error));
        g_assert_error(error, DOL_ERROR, DOL_ERROR_NOT_FOUND);
        g_clear_error(&error);
        g_assert_false(dol_mount_device(&f->call, device, "ext4", file, NULL, &error));
        g_assert_error(error, DOL_ERROR, DOL_ERROR_CONFLICT);
        g_assert_cmpuint(mounts_at(f->path), ==, 0);
}

/* A superblock whose checksum is wrong. */
static void test_damaged(fixture *f, const void *data)
{
        g_autoptr(GError) error = NULL;
        const char junk[] = "junk";

        g_assert_cmpint(pwrite(f->loop.fd, junk, sizeof(junk), 1024 + 0x110), ==, sizeof(junk));
        g_assert_false(dol_mount_device(&f->call, f->loop.device, "ext4", f->path, NULL, &error));
        g_assert_nonnull(strstr(error->message, "damaged"));
        g_assert_nonnull(strstr(error->message, "e2fsck"));
}

static void test_unmount(fixture *f, const void *data)
{
        g_autoptr(GError) error = NULL;

        dol_assert_done(dol_unmount(&f->call, f->path, &error), error); /* no such path yet */
        g_assert_true(mount_ext4(f, NULL));
        dol_assert_done(dol_unmount(&f->call, f->path, &error), error);
        dol_assert_done(dol_unmount(&f->call, f->path, &error), error);
        g_assert_cmpuint(mounts_at(f->path), ==, 0);
        g_assert_true(g_file_test(f->path, G_FILE_TEST_IS_DIR));
}

static void test_unmount_stack(fixture *f, const void *data)
{
        const char *const again[] = {"mount", "--bind", f->path, f->path, NULL};
        g_autoptr(GError) error = NULL;

        g_assert_true(mount_ext4(f, NULL));
        g_assert_true(dol_ground_run(again));
        g_assert_true(dol_ground_run(again));
        g_assert_cmpuint(mounts_at(f->path), ==, 3);
        dol_assert_done(dol_unmount(&f->call, f->path, &error), error);
        g_assert_cmpuint(mounts_at(f->path), ==, 0);
}

static void test_unmount_busy(fixture *f, const void *data)
{
        g_autofree char *file = g_build_filename(f->path, "open", NULL);
        g_autofree char *me = g_strdup_printf("pid %d (", getpid());
        g_autoptr(GError) error = NULL;
        int fd;

        g_assert_true(mount_ext4(f, NULL));
        fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        g_assert_cmpint(fd, >=, 0);
        g_assert_false(dol_unmount(&f->call, f->path, &error));
        g_assert_error(error, DOL_ERROR, DOL_ERROR_BUSY);
        g_assert_nonnull(strstr(error->message, me));
        g_assert_cmpuint(mounts_at(f->path), ==, 1);
        g_clear_error(&error);
        dol_assert_done(dol_unmount_lazy(f->path, &error), error);
        g_assert_cmpuint(mounts_at(f->path), ==, 0);
        close(fd);
        dol_assert_done(dol_unmount_lazy(f->path, &error), error);
}

static void test_unmount_with_mount_beneath(fixture *f, const void *data)
{
        g_autofree char *inner = g_build_filename(f->path, "inner", NULL);
        const char *const tmpfs[] = {"mount", "-t", "tmpfs", "tmpfs", inner, NULL};
        const char *const away[] = {"umount", inner, NULL};
        g_autoptr(GError) error = NULL;

        g_assert_true(mount_ext4(f, NULL));
        g_assert_cmpint(mkdir(inner, 0755), ==, 0);
        g_assert_true(dol_ground_run(tmpfs));
        g_assert_false(dol_unmount(&f->call, f->path, &error));
        g_assert_error(error, DOL_ERROR, DOL_ERROR_BUSY);
        g_assert_nonnull(strstr(error->message, inner));
        g_assert_true(dol_ground_run(away));
}

static void test_bind(fixture *f, const void *data)
{
        g_autofree char *from = g_strdup_printf("%s/from-%08x", disk, g_random_int());
        g_autofree char *other = g_strdup_printf("%s/other-%08x", disk, g_random_int());
        g_autoptr(GError) error = NULL;
        struct statvfs st;

        g_assert_cmpint(mkdir(from, 0755), ==, 0);
        g_assert_cmpint(mkdir(other, 0755), ==, 0);
        dol_assert_done(dol_mount_bind(&f->call, from, f->path, "ro,nosuid,commit=3", &error),
                        error);
        dol_assert_done(dol_mount_bind(&f->call, from, f->path, "ro,nosuid", &error), error);
        g_assert_cmpuint(mounts_at(f->path), ==, 1);
        g_assert_cmpint(statvfs(f->path, &st), ==, 0);
        g_assert_true((st.f_flag & ST_RDONLY) && (st.f_flag & ST_NOSUID));
        g_assert_cmpint(statvfs(from, &st), ==, 0);
        g_assert_false(st.f_flag & ST_RDONLY);
        g_assert_false(dol_mount_bind(&f->call, other, f->path, NULL, &error));
        g_assert_error(error, DOL_ERROR, DOL_ERROR_CONFLICT);
        g_clear_error(&error);
        g_assert_false(dol_mount_bind(&f->call, "/no/where", f->path, NULL, &error));
        g_assert_error(error, DOL_ERROR, DOL_ERROR_NOT_FOUND);
}

typedef struct {
        fixture *f;
        const char *plan;
        bool unmount;
} kill_plan;

static void kill_at(void *user)
{
        const kill_plan *plan = user;

        dol_fault_arm(plan->plan, NULL);
        if (plan->unmount)
                dol_unmount(&plan->f->call, plan->f->path, NULL);
        else
                mount_ext4(plan->f, NULL);
}

/* Whatever a kill leaves, the same request repeated puts it right. */
static void test_killed(fixture *f, const void *data)
{
        kill_plan plans[] = {{f, "host.mount.before=kill", false},
                             {f, "host.mount.after=kill", false},
                             {f, "host.unmount.before=kill", true},
                             {f, "host.unmount.after=kill", true}};

        for (unsigned i = 0; i < G_N_ELEMENTS(plans); i++) {
                bool unmount = plans[i].unmount;
                g_autoptr(GError) error = NULL;
                int status;

                g_assert_true(unmount ? mount_ext4(f, NULL) : dol_unmount(&f->call, f->path, NULL));
                status = dol_ground_child(kill_at, &plans[i]);
                g_assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
                g_assert_true(unmount ? dol_unmount(&f->call, f->path, &error)
                                      : mount_ext4(f, NULL));
                g_assert_cmpuint(mounts_at(f->path), ==, unmount ? 0 : 1);
        }
}

static void test_injected_errors(fixture *f, const void *data)
{
        g_autoptr(GError) error = NULL;

        dol_assert_done(dol_fault_arm("host.mount.before=error:busy", &error), error);
        g_assert_false(dol_mount_device(&f->call, f->loop.device, "ext4", f->path, NULL, &error));
        g_assert_error(error, DOL_ERROR, DOL_ERROR_BUSY);
        g_clear_error(&error);
        g_assert_cmpuint(mounts_at(f->path), ==, 0);
        g_assert_true(mount_ext4(f, NULL));
        dol_assert_done(dol_fault_arm("host.unmount.before=error:timeout", &error), error);
        g_assert_false(dol_unmount(&f->call, f->path, &error));
        g_assert_error(error, DOL_ERROR, DOL_ERROR_TIMEOUT);
        g_assert_cmpuint(mounts_at(f->path), ==, 1);
        dol_fault_arm(NULL, NULL);
}

static void add_tests(void)
{
        fixture_test("/mount/is-not-stacked", test_mount_is_not_stacked);
        fixture_test("/mount/device-goes-with-mount", test_device_goes_with_mount);
        fixture_test("/mount/options", test_options);
        fixture_test("/mount/other-device-there", test_other_device_there);
        fixture_test("/mount/bad-mounts", test_bad_mounts);
        fixture_test("/mount/damaged", test_damaged);
        fixture_test("/mount/unmount", test_unmount);
        fixture_test("/mount/unmount-stack", test_unmount_stack);
        fixture_test("/mount/unmount-busy", test_unmount_busy);
        fixture_test("/mount/unmount-with-mount-beneath", test_unmount_with_mount_beneath);
        fixture_test("/mount/bind", test_bind);
        fixture_test("/mount/killed", test_killed);
        fixture_test("/mount/injected-errors", test_injected_errors);
}

int main(int argc, char **argv)
{
        return fixture_main(argc, argv, add_tests);
}
