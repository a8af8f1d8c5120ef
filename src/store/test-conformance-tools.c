/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/guard.h"
#include "store/test-conformance.h"

int64_t conformance_commit(dol_store *store, dol_txn *txn)
{
        g_autoptr(GError) error = NULL;
        int64_t revision = 0;

        dol_store_commit(store, txn, &revision, &error);
        g_assert_no_error(error);
        dol_txn_free(txn);
        return revision;
}

int64_t conformance_put(dol_store *store, const char *key, const char *value)
{
        dol_txn *txn = dol_txn_new();

        dol_txn_put(txn, key, value);
        return conformance_commit(store, txn);
}

int64_t conformance_delete(dol_store *store, const char *key)
{
        dol_txn *txn = dol_txn_new();

        dol_txn_delete(txn, key);
        return conformance_commit(store, txn);
}

static bool add_record(const dol_record *record, void *text)
{
        g_assert_cmpuint(record->size, ==, strlen(record->value));
        g_string_append_printf(text, "%s=%s@%" G_GINT64_FORMAT " ", record->key, record->value,
                               record->revision);
        return true;
}

char *conformance_list(dol_store *store, const char *prefix, const char *after, unsigned limit)
{
        g_autoptr(GString) text = g_string_new(NULL);
        g_autoptr(GError) error = NULL;

        g_assert_true(dol_store_list(store, prefix, after, limit, add_record, text, NULL, &error));
        g_assert_no_error(error);
        return g_string_free(g_steal_pointer(&text), false);
}

void conformance_expect_list(dol_store *store, const char *prefix, const char *expected)
{
        g_autofree char *text = conformance_list(store, prefix, NULL, 0);

        g_assert_cmpstr(text, ==, expected);
}

char *conformance_get(dol_store *store, const char *key, int64_t *ret_revision)
{
        g_autoptr(GError) error = NULL;
        char *value = NULL;

        if (dol_store_get(store, key, &value, ret_revision, &error)) {
                g_assert_no_error(error);
                return value;
        }
        conformance_expect_error(&error, DOL_ERROR_NOT_FOUND);
        g_assert_null(value);
        return NULL;
}

void conformance_expect_error(GError **error, dol_error_kind kind)
{
        g_assert_nonnull(*error);
        g_assert_cmpstr(dol_error_info_of(dol_error_kind_of(*error))->word, ==,
                        dol_error_info_of(kind)->word);
        g_clear_error(error);
}

void conformance_refuse(dol_store *store, dol_txn *txn, dol_error_kind kind, const char *word)
{
        g_autofree char *before = conformance_list(store, "", NULL, 0);
        int64_t revision_before = dol_store_revision(store);
        g_autoptr(GError) error = NULL;
        int64_t revision = -7;

        g_assert_false(dol_store_commit(store, txn, &revision, &error));
        if (word && !strstr(error->message, word))
                g_error("'%s' does not say '%s'", error->message, word);
        conformance_expect_error(&error, kind);
        g_assert_cmpint(revision, ==, -7);
        g_assert_cmpint(dol_store_revision(store), ==, revision_before);
        conformance_expect_list(store, "", before);
        dol_txn_free(txn);
}

struct conformance_log {
        dol_store *store;
        int64_t watch;        /* 0 = none */
        pthread_mutex_t lock; /* guards what follows */
        pthread_cond_t added;
        GString *text;
        GArray *revisions; /* of int64_t */
        unsigned count;
        unsigned slow_msec;
};

conformance_log *conformance_log_new(dol_store *store)
{
        conformance_log *log = g_new0(conformance_log, 1);

        log->store = store;
        pthread_mutex_init(&log->lock, NULL);
        dol_cond_init(&log->added);
        log->text = g_string_new(NULL);
        log->revisions = g_array_new(false, false, sizeof(int64_t));
        return log;
}

void conformance_log_free(conformance_log *log)
{
        conformance_log_unwatch(log);
        g_string_free(log->text, true);
        g_array_unref(log->revisions);
        pthread_cond_destroy(&log->added);
        pthread_mutex_destroy(&log->lock);
        g_free(log);
}

bool conformance_log_add(const dol_record *record, void *data)
{
        conformance_log *log = data;

        if (log->slow_msec)
                g_usleep(log->slow_msec * 1000UL);
        pthread_mutex_lock(&log->lock);
        if (record->value)
                add_record(record, log->text);
        else
                g_string_append_printf(log->text, "%s-@%" G_GINT64_FORMAT " ", record->key,
                                       record->revision);
        g_assert_true(record->value || record->size == 0);
        g_array_append_val(log->revisions, record->revision);
        log->count++;
        pthread_cond_broadcast(&log->added);
        pthread_mutex_unlock(&log->lock);
        return true;
}

void conformance_log_watch(conformance_log *log, const char *prefix, int64_t from)
{
        g_autoptr(GError) error = NULL;

        g_assert_true(dol_store_watch(log->store, prefix, from, conformance_log_add, log,
                                      &log->watch, &error));
        g_assert_no_error(error);
}

void conformance_log_unwatch(conformance_log *log)
{
        if (log->watch)
                dol_store_unwatch(log->store, log->watch);
        log->watch = 0;
}

void conformance_log_wait(conformance_log *log, unsigned count)
{
        struct timespec until = dol_timespec_of(dol_monotonic_usec() + 60 * DOL_USEC_PER_SEC);
        dol_lock_scope(&log->lock);

        while (log->count < count)
                if (pthread_cond_timedwait(&log->added, &log->lock, &until))
                        g_error("told %u changes of %u after a minute", log->count, count);
}

unsigned conformance_log_count(conformance_log *log)
{
        dol_lock_scope(&log->lock);

        return log->count;
}

char *conformance_log_text(conformance_log *log)
{
        dol_lock_scope(&log->lock);

        return g_strdup(log->text->str);
}

void conformance_log_slow(conformance_log *log, unsigned msec)
{
        log->slow_msec = msec;
}

const GArray *conformance_log_revisions(conformance_log *log)
{
        return log->revisions;
}

void conformance_run_threads(dol_store *store, unsigned count, void *(*fn)(void *), void *user)
{
        g_autofree conformance_worker *workers = g_new(conformance_worker, count);
        g_autofree pthread_t *threads = g_new(pthread_t, count);

        for (unsigned i = 0; i < count; i++) {
                workers[i] = (conformance_worker){store, i, user};
                g_assert_cmpint(pthread_create(&threads[i], NULL, fn, &workers[i]), ==, 0);
        }
        for (unsigned i = 0; i < count; i++)
                pthread_join(threads[i], NULL);
}
