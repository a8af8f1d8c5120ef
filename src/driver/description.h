/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What lies beside a volume's data: <pool>/volumes/<uid>/volume.json, the volume as the store has
 * it, so that a lost store can be rebuilt. It is written last at create and removed first at
 * destroy: a directory that has one holds a whole volume.
 */
#pragma once

#include "driver/driver.h"

/* <root>/volumes/<uid>, and a file in it. g_free them. */
char *dol_description_directory(const char *root, const char *uid);
char *dol_description_path(const char *root, const char *uid, const char *name);

/* NOT_FOUND when there is none; CONFLICT, saying why, when it is damaged or another volume's. */
dol_volume *dol_description_read(const char *root, const char *uid, GError **error);
/* Replaces it, durably. What is known only while the volume is in use is left out. */
bool dol_description_write(const char *root, const dol_volume *volume, GError **error);
/* Calls fn for every entry of <root>/volumes, in order of name. `data` is the entry that holds the
 * volume's data ("disk"); a volume without it is reported as a damaged one. */
bool dol_description_list(const dol_call *call, const char *root, const char *data, dol_found_fn fn,
                          void *user, GError **error);

/* The steps of destroy. CONFLICT, naming them, when the volume's directory has entries other than
 * `known` (NULL-terminated) and the description. */
bool dol_description_check(const char *root, const char *uid, const char *const known[],
                           GError **error);
/* Removes the description. Absent: true. */
bool dol_description_remove(const char *root, const char *uid, GError **error);
/* Removes the volume's directory, which must be empty by now, durably. Absent: true. */
bool dol_description_finish(const char *root, const char *uid, GError **error);
