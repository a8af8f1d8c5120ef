/* SPDX-License-Identifier: Apache-2.0 */
/* What making an image leaves when it goes wrong: nothing, or what the next try replaces. */
#include "base/fault.h"
#include "base/guard.h"
#include "host/image-private.h"
#include "host/loop.h"
#include "host/space.h"
#include "host/test-ground.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define MIB (UINT64_C(1) << 20)

static char *disk;

static const dol_image_spec plain = {.size = 64 * MIB, .fs = DOL_FS_EXT4, .mode = 0755};

static bool create(const char *directory, const char *path, const dol_image_spec *spec,
                   GError **error)
{
        dol_call call = dol_call_forever("test");
        g_autofree char *in = g_build_filename(directory, "templates", NULL);
        g_autofree char *uuid = NULL;

        return dol_image_create(&call, in, path, spec, &uuid, error);
}

static void create_well(const char *path, const dol_image_spec *spec)
{
        g_autofree char *temporary = g_strconcat(path, ".tmp", NULL);
        const char *const e2fsck[] = {"e2fsck", "-fn", path, NULL};
        g_autoptr(GError) error = NULL;

        dol_assert_done(create(disk, path, spec, &error), error);
        g_assert_false(g_file_test(temporary, G_FILE_TEST_EXISTS));
        if (spec->fs == DOL_FS_EXT4)
                g_assert_true(dol_ground_run(e2fsck));
}

/* How many names in a directory end so; hidden ones aside. */
static unsigned count_in(const char *directory, const char *suffix)
{
        DIR *listing = opendir(directory);
        const struct dirent *entry;
        unsigned found = 0;

        while (listing && (entry = readdir(listing)))
                found += entry->d_name[0] != '.' && g_str_has_suffix(entry->d_name, suffix);
        if (listing)
                closedir(listing);
        return found;
}

static char *new_directory(void)
{
        char *path = g_strdup_printf("%s/dir-%08x", disk, g_random_int());

        g_assert_cmpint(mkdir(path, 0755), ==, 0);
        return path;
}

typedef struct {
        const char *plan, *path;
        const dol_image_spec *spec;
} kill_plan;

static void create_and_die(void *user)
{
        const kill_plan *plan = user;

        dol_fault_arm(plan->plan, NULL);
        create(disk, plan->path, plan->spec, NULL);
}

static const char *const points[] = {"host.image.create.before", "host.image.cloned",
                                     "host.image.rename.before", "host.image.create.after"};

/* After a kill at any point there is no image, or a whole one; the next try makes it whole. */
static void test_killed(void)
{
        for (unsigned i = 0; i < G_N_ELEMENTS(points); i++) {
                g_autofree char *directory = new_directory();
                g_autofree char *path = g_build_filename(directory, "disk", NULL);
                g_autofree char *plan = g_strdup_printf("%s=kill", points[i]);
                kill_plan victim = {plan, path, &plain};
                int status = dol_ground_child(create_and_die, &victim);

                g_assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
                g_assert_true(g_file_test(path, G_FILE_TEST_EXISTS) ==
                              (i == G_N_ELEMENTS(points) - 1));
                create_well(path, &plain);
                g_assert_cmpuint(count_in(directory, ""), ==, 1);
        }
}

/* Killed while it makes the template: half of one is never used, and does not stay. */
static void test_killed_with_template(void)
{
        const dol_image_spec spec = {.size = 66 * MIB, .fs = DOL_FS_EXT4, .mode = 0755};
        g_autofree char *path = g_build_filename(disk, "needs-template", NULL);
        g_autofree char *templates = g_build_filename(disk, "templates", NULL);
        kill_plan victim = {"host.image.template.before=kill", path, &spec};
        int status = dol_ground_child(create_and_die, &victim);

        g_assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        g_assert_cmpuint(count_in(templates, ".tmp"), ==, 1);
        create_well(path, &spec);
        g_assert_cmpuint(count_in(templates, ".tmp"), ==, 0);
}

