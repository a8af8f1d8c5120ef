/* SPDX-License-Identifier: Apache-2.0 */
/* The conformance suite for what needs root: the image driver on each kind of ground, and plain
 * directories that are mounted. */
#include "driver/test-suite.h"

#define GIB (UINT64_C(1) << 30)

static char *xfs, *btrfs, *ext4;

static const char *on_xfs(void)
{
        return xfs;
}

static const char *on_btrfs(void)
{
        return btrfs;
}

static const char *on_ext4(void)
{
        return ext4;
}

static const suite_host hosts[] = {
        {.name = "image-on-xfs",
         .driver = "image",
         .ground = on_xfs,
         .snapshots = true,
         .mounts = true,
         .durable = true},
        {.name = "image-on-btrfs",
         .driver = "image",
         .ground = on_btrfs,
         .snapshots = true,
         .mounts = true,
         .durable = true},
        {.name = "image-in-file",
         .driver = "image",
         .ground = on_ext4,
         .snapshots = true,
         .mounts = true,
         .durable = true},
        {.name = "dir",
         .driver = "dir",
         .directories = true,
         .ground = on_ext4,
         .mounts = true,
         .durable = true},
};

static void add_tests(void)
{
        xfs = dol_ground_disk("xfs", 2 * GIB);
        btrfs = dol_ground_disk("btrfs", 2 * GIB);
        ext4 = dol_ground_disk("ext4", 2 * GIB);
        for (unsigned i = 0; i < G_N_ELEMENTS(hosts); i++) {
                suite_add(&hosts[i]);
                suite_add_mounted(&hosts[i]);
                suite_add_faults(&hosts[i]);
                suite_add_snapshots(&hosts[i]);
                suite_add_transfer(&hosts[i]);
        }
}

int main(int argc, char **argv)
{
        return dol_ground_main(argc, argv, add_tests);
}
