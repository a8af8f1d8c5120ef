/* SPDX-License-Identifier: Apache-2.0 */
/* Schedules against the fake driver, with the clock in the test's hand. */
#pragma once

#include "base/clock.h"
#include "engine/schedule-private.h"
#include "engine/test-fixture.h"

#define MINUTE (60 * DOL_USEC_PER_SEC)

typedef struct {
        const char *name, *every, *second, *volume, *volume2, *label;
        bool group, paused;
} wanted_schedule;

/* As test_set_up, with a driver that can take snapshots: a set of their uids. */
void test_schedule_set_up(test_fixture *f, const void *unused);
void test_schedule_tear_down(test_fixture *f, const void *unused);
/* NULL on failure. */
dol_schedule *test_schedule_make(test_fixture *f, const wanted_schedule *wanted, GError **error);
void test_schedule_must_make(test_fixture *f, const wanted_schedule *wanted);
dol_schedule *test_schedule_get(test_fixture *f, const char *name);
/* Names of the snapshots of a volume, oldest first, separated by spaces. */
char *test_schedule_names(test_fixture *f, const char *volume);
/* How many snapshots the volume has. */
unsigned test_schedule_count(test_fixture *f, const char *volume);
/* What the scheduler does at that time. */
void test_schedule_tick(test_fixture *f, int64_t now);
/* The first full quarter of an hour that is to come, which the schedules made now wait for. */
int64_t test_next_quarter(void);
