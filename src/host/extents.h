/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Extent maps of image files (FIEMAP, ioctl_fiemap(2)). Two files of one file system that have the
 * same physical extent at a place have the same data there; so two snapshots differ exactly where
 * their maps do, and nothing needs to be read to know it.
 */
#pragma once

#include "base/call.h"

#include <stdint.h>

typedef struct {
        uint64_t offset, length; /* in the file, bytes */
        uint64_t physical;       /* on the device, bytes; 0 unless located */
        bool located;            /* false: compressed, inline or not written out yet, so that
                                  * `physical` says nothing about the data */
        bool shared;             /* another file has the extent too */
        bool unwritten;          /* allocated, reads as zeroes */
} dol_extent;

/* false stops the walk. */
typedef bool (*dol_extent_fn)(const dol_extent *extent, void *user);
/* Every extent of a regular file in order of offset, also those beyond its end; holes are left out.
 * What is dirty in the page cache is written out first. UNSUPPORTED where the file system has no
 * map. */
bool dol_extents_each(const dol_call *call, const char *path, dol_extent_fn fn, void *user,
                      GError **error);

typedef struct {
        uint64_t allocated; /* bytes in extents */
        uint64_t shared;    /* of them, those other files have too */
        uint64_t extents;   /* how many: what a clone's time grows with */
} dol_extent_usage;

bool dol_extents_usage(const dol_call *call, const char *path, dol_extent_usage *ret,
                       GError **error);

/* A range of bytes whose data may differ: `data` is false where the target reads as zeroes (a
 * hole, or unwritten), so that the receiver can punch it. */
typedef bool (*dol_range_fn)(uint64_t offset, uint64_t length, bool data, void *user);
/* Ranges in which `target` may differ from `base` (NULL: an empty file, so all data ranges), in
 * order, neighbours merged, cut at the end of the target. Beyond its end the base reads as zeroes.
 * Both on the same file system: else INVALID. One of them may be written to meanwhile: what changes
 * during the walk may be told or not. */
bool dol_extents_diff(const dol_call *call, const char *base, const char *target, dol_range_fn fn,
                      void *user, GError **error);
