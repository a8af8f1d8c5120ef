/* SPDX-License-Identifier: Apache-2.0 */
#include "store/test-directory.h"

#include <errno.h>
#include <ftw.h>
#include <glib.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static char *root; /* where test_directory_new makes its directories */

static pid_t child; /* that runs the tests */

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
        return remove(path);
}

static void end_child(int signal)
{
        kill(child, SIGKILL);
}

/* Whoever ends this process, like a time limit, ends the child, and its files go too. */
static int wait_for_child(void)
{
        struct sigaction action = {.sa_handler = end_child};
        int status = 0;

        sigaction(SIGTERM, &action, NULL);
        sigaction(SIGINT, &action, NULL);
        sigaction(SIGHUP, &action, NULL);
        while (waitpid(child, &status, 0) < 0 && errno == EINTR)
                continue;
        return status;
}

int test_run_cleanly(void)
{
        int status;

        root = g_dir_make_tmp("dolium-test-XXXXXX", NULL);
        g_assert_nonnull(root);
        fflush(NULL);
        child = fork();
        g_assert_cmpint(child, >=, 0);
        if (child == 0) {
                prctl(PR_SET_PDEATHSIG, SIGKILL);
                status = g_test_run();
                g_free(root);
                exit(status);
        }
        status = wait_for_child();
        test_directory_free(root);
        return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_FAILURE;
}

char *test_directory_new(void)
{
        char *directory = g_build_filename(root, "XXXXXX", NULL);

        g_assert_nonnull(g_mkdtemp(directory));
        return directory;
}

void test_directory_free(char *directory)
{
        nftw(directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
        g_free(directory);
}
