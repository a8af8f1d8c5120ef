/* SPDX-License-Identifier: Apache-2.0 */
#include "driver/place.h"

#include "base/clock.h"
#include "base/file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MARK_KIND "dolium-pool"
enum { MARK_VERSION = 1, MARK_MAX = 65536 };

typedef struct {
        char *kind;
        int64_t version;
        char *driver, *uid, *name;
        int64_t created;
} place_mark;

#define AT(member) offsetof(place_mark, member)
static const dol_field head_fields[] = {
        {"kind", DOL_STRING, AT(kind), DOL_REQUIRED},
        {"version", DOL_INT, AT(version), DOL_REQUIRED},
        {NULL},
};
static const dol_field mark_fields[] = {
        {"kind", DOL_STRING, AT(kind), DOL_REQUIRED},
        {"version", DOL_INT, AT(version), DOL_REQUIRED},
        {"driver", DOL_STRING, AT(driver), DOL_REQUIRED},
        {"uid", DOL_STRING, AT(uid), DOL_REQUIRED},
        {"name", DOL_STRING, AT(name), DOL_REQUIRED},
        {"created", DOL_TIME, AT(created), 0},
        {NULL},
};
#undef AT
/* What every version of the document has. */
static const dol_schema head_schema = {"PoolMarkHead", sizeof(place_mark), head_fields};
static const dol_schema mark_schema = {"PoolMark", sizeof(place_mark), mark_fields};

/* Storage of container engines: they may delete or relabel whatever they find there. */
static const char *const engines[] = {"/var/lib/docker", "/var/lib/containers",
                                      "/var/lib/containerd", NULL};
/* Entries that do not make a directory a used one. */
static const char *const nothing[] = {"lost+found", "pool.json.tmp", NULL};

