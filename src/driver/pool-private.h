/* SPDX-License-Identifier: Apache-2.0 */
/* What pool.c and pool-snapshots.c share: an open pool, and the steps around each slot. */
#pragma once

#include "driver/pool.h"

struct dol_pool {
        const dol_driver *driver;
        void *data; /* the driver's */
        uint32_t traits;
        char *name;
};

/* Is there time left, and does the fault point let it pass? */
bool dol_pool_begin(const dol_pool *pool, const dol_call *call, const char *point, GError **error);
/* The same, and the uid is one that may become part of a path. */
bool dol_pool_begin_on(const dol_pool *pool, const dol_call *call, const char *uid,
                       const char *point, GError **error);
/* The fault point after the slot; the pool's name in front of an error. */
bool dol_pool_end(const dol_pool *pool, bool done, const char *point, GError **error);
/* UNSUPPORTED: "driver 'x' cannot <what>". */
bool dol_pool_cannot(const dol_pool *pool, const char *what, GError **error);
