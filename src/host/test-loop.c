/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fault.h"
#include "base/guard.h"
#include "host/loop.h"
#include "host/test-ground.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define MIB (UINT64_C(1) << 20)

enum { THREADS = 8, ROUNDS = 25, DETACH_TRIES = 500, DETACH_PAUSE_USEC = 10000 };

static const dol_loop_options autoclear = {.autoclear = true};
static const dol_loop_options kept = {0};
static char *disk;

static bool attach(const char *image, const dol_loop_options *options, dol_loop *ret)
{
        dol_call call = dol_call_forever("test");
        g_autoptr(GError) error = NULL;
        bool done = dol_loop_attach(&call, image, options, ret, &error);

        g_assert_no_error(error);
        return done;
}

static bool is_attached(const char *image)
{
        g_auto(dol_loop) loop = DOL_LOOP_INIT;
        g_autoptr(GError) error = NULL;
        bool found = dol_loop_find(image, &loop, &error);

        g_assert_no_error(error);
        return found;
}

/* Another program that looks over all devices may have this one open for a moment, and so delay its
 * detaching. */
static bool is_detached(const char *image)
{
        for (unsigned i = 0; i < DETACH_TRIES; i++) {
                if (!is_attached(image))
                        return true;
                g_usleep(DETACH_PAUSE_USEC);
        }
        return false;
}

static void test_same_device_twice(void)
{
        g_autofree char *image = dol_ground_file(disk, "twice", 16 * MIB);
        g_autofree char *other_name = g_build_filename(disk, "hard-link", NULL);
        g_auto(dol_loop) first = DOL_LOOP_INIT, second = DOL_LOOP_INIT, third = DOL_LOOP_INIT;

        g_assert_true(attach(image, &autoclear, &first));
        g_assert_true(attach(image, &autoclear, &second));
        g_assert_false(first.reused);
        g_assert_true(second.reused);
        g_assert_cmpstr(first.device, ==, second.device);
        g_assert_true(first.number == second.number);
        /* by identity, not by name */
        g_assert_cmpint(link(image, other_name), ==, 0);
        g_assert_true(attach(other_name, &autoclear, &third));
        g_assert_cmpstr(first.device, ==, third.device);
        g_assert_true(is_attached(image));
}

static void test_what_is_set(void)
{
        g_autofree char *image = dol_ground_file(disk, "set", 16 * MIB);
        g_auto(dol_loop) loop = DOL_LOOP_INIT;
        struct stat st;
        int block_size = 0;
        uint64_t size = 0;

        g_assert_true(attach(image, &autoclear, &loop));
        g_assert_cmpint(ioctl(loop.fd, BLKSSZGET, &block_size), ==, 0);
        g_assert_cmpint(block_size, ==, 4096);
        g_assert_cmpint(ioctl(loop.fd, BLKGETSIZE64, &size), ==, 0);
        g_assert_cmpuint(size, ==, 16 * MIB);
        g_assert_true(dol_loop_is_direct(loop.device));
        g_assert_cmpint(stat(loop.device, &st), ==, 0);
        g_assert_true(st.st_rdev == loop.number);
        g_assert_true(fcntl(loop.fd, F_GETFD) & FD_CLOEXEC);
}

static void test_autoclear(void)
{
        g_autofree char *image = dol_ground_file(disk, "autoclear", 16 * MIB);
        dol_loop loop = DOL_LOOP_INIT;

        g_assert_true(attach(image, &autoclear, &loop));
        dol_loop_clear(&loop);
        dol_loop_clear(&loop); /* harmless */
        g_assert_true(is_detached(image));
}

static void test_kept_until_detached(void)
{
        g_autofree char *image = dol_ground_file(disk, "kept", 16 * MIB);
        dol_loop loop = DOL_LOOP_INIT;
        g_autoptr(GError) error = NULL;

        g_assert_true(attach(image, &kept, &loop));
        dol_loop_clear(&loop);
        g_assert_true(is_attached(image));
        dol_assert_done(dol_loop_detach(loop.device, &error), error);
        g_assert_true(is_detached(image));
        dol_assert_done(dol_loop_detach(loop.device, &error), error);
        dol_assert_done(dol_loop_detach("/dev/loop1048000", &error), error);
}

/* A device that is to stay must not vanish because it was attached with autoclear before, and the
 * other way round. */
static void test_reuse_changes_autoclear(void)
{
        g_autofree char *image = dol_ground_file(disk, "change", 16 * MIB);
        dol_loop loop = DOL_LOOP_INIT, again = DOL_LOOP_INIT;

        g_assert_true(attach(image, &autoclear, &loop));
        g_assert_true(attach(image, &kept, &again));
        dol_loop_clear(&loop);
        dol_loop_clear(&again);
        g_assert_true(is_attached(image));
        g_assert_true(attach(image, &autoclear, &loop));
        dol_loop_clear(&loop);
        g_assert_true(is_detached(image));
}

