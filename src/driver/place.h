/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The directory that a pool lives in: which it really is, whether it may be used, and whose it is.
 * A pool's directory is recognised by the file pool.json in it, {kind, version, driver, uid, name,
 * created}. It is the first file that is written there. Nothing here overwrites anything.
 */
#pragma once

#include "driver/driver.h"

#include <sys/types.h>

typedef enum {
        DOL_PLACE_ABSENT, /* there is no such directory */
        DOL_PLACE_EMPTY,  /* a directory with nothing in it */
        DOL_PLACE_OURS    /* it holds this pool */
} dol_place;

/* The absolute path without symbolic links and ".."; what does not exist yet is appended as it is.
 * INVALID for a path that is not absolute. */
char *dol_place_resolve(const char *path, GError **error);
/* CONFLICT when the (resolved) path lies in a container engine's own storage, on a file system that
 * is Docker's alone, or inside another pool. */
bool dol_place_check(const char *path, GError **error);
/* Looks whose the directory is. CONFLICT, saying what was found: other content, another pool,
 * another driver's, a damaged pool.json, or one that a newer version wrote. */
bool dol_place_look(const char *path, const char *driver, const char *uid, dol_place *ret,
                    GError **error);
/* Writes pool.json into the directory, durably. */
bool dol_place_mark(const char *path, const char *driver, const dol_pool_request *request,
                    GError **error);
/* Up to three names of a directory's entries, quoted, "and 5 more"; NULL when there are none. Names
 * in `known` (NULL-terminated; may be NULL) are not counted. */
char *dol_place_entries(const char *path, const char *const known[], GError **error);

/* Which directory it is, so that a pool whose file system was unmounted, or replaced, is noticed.
 */
typedef struct {
        dev_t device;
        ino_t inode;
} dol_place_id;

bool dol_place_identify(const char *path, dol_place_id *ret, GError **error);
/* UNAVAILABLE when the path leads to another directory than it did. */
bool dol_place_still(const char *path, const dol_place_id *id, GError **error);
