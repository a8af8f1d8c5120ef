/* SPDX-License-Identifier: Apache-2.0 */
/* Operation records. A uid begins with the time, so that keys sort by it. */
#include "engine/private.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"

#include <string.h>

enum { FINISHED_KEPT = 1000 };

static char *operation_key(const char *uid)
{
        return g_strconcat("operations/", uid, NULL);
}

static char *new_uid(void)
{
        uint32_t salt;

        dol_random_bytes(&salt, sizeof(salt));
        return g_strdup_printf("%013" G_GINT64_MODIFIER "x-%08x", dol_now_usec(), salt);
}

static void put_record(dol_txn *txn, const dol_operation *record)
{
        g_autofree char *key = operation_key(record->uid);
        g_autofree char *text = dol_record_encode("operation", &dol_operation_schema, record);

        dol_txn_put(txn, key, text);
}

running_operation *dol_operation_begin(dol_engine *engine, const dol_call *call,
                                       dol_operation_kind kind, const dol_volume *volume,
                                       dol_txn *txn)
{
        return dol_operation_begin_about(engine, call, kind, volume, NULL, txn);
}

running_operation *dol_operation_begin_about(dol_engine *engine, const dol_call *call,
                                             dol_operation_kind kind, const dol_volume *volume,
                                             char **snapshots, dol_txn *txn)
{
        running_operation *operation = g_new0(running_operation, 1);

        operation->engine = engine;
        operation->begun = dol_monotonic_usec();
        operation->record = (dol_operation){
                .uid = new_uid(),
                .operation = kind,
                .volume = g_strdup(volume->uid),
                .volume_name = g_strdup(volume->name),
                .snapshots = g_strdupv(snapshots),
                .actor = g_strdup(call->actor),
                .phase = DOL_OPERATION_RUNNING,
                .started = dol_now_usec(),
        };
        put_record(txn, &operation->record);
        dol_lock_scope(&engine->operations.lock);
        g_hash_table_insert(engine->operations.running, operation->record.uid, operation);
        return operation;
}

void dol_operation_recorded(running_operation *operation, const dol_call *call)
{
        operation->recorded = true;
        if (call->on_operation)
                call->on_operation(operation->record.uid, call->user);
}

void dol_operation_end(running_operation *operation, dol_txn *txn, const GError *error)
{
        operation_table *table = &operation->engine->operations;
        dol_operation *record = &operation->record;

        pthread_mutex_lock(&table->lock); /* others may be looking at it */
        record->phase = error ? DOL_OPERATION_FAILED : DOL_OPERATION_DONE;
        record->ended = dol_now_usec();
        if (error) {
                record->message = g_strdup(error->message);
                record->error_kind = g_strdup(dol_error_info_of(dol_error_kind_of(error))->word);
        }
        put_record(txn, record);
        operation->ended = true;
        g_queue_push_tail(&table->finished, g_strdup(record->uid));
        while (g_queue_get_length(&table->finished) > FINISHED_KEPT) {
                g_autofree char *oldest = g_queue_pop_head(&table->finished);
                g_autofree char *key = operation_key(oldest);

                dol_txn_delete(txn, key);
        }
        pthread_mutex_unlock(&table->lock);
}

static void count(running_operation *operation)
{
        dol_engine_counters *counters = &operation->engine->operations.counters;
        unsigned kind = operation->record.operation;

        if (operation->record.phase == DOL_OPERATION_DONE)
                counters->operations_done[kind]++;
        else
                counters->operations_failed[kind]++;
        counters->usec[kind] += (uint64_t)(dol_monotonic_usec() - operation->begun);
}

void dol_operation_close(running_operation *operation)
{
        operation_table *table;

        if (!operation)
                return;
        table = &operation->engine->operations;
        pthread_mutex_lock(&table->lock);
        g_hash_table_remove(table->running, operation->record.uid);
        if (operation->recorded)
                count(operation);
        pthread_cond_broadcast(&table->ended);
        pthread_mutex_unlock(&table->lock);
        dol_schema_clear(&dol_operation_schema, &operation->record);
        g_free(operation);
}

running_operation *dol_operation_take_over(dol_engine *engine, const dol_operation *record)
{
        running_operation *operation;
        dol_lock_scope(&engine->operations.lock);

        if (g_hash_table_contains(engine->operations.running, record->uid))
                return NULL;
        operation = g_new0(running_operation, 1);
        operation->engine = engine;
        operation->begun = dol_monotonic_usec();
        operation->recorded = true;
        dol_schema_copy(&dol_operation_schema, record, &operation->record);
        g_hash_table_insert(engine->operations.running, operation->record.uid, operation);
        return operation;
}

