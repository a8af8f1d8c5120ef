/* SPDX-License-Identifier: Apache-2.0 */
#include "store/sqlite-file.h"

#include "base/file.h"
#include "base/guard.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

enum {
        /* What the SQLite file format fixes. */
        HEADER_SIZE = 100,
        WRITE_FORMAT_OFFSET = 18,
        READ_FORMAT_OFFSET = 19,
        WAL_FORMAT = 2,
        VERSION_OFFSET = 60,
        APPLICATION_OFFSET = 68,

        LOG_RESERVE = 6 << 20,  /* a log that is about to be checkpointed, and a large commit */
        FILE_RESERVE = 4 << 20, /* what such a log can add to the file */
};

static const char magic[16] = "SQLite format 3";

/* As sqlite_schema has it. */
static const char schema[] =
        "CREATE TABLE record (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE,"
        " value TEXT NOT NULL, revision INTEGER NOT NULL, lease INTEGER NOT NULL,"
        " sum INTEGER NOT NULL);"
        "CREATE INDEX record_lease ON record (lease) WHERE lease <> 0;"
        "CREATE TABLE lease (id INTEGER PRIMARY KEY, ttl_usec INTEGER NOT NULL);"
        "CREATE TABLE head (id INTEGER PRIMARY KEY CHECK (id = 1), revision INTEGER NOT NULL,"
        " lease INTEGER NOT NULL);";

int dol_sqlite_lock(const char *path, GError **error)
{
        g_autofree char *name = g_strconcat(path, "-lock", NULL);
        dol_autofd fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

        if (fd < 0) {
                dol_fail_errno(error, errno, "open '%s'", name);
                return -1;
        }
        if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
                if (errno == EWOULDBLOCK)
                        dol_fail(error, DOL_ERROR_BUSY, "store '%s' is in use by another process",
                                 path);
                else
                        dol_fail_errno(error, errno, "lock '%s'", name);
                return -1;
        }
        return dol_steal_fd(&fd);
}

static uint32_t header_number(const unsigned char *header, size_t offset)
{
        uint32_t number;

        memcpy(&number, header + offset, sizeof(number));
        return GUINT32_FROM_BE(number);
}

static bool version_check(const char *path, int64_t version, GError **error)
{
        if (version > DOL_SQLITE_SCHEMA_VERSION)
                return dol_fail(error, DOL_ERROR_UNSUPPORTED,
                                "store '%s' has schema version %" G_GINT64_FORMAT
                                "; this program knows up to %d: install a newer dolium",
                                path, version, DOL_SQLITE_SCHEMA_VERSION);
        if (version < 1)
                return dol_fail(error, DOL_ERROR_CONFLICT,
                                "store '%s' has no schema version; " DOL_SQLITE_RECOVERY, path);
        return true;
}

static bool header_check(const char *path, const unsigned char *header, GError **error)
{
        uint32_t application = header_number(header, APPLICATION_OFFSET);

        if (memcmp(header, magic, sizeof(magic)) != 0)
                return dol_fail(error, DOL_ERROR_CONFLICT,
                                "'%s' is not a store: it is no SQLite database, or its beginning "
                                "is damaged; " DOL_SQLITE_RECOVERY,
                                path);
        if (application != DOL_SQLITE_APPLICATION_ID)
                return dol_fail(error, DOL_ERROR_CONFLICT,
                                "'%s' is not a store: it is the SQLite database of another "
                                "application (id 0x%08x, expected 0x%08x)",
                                path, application, DOL_SQLITE_APPLICATION_ID);
        if (header[WRITE_FORMAT_OFFSET] != WAL_FORMAT || header[READ_FORMAT_OFFSET] != WAL_FORMAT)
                return dol_fail(error, DOL_ERROR_CONFLICT,
                                "store '%s' is not in WAL mode; " DOL_SQLITE_RECOVERY, path);
        return version_check(path, header_number(header, VERSION_OFFSET), error);
}

bool dol_sqlite_inspect(const char *path, bool *ret_exists, GError **error)
{
        dol_autofd fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        unsigned char header[HEADER_SIZE];
        struct stat st;
        ssize_t n;

        *ret_exists = fd >= 0 || errno != ENOENT;
        if (!*ret_exists)
                return true;
        if (fd < 0 || fstat(fd, &st) < 0)
                return dol_fail_errno(error, errno, "open store '%s'", path);
        if (!S_ISREG(st.st_mode))
                return dol_fail(error, DOL_ERROR_CONFLICT, "store '%s' is not a regular file",
                                path);
        n = pread(fd, header, sizeof(header), 0);
        if (n < 0)
                return dol_fail_errno(error, errno, "read store '%s'", path);
        if (n < HEADER_SIZE)
                return dol_fail(error, DOL_ERROR_CONFLICT,
                                "store '%s' is cut off after %zd bytes; " DOL_SQLITE_RECOVERY, path,
                                n);
        return header_check(path, header, error);
}

/* A log left beside a file that is gone must not be applied to a new file, but somebody may want
 * it together with the old one. */
static bool set_aside(const char *path, const char *suffix, GError **error)
{
        g_autofree char *from = g_strconcat(path, suffix, NULL);
        g_autofree char *to = g_strconcat(path, suffix, ".old", NULL);

        if (rename(from, to) < 0 && errno != ENOENT)
                return dol_fail_errno(error, errno, "rename '%s' to '%s'", from, to);
        return true;
}

