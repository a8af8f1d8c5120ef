/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/test-fixture.h"

#include "base/clock.h"
#include "base/fault.h"
#include "base/run.h"

static void add_pool(GPtrArray *pools, const char *name)
{
        dol_pool_record *pool = g_new0(dol_pool_record, 1);

        pool->name = g_strdup(name);
        dol_pool_spec_init(&pool->spec);
        g_free(pool->spec.driver);
        pool->spec.driver = g_strdup("fake");
        g_ptr_array_add(pools, pool);
}

static void free_pool(void *data)
{
        dol_pool_record_free(data);
}

void test_set_up(test_fixture *f, const void *unused)
{
        g_autoptr(GPtrArray) pools = g_ptr_array_new_with_free_func(free_pool);
        g_autoptr(GError) error = NULL;

        dol_driver_allow_fake();
        f->directory = g_dir_make_tmp("dolium-engine-XXXXXX", NULL);
        f->call = dol_call_forever("test");
        add_pool(pools, "default");
        add_pool(pools, "other");
        f->engine = dol_engine_open(
                &(dol_engine_config){
                        .store = dol_fault_store_open(dol_memory_open()),
                        .state_dir = f->directory,
                        .node = "n1",
                        .boot_id = "b1",
                        .pools = pools,
                        .consumer_grace_usec = DOL_USEC_PER_SEC,
                },
                &error);
        g_assert_no_error(error);
}

void test_tear_down(test_fixture *f, const void *unused)
{
        g_autofree char *quoted = g_strdup(f->directory);
        dol_call call = dol_call_forever("test");
        const char *const argv[] = {"rm", "-rf", "--", quoted, NULL};

        g_assert_true(dol_fault_arm(NULL, NULL));
        dol_engine_close(f->engine);
        dol_run(&call, argv, NULL, NULL);
        g_free(f->directory);
}

dol_volume *test_make(test_fixture *f, const char *name, const char *pool, uint64_t size,
                      bool *ret_existed, GError **error)
{
        dol_volume want = {.name = g_strdup(name)};
        dol_volume *made = NULL;
        bool existed = false;

        dol_volume_spec_init(&want.spec);
        if (size)
                want.spec.size = size;
        want.spec.pool = g_strdup(pool);
        dol_engine_create(f->engine, &f->call, &want, &made, &existed, error);
        dol_schema_clear(&dol_volume_schema, &want);
        if (ret_existed)
                *ret_existed = existed;
        return made;
}

void test_must_make(test_fixture *f, const char *name)
{
        g_autoptr(GError) error = NULL;
        g_autoptr(dol_volume) made = test_make(f, name, NULL, 0, NULL, &error);

        g_assert_no_error(error);
        g_assert_cmpint(made->status.phase, ==, DOL_VOLUME_AVAILABLE);
}

uint64_t test_allocated(test_fixture *f, const char *pool)
{
        g_autoptr(dol_pool_record) record = dol_engine_pool_get(f->engine, pool, NULL);

        return record->status.allocated;
}

unsigned test_running(test_fixture *f)
{
        g_autoptr(GPtrArray) operations =
                dol_engine_operation_list(f->engine, NULL, DOL_OPERATION_RUNNING, 0, NULL);

        return operations->len;
}

void test_rename_to(test_fixture *f, const char *reference, const char *name, GError **error)
{
        dol_volume_change change = {.name = name};
        g_autoptr(dol_volume) changed = NULL;

        dol_engine_change(f->engine, &f->call, reference, &change, &changed, error);
}

bool test_delete(test_fixture *f, const char *reference, bool purge, GError **error)
{
        g_autoptr(dol_volume) deleted = NULL;

        return dol_engine_delete(f->engine, &f->call, reference, purge, 0, &deleted, error);
}
