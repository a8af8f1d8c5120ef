/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store of one host: an SQLite file in WAL mode. sqlite-file.c knows the file as a whole,
 * sqlite-writer.c does all writing, with sqlite-batch.c for what is in a transaction; reads go
 * through connections of their own (sqlite-readers.c) and never wait for the writer.
 */
#include "base/guard.h"
#include "store/key.h"
#include "store/local.h"
#include "store/sqlite-file.h"
#include "store/sqlite-readers.h"
#include "store/sqlite-writer.h"
#include "store/txn.h"

#include <errno.h>
#include <fcntl.h>

typedef struct {
        dol_local_store local;
        dol_sqlite_writer *writer;
        dol_sqlite_readers *readers;
        int file_fd; /* closed after all connections */
        int lock_fd;
} sqlite_store;

static bool sqlite_commit(dol_store *base, const dol_txn *txn, int64_t *ret_revision,
                          GError **error)
{
        dol_sqlite_request request = {.kind = DOL_SQLITE_COMMIT, .txn = txn};

        if (!dol_sqlite_writer_do(((sqlite_store *)base)->writer, &request, error))
                return false;
        *ret_revision = request.revision;
        return true;
}

static bool read_record(dol_sqlite_connection *connection, const char *key, char **ret_value,
                        int64_t *ret_revision, GError **error)
{
        dol_autoreset *row = dol_sqlite_prepare(connection, DOL_SQL_GET, error);
        dol_record record;
        bool found;

        if (!row)
                return false;
        sqlite3_bind_text(row, 1, key, -1, SQLITE_STATIC);
        if (!dol_sqlite_step(connection, row, &found, error))
                return false;
        if (!found)
                return dol_key_fail_absent(key, error);
        if (!dol_sqlite_record(connection, row, &record, error))
                return false;
        *ret_value = g_strndup(record.value, record.size);
        *ret_revision = record.revision;
        return true;
}

static bool sqlite_get(dol_store *base, const char *key, char **ret_value, int64_t *ret_revision,
                       GError **error)
{
        dol_sqlite_readers *readers = ((sqlite_store *)base)->readers;
        dol_sqlite_connection *connection = dol_sqlite_readers_take(readers);
        bool done = read_record(connection, key, ret_value, ret_revision, error);
        dol_sqlite_readers_give(readers, connection);
        return done;
}

typedef struct {
        dol_key_range range;
        unsigned limit; /* 0 = all */
        dol_record_fn fn;
        void *user;
} walk;

static bool walk_records(dol_sqlite_connection *connection, const walk *wanted, GError **error)
{
        dol_autoreset *row = dol_sqlite_prepare(connection, DOL_SQL_LIST, error);
        dol_record record;
        bool found;

        if (!row)
                return false;
        sqlite3_bind_text(row, 1, wanted->range.from, -1, SQLITE_STATIC);
        sqlite3_bind_text(row, 2, wanted->range.below, -1, SQLITE_STATIC);
        sqlite3_bind_int64(row, 3, wanted->limit ? (int64_t)wanted->limit : -1);
        do {
                if (!dol_sqlite_step(connection, row, &found, error) ||
                    (found && !dol_sqlite_record(connection, row, &record, error)))
                        return false;
        } while (found && wanted->fn(&record, wanted->user));
        return true;
}

/* The revision and the records of one moment. */
static bool walk_snapshot(dol_sqlite_connection *connection, const walk *wanted,
                          int64_t *ret_revision, GError **error)
{
        dol_sqlite_head head;
        bool done;

        if (!dol_sqlite_run(connection, DOL_SQL_BEGIN_READ, error))
                return false;
        done = dol_sqlite_read_head(connection, &head, error) &&
               walk_records(connection, wanted, error);
        dol_sqlite_run(connection, DOL_SQL_ROLLBACK, NULL);
        if (done)
                *ret_revision = head.revision;
        return done;
}

static bool sqlite_list(dol_store *base, const char *prefix, const char *after, unsigned limit,
                        dol_record_fn fn, void *user, int64_t *ret_revision, GError **error)
{
        dol_sqlite_readers *readers = ((sqlite_store *)base)->readers;
        dol_sqlite_connection *connection = dol_sqlite_readers_take(readers);
        walk wanted = {dol_key_range_of(prefix, after), limit, fn, user};
        bool done = walk_snapshot(connection, &wanted, ret_revision, error);
        dol_sqlite_readers_give(readers, connection);
        return done;
}

static bool sqlite_lease_grant(dol_store *base, int64_t ttl_usec, int64_t *ret_lease,
                               GError **error)
{
        dol_sqlite_request request = {.kind = DOL_SQLITE_GRANT, .ttl_usec = ttl_usec};
        sqlite_store *store = (sqlite_store *)base;

        if (!dol_sqlite_writer_do(store->writer, &request, error))
                return false;
        dol_leases_add(store->local.leases, request.lease, ttl_usec);
        *ret_lease = request.lease;
        return true;
}

