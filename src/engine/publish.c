/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mounts for consumers that want the volume at a path of their own. The consumer is recorded before
 * the path is bound, and forgotten after it is unbound: after a crash between, the same request
 * again finds the rest to do.
 */
#include "engine/private.h"

#include "base/clock.h"
#include "base/log.h"
#include "host/expose.h"
#include "policy/consumer.h"

/* What is shown at the path: the mounted directory, or the device of a block volume. */
static const char *shown_of(const dol_volume *volume)
{
        const dol_attachment *attachment = volume->status.attachment;

        if (!attachment)
                return NULL;
        return attachment->path ? attachment->path : attachment->device;
}

static bool has_consumer(const dol_volume *volume, const dol_consumer_request *consumer)
{
        return dol_consumer_find(volume->status.attachment, consumer->client, consumer->id) != NULL;
}

/* It could not be bound: a consumer that is new goes again. */
static void give_back(dol_engine *engine, const dol_call *call, const char *reference,
                      const dol_consumer_request *consumer)
{
        dol_call calm = dol_call_within(call->actor, 10 * DOL_USEC_PER_SEC);
        g_autoptr(dol_volume) volume = NULL;
        g_autoptr(GError) error = NULL;

        if (!dol_engine_unmount(engine, &calm, reference, consumer, DOL_UNMOUNT_LINGER, &volume,
                                &error))
                dol_log(DOL_LOG_WARNING, "%s", error->message);
}

bool dol_engine_publish(dol_engine *engine, const dol_call *call, const char *reference,
                        const dol_consumer_request *consumer, const char *path, const char *options,
                        dol_volume **ret_volume, GError **error)
{
        g_autoptr(dol_volume) before = dol_engine_peek(engine, reference, error);
        g_autoptr(dol_volume) volume = NULL;

        if (!before || !dol_engine_mount(engine, call, reference, consumer, &volume, error))
                return false;
        if (!dol_expose(call, shown_of(volume), path, options, error)) {
                if (!has_consumer(before, consumer))
                        give_back(engine, call, reference, consumer);
                return dol_fail_while(error, "volume '%s'", volume->name);
        }
        *ret_volume = g_steal_pointer(&volume);
        return true;
}

bool dol_engine_unpublish(dol_engine *engine, const dol_call *call, const char *reference,
                          const dol_consumer_request *consumer, const char *path, bool remove,
                          GError **error)
{
        g_autoptr(dol_volume) before = dol_engine_peek(engine, reference, NULL);
        g_autoptr(dol_volume) after = NULL;
        const char *shown = before ? shown_of(before) : NULL;

        if (dol_is_exposed_at(path) && !(before && has_consumer(before, consumer)) &&
            !(shown && dol_is_exposed(shown, path)))
                return dol_fail(error, DOL_ERROR_CONFLICT,
                                "what is mounted at '%s' is not volume '%s'", path,
                                before ? before->name : reference);
        if (!dol_unexpose(call, path, remove, error))
                return before ? dol_fail_while(error, "volume '%s'", before->name) : false;
        return !before || dol_engine_unmount(engine, call, reference, consumer, DOL_UNMOUNT_LINGER,
                                             &after, error);
}
