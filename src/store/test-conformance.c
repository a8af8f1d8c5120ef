/* SPDX-License-Identifier: Apache-2.0 */
#include "store/test-conformance.h"
#include "store/test-directory.h"

static dol_store *open_sqlite(const char *directory)
{
        g_autofree char *path = g_build_filename(directory, "state.db", NULL);
        g_autoptr(GError) error = NULL;
        bool is_fresh;
        dol_store *store = dol_sqlite_open(path, &is_fresh, &error);

        g_assert_no_error(error);
        return store;
}

static dol_store *open_memory(const char *directory)
{
        return dol_memory_open();
}

static dol_store *open_fault_sqlite(const char *directory)
{
        return dol_fault_store_open(open_sqlite(directory));
}

static dol_store *open_fault_memory(const char *directory)
{
        return dol_fault_store_open(dol_memory_open());
}

static const conformance_store stores[] = {
        {"sqlite", open_sqlite, true},
        {"memory", open_memory, false},
        {"fault-sqlite", open_fault_sqlite, true},
        {"fault-memory", open_fault_memory, false},
};

static const struct {
        const char *name;
        const conformance_case *cases;
} groups[] = {
        {"commit", conformance_commit_cases}, {"list", conformance_list_cases},
        {"watch", conformance_watch_cases},   {"lease", conformance_lease_cases},
        {"thread", conformance_thread_cases},
};

void conformance_reopen(conformance *test)
{
        dol_store_close(test->store);
        test->store = test->row->open(test->directory);
}

typedef struct {
        const conformance_store *row;
        const conformance_case *tested;
} task;

static void run_case(const void *data)
{
        const task *todo = data;
        conformance test = {.row = todo->row};

        test.directory = test_directory_new();
        test.store = test.row->open(test.directory);
        todo->tested->run(&test);
        dol_store_close(test.store);
        test_directory_free(test.directory);
}

static void add_group(const conformance_store *row, const char *group,
                      const conformance_case *cases)
{
        for (const conformance_case *each = cases; each->name; each++) {
                g_autofree char *path =
                        g_strdup_printf("/store/%s/%s/%s", row->name, group, each->name);
                task *added;

                if (each->needs_durable && !row->is_durable)
                        continue;
                added = g_new(task, 1);
                *added = (task){row, each};
                g_test_add_data_func_full(path, added, (GTestDataFunc)run_case, g_free);
        }
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        for (unsigned i = 0; i < G_N_ELEMENTS(stores); i++)
                for (unsigned j = 0; j < G_N_ELEMENTS(groups); j++)
                        add_group(&stores[i], groups[j].name, groups[j].cases);
        return test_run_cleanly();
}
