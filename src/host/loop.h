/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loop devices, by ioctl (loop(4), linux/loop.h). Identified by what backs them (device and inode
 * number), never by name: two loop devices on one image would be two file systems on one disk.
 */
#pragma once

#include "base/call.h"

#include <sys/types.h>

typedef struct {
        char device[32]; /* "/dev/loop7" */
        dev_t number;    /* its device number */
        int fd;          /* open on it, CLOEXEC, or -1; dol_loop_clear closes it */
        bool reused;     /* it was attached already */
} dol_loop;

#define DOL_LOOP_INIT ((dol_loop){.fd = -1})

typedef struct {
        bool read_only;
        bool autoclear; /* detaches itself when its last user (mount or fd) goes */
} dol_loop_options;

/* Attaches the image with 4096-byte blocks and direct I/O (if the file system beneath can; else
 * buffered; dol_loop_is_direct tells). A device that is attached to
 * the same file already is returned instead. The caller keeps ret->fd open until something else
 * (a mount) holds an autoclear device. Retries when another process takes the free number first. A
 * device that is reused gets the wanted autoclear; one that is attached read-only, or to a part of
 * the image, is a CONFLICT. Fault points: host.loop.attach.before, .after. */
bool dol_loop_attach(const dol_call *call, const char *image, const dol_loop_options *options,
                     dol_loop *ret, GError **error);
/* Finds the device of an image without attaching. false with *error unset = none. A device whose
 * last user has just gone may be found for a moment still, while another program has it open. */
bool dol_loop_find(const char *image, dol_loop *ret, GError **error);
/* Detaches; the kernel finishes when the last user goes. Not attached: true. */
bool dol_loop_detach(const char *device, GError **error);
/* Tells the kernel that the image has grown (LOOP_SET_CAPACITY). */
bool dol_loop_resize(const char *device, GError **error);
bool dol_loop_is_direct(const char *device);
void dol_loop_clear(dol_loop *loop);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(dol_loop, dol_loop_clear)

/* Every attached device whose backing file's path begins with `prefix` ("" = all). A file that was
 * deleted shows as "<path> (deleted)". */
typedef bool (*dol_loop_fn)(const char *device, const char *backing_file, void *user);
bool dol_loop_each(const char *prefix, dol_loop_fn fn, void *user, GError **error);
