/* SPDX-License-Identifier: Apache-2.0 */
/* Checking and repairing file systems at rest. */
#include "base/fault.h"
#include "base/guard.h"
#include "base/run.h"
#include "host/grow.h"
#include "host/image-mounted.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

enum { REPORT_MAX = 65536 };

/* Exit status of e2fsck(8): a sum of these. */
enum { E2FSCK_MENDED = 1, E2FSCK_LEFT = 4, E2FSCK_FAILED = 8 };
/* Of xfs_repair(8); with -n, 1 means that something was found. */
enum { XFS_FOUND = 1, XFS_DIRTY_LOG = 2 };

/* Repairing what is in use would destroy it. Looking at it does no harm. */
static bool check_rest(const char *image, bool is_device, GError **error)
{
        dol_autofd fd = -1;

        if (!is_device)
                return dol_image_is_free(image, error);
        fd = open(image, O_RDONLY | O_EXCL | O_CLOEXEC);
        return fd >= 0 || dol_fail_errno(error, errno, "open '%s'", image);
}

static void append(GString *report, const char *text)
{
        gssize room = (gssize)(REPORT_MAX - MIN(report->len, REPORT_MAX));

        g_string_append_len(report, text, MIN((gssize)strlen(text), room));
}

static bool run(const dol_call *call, const char *const argv[], int *ret_status, GString *report,
                GError **error)
{
        g_autofree char *output = NULL;

        if (!dol_run_status(call, argv, ret_status, &output, error))
                return false;
        append(report, output);
        return true;
}

static bool check_ext4(const dol_call *call, const char *image, bool repair, bool *ret_clean,
                       GString *report, GError **error)
{
        const char *const argv[] = {"e2fsck", repair ? "-fy" : "-fn", image, NULL};
        int status;

        if (!run(call, argv, &status, report, error))
                return false;
        if (status >= 2 * E2FSCK_FAILED)
                return dol_fail(error, DOL_ERROR_INTERNAL, "e2fsck exited with %d: %s", status,
                                g_strchomp(report->str));
        *ret_clean = (status & (E2FSCK_LEFT | E2FSCK_FAILED)) == 0 &&
                     (repair || (status & E2FSCK_MENDED) == 0);
        return true;
}

/* `option` -n, -L or NULL. */
static bool run_xfs_repair(const dol_call *call, const char *option, bool is_device,
                           const char *image, int *ret_status, GString *report, GError **error)
{
        const char *argv[5] = {"xfs_repair"};
        unsigned n = 1;

        if (option)
                argv[n++] = option;
        if (!is_device)
                argv[n++] = "-f";
        argv[n] = image;
        return run(call, argv, ret_status, report, error);
}

/* *ret_option: how xfs_repair shall deal with the log. */
static bool replay_xfs(const dol_call *call, const char *image, const char **ret_option,
                       GString *report, GError **error)
{
        g_autoptr(GError) failed = NULL;

        *ret_option = NULL;
        if (dol_image_replay(call, DOL_FS_XFS, image, &failed))
                return true;
        if (!dol_error_is(failed, DOL_ERROR_INTERNAL)) {
                g_propagate_error(error, g_steal_pointer(&failed));
                return false;
        }
        append(report, failed->message);
        append(report, "\n");
        *ret_option = "-L";
        return true;
}

static bool check_xfs(const dol_call *call, const char *image, bool is_device, bool repair,
                      bool *ret_clean, GString *report, GError **error)
{
        const char *option = "-n";
        int status;

        if (repair && !replay_xfs(call, image, &option, report, error))
                return false;
        if (!run_xfs_repair(call, option, is_device, image, &status, report, error))
                return false;
        if (status > XFS_DIRTY_LOG)
                return dol_fail(error, DOL_ERROR_INTERNAL, "xfs_repair exited with %d: %s", status,
                                g_strchomp(report->str));
        *ret_clean = status == 0;
        return true;
}

static bool check(const dol_call *call, dol_fs_kind fs, const char *image, bool repair,
                  bool *ret_clean, GString *report, GError **error)
{
        struct stat st;
        bool is_device;

        if (stat(image, &st) < 0)
                return dol_fail_errno(error, errno, "stat '%s'", image);
        is_device = S_ISBLK(st.st_mode);
        if (repair && !check_rest(image, is_device, error))
                return false;
        return fs == DOL_FS_EXT4
                       ? check_ext4(call, image, repair, ret_clean, report, error)
                       : check_xfs(call, image, is_device, repair, ret_clean, report, error);
}

bool dol_image_check(const dol_call *call, dol_fs_kind fs, const char *image, bool repair,
                     bool *ret_clean, char **ret_report, GError **error)
{
        g_autoptr(GString) report = g_string_new(NULL);
        bool clean = false;

        if (fs != DOL_FS_EXT4 && fs != DOL_FS_XFS)
                return dol_fail(error, DOL_ERROR_UNSUPPORTED, "only ext4 and xfs can be checked");
        if (!dol_call_check(call, error) || !dol_fault_point("host.check.before", error) ||
            !check(call, fs, image, repair, &clean, report, error))
                return dol_fail_while(error, "check '%s'", image);
        *ret_clean = clean;
        *ret_report = g_string_free(g_steal_pointer(&report), false);
        return true;
}
