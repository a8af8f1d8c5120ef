/* SPDX-License-Identifier: Apache-2.0 */
#include "model/snapshot.h"
#include "stream/format.h"

#include <string.h>

enum { UID_MAX = 64 };

#define AT(member) offsetof(dol_stream_point, member)
static const dol_field point_fields[] = {
        {"uid", DOL_STRING, AT(uid), DOL_REQUIRED},
        {"name", DOL_STRING, AT(name), DOL_REQUIRED},
        {NULL},
};
#undef AT
static const dol_schema point_schema = {"StreamPoint", sizeof(dol_stream_point), point_fields,
                                        "A snapshot, as both sides know it."};

#define AT(member) offsetof(dol_stream_header, member)
static const dol_field fields[] = {
        {"uid", DOL_STRING, AT(uid), DOL_REQUIRED},
        {"name", DOL_STRING, AT(name), DOL_REQUIRED},
        {"size", DOL_UINT, AT(size), DOL_REQUIRED},
        {"fs", DOL_ENUM, AT(fs), DOL_REQUIRED, .words = dol_fs_words},
        {"snapshot", DOL_OPTIONAL, AT(snapshot), 0, &point_schema},
        {"base", DOL_OPTIONAL, AT(base), 0, &point_schema},
        {"data", DOL_UINT, AT(data), DOL_SHOW_EMPTY},
        {"created", DOL_TIME, AT(created), 0},
        {NULL},
};
#undef AT
const dol_schema dol_stream_header_schema = {"StreamHeader", sizeof(dol_stream_header), fields,
                                             "What a stream is an image of."};

static bool check_uid(const char *field, const char *uid, GError **error)
{
        size_t size = strlen(uid);

        if (size == 0 || size > UID_MAX || strspn(uid, "0123456789abcdef-") != size)
                return dol_fail(error, DOL_ERROR_INVALID, "%suid: expected a UUID, got '%.80s'",
                                field, uid);
        return true;
}

static bool check_point(const char *field, const dol_stream_point *point, GError **error)
{
        return !point || (check_uid(field, point->uid, error) &&
                          (dol_snapshot_name_check(point->name, error) ||
                           dol_fail_while(error, "%s", field)));
}

bool dol_stream_header_check(const dol_stream_header *header, GError **error)
{
        if (!check_uid("", header->uid, error) || !dol_volume_name_check(header->name, error) ||
            !check_point("snapshot.", header->snapshot, error) ||
            !check_point("base.", header->base, error))
                return false;
        if (header->size < DOL_SIZE_GRAIN || header->size > DOL_VOLUME_SIZE_MAX ||
            header->size % DOL_SIZE_GRAIN != 0)
                return dol_fail(error, DOL_ERROR_INVALID,
                                "size: %" G_GUINT64_FORMAT " is no size of a volume", header->size);
        if (header->fs != DOL_FS_EXT4 && header->fs != DOL_FS_XFS && header->fs != DOL_FS_NONE)
                return dol_fail(error, DOL_ERROR_INVALID,
                                "fs: expected ext4, xfs or none, got '%s'",
                                dol_fs_words[header->fs]);
        return true;
}