static void test_injected_errors(void)
{
        const dol_image_spec xfs = {.size = 320 * MIB, .fs = DOL_FS_XFS, .mode = 0755};
        const dol_image_spec *const specs[] = {&plain, &xfs};

        for (unsigned i = 0; i < G_N_ELEMENTS(points) - 1; i++)
                for (unsigned k = 0; k < G_N_ELEMENTS(specs); k++) {
                        g_autofree char *directory = new_directory();
                        g_autofree char *path = g_build_filename(directory, "disk", NULL);
                        g_autofree char *plan = g_strdup_printf("%s=error:no-space", points[i]);
                        g_autoptr(GError) error = NULL;

                        if (k == 1 && strcmp(points[i], "host.image.cloned") == 0)
                                continue;
                        dol_assert_done(dol_fault_arm(plan, &error), error);
                        g_assert_false(create(disk, path, specs[k], &error));
                        g_assert_error(error, DOL_ERROR, DOL_ERROR_NO_SPACE);
                        g_assert_nonnull(strstr(error->message, path));
                        g_assert_cmpuint(count_in(directory, ""), ==, 0);
                }
        dol_fault_arm(NULL, NULL);
}

static void test_replaces(void)
{
        g_autofree char *directory = new_directory();
        g_autofree char *path = dol_ground_file(directory, "disk", 123);
        g_autofree char *temporary = dol_ground_file(directory, "disk.tmp", 456);
        struct stat st;

        create_well(path, &plain);
        g_assert_cmpint(stat(path, &st), ==, 0);
        g_assert_cmpuint((uint64_t)st.st_size, ==, plain.size);
        g_assert_false(g_file_test(temporary, G_FILE_TEST_EXISTS));
}

static void test_bad_specs(void)
{
        static const dol_image_spec specs[] = {
                {.size = 0, .fs = DOL_FS_EXT4},
                {.size = 4097, .fs = DOL_FS_NONE},
                {.size = UINT64_MAX - 4095, .fs = DOL_FS_NONE},
                {.size = 64 * MIB, .fs = DOL_FS_AUTO},
                {.size = 64 * MIB, .fs = DOL_FS_DIRECTORY},
                {.size = 64 * MIB, .fs = DOL_FS_EXT4, .uid = UINT32_MAX},
                {.size = 64 * MIB, .fs = DOL_FS_EXT4, .gid = UINT64_C(1) << 40},
        };
        g_autofree char *directory = new_directory();
        g_autofree char *path = g_build_filename(directory, "disk", NULL);
        g_autofree char *nowhere = g_build_filename(directory, "no", "disk", NULL);
        g_autoptr(GError) error = NULL;

        for (unsigned i = 0; i < G_N_ELEMENTS(specs); i++) {
                g_assert_false(create(disk, path, &specs[i], &error));
                g_assert_error(error, DOL_ERROR, DOL_ERROR_INVALID);
                g_clear_error(&error);
        }
        g_assert_cmpuint(count_in(directory, ""), ==, 0);
        g_assert_false(create(disk, nowhere, &plain, &error));
        g_assert_error(error, DOL_ERROR, DOL_ERROR_NOT_FOUND);
}

static void fill_up(const char *directory)
{
        g_autofree char *path = g_build_filename(directory, "filler", NULL);
        dol_autofd fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        static char block[65536];

        for (size_t size = sizeof(block); size >= 512; size /= 2) {
                while (write(fd, block, size) == (ssize_t)size)
                        ;
                g_assert_cmpint(errno, ==, ENOSPC);
                g_assert_cmpint(fsync(fd), ==, 0);
        }
}

/* Nothing but the error must come of a full pool, at whatever step it shows. */
static void check_full(const char *at, const dol_image_spec *spec)
{
        g_autofree char *path = g_build_filename(at, "disk", NULL);
        g_autofree char *templates = g_build_filename(at, "templates", NULL);
        g_autoptr(GError) error = NULL;

        g_assert_false(create(at, path, spec, &error));
        g_test_message("%s", error->message);
        g_assert_error(error, DOL_ERROR, DOL_ERROR_NO_SPACE);
        g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
        g_assert_cmpuint(count_in(at, ".tmp"), ==, 0);
        g_assert_cmpuint(count_in(templates, ".tmp"), ==, 0);
}

