/* SPDX-License-Identifier: Apache-2.0 */
#include "driver/description.h"

#include "base/file.h"
#include "driver/place.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME           "volume.json"
#define NAME_TEMPORARY NAME ".tmp" /* of dol_file_replace */

enum { DESCRIPTION_MAX = 1 << 20 };

char *dol_description_directory(const char *root, const char *uid)
{
        return g_build_filename(root, "volumes", uid, NULL);
}

char *dol_description_path(const char *root, const char *uid, const char *name)
{
        return g_build_filename(root, "volumes", uid, name, NULL);
}

/* Only a regular file is opened: anything else could block or be something else's. */
static bool read_text(const char *file, char **ret_text, size_t *ret_size, GError **error)
{
        g_autoptr(GError) cause = NULL;
        struct stat st;

        if (lstat(file, &st) < 0)
                return dol_fail_errno(error, errno, "description '%s'", file);
        if (!S_ISREG(st.st_mode))
                return dol_fail(error, DOL_ERROR_CONFLICT, "'%s' is not a file", file);
        if (!dol_file_read(file, DESCRIPTION_MAX, ret_text, ret_size, &cause))
                return dol_fail(error, DOL_ERROR_CONFLICT, "the description is damaged: %s",
                                cause->message);
        return true;
}

dol_volume *dol_description_read(const char *root, const char *uid, GError **error)
{
        g_autofree char *file = dol_description_path(root, uid, NAME);
        g_autofree dol_volume *decoded = g_new0(dol_volume, 1);
        g_autoptr(dol_volume) volume = NULL;
        g_autoptr(GError) cause = NULL;
        g_autofree char *text = NULL;
        size_t size;

        if (!read_text(file, &text, &size, error))
                return NULL;
        if (!dol_json_decode(&dol_volume_schema, text, size, DOL_DECODE_LENIENT, decoded, &cause)) {
                dol_fail(error, DOL_ERROR_CONFLICT, "the description is damaged: '%s': %s", file,
                         cause->message);
                return NULL;
        }
        volume = g_steal_pointer(&decoded);
        if (g_strcmp0(volume->uid, uid) != 0) {
                dol_fail(error, DOL_ERROR_CONFLICT, "'%s' describes another volume (uid %s)", file,
                         volume->uid ? volume->uid : "missing");
                return NULL;
        }
        return g_steal_pointer(&volume);
}

bool dol_description_write(const char *root, const dol_volume *volume, GError **error)
{
        g_autofree char *file = dol_description_path(root, volume->uid, NAME);
        g_autoptr(GString) text = g_string_new(NULL);
        dol_volume lasting = *volume;

        lasting.status.attachment = NULL;
        lasting.status.received = NULL; /* a mount ends it */
        lasting.status.received_apart = 0;
        lasting.status.used = 0;
        lasting.status.available = 0;
        lasting.status.allocated = 0;
        lasting.status.inodes = 0;
        lasting.status.inodes_used = 0;
        dol_json_encode(&dol_volume_schema, &lasting, DOL_ENCODE_STORE, text);
        g_string_append_c(text, '\n');
        return dol_file_replace(file, text->str, text->len, 0600, error);
}

static int compare_names(const void *a, const void *b)
{
        return strcmp(*(char *const *)a, *(char *const *)b);
}

static GPtrArray *entries_of(const char *directory, GError **error)
{
        g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
        g_autoptr(GError) cause = NULL;
        g_autoptr(GDir) entries = g_dir_open(directory, 0, &cause);
        const char *name;

        if (!entries) {
                dol_fail(error, DOL_ERROR_UNAVAILABLE, "%s", cause->message);
                return NULL;
        }
        while ((name = g_dir_read_name(entries)))
                g_ptr_array_add(names, g_strdup(name));
        g_ptr_array_sort(names, compare_names);
        return g_steal_pointer(&names);
}

/* The name of a foreign entry may be any bytes; it is told as UTF-8. */
static bool report(const char *root, const char *name, const char *data, dol_found_fn fn,
                   void *user)
{
        g_autofree char *uid = g_utf8_make_valid(name, -1);
        g_autofree char *directory = dol_description_directory(root, name);
        g_autofree char *data_path = dol_description_path(root, name, data);
        g_autoptr(dol_volume) volume = NULL;
        g_autoptr(GError) cause = NULL;
        struct stat st;

        if (lstat(directory, &st) < 0)
                return true; /* removed meanwhile */
        if (!S_ISDIR(st.st_mode))
                return fn(uid, NULL, "not a volume's directory", user);
        volume = dol_description_read(root, name, &cause);
        if (!volume)
                return fn(uid, NULL, cause->message, user);
        if (lstat(data_path, &st) < 0) {
                g_autofree char *reason = g_strdup_printf("its data is missing: no '%s'", data);

                return fn(uid, NULL, reason, user);
        }
        return fn(uid, volume, NULL, user);
}

bool dol_description_list(const dol_call *call, const char *root, const char *data, dol_found_fn fn,
                          void *user, GError **error)
{
        g_autofree char *directory = g_build_filename(root, "volumes", NULL);
        g_autoptr(GPtrArray) names = entries_of(directory, error);

        if (!names)
                return false;
        for (unsigned i = 0; i < names->len; i++) {
                if (!dol_call_check(call, error))
                        return false;
                if (!report(root, names->pdata[i], data, fn, user))
                        return true;
        }
        return true;
}

bool dol_description_check(const char *root, const char *uid, const char *const known[],
                           GError **error)
{
        g_autofree char *directory = dol_description_directory(root, uid);
        g_autoptr(GPtrArray) all = g_ptr_array_new();
        g_autofree char *extra = NULL;
        GError *local = NULL;

        g_ptr_array_add(all, (void *)NAME);
        g_ptr_array_add(all, (void *)NAME_TEMPORARY);
        for (unsigned i = 0; known[i]; i++)
                g_ptr_array_add(all, (void *)known[i]);
        g_ptr_array_add(all, NULL);
        extra = dol_place_entries(directory, (const char *const *)all->pdata, &local);
        if (local) {
                g_propagate_error(error, local);
                return false;
        }
        if (extra)
                return dol_fail(error, DOL_ERROR_CONFLICT,
                                "'%s' holds what no volume has: %s; move that away first",
                                directory, extra);
        return true;
}

static bool remove_file(const char *root, const char *uid, const char *name, GError **error)
{
        g_autofree char *path = dol_description_path(root, uid, name);

        if (unlink(path) < 0 && errno != ENOENT)
                return dol_fail_errno(error, errno, "remove '%s'", path);
        return true;
}

bool dol_description_remove(const char *root, const char *uid, GError **error)
{
        return remove_file(root, uid, NAME, error) && remove_file(root, uid, NAME_TEMPORARY, error);
}

bool dol_description_finish(const char *root, const char *uid, GError **error)
{
        g_autofree char *directory = dol_description_directory(root, uid);
        g_autofree char *parent = g_path_get_dirname(directory);

        if (rmdir(directory) < 0 && errno != ENOENT)
                return dol_fail_errno(error, errno, "remove directory '%s'", directory);
        return dol_directory_sync(parent, error);
}
