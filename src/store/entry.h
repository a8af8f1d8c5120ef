/* SPDX-License-Identifier: Apache-2.0 */
/* A record that several owners share: the memory store, the watch history, a running walk.
 * It never changes once it is made. */
#pragma once

#include "store/store.h"

typedef struct dol_entry dol_entry;

/* One reference is the caller's. `value` NULL = the key was deleted. `lease` 0 = none. */
dol_entry *dol_entry_new(const char *key, const char *value, size_t size, int64_t revision,
                         int64_t lease);
dol_entry *dol_entry_ref(dol_entry *entry);
void dol_entry_unref(void *entry);

/* Its parts live as long as the entry. */
const dol_record *dol_entry_record(const dol_entry *entry);
int64_t dol_entry_lease(const dol_entry *entry);
/* Bytes of memory it takes, about. */
size_t dol_entry_bytes(const dol_entry *entry);