static void test_foreign_attachments(void)
{
        g_autofree char *image = dol_ground_file(disk, "foreign", 16 * MIB);
        const dol_loop_options read_only = {.read_only = true, .autoclear = true};
        g_auto(dol_loop) loop = DOL_LOOP_INIT, again = DOL_LOOP_INIT;
        dol_call call = dol_call_forever("test");
        struct loop_info64 info = {0};
        g_autoptr(GError) error = NULL;

        g_assert_true(attach(image, &read_only, &loop));
        g_assert_false(dol_loop_attach(&call, image, &autoclear, &again, &error));
        g_assert_error(error, DOL_ERROR, DOL_ERROR_CONFLICT);
        g_clear_error(&error);
        dol_loop_clear(&loop);
        g_assert_true(is_detached(image));
        g_assert_true(attach(image, &autoclear, &loop));
        g_assert_cmpint(ioctl(loop.fd, LOOP_GET_STATUS64, &info), ==, 0);
        info.lo_offset = MIB;
        g_assert_cmpint(ioctl(loop.fd, LOOP_SET_STATUS64, &info), ==, 0);
        g_assert_false(dol_loop_attach(&call, image, &autoclear, &again, &error));
        g_assert_error(error, DOL_ERROR, DOL_ERROR_CONFLICT);
        g_assert_cmpint(again.fd, ==, -1);
}

static void test_bad_images(void)
{
        g_autofree char *missing = g_build_filename(disk, "missing", NULL);
        dol_call call = dol_call_forever("test");
        dol_loop loop = DOL_LOOP_INIT;
        g_autoptr(GError) error = NULL;

        g_assert_false(dol_loop_attach(&call, missing, &autoclear, &loop, &error));
        g_assert_error(error, DOL_ERROR, DOL_ERROR_NOT_FOUND);
        g_clear_error(&error);
        g_assert_false(dol_loop_attach(&call, "/dev/null", &autoclear, &loop, &error));
        g_assert_error(error, DOL_ERROR, DOL_ERROR_INVALID);
        g_clear_error(&error);
        g_assert_false(dol_loop_attach(&call, disk, &autoclear, &loop, &error));
        g_assert_nonnull(error);
        g_assert_cmpint(loop.fd, ==, -1);
        g_assert_true(is_detached(missing));
}

static void test_resize(void)
{
        g_autofree char *image = dol_ground_file(disk, "grow", 16 * MIB);
        g_auto(dol_loop) loop = DOL_LOOP_INIT;
        g_autoptr(GError) error = NULL;
        uint64_t size = 0;

        g_assert_true(attach(image, &autoclear, &loop));
        g_assert_cmpint(truncate(image, 32 * MIB), ==, 0);
        dol_assert_done(dol_loop_resize(loop.device, &error), error);
        g_assert_cmpint(ioctl(loop.fd, BLKGETSIZE64, &size), ==, 0);
        g_assert_cmpuint(size, ==, 32 * MIB);
}

static bool note(const char *device, const char *backing_file, void *user)
{
        g_ptr_array_add(user, g_strdup_printf("%s=%s", device, backing_file));
        return true;
}

static void test_each(void)
{
        g_autofree char *image = dol_ground_file(disk, "each with space", 16 * MIB);
        g_autoptr(GPtrArray) seen = g_ptr_array_new_with_free_func(g_free);
        g_auto(dol_loop) loop = DOL_LOOP_INIT;
        g_autofree char *want = NULL;
        g_autofree char *deleted = NULL;
        g_autoptr(GError) error = NULL;

        g_assert_true(attach(image, &autoclear, &loop));
        dol_assert_done(dol_loop_each(disk, note, seen, &error), error);
        want = g_strdup_printf("%s=%s", loop.device, image);
        g_assert_cmpuint(seen->len, ==, 1);
        g_assert_cmpstr(seen->pdata[0], ==, want);
        g_assert_cmpint(unlink(image), ==, 0);
        g_ptr_array_set_size(seen, 0);
        dol_assert_done(dol_loop_each(disk, note, seen, &error), error);
        deleted = g_strdup_printf("%s (deleted)", want);
        g_assert_cmpuint(seen->len, ==, 1);
        g_assert_cmpstr(seen->pdata[0], ==, deleted);
}

typedef struct {
        pthread_barrier_t *start;
        char *image;
        dol_loop loop;
} race_part;

static void *race(void *user)
{
        race_part *part = user;

        pthread_barrier_wait(part->start);
        attach(part->image, &autoclear, &part->loop);
        return NULL;
}

static void run_race(race_part *racers, unsigned count)
{
        pthread_barrier_t start;
        pthread_t threads[THREADS];

        pthread_barrier_init(&start, NULL, count);
        for (unsigned i = 0; i < count; i++) {
                racers[i].start = &start;
                racers[i].loop = DOL_LOOP_INIT;
                g_assert_cmpint(pthread_create(&threads[i], NULL, race, &racers[i]), ==, 0);
        }
        for (unsigned i = 0; i < count; i++)
                pthread_join(threads[i], NULL);
        pthread_barrier_destroy(&start);
}

