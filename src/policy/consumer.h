/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counting who holds a mount. Docker repeats an id (docker cp into a running container) and
 * unmounts as often; after a crash a new dockerd replays ids that were never unmounted. So an id is
 * counted within one life of the client, and starts again at one in the next. Podman and people
 * count for themselves: for them an id is in the set or not.
 */
#pragma once

#include "model/volume.h"

/* Counts one mount more. Adds the consumer when it is new. */
void dol_consumer_add(dol_attachment *attachment, dol_client_kind client, const char *id,
                      const char *generation, bool counted, int64_t now);
/* The consumer, or NULL. Borrowed. */
dol_consumer *dol_consumer_find(const dol_attachment *attachment, dol_client_kind client,
                                const char *id);
/* The one that keeps a client of this kind out: one of another kind that wants the volume for its
 * kind alone, or any of another kind when the newcomer wants that. NULL = none: doliumd's own work
 * on files is nobody's rival. */
const dol_consumer *dol_consumer_rival(const dol_attachment *attachment, dol_client_kind client,
                                       bool exclusive);
/* Counts one mount less; removes the consumer at zero. false: there is no such consumer. */
bool dol_consumer_remove(dol_attachment *attachment, dol_client_kind client, const char *id);
void dol_consumer_clear(dol_attachment *attachment);

/* Should a consumer be given up that no mount table shows? Docker's and Podman's containers always
 * show; a person's path does not, nor a block volume that CSI has staged, nor files that doliumd
 * works on. Only after `grace_usec` without a sign of it. */
bool dol_consumer_is_stale(const dol_consumer *consumer, bool visible, int64_t now,
                           int64_t grace_usec);
