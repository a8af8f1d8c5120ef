/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the fuzz targets share. A target is one file fuzz-NAME.c with LLVMFuzzerTestOneInput; its
 * inputs are in corpus/NAME, one idea per file. gcc builds it with replay.c, which runs that
 * corpus; with -Dfuzz=true clang builds it with libFuzzer, which searches new inputs.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Aborts, in every build type, when what must hold does not. */
#define fuzz_require(condition)                                                              \
        do {                                                                                 \
                if (!(condition)) {                                                          \
                        g_printerr("%s:%d: required: %s\n", __FILE__, __LINE__, #condition); \
                        abort();                                                             \
                }                                                                            \
        } while (0)

/* The input as a C string of its own; what follows a NUL is lost to the reader, as with argv. */
static inline char *fuzz_text(const uint8_t *data, size_t size)
{
        return g_strndup((const char *)data, size);
}
