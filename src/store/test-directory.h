/* SPDX-License-Identifier: Apache-2.0 */
/* Tests that leave no files behind, also when they fail. */
#pragma once

/* Runs the tests in a child process and removes, when it has ended in whatever way, the directories
 * it made with test_directory_new. Returns the exit status. g_test_init and g_test_add come
 * before. */
int test_run_cleanly(void);

/* A new, empty directory. */
char *test_directory_new(void);
/* Removes it with all that is in it; frees the string. */
void test_directory_free(char *directory);
