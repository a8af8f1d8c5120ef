/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Faults on demand, for tests. Steps that can fail pass a named point ("store.commit.before",
 * "driver.create.after", "host.mount.before"); a test says which pass of which point does what.
 * With nothing armed a point costs one relaxed load.
 *
 * A plan is a list of rows separated by ';', each "GLOB=ACTION[,after=N][,times=N]":
 *   GLOB      matched against the point's name ("store.*")
 *   ACTION    kill            SIGKILL to this process
 *             error:KIND      the point fails with that kind (a word of base/error.h)
 *             delay:MSEC      the point takes that long
 *             log             the point's name is logged (to learn the steps of an operation)
 *   after=N   the first N matching passes go through (default 0)
 *   times=N   then this many are hit (default 1, of log 0; 0 = all)
 *   if=PATH   passes count only while there is something at PATH
 *
 * Each row counts its own passes. When several rows hit one pass, the first of them acts.
 */
#pragma once

#include "base/error.h"

/* Arms a plan in place of the one before; NULL or "" disarms. INVALID names the wrong row. */
bool dol_fault_arm(const char *plan, GError **error);
/* Passes the point. false = the plan says it fails, *error set. */
bool dol_fault_point(const char *name, GError **error);
/* How many passes were made since the plan was armed, of points that match any of its rows. */
unsigned dol_fault_passes(void);
