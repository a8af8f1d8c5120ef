/* SPDX-License-Identifier: Apache-2.0 */
/* Clients repeat a request that takes long, or send it twice at once. Work on one thing goes on
 * when nobody waits for it any more; whoever comes meanwhile waits a moment for its result. */
#include "api/csi/private.h"

#include "base/clock.h"

#include <errno.h>

static const int64_t wait_usec = DOL_USEC_PER_SEC;
static const int64_t work_usec = 600 * DOL_USEC_PER_SEC;

/* With the face's lock held. */
static bool wait_until_free(csi_call *call, const char *key, GError **error)
{
        int64_t left = dol_call_left_usec(&call->call, wait_usec);
        struct timespec until = dol_timespec_of(dol_monotonic_usec() + MIN(left, wait_usec));
        dol_csi *csi = call->csi;
        int result = 0;

        while (g_hash_table_contains(csi->pending, key) && result != ETIMEDOUT)
                result = pthread_cond_timedwait(&csi->freed, &csi->lock, &until);
        return !g_hash_table_contains(csi->pending, key) ||
               dol_csi_fail(call, DOL_GRPC_ABORTED, error,
                            "another request about the same is at work; ask again in a moment");
}

csi_pending *dol_csi_begin(csi_call *call, const char *key, GError **error)
{
        dol_csi *csi = call->csi;
        csi_pending *pending;
        dol_lock_scope(&csi->lock);

        if (!wait_until_free(call, key, error) || !dol_call_check(&call->call, error))
                return NULL;
        pending = g_new(csi_pending, 1);
        *pending = (csi_pending){csi, g_strdup(key)};
        g_hash_table_add(csi->pending, pending->key);
        call->call = dol_call_within(call->call.actor, work_usec);
        return pending;
}

void dol_csi_end(csi_pending *pending)
{
        dol_csi *csi;

        if (!pending)
                return;
        csi = pending->csi;
        pthread_mutex_lock(&csi->lock);
        g_hash_table_remove(csi->pending, pending->key);
        pthread_cond_broadcast(&csi->freed);
        pthread_mutex_unlock(&csi->lock);
        g_free(pending->key);
        g_free(pending);
}