static bool note_finished(const dol_record *record, void *user)
{
        dol_engine *engine = user;
        g_autoptr(GError) error = NULL;
        dol_operation operation;

        if (!dol_record_decode("operation", &dol_operation_schema, record->value, record->size,
                               &operation, &error)) {
                dol_log(DOL_LOG_WARNING, "record %s: %s", record->key, error->message);
                return true;
        }
        if (operation.phase != DOL_OPERATION_RUNNING)
                g_queue_push_tail(&engine->operations.finished, g_strdup(operation.uid));
        dol_schema_clear(&dol_operation_schema, &operation);
        return true;
}

bool dol_operations_load(dol_engine *engine, GError **error)
{
        return dol_store_list(engine->store, "operations/", NULL, 0, note_finished, engine, NULL,
                              error);
}

typedef struct {
        GPtrArray *found;
        const char *volume;
        int phase;
} selection;

static void free_operation(void *data)
{
        dol_operation_free(data);
}

static bool select_operation(const dol_record *record, void *user)
{
        selection *wanted = user;
        dol_operation *operation = g_new0(dol_operation, 1);

        if (!dol_record_decode("operation", &dol_operation_schema, record->value, record->size,
                               operation, NULL)) {
                g_free(operation);
                return true;
        }
        operation->revision = record->revision;
        if ((wanted->volume && strcmp(wanted->volume, operation->volume) != 0) ||
            (wanted->phase >= 0 && wanted->phase != (int)operation->phase))
                dol_operation_free(operation);
        else
                g_ptr_array_add(wanted->found, operation);
        return true;
}

GPtrArray *dol_engine_operation_list(dol_engine *engine, const char *volume, int phase,
                                     unsigned limit, GError **error)
{
        g_autoptr(GPtrArray) found = g_ptr_array_new_with_free_func(free_operation);
        selection wanted = {found, volume, phase};

        if (!dol_store_list(engine->store, "operations/", NULL, 0, select_operation, &wanted, NULL,
                            error))
                return NULL;
        for (unsigned i = 0; i < found->len / 2; i++) { /* newest first */
                void *first = found->pdata[i];

                found->pdata[i] = found->pdata[found->len - 1 - i];
                found->pdata[found->len - 1 - i] = first;
        }
        if (limit && found->len > limit)
                g_ptr_array_set_size(found, (int)limit);
        return g_steal_pointer(&found);
}

dol_operation *dol_engine_operation_peek(dol_engine *engine, const char *uid)
{
        const running_operation *operation;
        dol_lock_scope(&engine->operations.lock);

        operation = g_hash_table_lookup(engine->operations.running, uid);
        return operation ? dol_schema_dup(&dol_operation_schema, &operation->record) : NULL;
}

static void wait_for_end(operation_table *table, const char *uid, int64_t wait_usec)
{
        struct timespec until = dol_timespec_of(dol_monotonic_usec() + wait_usec);
        dol_lock_scope(&table->lock);

        while (g_hash_table_contains(table->running, uid))
                if (pthread_cond_timedwait(&table->ended, &table->lock, &until))
                        break;
}

dol_operation *dol_engine_operation_get(dol_engine *engine, const char *uid, int64_t wait_usec,
                                        GError **error)
{
        g_autofree char *key = operation_key(uid);
        g_autofree char *text = NULL;
        dol_operation *operation;
        int64_t revision;

        if (strlen(uid) > 64 || strspn(uid, "0123456789abcdef-") != strlen(uid)) {
                dol_fail(error, DOL_ERROR_NOT_FOUND, "there is no operation '%s'", uid);
                return NULL;
        }
        if (wait_usec > 0)
                wait_for_end(&engine->operations, uid, wait_usec);
        if (!dol_store_get(engine->store, key, &text, &revision, error)) {
                dol_fail_while(error, "operation '%s'", uid);
                return NULL;
        }
        operation = g_new0(dol_operation, 1);
        if (!dol_record_decode("operation", &dol_operation_schema, text, strlen(text), operation,
                               error)) {
                g_free(operation);
                return NULL;
        }
        operation->revision = revision;
        return operation;
}
