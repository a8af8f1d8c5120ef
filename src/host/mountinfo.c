/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's list of mounts: "ID PARENT MAJ:MIN ROOT PATH OPTIONS [TAG...] - TYPE SOURCE SUPER".
 * White space, '\' and '#' within a field are written as \ooo. */
#include "base/file.h"
#include "base/guard.h"
#include "host/mount-private.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

enum { MOUNTINFO_BYTES_MAX = 256 << 20, FDINFO_BYTES_MAX = 4096 };

/* Cuts the next field off *rest; NULL when there is none. */
static char *next_field(char **rest)
{
        char *field = *rest;
        char *end;

        if (!field || *field == '\0')
                return NULL;
        end = strchr(field, ' ');
        *rest = end ? end + 1 : NULL;
        if (end)
                *end = '\0';
        return field;
}

static bool is_octal(const char *digits)
{
        return digits[0] >= '0' && digits[0] <= '3' && digits[1] >= '0' && digits[1] <= '7' &&
               digits[2] >= '0' && digits[2] <= '7';
}

static void unescape(char *text)
{
        char *to = strchr(text, '\\');

        for (const char *from = to; from && *from;) {
                if (*from == '\\' && is_octal(from + 1)) {
                        *to++ = (char)((from[1] - '0') << 6 | (from[2] - '0') << 3 |
                                       (from[3] - '0'));
                        from += 4;
                } else {
                        *to++ = *from++;
                }
        }
        if (to)
                *to = '\0';
}

static bool parse_number(const char *text, char end, uint64_t *ret, const char **ret_rest)
{
        char *rest;

        if (!g_ascii_isdigit(*text))
                return false;
        errno = 0;
        *ret = strtoull(text, &rest, 10);
        if (errno != 0 || *rest != end)
                return false;
        if (ret_rest)
                *ret_rest = rest + 1;
        return true;
}

static bool parse_device(const char *text, dev_t *ret)
{
        uint64_t major_number, minor_number;
        const char *rest;

        if (!parse_number(text, ':', &major_number, &rest) ||
            !parse_number(rest, '\0', &minor_number, NULL) || major_number > UINT32_MAX ||
            minor_number > UINT32_MAX)
                return false;
        *ret = makedev((unsigned)major_number, (unsigned)minor_number);
        return true;
}

/* Passes the tags by; there may be none, and the list ends with "-". */
static bool skip_tags(char **rest)
{
        const char *tag;

        while ((tag = next_field(rest)))
                if (strcmp(tag, "-") == 0)
                        return true;
        return false;
}

bool dol_mountinfo_cut(char *line, dol_mount_entry *ret)
{
        char *rest = line;
        char *id = next_field(&rest), *parent = next_field(&rest), *device = next_field(&rest);

        ret->root = next_field(&rest);
        ret->path = next_field(&rest);
        ret->options = next_field(&rest);
        if (!id || !parent || !device || !ret->root || !ret->path || !ret->options ||
            !parse_number(id, '\0', &ret->id, NULL) || !parse_device(device, &ret->device) ||
            !skip_tags(&rest))
                return false;
        ret->fs_type = next_field(&rest);
        ret->source = next_field(&rest);
        ret->super_options = rest;
        if (!ret->fs_type || !ret->source || !ret->super_options)
                return false;
        unescape(ret->root);
        unescape(ret->path);
        unescape(ret->fs_type);
        unescape(ret->source);
        unescape(ret->super_options);
        return true;
}

static dol_mount_entry *entry_copy(const dol_mount_entry *entry)
{
        dol_mount_entry *copy = g_new(dol_mount_entry, 1);

        *copy = (dol_mount_entry){
                .id = entry->id,
                .device = entry->device,
                .root = g_strdup(entry->root),
                .path = g_strdup(entry->path),
                .options = g_strdup(entry->options),
                .fs_type = g_strdup(entry->fs_type),
                .source = g_strdup(entry->source),
                .super_options = g_strdup(entry->super_options),
        };
        return copy;
}

void dol_mount_entry_free(dol_mount_entry *entry)
{
        if (!entry)
                return;
        g_free(entry->root);
        g_free(entry->path);
        g_free(entry->options);
        g_free(entry->fs_type);
        g_free(entry->source);
        g_free(entry->super_options);
        g_free(entry);
}