static void test_full(void)
{
        const dol_image_spec thick = {.size = 512 * MIB, .fs = DOL_FS_EXT4, .thick = true};
        const dol_image_spec block = {.size = 512 * MIB, .fs = DOL_FS_NONE, .thick = true};
        const dol_image_spec xfs = {.size = 320 * MIB, .fs = DOL_FS_XFS};
        const dol_image_spec other = {.size = 68 * MIB, .fs = DOL_FS_EXT4};
        g_autofree char *at = dol_ground_disk("ext4", 64 * MIB);
        g_autofree char *path = g_build_filename(at, "first", NULL);
        g_autoptr(GError) error = NULL;

        dol_assert_done(create(at, path, &plain, &error), error);
        check_full(at, &thick);
        check_full(at, &block);
        fill_up(at);
        check_full(at, &plain);
        check_full(at, &other);
        check_full(at, &xfs);
        g_assert_cmpint(umount(at), ==, 0);
}

static void create_and_forget(uint64_t size)
{
        const dol_image_spec spec = {.size = size, .fs = DOL_FS_EXT4, .mode = 0755};
        g_autofree char *path = g_build_filename(disk, "forget", NULL);

        create_well(path, &spec);
}

static char *template_of(uint64_t size)
{
        return g_strdup_printf("%s/templates/ext4-1-%" G_GUINT64_FORMAT, disk, size);
}

static void test_templates_are_bounded(void)
{
        g_autofree char *templates = g_build_filename(disk, "templates", NULL);
        g_autofree char *first = template_of(16 * MIB);
        const struct timespec long_ago[2] = {{.tv_sec = 1000000}, {.tv_sec = 1000000}};

        create_and_forget(16 * MIB);
        for (unsigned i = 1; i < DOL_IMAGE_TEMPLATES_MAX + 4; i++) {
                g_autofree char *path = template_of(16 * MIB + i * 4096);

                create_and_forget(16 * MIB + i * 4096);
                g_assert_cmpint(utimensat(AT_FDCWD, path, long_ago, 0), ==, 0);
                create_and_forget(16 * MIB); /* used again and again, so it stays */
                g_assert_cmpint(count_in(templates, ""), <=, DOL_IMAGE_TEMPLATES_MAX);
        }
        g_assert_true(g_file_test(first, G_FILE_TEST_EXISTS));
}

/* What somebody has done to a template must not get into volumes. */
static void test_damaged_templates(void)
{
        g_autofree char *path = template_of(20 * MIB);
        dol_autofd fd = -1;

        create_and_forget(20 * MIB);
        g_assert_cmpint(truncate(path, 10 * MIB), ==, 0);
        create_and_forget(20 * MIB);
        g_assert_cmpint(truncate(path, 0) | truncate(path, 20 * MIB), ==, 0);
        create_and_forget(20 * MIB);
        fd = open(path, O_RDWR | O_CLOEXEC);
        g_assert_cmpint(pwrite(fd, "x", 1, 1024 + 200), ==, 1);
        create_and_forget(20 * MIB);
        g_assert_cmpint(unlink(path) | symlink("/dev/zero", path), ==, 0);
        create_and_forget(20 * MIB);
}

static void test_deadline(void)
{
        g_autofree char *directory = new_directory();
        g_autofree char *path = g_build_filename(directory, "disk", NULL);
        g_autofree char *uuid = NULL;
        dol_call call = dol_call_within("test", -1);
        g_autoptr(GError) error = NULL;

        g_assert_false(dol_image_create(&call, directory, path, &plain, &uuid, &error));
        g_assert_error(error, DOL_ERROR, DOL_ERROR_TIMEOUT);
        g_assert_cmpuint(count_in(directory, ""), ==, 0);
}

static void add_tests(void)
{
        disk = dol_ground_disk("xfs", 1024 * MIB);
        g_test_add_func("/image-faults/killed", test_killed);
        g_test_add_func("/image-faults/killed-with-template", test_killed_with_template);
        g_test_add_func("/image-faults/injected-errors", test_injected_errors);
        g_test_add_func("/image-faults/replaces", test_replaces);
        g_test_add_func("/image-faults/bad-specs", test_bad_specs);
        g_test_add_func("/image-faults/full", test_full);
        g_test_add_func("/image-faults/templates-are-bounded", test_templates_are_bounded);
        g_test_add_func("/image-faults/damaged-templates", test_damaged_templates);
        g_test_add_func("/image-faults/deadline", test_deadline);
}

int main(int argc, char **argv)
{
        int status = dol_ground_main(argc, argv, add_tests);

        g_free(disk);
        return status;
}
