/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ground for tests that need root: a mount namespace of their own, with file systems on unnamed
 * files that vanish with it, however the test ends. Two programs never see each other's.
 */
#pragma once

#include "base/call.h"

#include <stdint.h>
#include <sys/types.h>

/* The main function of such a test program: add_tests calls g_test_add_func. The tests run in a
 * child; the parent afterwards detaches every loop device that they left, and fails if there was
 * one. */
int dol_ground_main(int argc, char **argv, void (*add_tests)(void));

/* An empty directory of the program, on a tmpfs. */
const char *dol_ground_directory(void);
/* Makes a file system ("xfs" with reflink, "ext4", "btrfs", or "tmpfs") of this size and mounts it;
 * returns its mount point, to be g_freed. Aborts when it cannot. */
char *dol_ground_disk(const char *fs_type, uint64_t size);
/* Makes a sparse file of this size and returns its path. */
char *dol_ground_file(const char *directory, const char *name, uint64_t size);
/* Runs the program and returns whether it exited with 0; its output is shown when it did not. */
bool dol_ground_run(const char *const argv[]);
/* fork(2), with a child that is killed when this process ends, however it ends. */
pid_t dol_ground_fork(void);
/* Runs fn in a child and returns its wait status: for tests of what a kill leaves. */
int dol_ground_child(void (*fn)(void *user), void *user);

/* Fails the test with the error's text. */
#define dol_assert_done(done, error)      \
        do {                              \
                bool done_ = (done);      \
                g_assert_no_error(error); \
                g_assert_true(done_);     \
        } while (0)
