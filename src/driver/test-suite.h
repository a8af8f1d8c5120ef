/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The conformance suite of drivers: what driver.h promises, asked of every driver on every ground
 * it can stand on, also with faults and kills at each of its steps.
 */
#pragma once

#include "driver/pool.h"
#include "host/test-ground.h"

/* One driver on one kind of ground. */
typedef struct {
        const char *name; /* of the tests: "/<name>/..." */
        const char *driver;
        const char *(*ground)(void); /* an existing directory, where pools are made */
        uint64_t size;               /* for the pool's spec */
        bool mounts;                 /* volumes may be mounted here */
        bool durable;                /* a pool lives on disk: not the fake's */
        bool directories;            /* volumes are directories, without a size */
        bool snapshots;              /* the driver has the slots for them */
} suite_host;

/* A pool of a test's own. */
typedef struct {
        const suite_host *host;
        dol_call call;
        char *directory; /* holds the pool and nothing else */
        dol_pool_spec spec;
        dol_pool_request request;
        dol_pool *pool;
} suite_pool;

/* Adds all tests of the suite for this row. */
void suite_add(const suite_host *host);
/* Needs a row that mounts. */
void suite_add_mounted(const suite_host *host);
void suite_add_faults(const suite_host *host);
void suite_add_snapshots(const suite_host *host);
void suite_add_transfer(const suite_host *host);

/* Sets up a directory and a request; nothing is opened. */
void suite_pool_init(suite_pool *suite, const suite_host *host);
/* Opens it (create as the request says), after closing it if it was open. Fails the test on error.
 */
void suite_pool_open(suite_pool *suite);
/* Closes and removes it, and fails the test when anything else is left. */
void suite_pool_clear(suite_pool *suite);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(suite_pool, suite_pool_clear)

/* A volume with a new uid: 64 MiB, or a directory where there are no sizes. */
dol_volume *suite_volume(const suite_host *host, const char *name);
/* Creates it; returns the file system's UUID. */
char *suite_create(suite_pool *suite, const dol_volume *volume);
void suite_destroy(suite_pool *suite, const char *uid);
/* How many entries list reports; *ret_last (may be NULL) gets the last description's name. */
unsigned suite_count(suite_pool *suite, char **ret_last);
bool suite_is_attached(suite_pool *suite, const char *uid);
/* Waits up to a second until its device has gone by itself, which may be looked at by udev yet. */
void suite_wait_detached(suite_pool *suite, const char *uid);
/* A path in the volume's directory in the pool. */
char *suite_path(const suite_pool *suite, const char *uid, const char *name);
/* Attaches the volume and mounts it (or binds its directory) at a new mount point; returns that. */
char *suite_mount(suite_pool *suite, const dol_volume *volume);
void suite_unmount(suite_pool *suite, const char *at);

/* e2fsck finds nothing wrong with the volume's image. */
void suite_assert_sound(suite_pool *suite, const char *uid);
/* A digest of all names, types, modes, times and bytes in a directory. */
char *suite_digest(const char *directory);
/* Opening the pool must fail with this kind and text, and leave its directory as it was. */
void suite_assert_refused(suite_pool *suite, dol_error_kind kind, const char *why);
/* The open pool is of this kind and has reasonable figures. */
void suite_assert_kind(suite_pool *suite, const char *kind);
/* Unmounts the pool's file system beneath it. */
void suite_pool_unmount(suite_pool *suite);

/* The main function of a test program that needs no root: the tests run in a child, with a
 * temporary directory of their own, so that it is removed however they end. */
int suite_unit_main(int argc, char **argv, void (*add_tests)(void));
const char *suite_unit_directory(void);

/* Fails the test unless the call failed with this kind and text. */
#define suite_assert_failed(done, error, kind, part)              \
        do {                                                      \
                g_assert_false(done);                             \
                g_assert_error(error, DOL_ERROR, (int)(kind));    \
                g_assert_nonnull(strstr((error)->message, part)); \
                g_clear_error(&(error));                          \
        } while (0)
