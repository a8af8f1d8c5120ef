/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of mounts and of mount points begin with. */
#pragma once

#include "host/loop.h"
#include "host/mount.h"
#include "host/test-ground.h"

#define MIB (UINT64_C(1) << 20)

/* A formatted image on a device of its own, and a path to mount it at. */
typedef struct {
        dol_call call;
        dol_loop loop;
        char *image, *path;
} fixture;

/* The file system that images and mount points are on. */
extern char *disk;

void fixture_set_up(fixture *f, const void *data);
void fixture_tear_down(fixture *f, const void *data);
bool mount_ext4(fixture *f, const char *options);
/* How many mounts are stacked there. */
unsigned mounts_at(const char *path);
/* g_test_add with the fixture. */
void fixture_test(const char *path, void (*test)(fixture *, const void *));
/* The main function of such a program. */
int fixture_main(int argc, char **argv, void (*add)(void));
