/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of the SQLite store share. They fail the test when something goes wrong. */
#pragma once

#include "store/store.h"

dol_store *sqlite_open(const char *path);
/* Opening must fail with this kind, say `word`, and change neither the file nor its log. */
void sqlite_refuse(const char *path, dol_error_kind kind, const char *word);
/* Runs statements on a file with SQLite alone. */
void sqlite_execute(const char *path, const char *sql);

/* A file's bytes; NULL when it does not exist. */
GBytes *sqlite_bytes(const char *path);
void sqlite_write(const char *path, GBytes *bytes);
/* Copies `from` and its log, when there is one, to `to`: what a crash would leave. */
void sqlite_copy(const char *from, const char *to);
