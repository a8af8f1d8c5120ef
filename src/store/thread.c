/* SPDX-License-Identifier: Apache-2.0 */
#include "store/thread.h"

#include <glib.h>
#include <signal.h>

pthread_t dol_thread_start(const char *name, void *(*run)(void *), void *data)
{
        sigset_t all, before;
        pthread_t thread;
        int err;

        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        err = pthread_create(&thread, NULL, run, data);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        if (err)
                g_error("cannot start thread '%s': %s", name, g_strerror(err));
        pthread_setname_np(thread, name);
        return thread;
}