static bool sqlite_lease_end(dol_store *base, int64_t lease, GError **error)
{
        dol_sqlite_request request = {.kind = DOL_SQLITE_END, .lease = lease};

        return dol_sqlite_writer_do(((sqlite_store *)base)->writer, &request, error);
}

static void sqlite_close(dol_store *base)
{
        sqlite_store *store = (sqlite_store *)base;

        dol_leases_free(store->local.leases);
        dol_sqlite_readers_free(store->readers);
        dol_sqlite_writer_free(store->writer);
        dol_hub_free(store->local.hub);
        dol_close_fd(&store->file_fd);
        dol_close_fd(&store->lock_fd);
        g_free(store);
}

static const dol_store_ops sqlite_ops = {
        .commit = sqlite_commit,
        .get = sqlite_get,
        .list = sqlite_list,
        .watch = dol_local_watch,
        .unwatch = dol_local_unwatch,
        .lease_grant = sqlite_lease_grant,
        .lease_keep = dol_local_lease_keep,
        .lease_revoke = dol_local_lease_revoke,
        .revision = dol_local_revision,
        .close = sqlite_close,
};

typedef struct {
        int64_t id;
        int64_t ttl_usec;
} lease_row;

static bool read_leases(dol_sqlite_connection *connection, GArray *leases, GError **error)
{
        dol_autoreset *row = dol_sqlite_prepare(connection, DOL_SQL_ALL_LEASES, error);
        lease_row lease;
        bool found;

        if (!row)
                return false;
        while (dol_sqlite_step(connection, row, &found, error)) {
                if (!found)
                        return true;
                lease = (lease_row){sqlite3_column_int64(row, 0), sqlite3_column_int64(row, 1)};
                g_array_append_val(leases, lease);
        }
        return false;
}

static dol_sqlite_connection *connect_verified(const char *path, GError **error)
{
        g_autoptr(dol_sqlite_connection) connection = dol_sqlite_connect(path, error);

        if (!connection || !dol_sqlite_verify(connection, error))
                return NULL;
        dol_sqlite_trust(connection);
        sqlite3_db_release_memory(connection->db);
        dol_sqlite_reserve_log(path);
        return g_steal_pointer(&connection);
}

static dol_store *store_of(dol_sqlite_connection *connection, dol_sqlite_readers *readers,
                           int file_fd, dol_sqlite_head head, const GArray *leases)
{
        sqlite_store *store = g_new0(sqlite_store, 1);

        store->local.store.ops = &sqlite_ops;
        store->local.hub = dol_hub_new(head.revision);
        store->local.leases = dol_leases_new(sqlite_lease_end, &store->local.store);
        store->readers = readers;
        store->writer = dol_sqlite_writer_new(connection, file_fd, head, store->local.hub);
        store->file_fd = file_fd;
        store->lock_fd = -1;
        for (unsigned i = 0; i < leases->len; i++) {
                const lease_row *lease = &g_array_index(leases, lease_row, i);

                dol_leases_add(store->local.leases, lease->id, lease->ttl_usec);
        }
        return &store->local.store;
}

/* Opens a file that exists and looks like a store. A damaged one is INTERNAL here. */
static dol_store *open_file(const char *path, GError **error)
{
        dol_autofd file_fd = open(path, O_RDWR | O_CLOEXEC);
        g_autoptr(GArray) leases = g_array_new(false, false, sizeof(lease_row));
        g_autoptr(dol_sqlite_connection) connection = NULL;
        g_autoptr(dol_sqlite_readers) readers = NULL;
        dol_sqlite_head head;

        if (file_fd < 0) {
                dol_fail_errno(error, errno, "open store '%s'", path);
                return NULL;
        }
        connection = connect_verified(path, error);
        if (!connection || !dol_sqlite_read_head(connection, &head, error) ||
            !read_leases(connection, leases, error))
                return NULL;
        readers = dol_sqlite_readers_new(path, error);
        if (!readers)
                return NULL;
        dol_sqlite_reserve(file_fd);
        return store_of(g_steal_pointer(&connection), g_steal_pointer(&readers),
                        dol_steal_fd(&file_fd), head, leases);
}

dol_store *dol_sqlite_open(const char *given_path, bool *ret_fresh, GError **error)
{
        g_autofree char *path = g_canonicalize_filename(given_path, NULL);
        dol_autofd lock_fd = dol_sqlite_lock(path, error);
        GError *cause = NULL;
        dol_store *store;
        bool exists;

        if (lock_fd < 0 || !dol_sqlite_inspect(path, &exists, error) ||
            (!exists && !dol_sqlite_create(path, error)))
                return NULL;
        store = open_file(path, &cause);
        if (!store) {
                if (dol_error_is(cause, DOL_ERROR_INTERNAL))
                        cause->code = DOL_ERROR_CONFLICT;
                g_propagate_error(error, cause);
                return NULL;
        }
        ((sqlite_store *)store)->lock_fd = dol_steal_fd(&lock_fd);
        *ret_fresh = !exists;
        return store;
}
