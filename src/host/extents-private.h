/* SPDX-License-Identifier: Apache-2.0 */
/* What the files about extent maps share. */
#pragma once

#include "host/extents.h"

#include <sys/stat.h>

struct fiemap;

/* A place in a file's extent map, which is read in batches. */
typedef struct {
        int fd;
        struct stat st;
        struct fiemap *batch; /* the extents read last ... */
        unsigned next, count; /* ... of which `next` is the next */
        uint64_t end;         /* of the last extent that was handed out */
        bool last;            /* the batch is the last one */
} dol_extent_cursor;

#define DOL_EXTENT_CURSOR_INIT ((dol_extent_cursor){.fd = -1})

/* At the beginning of the map; what is dirty in the page cache is written out first. */
bool dol_extent_cursor_open(dol_extent_cursor *cursor, const char *path, GError **error);
/* *ret_any false: there is none left. */
bool dol_extent_cursor_next(dol_extent_cursor *cursor, const dol_call *call, dol_extent *ret,
                            bool *ret_any, GError **error);
void dol_extent_cursor_clear(dol_extent_cursor *cursor);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(dol_extent_cursor, dol_extent_cursor_clear)
