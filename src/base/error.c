/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"

#include <errno.h>
#include <string.h>

static const dol_error_info infos[] = {
#define X(kind, word, http, grpc, exit, retry) [DOL_ERROR_##kind] = {word, http, grpc, exit, retry},
        DOL_ERROR_KINDS(X)
#undef X
};

GQuark dol_error_quark(void)
{
        return g_quark_from_static_string("dolium");
}

const dol_error_info *dol_error_info_of(dol_error_kind kind)
{
        return &infos[(unsigned)kind < DOL_ERROR_KIND_COUNT ? kind : DOL_ERROR_INTERNAL];
}

dol_error_kind dol_error_kind_of(const GError *error)
{
        if (!error || error->domain != DOL_ERROR || (unsigned)error->code >= DOL_ERROR_KIND_COUNT)
                return DOL_ERROR_INTERNAL;
        return (dol_error_kind)error->code;
}

dol_error_kind dol_error_kind_from_word(const char *word)
{
        for (unsigned i = 0; word && i < DOL_ERROR_KIND_COUNT; i++)
                if (strcmp(infos[i].word, word) == 0)
                        return (dol_error_kind)i;
        return DOL_ERROR_INTERNAL;
}

bool dol_error_is(const GError *error, dol_error_kind kind)
{
        return error && error->domain == DOL_ERROR && error->code == (int)kind;
}

bool dol_fail(GError **error, dol_error_kind kind, const char *format, ...)
{
        va_list args;

        va_start(args, format);
        /* warns, and leaks nothing, when an earlier error was forgotten in *error */
        g_propagate_error(error, g_error_new_valist(DOL_ERROR, kind, format, args));
        va_end(args);
        return false;
}

static dol_error_kind kind_of_errno(int err)
{
        switch (err) {
        case ENOENT:
        case ENODEV:
        case ENXIO:
                return DOL_ERROR_NOT_FOUND;
        case EEXIST:
                return DOL_ERROR_EXISTS;
        case ENOTDIR:
        case EISDIR:
        case ENOTEMPTY:
                return DOL_ERROR_CONFLICT;
        case ENAMETOOLONG:
                return DOL_ERROR_INVALID;
        case EBUSY:
        case ETXTBSY:
                return DOL_ERROR_BUSY;
        case ENOSPC:
        case EDQUOT:
                return DOL_ERROR_NO_SPACE;
        case EOPNOTSUPP:
        case ENOSYS:
        case ENOTTY:
                return DOL_ERROR_UNSUPPORTED;
        case EACCES:
        case EPERM:
        case EROFS:
                return DOL_ERROR_DENIED;
        case ETIMEDOUT:
                return DOL_ERROR_TIMEOUT;
        case EAGAIN:
        case EMFILE:
        case ENFILE:
        case ENOMEM:
        case ECONNREFUSED:
        case ECONNRESET:
        case EPIPE:
                return DOL_ERROR_UNAVAILABLE;
        default:
                return DOL_ERROR_INTERNAL;
        }
}

bool dol_fail_errno(GError **error, int err, const char *format, ...)
{
        g_autofree char *text = NULL;
        va_list args;

        va_start(args, format);
        text = g_strdup_vprintf(format, args);
        va_end(args);
        return dol_fail(error, kind_of_errno(err), "%s: %s", text, g_strerror(err));
}

bool dol_fail_while(GError **error, const char *format, ...)
{
        g_autofree char *text = NULL;
        va_list args;

        if (!error || !*error)
                return false;
        va_start(args, format);
        text = g_strdup_vprintf(format, args);
        va_end(args);
        g_prefix_error(error, "%s: ", text);
        return false;
}
