/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a fuzz target on every file of the directories given, and on what is left of each file when
 * its end is cut off, byte by byte. Inputs lie in memory of exactly their size, so that a sanitizer
 * sees every byte too far. A crash is preceded by the input's name on standard error.
 */
#include "fuzz.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Cutting is quadratic work; longer files are cut in larger steps. */
enum { CUTS_MAX = 400 };

static void run(const char *bytes, size_t size)
{
        uint8_t *exact = malloc(size ? size : 1);

        if (size)
                memcpy(exact, bytes, size);
        LLVMFuzzerTestOneInput(exact, size);
        free(exact);
}

static bool run_file(const char *path)
{
        g_autoptr(GError) error = NULL;
        g_autofree char *bytes = NULL;
        size_t size, step;

        if (!g_file_get_contents(path, &bytes, &size, &error)) {
                fprintf(stderr, "%s\n", error->message);
                return false;
        }
        fprintf(stderr, "%s\n", path);
        run(bytes, size);
        step = 1 + size / CUTS_MAX;
        for (size_t left = 0; left < size; left += step)
                run(bytes, left);
        return true;
}

static unsigned run_directory(const char *path, bool *ok)
{
        g_autoptr(GError) error = NULL;
        g_autoptr(GDir) dir = g_dir_open(path, 0, &error);
        const char *name;
        unsigned count = 0;

        while (dir && (name = g_dir_read_name(dir))) {
                g_autofree char *file = g_build_filename(path, name, NULL);

                *ok = run_file(file) && *ok;
                count++;
        }
        if (count == 0) {
                fprintf(stderr, "%s: %s\n", path, error ? error->message : "no inputs");
                *ok = false;
        }
        return count;
}

int main(int argc, char **argv)
{
        unsigned count = 0;
        bool ok = argc > 1;

        for (int i = 1; i < argc; i++)
                count += run_directory(argv[i], &ok);
        printf("%u inputs\n", count);
        return ok ? 0 : 1;
}
