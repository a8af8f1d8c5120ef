/* SPDX-License-Identifier: Apache-2.0 */
/* Clocks and points in time. Everything is int64_t microseconds; names end in _usec. */
#pragma once

#include "base/error.h"

#include <pthread.h>
#include <stdint.h>
#include <time.h>

#define DOL_USEC_PER_MSEC INT64_C(1000)
#define DOL_USEC_PER_SEC  INT64_C(1000000)

/* Microseconds since 1970-01-01 UTC. */
int64_t dol_now_usec(void);
/* From now on dol_now_usec is ahead of the kernel's clock by so much; for tests. */
void dol_clock_shift(int64_t usec);
/* Microseconds of CLOCK_MONOTONIC: for deadlines and durations. */
int64_t dol_monotonic_usec(void);

/* RFC 3339 in UTC with microseconds only when there are any: "2026-01-02T03:04:05Z". */
char *dol_time_format(int64_t usec);
/* Parses RFC 3339 with any offset, years 1 to 9999 in UTC. INVALID otherwise. */
bool dol_time_parse(const char *text, int64_t *ret_usec, GError **error);

/* For pthread_cond_timedwait on a condition that dol_cond_init made. */
struct timespec dol_timespec_of(int64_t monotonic_usec);
void dol_cond_init(pthread_cond_t *cond);
