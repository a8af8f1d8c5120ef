/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All volumes in memory, by uid and in order of name. A volume in the index never changes: a
 * change puts a new one in its place, so that a reader may keep what it got as long as it likes.
 */
#pragma once

#include "engine/engine.h"
#include "model/volume.h"

typedef struct dol_index dol_index;

/* One reference to a volume of the index. */
const dol_volume *dol_volume_ref(const dol_volume *volume);
void dol_volume_unref(const dol_volume *volume); /* NULL is fine */

typedef const dol_volume dol_held_volume;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(dol_held_volume, dol_volume_unref)

dol_index *dol_index_new(void);
void dol_index_free(dol_index *index);

/* Takes the contents of `volume` (which is cleared) in the place of the one with its uid. */
void dol_index_put(dol_index *index, dol_volume *volume);
void dol_index_remove(dol_index *index, const char *uid);

/* A reference, or NULL. By name finds only volumes that own their name (not trashed or deleting).
 */
const dol_volume *dol_index_by_uid(dol_index *index, const char *uid);
const dol_volume *dol_index_by_name(dol_index *index, const char *name);

/* References to up to `max` (0 = all) volumes after `token` (NULL = from the first), in order of
 * name, then uid, for which `accept` says true. */
GPtrArray *dol_index_list(dol_index *index, const char *token, unsigned max,
                          bool (*accept)(const dol_volume *volume, void *user), void *user);
unsigned dol_index_size(dol_index *index);

/* true when the volume's phase lets it own its name. */
bool dol_volume_owns_name(const dol_volume *volume);
