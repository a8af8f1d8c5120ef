/* SPDX-License-Identifier: Apache-2.0 */
#include "base/call.h"

#include "base/clock.h"

dol_call dol_call_forever(const char *actor)
{
        return (dol_call){.actor = actor};
}

dol_call dol_call_within(const char *actor, int64_t usec)
{
        int64_t now = dol_monotonic_usec();

        return (dol_call){.actor = actor, .deadline_usec = now + MIN(usec, INT64_MAX - now)};
}

bool dol_call_check(const dol_call *call, GError **error)
{
        if (call->cancelled && atomic_load(call->cancelled))
                return dol_fail(error, DOL_ERROR_UNAVAILABLE, "the request was cancelled");
        if (call->deadline_usec && dol_monotonic_usec() >= call->deadline_usec)
                return dol_fail(error, DOL_ERROR_TIMEOUT, "the request's deadline has passed");
        return true;
}

int64_t dol_call_left_usec(const dol_call *call, int64_t otherwise)
{
        int64_t left;

        if (!call->deadline_usec)
                return otherwise;
        left = call->deadline_usec - dol_monotonic_usec();
        return MAX(left, 0);
}
