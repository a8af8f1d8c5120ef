/* SPDX-License-Identifier: Apache-2.0 */
#include "model/pool.h"

#include <string.h>

const char *const dol_media_words[] = {"unknown", "nvme", "ssd", "hdd", NULL};
static const char *const phase_words[] = {"ready", "unavailable", NULL};

#define AT(member) offsetof(dol_pool_spec, member)
static const dol_field spec_fields[] = {
        {"driver", DOL_STRING, AT(driver), 0,
         .doc = "image (image files, size enforced) or dir (plain directories)"},
        {"path", DOL_STRING, AT(path), 0, .doc = "directory it lives in, absolute"},
        {"device", DOL_STRING, AT(device), 0,
         .doc = "block device to format and use, if it is empty"},
        {"size", DOL_SIZE, AT(size), 0, .doc = "size of the backing file, when the pool needs one"},
        {"media", DOL_ENUM, AT(media), 0, .words = dol_media_words,
         .doc = "media class; unknown = detect"},
        {"overcommit", DOL_DOUBLE, AT(overcommit), DOL_SHOW_EMPTY,
         .doc = "how many times its capacity may be promised to volumes"},
        {"warn", DOL_DOUBLE, AT(warn), DOL_SHOW_EMPTY,
         .doc = "fill level (0 to 1) from which events warn"},
        {"full", DOL_DOUBLE, AT(full), DOL_SHOW_EMPTY,
         .doc = "fill level (0 to 1) from which creates are refused"},
        {"reserve", DOL_SIZE, AT(reserve), 0, .doc = "bytes kept free for deletes and metadata"},
        {NULL},
};
#undef AT
const dol_schema dol_pool_spec_schema = {"PoolSpec", sizeof(dol_pool_spec), spec_fields,
                                         "What was asked for."};

#define AT(member) offsetof(dol_pool_status, member)
static const dol_field status_fields[] = {
        {"phase", DOL_ENUM, AT(phase), 0, .words = phase_words, .doc = "whether it can be used"},
        {"reason", DOL_STRING, AT(reason), 0, .doc = "why it cannot, for people"},
        {"created", DOL_TIME, AT(created), 0, .doc = "when it was created"},
        {"kind", DOL_STRING, AT(kind), 0, .doc = "what it lives on"},
        {"media", DOL_ENUM, AT(media), 0, .words = dol_media_words, .doc = "media class"},
        {"capacity", DOL_SIZE, AT(capacity), DOL_SHOW_EMPTY, .doc = "bytes of its file system"},
        {"used", DOL_SIZE, AT(used), DOL_SHOW_EMPTY, .doc = "bytes in use"},
        {"available", DOL_SIZE, AT(available), DOL_SHOW_EMPTY, .doc = "bytes free"},
        {"reserve", DOL_SIZE, AT(reserve), DOL_SHOW_EMPTY, .doc = "bytes kept free"},
        {"allocated", DOL_SIZE, AT(allocated), DOL_SHOW_EMPTY,
         .doc = "sum of the sizes promised to volumes"},
        {"allocatable", DOL_SIZE, AT(allocatable), DOL_SHOW_EMPTY,
         .doc = "bytes that may still be promised"},
        {"trash", DOL_SIZE, AT(trash), DOL_SHOW_EMPTY, .doc = "bytes held by trashed volumes"},
        {"volumes", DOL_UINT, AT(volumes), DOL_SHOW_EMPTY, .doc = "number of volumes"},
        {"trashed", DOL_UINT, AT(trashed), DOL_SHOW_EMPTY, .doc = "number of trashed volumes"},
        {NULL},
};
#undef AT
static const dol_schema status_schema = {"PoolStatus", sizeof(dol_pool_status), status_fields,
                                         "What is."};

#define AT(member) offsetof(dol_pool_record, member)
static const dol_field pool_fields[] = {
        {"name", DOL_STRING, AT(name), DOL_REQUIRED, .doc = "its name"},
        {"uid", DOL_STRING, AT(uid), DOL_READONLY, .doc = "its identity; never changes"},
        {"revision", DOL_INT, AT(revision), DOL_READONLY, .doc = "changes with each change"},
        {"labels", DOL_MAP, AT(labels), DOL_SHOW_EMPTY, .doc = "key-value pairs of the user"},
        {"spec", DOL_OBJECT, AT(spec), 0, &dol_pool_spec_schema},
        {"status", DOL_OBJECT, AT(status), DOL_READONLY, &status_schema},
        {NULL},
};
#undef AT
const dol_schema dol_pool_schema = {"Pool", sizeof(dol_pool_record), pool_fields,
                                    "Where volumes live."};

void dol_pool_record_free(dol_pool_record *pool)
{
        dol_schema_free(&dol_pool_schema, pool);
}

void dol_pool_spec_init(dol_pool_spec *spec)
{
        *spec = (dol_pool_spec){
                .driver = g_strdup("image"), .overcommit = 2.0, .warn = 0.80, .full = 0.95};
}

bool dol_pool_name_check(const char *name, GError **error)
{
        size_t length = name ? strlen(name) : 0;

        if (length < 1 || length > 63 || !g_ascii_islower(name[0]) ||
            strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") != length)
                return dol_fail(error, DOL_ERROR_INVALID,
                                "name: a pool's name has 1 to 63 of a-z, 0-9 and '-' and begins "
                                "with a letter, got '%s'",
                                name ? name : "");
        return true;
}

bool dol_pool_spec_check(const dol_pool_spec *spec, GError **error)
{
        if (!spec->driver || !*spec->driver)
                return dol_fail(error, DOL_ERROR_INVALID, "driver: expected a driver's name");
        if (spec->path && !g_path_is_absolute(spec->path))
                return dol_fail(error, DOL_ERROR_INVALID,
                                "path: expected an absolute path, got '%s'", spec->path);
        if (spec->device && !g_path_is_absolute(spec->device))
                return dol_fail(error, DOL_ERROR_INVALID,
                                "device: expected an absolute path, got '%s'", spec->device);
        if (!(spec->overcommit >= 1 && spec->overcommit <= 1000))
                return dol_fail(error, DOL_ERROR_INVALID, "overcommit: expected 1 to 1000, got %g",
                                spec->overcommit);
        if (!(spec->warn > 0 && spec->warn < spec->full && spec->full <= 1))
                return dol_fail(error, DOL_ERROR_INVALID,
                                "warn, full: expected 0 < warn < full <= 1, got %g and %g",
                                spec->warn, spec->full);
        return true;
}
