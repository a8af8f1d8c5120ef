/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What unit tests share; included by test-*.c only. Begin main with dol_test_init: assertions then
 * fail the test without aborting the program, so that what a test made is still removed.
 */
#pragma once

#include "base/error.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static inline void dol_test_init(int *argc, char ***argv)
{
        g_test_init(argc, argv, NULL);
        g_test_set_nonfatal_assertions();
}

/* Asserts that a call failed with this kind and exactly this message; frees the error. */
#define dol_assert_failed(error, wanted_kind, wanted_message)                                   \
        do {                                                                                    \
                g_assert_nonnull(error);                                                        \
                g_assert_cmpstr(dol_error_info_of(dol_error_kind_of(error))->word, ==,          \
                                dol_error_info_of(wanted_kind)->word);                          \
                g_assert_cmpstr((error) ? (error)->message : "no error", ==, (wanted_message)); \
                g_clear_error(&(error));                                                        \
        } while (0)

/* Asserts that a call failed with INVALID and a message that contains the text; frees the error. */
#define dol_assert_invalid(error, text)                                                       \
        do {                                                                                  \
                g_assert_nonnull(error);                                                      \
                g_assert_true(dol_error_is(error, DOL_ERROR_INVALID));                        \
                if (!(error) || !strstr((error)->message, (text)))                            \
                        g_assert_cmpstr((error) ? (error)->message : "no error", ==, (text)); \
                g_clear_error(&(error));                                                      \
        } while (0)

static inline void dol_test_remove_tree(int parent, const char *name)
{
        int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        DIR *dir = fd < 0 ? NULL : fdopendir(fd);
        const struct dirent *entry;

        while (dir && (entry = readdir(dir)))
                if (!g_str_equal(entry->d_name, ".") && !g_str_equal(entry->d_name, ".."))
                        dol_test_remove_tree(dirfd(dir), entry->d_name);
        if (dir)
                closedir(dir);
        unlinkat(parent, name, dir ? AT_REMOVEDIR : 0);
}

static inline void dol_test_directory_cleanup(char **path)
{
        dol_test_remove_tree(AT_FDCWD, *path);
        g_free(*path);
}

/* A fresh directory that goes, with all in it, at the end of its scope:
 * dol_test_directory path = dol_test_directory_new(); */
#define dol_test_directory __attribute__((cleanup(dol_test_directory_cleanup))) char *

static inline char *dol_test_directory_new(void)
{
        char *path = g_dir_make_tmp("dolium-test-XXXXXX", NULL);

        g_assert_nonnull(path);
        return path;
}