static void test_threads_on_different_images(void)
{
        race_part racers[THREADS] = {0};

        for (unsigned i = 0; i < THREADS; i++) {
                g_autofree char *name = g_strdup_printf("different-%u", i);

                racers[i].image = dol_ground_file(disk, name, 16 * MIB);
        }
        for (unsigned round = 0; round < ROUNDS; round++) {
                run_race(racers, THREADS);
                for (unsigned i = 0; i < THREADS; i++)
                        for (unsigned k = 0; k < i; k++)
                                g_assert_cmpstr(racers[i].loop.device, !=, racers[k].loop.device);
                for (unsigned i = 0; i < THREADS; i++)
                        dol_loop_clear(&racers[i].loop);
        }
        for (unsigned i = 0; i < THREADS; i++) {
                g_assert_true(is_detached(racers[i].image));
                g_free(racers[i].image);
        }
}

static void test_threads_on_one_image(void)
{
        g_autofree char *image = dol_ground_file(disk, "one", 16 * MIB);

        for (unsigned round = 0; round < ROUNDS; round++) {
                race_part racers[2] = {{.image = image}, {.image = image}};

                run_race(racers, 2);
                g_assert_cmpstr(racers[0].loop.device, ==, racers[1].loop.device);
                g_assert_cmpint(racers[0].loop.reused + racers[1].loop.reused, ==, 1);
                dol_loop_clear(&racers[0].loop);
                dol_loop_clear(&racers[1].loop);
                g_assert_true(is_detached(image));
        }
}

static void attach_often(void *user)
{
        for (unsigned i = 0; i < 4 * ROUNDS; i++) {
                g_auto(dol_loop) loop = DOL_LOOP_INIT;

                attach(user, &autoclear, &loop);
        }
}

/* Processes share no lock: each takes free numbers under the other's nose. */
static void test_processes_on_different_images(void)
{
        g_autofree char *mine = dol_ground_file(disk, "mine", 16 * MIB);
        g_autofree char *theirs = dol_ground_file(disk, "theirs", 16 * MIB);
        pid_t pid = fork();
        int status;

        if (pid == 0) {
                attach_often(theirs);
                _exit(0);
        }
        attach_often(mine);
        g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
        g_assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void test_no_direct_io(void)
{
        g_autofree char *tmpfs = dol_ground_disk("tmpfs", 32 * MIB);
        g_autofree char *image = dol_ground_file(tmpfs, "buffered", 16 * MIB);
        g_auto(dol_loop) loop = DOL_LOOP_INIT;
        char byte = 'x';

        g_assert_true(attach(image, &autoclear, &loop));
        g_assert_cmpint(pwrite(loop.fd, &byte, 1, 0), ==, 1);
        g_assert_cmpint(fsync(loop.fd), ==, 0);
        dol_loop_clear(&loop);
        g_assert_cmpint(umount(tmpfs), ==, 0);
}

static void kill_at(void *user)
{
        const char *const *words = user;
        dol_loop loop = DOL_LOOP_INIT;

        dol_fault_arm(words[1], NULL);
        attach(words[0], &autoclear, &loop);
}

static void test_killed(void)
{
        g_autofree char *image = dol_ground_file(disk, "killed", 16 * MIB);
        const char *before[] = {image, "host.loop.attach.before=kill"};
        const char *after[] = {image, "host.loop.attach.after=kill"};
        int status = dol_ground_child(kill_at, before);

        g_assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        g_assert_true(is_detached(image));
        status = dol_ground_child(kill_at, after);
        g_assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        g_assert_true(is_detached(image));
}

static void test_deadline(void)
{
        g_autofree char *image = dol_ground_file(disk, "late", 16 * MIB);
        dol_call call = dol_call_within("test", -1);
        dol_loop loop = DOL_LOOP_INIT;
        g_autoptr(GError) error = NULL;

        g_assert_false(dol_loop_attach(&call, image, &autoclear, &loop, &error));
        g_assert_error(error, DOL_ERROR, DOL_ERROR_TIMEOUT);
        g_assert_true(is_detached(image));
}

static void add_tests(void)
{
        disk = dol_ground_disk("xfs", 1024 * MIB);
        g_test_add_func("/loop/same-device-twice", test_same_device_twice);
        g_test_add_func("/loop/what-is-set", test_what_is_set);
        g_test_add_func("/loop/autoclear", test_autoclear);
        g_test_add_func("/loop/kept-until-detached", test_kept_until_detached);
        g_test_add_func("/loop/reuse-changes-autoclear", test_reuse_changes_autoclear);
        g_test_add_func("/loop/foreign-attachments", test_foreign_attachments);
        g_test_add_func("/loop/bad-images", test_bad_images);
        g_test_add_func("/loop/resize", test_resize);
        g_test_add_func("/loop/each", test_each);
        g_test_add_func("/loop/threads-on-different-images", test_threads_on_different_images);
        g_test_add_func("/loop/threads-on-one-image", test_threads_on_one_image);
        g_test_add_func("/loop/processes-on-different-images", test_processes_on_different_images);
        g_test_add_func("/loop/no-direct-io", test_no_direct_io);
        g_test_add_func("/loop/killed", test_killed);
        g_test_add_func("/loop/deadline", test_deadline);
}

int main(int argc, char **argv)
{
        int status = dol_ground_main(argc, argv, add_tests);

        g_free(disk);
        return status;
}
