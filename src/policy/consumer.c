/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/consumer.h"

#include <string.h>

static dol_consumer *find(const dol_attachment *attachment, dol_client_kind client, const char *id,
                          unsigned *ret_at)
{
        for (unsigned i = 0; i < dol_attachment_count(attachment); i++) {
                dol_consumer *consumer = attachment->consumers->pdata[i];

                if (consumer->client == client && strcmp(consumer->id, id) == 0) {
                        if (ret_at)
                                *ret_at = i;
                        return consumer;
                }
        }
        return NULL;
}

dol_consumer *dol_consumer_find(const dol_attachment *attachment, dol_client_kind client,
                                const char *id)
{
        return find(attachment, client, id, NULL);
}

const dol_consumer *dol_consumer_rival(const dol_attachment *attachment, dol_client_kind client,
                                       bool exclusive)
{
        for (unsigned i = 0; client != DOL_CLIENT_FILES && i < dol_attachment_count(attachment);
             i++) {
                const dol_consumer *consumer = attachment->consumers->pdata[i];

                if (consumer->client != client && consumer->client != DOL_CLIENT_FILES &&
                    (exclusive || consumer->exclusive))
                        return consumer;
        }
        return NULL;
}

static void consumer_free(dol_consumer *consumer)
{
        g_free(consumer->id);
        g_free(consumer->generation);
        g_free(consumer->terms);
        g_free(consumer);
}

void dol_consumer_add(dol_attachment *attachment, dol_client_kind client, const char *id,
                      const char *generation, bool counted, int64_t now)
{
        dol_consumer *consumer = find(attachment, client, id, NULL);

        if (!consumer) {
                consumer = g_new0(dol_consumer, 1);
                consumer->client = client;
                consumer->id = g_strdup(id);
                if (!attachment->consumers)
                        attachment->consumers = g_ptr_array_new();
                g_ptr_array_add(attachment->consumers, consumer);
        }
        if (counted && consumer->count > 0 && g_strcmp0(consumer->generation, generation) == 0)
                consumer->count++;
        else
                consumer->count = 1;
        g_free(consumer->generation);
        consumer->generation = g_strdup(generation);
        consumer->since = now;
}

bool dol_consumer_remove(dol_attachment *attachment, dol_client_kind client, const char *id)
{
        unsigned at;
        dol_consumer *consumer = find(attachment, client, id, &at);

        if (!consumer)
                return false;
        if (--consumer->count > 0)
                return true;
        g_ptr_array_remove_index(attachment->consumers, at);
        consumer_free(consumer);
        return true;
}

void dol_consumer_clear(dol_attachment *attachment)
{
        while (dol_attachment_count(attachment) > 0) {
                consumer_free(attachment->consumers->pdata[0]);
                g_ptr_array_remove_index(attachment->consumers, 0);
        }
}

bool dol_consumer_is_stale(const dol_consumer *consumer, bool visible, int64_t now,
                           int64_t grace_usec)
{
        if (visible || consumer->client == DOL_CLIENT_REST || consumer->client == DOL_CLIENT_CSI ||
            consumer->client == DOL_CLIENT_FILES)
                return false;
        return now - consumer->since >= grace_usec;
}
