/* SPDX-License-Identifier: Apache-2.0 */
/* An engine over the memory store and the fake driver, with the pools "default" and "other". */
#pragma once

#include "engine/private.h"

typedef struct {
        dol_engine *engine;
        char *directory;
        dol_call call;
} test_fixture;

void test_set_up(test_fixture *f, const void *unused);
void test_tear_down(test_fixture *f, const void *unused);

/* Creates a volume; pool NULL and size 0 say nothing. NULL on failure. */
dol_volume *test_make(test_fixture *f, const char *name, const char *pool, uint64_t size,
                      bool *ret_existed, GError **error);
void test_must_make(test_fixture *f, const char *name);
void test_rename_to(test_fixture *f, const char *reference, const char *name, GError **error);
bool test_delete(test_fixture *f, const char *reference, bool purge, GError **error);

/* Bytes that the pool has promised. */
uint64_t test_allocated(test_fixture *f, const char *pool);
/* How many operations are recorded as running. */
unsigned test_running(test_fixture *f);
