/* SPDX-License-Identifier: Apache-2.0 */
#include "store/test-sqlite-tools.h"

#include "base/file.h"
#include "store/test-conformance.h"

#include <glib/gstdio.h>
#include <sqlite3.h>
#include <string.h>

dol_store *sqlite_open(const char *path)
{
        g_autoptr(GError) error = NULL;
        bool is_fresh;
        dol_store *store = dol_sqlite_open(path, &is_fresh, &error);

        g_assert_no_error(error);
        g_assert_nonnull(store);
        return store;
}

static void expect_bytes(const char *path, GBytes *expected)
{
        g_autoptr(GBytes) found = sqlite_bytes(path);

        g_assert_true(expected ? found && g_bytes_equal(found, expected) : !found);
}

void sqlite_refuse(const char *path, dol_error_kind kind, const char *word)
{
        g_autofree char *log = g_strconcat(path, "-wal", NULL);
        g_autoptr(GBytes) before = sqlite_bytes(path);
        g_autoptr(GBytes) log_before = sqlite_bytes(log);
        g_autoptr(GError) error = NULL;
        bool is_fresh = true;

        g_assert_null(dol_sqlite_open(path, &is_fresh, &error));
        if (!strstr(error->message, word) || !strstr(error->message, path))
                g_error("'%s' does not say '%s' and the path", error->message, word);
        conformance_expect_error(&error, kind);
        expect_bytes(path, before);
        if (log_before && g_bytes_get_size(log_before) > 0)
                expect_bytes(log, log_before);
}

void sqlite_execute(const char *path, const char *sql)
{
        sqlite3 *db = NULL;

        g_assert_cmpint(sqlite3_open(path, &db), ==, SQLITE_OK);
        g_assert_cmpint(sqlite3_exec(db, sql, NULL, NULL, NULL), ==, SQLITE_OK);
        g_assert_cmpint(sqlite3_close(db), ==, SQLITE_OK);
}

GBytes *sqlite_bytes(const char *path)
{
        g_autoptr(GError) error = NULL;
        char *bytes;
        size_t size;

        if (dol_file_read(path, 256 << 20, &bytes, &size, &error))
                return g_bytes_new_take(bytes, size);
        conformance_expect_error(&error, DOL_ERROR_NOT_FOUND);
        return NULL;
}

void sqlite_write(const char *path, GBytes *bytes)
{
        size_t size;
        const char *data = g_bytes_get_data(bytes, &size);

        g_unlink(path);
        g_assert_true(g_file_set_contents_full(path, data ? data : "", (gssize)size,
                                               G_FILE_SET_CONTENTS_NONE, 0600, NULL));
}

static void copy(const char *from, const char *to, const char *suffix)
{
        g_autofree char *from_path = g_strconcat(from, suffix, NULL);
        g_autofree char *to_path = g_strconcat(to, suffix, NULL);
        g_autoptr(GBytes) bytes = sqlite_bytes(from_path);

        g_unlink(to_path);
        if (bytes)
                sqlite_write(to_path, bytes);
}

void sqlite_copy(const char *from, const char *to)
{
        g_autofree char *index = g_strconcat(to, "-shm", NULL);

        g_unlink(index);
        copy(from, to, "");
        copy(from, to, "-wal");
}