static void mark_clear(place_mark *mark)
{
        dol_schema_clear(&mark_schema, mark);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(place_mark, mark_clear)

char *dol_place_resolve(const char *path, GError **error)
{
        g_autofree char *parent = NULL, *base = NULL, *resolved = NULL;
        char *real = NULL;

        if (!path || !g_path_is_absolute(path)) {
                dol_fail(error, DOL_ERROR_INVALID, "path: expected an absolute path, got '%s'",
                         path ? path : "");
                return NULL;
        }
        real = realpath(path, NULL);
        if (real) {
                resolved = g_strdup(real);
                free(real);
                return g_steal_pointer(&resolved);
        }
        if (errno != ENOENT) {
                dol_fail_errno(error, errno, "path '%s'", path);
                return NULL;
        }
        base = g_path_get_basename(path);
        if (strcmp(base, "..") == 0) {
                dol_fail(error, DOL_ERROR_INVALID, "path: '..' in '%s' leads nowhere", path);
                return NULL;
        }
        parent = g_path_get_dirname(path);
        resolved = dol_place_resolve(parent, error);
        if (!resolved || strcmp(base, ".") == 0 || g_str_has_suffix(path, "/"))
                return g_steal_pointer(&resolved);
        return g_build_filename(resolved, base, NULL);
}

static bool is_within(const char *path, const char *directory)
{
        size_t length = strlen(directory);

        return strncmp(path, directory, length) == 0 &&
               (path[length] == '\0' || path[length] == '/');
}

static bool has_entry(const char *directory, const char *name)
{
        g_autofree char *path = g_build_filename(directory, name, NULL);
        struct stat st;

        return lstat(path, &st) == 0;
}

/* Is /var/lib/docker a file system of its own, and the path's nearest existing directory on it? */
static bool is_on_dockers_file_system(const char *existing)
{
        struct stat docker, parent, here;

        return stat("/var/lib/docker", &docker) == 0 && stat("/var/lib", &parent) == 0 &&
               docker.st_dev != parent.st_dev && stat(existing, &here) == 0 &&
               here.st_dev == docker.st_dev;
}

static bool ancestor_check(const char *path, const char *ancestor, GError **error)
{
        if (has_entry(ancestor, "overlay2") && has_entry(ancestor, "containers"))
                return dol_fail(error, DOL_ERROR_CONFLICT,
                                "path: '%s' is within Docker's own storage '%s'; give another "
                                "directory",
                                path, ancestor);
        if (strcmp(ancestor, path) != 0 && has_entry(ancestor, "pool.json"))
                return dol_fail(error, DOL_ERROR_CONFLICT,
                                "path: '%s' is inside the pool at '%s'; give another directory",
                                path, ancestor);
        return true;
}

bool dol_place_check(const char *path, GError **error)
{
        g_autofree char *ancestor = g_strdup(path);
        bool existing_found = false;

        for (unsigned i = 0; engines[i]; i++)
                if (is_within(path, engines[i]))
                        return dol_fail(error, DOL_ERROR_CONFLICT,
                                        "path: '%s' is within '%s', which belongs to a container "
                                        "engine; give another directory",
                                        path, engines[i]);
        for (;;) {
                char *parent;

                if (!ancestor_check(path, ancestor, error))
                        return false;
                if (!existing_found && g_file_test(ancestor, G_FILE_TEST_EXISTS)) {
                        existing_found = true;
                        if (is_on_dockers_file_system(ancestor))
                                return dol_fail(error, DOL_ERROR_CONFLICT,
                                                "path: '%s' is on the file system of "
                                                "/var/lib/docker; a pool needs another one",
                                                path);
                }
                if (strcmp(ancestor, "/") == 0)
                        return true;
                parent = g_path_get_dirname(ancestor);
                g_free(ancestor);
                ancestor = parent;
        }
}

char *dol_place_entries(const char *path, const char *const known[], GError **error)
{
        g_autoptr(GError) cause = NULL;
        g_autoptr(GDir) directory = g_dir_open(path, 0, &cause);
        g_autoptr(GString) text = g_string_new(NULL);
        const char *name;
        unsigned count = 0;

        if (!directory) {
                dol_fail(error, DOL_ERROR_INTERNAL, "%s", cause->message);
                return NULL;
        }
        while ((name = g_dir_read_name(directory))) {
                g_autofree char *readable = NULL;

                if (known && g_strv_contains(known, name))
                        continue;
                if (++count > 3)
                        continue;
                readable = g_utf8_make_valid(name, -1);
                g_string_append_printf(text, "%s'%s'", count > 1 ? ", " : "", readable);
        }
        if (count > 3)
                g_string_append_printf(text, " and %u more", count - 3);
        return count ? g_string_free(g_steal_pointer(&text), false) : NULL;
}

/* There is no pool.json: is there anything else? */
static bool look_unmarked(const char *path, dol_place *ret, GError **error)
{
        GError *local = NULL;
        g_autofree char *entries = dol_place_entries(path, nothing, &local);

        if (local) {
                g_propagate_error(error, local);
                return false;
        }
        if (entries)
                return dol_fail(error, DOL_ERROR_CONFLICT,
                                "'%s' holds something else (%s) and no pool.json; give an empty "
                                "directory",
                                path, entries);
        *ret = DOL_PLACE_EMPTY;
        return true;
}

static bool mark_parse(const char *file, const char *text, size_t size, place_mark *ret,
                       GError **error)
{
        g_auto(place_mark) head = {0};
        g_autoptr(GError) cause = NULL;

        if (!dol_json_decode(&head_schema, text, size, DOL_DECODE_LENIENT, &head, &cause))
                return dol_fail(error, DOL_ERROR_CONFLICT, "'%s' is damaged: %s", file,
                                cause->message);
        if (strcmp(head.kind, MARK_KIND) != 0)
                return dol_fail(error, DOL_ERROR_CONFLICT,
                                "'%s' is not a pool's: its kind is '%s', expected '%s'", file,
                                head.kind, MARK_KIND);
        if (head.version > MARK_VERSION)
                return dol_fail(error, DOL_ERROR_CONFLICT,
                                "'%s' has version %" G_GINT64_FORMAT " and this program knows %d; "
                                "use the newer one",
                                file, head.version, MARK_VERSION);
        if (!dol_json_decode(&mark_schema, text, size, DOL_DECODE_LENIENT, ret, &cause))
                return dol_fail(error, DOL_ERROR_CONFLICT, "'%s' is damaged: %s", file,
                                cause->message);
        return true;
}

static bool mark_compare(const char *path, const place_mark *mark, const char *driver,
                         const char *uid, GError **error)
{
        if (strcmp(mark->uid, uid) != 0)
                return dol_fail(error, DOL_ERROR_CONFLICT,
                                "'%s' holds another pool, '%s' (uid %s); this one has uid %s", path,
                                mark->name, mark->uid, uid);
        if (strcmp(mark->driver, driver) != 0)
                return dol_fail(error, DOL_ERROR_CONFLICT,
                                "'%s' holds a pool of driver '%s', not '%s'", path, mark->driver,
                                driver);
        return true;
}

static bool look_marked(const char *path, const char *file, const char *driver, const char *uid,
                        GError **error)
{
        g_autoptr(GError) cause = NULL;
        g_autofree char *text = NULL;
        g_auto(place_mark) mark = {0};
        size_t size;

        if (!dol_file_read(file, MARK_MAX, &text, &size, &cause))
                return dol_fail(error, DOL_ERROR_CONFLICT, "pool.json cannot be read: %s",
                                cause->message);
        return mark_parse(file, text, size, &mark, error) &&
               mark_compare(path, &mark, driver, uid, error);
}

bool dol_place_look(const char *path, const char *driver, const char *uid, dol_place *ret,
                    GError **error)
{
        g_autofree char *file = g_build_filename(path, "pool.json", NULL);
        struct stat st;

        if (lstat(path, &st) < 0) {
                if (errno != ENOENT)
                        return dol_fail_errno(error, errno, "'%s'", path);
                *ret = DOL_PLACE_ABSENT;
                return true;
        }
        if (!S_ISDIR(st.st_mode))
                return dol_fail(error, DOL_ERROR_CONFLICT, "'%s' is not a directory", path);
        if (lstat(file, &st) < 0) {
                if (errno != ENOENT)
                        return dol_fail_errno(error, errno, "'%s'", file);
                return look_unmarked(path, ret, error);
        }
        if (!S_ISREG(st.st_mode))
                return dol_fail(error, DOL_ERROR_CONFLICT, "'%s' is not a file", file);
        if (!look_marked(path, file, driver, uid, error))
                return false;
        *ret = DOL_PLACE_OURS;
        return true;
}

bool dol_place_mark(const char *path, const char *driver, const dol_pool_request *request,
                    GError **error)
{
        g_autofree char *file = g_build_filename(path, "pool.json", NULL);
        g_autoptr(GString) text = g_string_new(NULL);
        place_mark mark = {
                .kind = (char *)MARK_KIND,
                .version = MARK_VERSION,
                .driver = (char *)driver,
                .uid = (char *)request->uid,
                .name = (char *)request->name,
                .created = dol_now_usec() / DOL_USEC_PER_SEC * DOL_USEC_PER_SEC,
        };

        dol_json_encode(&mark_schema, &mark, DOL_ENCODE_STORE, text);
        g_string_append_c(text, '\n');
        return dol_file_replace(file, text->str, text->len, 0600, error);
}

bool dol_place_identify(const char *path, dol_place_id *ret, GError **error)
{
        struct stat st;

        if (stat(path, &st) < 0)
                return dol_fail_errno(error, errno, "'%s'", path);
        *ret = (dol_place_id){.device = st.st_dev, .inode = st.st_ino};
        return true;
}

bool dol_place_still(const char *path, const dol_place_id *id, GError **error)
{
        struct stat st;

        if (stat(path, &st) < 0)
                return dol_fail(error, DOL_ERROR_UNAVAILABLE, "'%s' cannot be reached: %s", path,
                                g_strerror(errno));
        if (st.st_dev != id->device || st.st_ino != id->inode)
                return dol_fail(error, DOL_ERROR_UNAVAILABLE,
                                "the pool's file system is not mounted at '%s' any more", path);
        return true;
}
