/* SPDX-License-Identifier: Apache-2.0 */
/* All snapshots in memory, by uid, and by volume and name. Readers get copies. */
#pragma once

#include "model/snapshot.h"

typedef struct dol_snapshot_index dol_snapshot_index;

dol_snapshot_index *dol_snapshot_index_new(void);
void dol_snapshot_index_free(dol_snapshot_index *index);

/* Takes the snapshot in the place of the one with its uid. */
void dol_snapshot_index_put(dol_snapshot_index *index, dol_snapshot *snapshot);
void dol_snapshot_index_remove(dol_snapshot_index *index, const char *uid);

/* Copies, or NULL. A snapshot in phase deleting has no name any more. */
dol_snapshot *dol_snapshot_index_by_uid(dol_snapshot_index *index, const char *uid);
dol_snapshot *dol_snapshot_index_by_name(dol_snapshot_index *index, const char *volume,
                                         const char *name);
/* Copies of those of one volume (NULL = all), oldest first; the array frees them. */
GPtrArray *dol_snapshot_index_list(dol_snapshot_index *index, const char *volume);
unsigned dol_snapshot_index_count(dol_snapshot_index *index, const char *volume);
