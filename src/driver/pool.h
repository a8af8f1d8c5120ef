/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An open pool: the only way to a driver. Completes the contract of driver.h (optional slots, ret_*
 * that may be NULL), adds "pool 'fast'" to every error, and passes the fault points
 * "driver.<slot>.before" and "driver.<slot>.after" (base/fault.h) around each slot, so that tests
 * can fail or kill at any step of any driver.
 */
#pragma once

#include "driver/driver.h"

typedef struct dol_pool dol_pool;

/* Opens a pool with the driver its spec names. */
dol_pool *dol_pool_open(const dol_call *call, const dol_pool_request *request, GError **error);
void dol_pool_close(dol_pool *pool); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(dol_pool, dol_pool_close)

/* What it is: its name, its driver, and whether it has a trait. */
const char *dol_pool_name(const dol_pool *pool);
const dol_driver *dol_pool_driver(const dol_pool *pool);
bool dol_pool_has(const dol_pool *pool, dol_trait trait);

/* As the slots of the same name. A uid with anything but letters, digits and '-' is INVALID: it
 * becomes part of paths. */
bool dol_pool_create(dol_pool *pool, const dol_call *call, const dol_volume *want,
                     char **ret_fs_uuid, GError **error);
bool dol_pool_destroy(dol_pool *pool, const dol_call *call, const char *uid, GError **error);
bool dol_pool_inspect(dol_pool *pool, const dol_call *call, const char *uid, dol_volume_info *ret,
                      GError **error);
bool dol_pool_list(dol_pool *pool, const dol_call *call, dol_found_fn fn, void *user,
                   GError **error);
bool dol_pool_describe(dol_pool *pool, const dol_call *call, const dol_volume *volume,
                       GError **error);
bool dol_pool_attach(dol_pool *pool, const dol_call *call, const char *uid,
                     dol_driver_attachment *ret, int *ret_hold, GError **error);
bool dol_pool_detach(dol_pool *pool, const dol_call *call, const char *uid, GError **error);
bool dol_pool_space_of(dol_pool *pool, const dol_call *call, dol_pool_space *ret, GError **error);
bool dol_pool_relieve(dol_pool *pool, const dol_call *call, uint64_t *ret_freed, GError **error);
bool dol_pool_replenish(dol_pool *pool, const dol_call *call, GError **error);

/* As the slot of the same name; UNSUPPORTED without one. */
bool dol_pool_resize(dol_pool *pool, const dol_call *call, const char *uid, uint64_t size,
                     GError **error);

/* true when the driver has snapshots. */
bool dol_pool_has_snapshots(const dol_pool *pool);
bool dol_pool_snapshot_create(dol_pool *pool, const dol_call *call, const dol_snapshot *want,
                              GError **error);
bool dol_pool_snapshot_destroy(dol_pool *pool, const dol_call *call, const char *volume,
                               const char *uid, GError **error);
bool dol_pool_snapshot_inspect(dol_pool *pool, const dol_call *call, const char *volume,
                               const char *uid, dol_snapshot_info *ret, GError **error);
bool dol_pool_snapshot_list(dol_pool *pool, const dol_call *call, dol_found_snapshot_fn fn,
                            void *user, GError **error);
bool dol_pool_snapshot_describe(dol_pool *pool, const dol_call *call, const dol_snapshot *snapshot,
                                GError **error);
bool dol_pool_snapshot_attach(dol_pool *pool, const dol_call *call, const char *volume,
                              const char *uid, dol_driver_attachment *ret, int *ret_hold,
                              GError **error);
bool dol_pool_snapshot_detach(dol_pool *pool, const dol_call *call, const char *volume,
                              const char *uid, GError **error);
bool dol_pool_clone(dol_pool *pool, const dol_call *call, const char *volume, const char *snapshot,
                    const dol_volume *want, char **ret_fs_uuid, GError **error);
bool dol_pool_copy(dol_pool *pool, const dol_call *call, const char *uid, int *ret_fd,
                   GError **error);
bool dol_pool_revert(dol_pool *pool, const dol_call *call, const char *volume, const char *snapshot,
                     char **ret_fs_uuid, GError **error);
bool dol_pool_snapshot_read(dol_pool *pool, const dol_call *call, const char *volume,
                            const char *uid, const char *base, dol_range_begin begin,
                            dol_range_sink fn, void *user, GError **error);
bool dol_pool_snapshot_receive(dol_pool *pool, const dol_call *call, const dol_snapshot *want,
                               const char *base, dol_range_source next, void *user,
                               char **ret_fs_uuid, GError **error);
bool dol_pool_diff(dol_pool *pool, const dol_call *call, const char *volume, const char *base,
                   const char *target, dol_changed_fn fn, void *user, GError **error);
