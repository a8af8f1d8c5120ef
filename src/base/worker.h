/* SPDX-License-Identifier: Apache-2.0 */
/* A bounded pool of threads that run jobs in the order they were added. */
#pragma once

#include <stdbool.h>

typedef struct dol_workers dol_workers;
typedef void (*dol_job_fn)(void *data);

/* Starts `threads` (>= 1) threads that take jobs from a queue of at most `queue_max`. Signals are
 * blocked in them. */
dol_workers *dol_workers_new(const char *name, unsigned threads, unsigned queue_max);
/* Adds a job; false when the queue is full or the pool is being freed (then fn is not called). */
bool dol_workers_add(dol_workers *workers, dol_job_fn fn, void *data);
/* Runs what is queued to its end, then ends the threads. NULL is fine. */
void dol_workers_free(dol_workers *workers);
