/* SPDX-License-Identifier: Apache-2.0 */
#include "store/sqlite-writer.h"

#include "base/guard.h"
#include "store/entry.h"
#include "store/sqlite-file.h"
#include "store/thread.h"

enum {
        BATCH_MAX = 128,     /* requests in one transaction */
        LOG_PAGES_MAX = 1000 /* in the log before it is written into the file */
};

struct dol_sqlite_writer {
        pthread_mutex_t lock; /* guards what follows */
        pthread_cond_t added; /* a request was queued, or the writer is ending */
        GQueue queue;         /* of dol_sqlite_request *, each owned by the thread that waits */
        bool ending;

        pthread_t thread; /* the rest is the thread's own */
        dol_sqlite_connection *connection;
        dol_sqlite_head head;
        dol_hub *hub;
        int fd; /* of the file */
        int log_pages;
};

/* Waits for requests; 0 = the writer ends. */
static unsigned take(dol_sqlite_writer *writer, dol_sqlite_request *requests[])
{
        unsigned count = 0;
        dol_lock_scope(&writer->lock);

        while (g_queue_is_empty(&writer->queue) && !writer->ending)
                pthread_cond_wait(&writer->added, &writer->lock);
        while (count < BATCH_MAX && !g_queue_is_empty(&writer->queue))
                requests[count++] = g_queue_pop_head(&writer->queue);
        return count;
}

static void answer(dol_sqlite_writer *writer, dol_sqlite_request *requests[], unsigned count)
{
        dol_lock_scope(&writer->lock);

        for (unsigned i = 0; i < count; i++) {
                requests[i]->is_answered = true;
                pthread_cond_signal(&requests[i]->answered);
        }
}

/* A file that was moved or deleted would take commits that no restart finds again. */
static bool place_check(dol_sqlite_connection *connection, GError **error)
{
        int moved = 0;

        sqlite3_file_control(connection->db, "main", SQLITE_FCNTL_HAS_MOVED, &moved);
        if (!moved)
                return true;
        return dol_fail(error, DOL_ERROR_UNAVAILABLE,
                        "store '%s' was moved or deleted while in use; restart doliumd",
                        connection->path);
}

static void roll_back(dol_sqlite_writer *writer, dol_sqlite_request *const requests[],
                      unsigned count)
{
        if (!sqlite3_get_autocommit(writer->connection->db))
                dol_sqlite_run(writer->connection, DOL_SQL_ROLLBACK, NULL);
        for (unsigned i = 0; i < count; i++)
                g_clear_error(&requests[i]->error);
}

/* One transaction. When it fails as a whole, nothing is written and no request has an error. */
static bool attempt(dol_sqlite_writer *writer, dol_sqlite_request *const requests[], unsigned count,
                    GError **error)
{
        g_autoptr(GPtrArray) changes = g_ptr_array_new_with_free_func(dol_entry_unref);
        dol_sqlite_connection *connection = writer->connection;
        dol_sqlite_head head = writer->head;

        if (!place_check(connection, error) ||
            !dol_sqlite_apply(connection, requests, count, &head, changes, error)) {
                roll_back(writer, requests, count);
                return false;
        }
        dol_hub_announce(writer->hub, head.revision);
        if (!dol_sqlite_run(connection, DOL_SQL_COMMIT, error)) {
                roll_back(writer, requests, count);
                return false;
        }
        writer->head = head;
        dol_hub_publish(writer->hub, changes, head.revision);
        return true;
}

/* store.h promises NO_SPACE or UNAVAILABLE for what is wrong with the store itself. */
static void fail_request(dol_sqlite_request *request, GError *error)
{
        if (!dol_error_is(error, DOL_ERROR_NO_SPACE))
                error->code = DOL_ERROR_UNAVAILABLE;
        g_propagate_error(&request->error, error);
}

/* When several requests fail together, each is tried alone: one that is too big for the disk must
 * not fail the small ones. */
static void serve(dol_sqlite_writer *writer, dol_sqlite_request *const requests[], unsigned count)
{
        GError *error = NULL;

        if (count > 1 && attempt(writer, requests, count, NULL))
                return;
        for (unsigned i = 0; i < count; i++, error = NULL)
                if (!attempt(writer, &requests[i], 1, &error))
                        fail_request(requests[i], error);
}

static int note_log_pages(void *data, sqlite3 *db, const char *name, int pages)
{
        ((dol_sqlite_writer *)data)->log_pages = pages;
        return SQLITE_OK;
}

/* Writes a long log into the file, as far as no reader needs it, so that it can begin anew. When
 * the disk is full this fails, and is tried again after the next commit. */
static void checkpoint(dol_sqlite_writer *writer)
{
        if (writer->log_pages < LOG_PAGES_MAX)
                return;
        if (sqlite3_wal_checkpoint_v2(writer->connection->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL,
                                      NULL) == SQLITE_OK)
                writer->log_pages = 0;
        dol_sqlite_reserve(writer->fd);
}

static void *run(void *data)
{
        dol_sqlite_writer *writer = data;
        dol_sqlite_request *requests[BATCH_MAX];
        unsigned count;

        while ((count = take(writer, requests)) > 0) {
                serve(writer, requests, count);
                answer(writer, requests, count);
                checkpoint(writer);
        }
        return NULL;
}

dol_sqlite_writer *dol_sqlite_writer_new(dol_sqlite_connection *connection, int fd,
                                         dol_sqlite_head head, dol_hub *hub)
{
        dol_sqlite_writer *writer = g_new0(dol_sqlite_writer, 1);

        writer->connection = connection;
        writer->fd = fd;
        writer->head = head;
        writer->hub = hub;
        sqlite3_wal_hook(connection->db, note_log_pages, writer);
        pthread_mutex_init(&writer->lock, NULL);
        pthread_cond_init(&writer->added, NULL);
        g_queue_init(&writer->queue);
        writer->thread = dol_thread_start("store-writer", run, writer);
        return writer;
}

void dol_sqlite_writer_free(dol_sqlite_writer *writer)
{
        if (!writer)
                return;
        pthread_mutex_lock(&writer->lock);
        writer->ending = true;
        pthread_cond_signal(&writer->added);
        pthread_mutex_unlock(&writer->lock);
        pthread_join(writer->thread, NULL);
        dol_sqlite_disconnect(writer->connection);
        pthread_cond_destroy(&writer->added);
        pthread_mutex_destroy(&writer->lock);
        g_free(writer);
}

bool dol_sqlite_writer_do(dol_sqlite_writer *writer, dol_sqlite_request *request, GError **error)
{
        pthread_cond_init(&request->answered, NULL);
        pthread_mutex_lock(&writer->lock);
        g_queue_push_tail(&writer->queue, request);
        pthread_cond_signal(&writer->added);
        while (!request->is_answered)
                pthread_cond_wait(&request->answered, &writer->lock);
        pthread_mutex_unlock(&writer->lock);
        pthread_cond_destroy(&request->answered);
        if (!request->error)
                return true;
        g_propagate_error(error, g_steal_pointer(&request->error));
        return false;
}
