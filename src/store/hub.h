/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The watch hub of a store in this process: a bounded history of changes and a thread that tells
 * them to the watchers. The store publishes each commit once, in order of revision, after it is
 * durable. Publishing never waits for a watcher: what a slow one has not been told yet is kept for
 * it, beyond the bound if need be.
 */
#pragma once

#include "store/store.h"

typedef struct dol_hub dol_hub;

/* `revision`: the store's when it was opened; changes up to it are not remembered. */
dol_hub *dol_hub_new(int64_t revision);
/* NULL is fine. Watches must be gone. */
void dol_hub_free(dol_hub *hub);

/* Readers may see this revision from now on, though its changes are not published yet. */
void dol_hub_announce(dol_hub *hub, int64_t revision);
/* `changes` are dol_entry, in order of revision; the hub takes references. */
void dol_hub_publish(dol_hub *hub, const GPtrArray *changes, int64_t revision);
/* Of the last published commit. */
int64_t dol_hub_revision(dol_hub *hub);

/* As dol_store_watch and dol_store_unwatch. */
bool dol_hub_watch(dol_hub *hub, const char *prefix, int64_t from, dol_record_fn fn, void *user,
                   int64_t *ret_watch, GError **error);
void dol_hub_unwatch(dol_hub *hub, int64_t watch);
