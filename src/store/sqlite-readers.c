/* SPDX-License-Identifier: Apache-2.0 */
#include "store/sqlite-readers.h"

#include "base/guard.h"

enum { READERS = 4 };

struct dol_sqlite_readers {
        pthread_mutex_t lock; /* guards what follows */
        pthread_cond_t given;
        dol_sqlite_connection *idle[READERS];
        unsigned idle_count;
};

/* Opening alone does not read; what is not read yet could still be another file. */
static dol_sqlite_connection *connect_and_read(const char *path, GError **error)
{
        g_autoptr(dol_sqlite_connection) connection = dol_sqlite_connect(path, error);
        dol_sqlite_head head;

        if (!connection || !dol_sqlite_read_head(connection, &head, error))
                return NULL;
        return g_steal_pointer(&connection);
}

dol_sqlite_readers *dol_sqlite_readers_new(const char *path, GError **error)
{
        g_autoptr(dol_sqlite_readers) readers = g_new0(dol_sqlite_readers, 1);

        pthread_mutex_init(&readers->lock, NULL);
        pthread_cond_init(&readers->given, NULL);
        for (; readers->idle_count < READERS; readers->idle_count++) {
                readers->idle[readers->idle_count] = connect_and_read(path, error);
                if (!readers->idle[readers->idle_count])
                        return NULL;
        }
        return g_steal_pointer(&readers);
}

void dol_sqlite_readers_free(dol_sqlite_readers *readers)
{
        if (!readers)
                return;
        for (unsigned i = 0; i < readers->idle_count; i++)
                dol_sqlite_disconnect(readers->idle[i]);
        pthread_cond_destroy(&readers->given);
        pthread_mutex_destroy(&readers->lock);
        g_free(readers);
}

dol_sqlite_connection *dol_sqlite_readers_take(dol_sqlite_readers *readers)
{
        dol_lock_scope(&readers->lock);

        while (readers->idle_count == 0)
                pthread_cond_wait(&readers->given, &readers->lock);
        return readers->idle[--readers->idle_count];
}

void dol_sqlite_readers_give(dol_sqlite_readers *readers, dol_sqlite_connection *connection)
{
        dol_lock_scope(&readers->lock);

        readers->idle[readers->idle_count++] = connection;
        pthread_cond_signal(&readers->given);
}