static bool fill(const char *path, GError **error)
{
        g_autoptr(dol_sqlite_connection) connection = dol_sqlite_connect(path, error);
        g_autofree char *sql =
                g_strdup_printf("PRAGMA auto_vacuum = NONE;"
                                "BEGIN;"
                                "PRAGMA application_id = %d;"
                                "PRAGMA user_version = %d;"
                                "%s"
                                "INSERT INTO head VALUES (1, 0, 0);"
                                "COMMIT;"
                                "PRAGMA journal_mode = WAL;",
                                DOL_SQLITE_APPLICATION_ID, DOL_SQLITE_SCHEMA_VERSION, schema);

        if (!connection)
                return false;
        dol_sqlite_trust(connection);
        return sqlite3_exec(connection->db, sql, NULL, NULL, NULL) == SQLITE_OK ||
               dol_sqlite_fail(connection, error);
}

static bool fill_and_sync(const char *path, GError **error)
{
        dol_autofd fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

        if (fd < 0)
                return dol_fail_errno(error, errno, "create '%s'", path);
        if (fchmod(fd, 0600) < 0)
                return dol_fail_errno(error, errno, "set the mode of '%s'", path);
        if (!fill(path, error))
                return false;
        return fsync(fd) == 0 || dol_fail_errno(error, errno, "fsync '%s'", path);
}

bool dol_sqlite_create(const char *path, GError **error)
{
        g_autofree char *temporary = g_strconcat(path, ".new", NULL);
        g_autofree char *directory = g_path_get_dirname(path);

        unlink(temporary);
        if (!set_aside(path, "-wal", error) || !set_aside(path, "-journal", error) ||
            !fill_and_sync(temporary, error)) {
                unlink(temporary);
                return dol_fail_while(error, "create store '%s'", path);
        }
        if (rename(temporary, path) < 0)
                return dol_fail_errno(error, errno, "rename '%s' to '%s'", temporary, path);
        return dol_directory_sync(directory, error);
}

static bool damaged(const dol_sqlite_connection *connection, const char *what, GError **error)
{
        return dol_fail(error, DOL_ERROR_CONFLICT, "store '%s' is damaged (%s); %s",
                        connection->path, what, DOL_SQLITE_RECOVERY);
}

/* The first column of the only row. */
static bool number_of(dol_sqlite_connection *connection, dol_sql sql, int64_t *ret, GError **error)
{
        dol_autoreset *row = dol_sqlite_prepare(connection, sql, error);
        bool found = false;

        if (!row || !dol_sqlite_step(connection, row, &found, error))
                return false;
        if (!found)
                return damaged(connection, "a row is missing", error);
        *ret = sqlite3_column_int64(row, 0);
        return true;
}

/* The first column of the only row must be this text. */
static bool text_verify(dol_sqlite_connection *connection, dol_sql sql, const char *expected,
                        GError **error)
{
        dol_autoreset *row = dol_sqlite_prepare(connection, sql, error);
        const char *text;
        bool found = false;

        if (!row || !dol_sqlite_step(connection, row, &found, error))
                return false;
        text = found ? (const char *)sqlite3_column_text(row, 0) : NULL;
        if (g_strcmp0(text, expected) == 0)
                return true;
        return damaged(connection, text ? text : "a row is missing", error);
}

typedef struct {
        char key[1024]; /* of the record before */
        int64_t count;
        int64_t greatest_revision;
} walk;

static bool record_verify(dol_sqlite_connection *connection, sqlite3_stmt *row, walk *walked,
                          GError **error)
{
        dol_record record;

        if (!dol_sqlite_record(connection, row, &record, error))
                return false;
        if (strcmp(record.key, walked->key) <= 0)
                return damaged(connection, "the key index is out of order", error);
        g_strlcpy(walked->key, record.key, sizeof(walked->key));
        walked->count++;
        walked->greatest_revision = MAX(walked->greatest_revision, record.revision);
        return true;
}

/* Goes through the key index, from which the keys are taken, and from it to each record. */
static bool records_walk(dol_sqlite_connection *connection, walk *walked, GError **error)
{
        dol_autoreset *row = dol_sqlite_prepare(connection, DOL_SQL_VERIFY, error);
        bool found = true;

        if (!row)
                return false;
        while (found) {
                if (!dol_sqlite_step(connection, row, &found, error) ||
                    (found && !record_verify(connection, row, walked, error)))
                        return false;
        }
        return true;
}

static bool contents_verify(dol_sqlite_connection *connection, GError **error)
{
        g_autofree walk *walked = g_new0(walk, 1);
        int64_t count = 0, revision = 0;

        if (!records_walk(connection, walked, error) ||
            !number_of(connection, DOL_SQL_COUNT_RECORDS, &count, error) ||
            !number_of(connection, DOL_SQL_GET_HEAD, &revision, error))
                return false;
        if (count != walked->count)
                return damaged(connection, "the key index is not complete", error);
        if (revision < walked->greatest_revision)
                return damaged(connection, "its revision is older than a record's", error);
        return true;
}

bool dol_sqlite_verify(dol_sqlite_connection *connection, GError **error)
{
        int64_t version = 0;

        return number_of(connection, DOL_SQL_GET_VERSION, &version, error) &&
               version_check(connection->path, version, error) &&
               text_verify(connection, DOL_SQL_GET_SCHEMA, schema, error) &&
               text_verify(connection, DOL_SQL_QUICK_CHECK, "ok", error) &&
               contents_verify(connection, error);
}

void dol_sqlite_reserve(int fd)
{
        struct stat st;

        if (fstat(fd, &st) == 0)
                fallocate(fd, FALLOC_FL_KEEP_SIZE, st.st_size, FILE_RESERVE);
}

void dol_sqlite_reserve_log(const char *path)
{
        g_autofree char *name = g_strconcat(path, "-wal", NULL);
        dol_autofd fd = open(name, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);

        if (fd >= 0)
                fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, LOG_RESERVE);
}