static void free_entry(void *entry)
{
        dol_mount_entry_free(entry);
}

void dol_mountinfo_each(char *text, dol_mountinfo_fn fn, void *user)
{
        for (char *line = text; line && *line;) {
                char *end = strchr(line, '\n');
                dol_mount_entry entry;

                if (end)
                        *end = '\0';
                if (dol_mountinfo_cut(line, &entry) && !fn(&entry, user))
                        return;
                line = end ? end + 1 : NULL;
        }
}

bool dol_mountinfo_text(const char *path, char **ret, GError **error)
{
        g_autoptr(GError) failed = NULL;

        if (dol_file_read(path, MOUNTINFO_BYTES_MAX, ret, NULL, &failed))
                return true;
        /* a process that ends meanwhile: EINVAL or ESRCH, then no such file */
        if (dol_error_is(failed, DOL_ERROR_NOT_FOUND) || dol_error_is(failed, DOL_ERROR_INTERNAL))
                return dol_fail(error, DOL_ERROR_NOT_FOUND, "%s", failed->message);
        g_propagate_error(error, g_steal_pointer(&failed));
        return false;
}

static bool add_entry(const dol_mount_entry *entry, void *user)
{
        g_ptr_array_add(user, entry_copy(entry));
        return true;
}

GPtrArray *dol_mountinfo_parse(const char *text)
{
        g_autofree char *copy = g_strdup(text);
        GPtrArray *entries = g_ptr_array_new_with_free_func(free_entry);

        dol_mountinfo_each(copy, add_entry, entries);
        return entries;
}

GPtrArray *dol_mountinfo_read(const char *path, GError **error)
{
        g_autofree char *text = NULL;

        if (!dol_mountinfo_text(path, &text, error))
                return NULL;
        return dol_mountinfo_parse(text);
}

/* The id of the mount that holds a path, from /proc/self/fdinfo. */
static bool mount_id_of(const char *path, uint64_t *ret, GError **error)
{
        dol_autofd fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        g_autofree char *text = NULL;
        char info[64];
        const char *field;

        if (fd < 0)
                return dol_fail_errno(error, errno, "open '%s'", path);
        snprintf(info, sizeof(info), "/proc/self/fdinfo/%d", fd);
        if (!dol_file_read(info, FDINFO_BYTES_MAX, &text, NULL, error))
                return false;
        field = strstr(text, "mnt_id:");
        if (!field || sscanf(field, "mnt_id: %" SCNu64, ret) != 1)
                return dol_fail(error, DOL_ERROR_INTERNAL, "no mount id in '%s'", info);
        return true;
}

bool dol_mount_is_root(const char *path, bool *ret_is_root, uint64_t *ret_id, GError **error)
{
        g_autofree char *parent = g_path_get_dirname(path);
        uint64_t outer;

        if (!mount_id_of(path, ret_id, error) || !mount_id_of(parent, &outer, error))
                return false;
        *ret_is_root = *ret_id != outer;
        return true;
}

typedef struct {
        uint64_t id;
        dol_mount_entry *found;
} id_search;

static bool has_id(const dol_mount_entry *entry, void *user)
{
        id_search *wanted = user;

        if (entry->id != wanted->id)
                return true;
        wanted->found = entry_copy(entry);
        return false;
}

dol_mount_entry *dol_mount_find(const char *path, GError **error)
{
        g_autoptr(GError) failed = NULL;
        g_autofree char *text = NULL;
        id_search wanted = {0};
        bool is_root;

        if (!dol_mount_is_root(path, &is_root, &wanted.id, &failed)) {
                if (!dol_error_is(failed, DOL_ERROR_NOT_FOUND) &&
                    !dol_error_is(failed, DOL_ERROR_CONFLICT))
                        g_propagate_error(error, g_steal_pointer(&failed));
                return NULL;
        }
        if (!is_root || !dol_mountinfo_text("/proc/thread-self/mountinfo", &text, error))
                return NULL;
        dol_mountinfo_each(text, has_id, &wanted);
        return wanted.found;
}
