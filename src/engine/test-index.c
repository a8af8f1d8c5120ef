/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "engine/index.h"
#include "engine/locks.h"

#include <pthread.h>

static void put(dol_index *index, const char *uid, const char *name, dol_volume_phase phase)
{
        dol_volume volume = {.uid = g_strdup(uid), .name = g_strdup(name), .status.phase = phase};

        dol_index_put(index, &volume);
        g_assert_null(volume.uid); /* taken over */
}

static bool accept_all(const dol_volume *volume, void *user)
{
        return true;
}

static void test_names(void)
{
        dol_index *index = dol_index_new();
        const dol_volume *held;

        put(index, "1", "a", DOL_VOLUME_AVAILABLE);
        held = dol_index_by_name(index, "a");
        put(index, "1", "b", DOL_VOLUME_AVAILABLE);
        g_assert_null(dol_index_by_name(index, "a"));
        g_assert_cmpstr(held->name, ==, "a"); /* what a reader holds does not change */
        dol_volume_unref(held);
        put(index, "1", "b", DOL_VOLUME_TRASHED);
        g_assert_null(dol_index_by_name(index, "b"));
        put(index, "2", "b", DOL_VOLUME_AVAILABLE);
        held = dol_index_by_name(index, "b");
        g_assert_cmpstr(held->uid, ==, "2");
        dol_volume_unref(held);
        dol_index_remove(index, "2");
        g_assert_null(dol_index_by_uid(index, "2"));
        g_assert_cmpuint(dol_index_size(index), ==, 1);
        dol_index_free(index);
}

static void test_pages(void)
{
        dol_index *index = dol_index_new();
        g_autofree char *token = NULL;
        unsigned seen = 0;

        for (unsigned i = 0; i < 25; i++) {
                g_autofree char *uid = g_strdup_printf("u%u", i);
                g_autofree char *name = g_strdup_printf("n%02u", 24 - i);

                put(index, uid, name, DOL_VOLUME_AVAILABLE);
        }
        for (;;) {
                g_autoptr(GPtrArray) page = dol_index_list(index, token, 10, accept_all, NULL);

                for (unsigned i = 0; i < page->len; i++, seen++) {
                        g_autofree char *name = g_strdup_printf("n%02u", seen);

                        g_assert_cmpstr(((const dol_volume *)page->pdata[i])->name, ==, name);
                }
                if (page->len < 10)
                        break;
                g_free(token);
                token = dol_volume_token(page->pdata[page->len - 1]);
                /* the last one seen may be deleted between the pages */
                dol_index_remove(index, ((const dol_volume *)page->pdata[page->len - 1])->uid);
        }
        g_assert_cmpuint(seen, ==, 25);
        dol_index_free(index);
}

/* ---- locks ---- */

typedef struct {
        dol_locks *locks;
        int counter; /* guarded by the lock "k" */
} shared;

static void *count(void *data)
{
        shared *all = data;

        for (unsigned i = 0; i < 500; i++) {
                dol_call call = dol_call_forever("test");
                g_autoptr(dol_lock) lock = dol_locks_take(all->locks, &call, "k", NULL);

                g_assert_nonnull(lock);
                all->counter++;
        }
        return NULL;
}

static void test_locks_exclude(void)
{
        shared all = {.locks = dol_locks_new()};
        pthread_t threads[4];

        for (unsigned i = 0; i < G_N_ELEMENTS(threads); i++)
                pthread_create(&threads[i], NULL, count, &all);
        for (unsigned i = 0; i < G_N_ELEMENTS(threads); i++)
                pthread_join(threads[i], NULL);
        g_assert_cmpint(all.counter, ==, 2000);
        dol_locks_free(all.locks);
}

static void test_locks_time_out(void)
{
        dol_locks *locks = dol_locks_new();
        dol_call call = dol_call_forever("test");
        dol_call brief = dol_call_within("test", 20 * DOL_USEC_PER_MSEC);
        g_autoptr(GError) error = NULL;
        dol_lock *held = dol_locks_take(locks, &call, "k", NULL);
        dol_lock *other = dol_locks_take(locks, &call, "l", NULL);

        g_assert_nonnull(other);
        g_assert_null(dol_locks_take(locks, &brief, "k", &error));
        g_assert_error(error, DOL_ERROR, DOL_ERROR_BUSY);
        g_assert_null(dol_locks_try(locks, "k"));
        dol_lock_release(held);
        held = dol_locks_try(locks, "k");
        g_assert_nonnull(held);
        dol_lock_release(held);
        dol_lock_release(other);
        dol_locks_free(locks);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/index/names", test_names);
        g_test_add_func("/index/pages", test_pages);
        g_test_add_func("/locks/exclude", test_locks_exclude);
        g_test_add_func("/locks/time-out", test_locks_time_out);
        return g_test_run();
}
