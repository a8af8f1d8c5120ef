/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors. One GError domain for the whole program; the code is one of the kinds below, and every
 * face translates a kind through this one table (HTTP status, gRPC code, exit status).
 *
 * Functions that can fail take a GError ** last and return bool (true = done) or a pointer
 * (NULL = failed). They say what failed and on what, in lower case and without a full stop:
 *
 *         return dol_fail(error, DOL_ERROR_NOT_FOUND, "volume '%s' does not exist", name);
 *
 * A caller that knows something new prepends it with dol_fail_while and passes the error on. The
 * edge (a face, the reconciler) logs it, once.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

/* clang-format off: tables */
/*        kind          word            HTTP gRPC exit  may the same request succeed later? */
#define DOL_ERROR_KINDS(X)                                \
        X(INTERNAL, "internal", 500, 13, 70, false)       \
        X(INVALID, "invalid", 400, 3, 64, false)          \
        X(NOT_FOUND, "not-found", 404, 5, 66, false)      \
        X(EXISTS, "exists", 409, 6, 73, false)            \
        X(CONFLICT, "conflict", 409, 9, 65, false)        \
        X(STALE, "stale", 412, 10, 65, true)              \
        X(UNSUPPORTED, "unsupported", 501, 12, 69, false) \
        X(NO_SPACE, "no-space", 507, 8, 74, false)        \
        X(BUSY, "busy", 423, 10, 75, true)                \
        X(UNAVAILABLE, "unavailable", 503, 14, 75, true)  \
        X(TIMEOUT, "timeout", 504, 4, 75, true)           \
        X(DENIED, "denied", 403, 7, 77, false)

typedef enum {
#define X(kind, word, http, grpc, exit, retry) DOL_ERROR_##kind,
        DOL_ERROR_KINDS(X)
#undef X
                DOL_ERROR_KIND_COUNT
} dol_error_kind;
/* clang-format on */

typedef struct {
        const char *word; /* as written in JSON: "not-found" */
        int http;         /* HTTP status */
        int grpc;         /* gRPC status code */
        int exit;         /* exit status of the command line, from sysexits.h where it fits */
        bool retry;       /* true: waiting and asking again may help */
} dol_error_info;

#define DOL_ERROR (dol_error_quark())
GQuark dol_error_quark(void);

/* The row of a kind; an out-of-range kind gets INTERNAL's. */
const dol_error_info *dol_error_info_of(dol_error_kind kind);
/* The kind of an error; INTERNAL for errors of a foreign domain and for NULL. */
dol_error_kind dol_error_kind_of(const GError *error);
/* The kind whose word this is; INTERNAL when there is none. */
dol_error_kind dol_error_kind_from_word(const char *word);
bool dol_error_is(const GError *error, dol_error_kind kind);

/* These three always return false, so that failing is one statement. */
bool dol_fail(GError **error, dol_error_kind kind, const char *format, ...) G_GNUC_PRINTF(3, 4);
/* Appends ": <strerror>" and chooses the kind from errno value `err` (ENOENT -> NOT_FOUND, ...). */
bool dol_fail_errno(GError **error, int err, const char *format, ...) G_GNUC_PRINTF(3, 4);
/* Prepends "<text>: " to an error that is set already; the kind stays. */
bool dol_fail_while(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);
