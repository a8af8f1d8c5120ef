/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <pthread.h>

/* Starts a thread with all signals blocked. `name` (up to 15 bytes) is what ps shows. Aborts when
 * the kernel has no thread left. */
pthread_t dol_thread_start(const char *name, void *(*run)(void *), void *data);
