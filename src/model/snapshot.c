/* SPDX-License-Identifier: Apache-2.0 */
#include "model/snapshot.h"

#include <string.h>

enum { NAME_MAX_BYTES = 64 };

const char *const dol_consistency_words[] = {"file-system", "crash", "unmounted", NULL};
const char *const dol_snapshot_phase_words[] = {"creating", "ready", "deleting", NULL};

#define AT(member) offsetof(dol_snapshot, member)
static const dol_field fields[] = {
        {"name", DOL_STRING, AT(name), DOL_REQUIRED, .doc = "its name, unique for the volume"},
        {"uid", DOL_STRING, AT(uid), DOL_READONLY, .doc = "its identity; never changes"},
        {"revision", DOL_INT, AT(revision), DOL_READONLY, .doc = "changes with each change"},
        {"labels", DOL_MAP, AT(labels), DOL_SHOW_EMPTY, .doc = "key-value pairs of the user"},
        {"volume", DOL_STRING, AT(volume), DOL_READONLY, .doc = "uid of its volume"},
        {"volume_name", DOL_STRING, AT(volume_name), DOL_READONLY, .doc = "name of its volume"},
        {"reference", DOL_STRING, AT(reference), DOL_READONLY,
         .doc = "what it is called: VOLUME@NAME"},
        {"protect", DOL_BOOL, AT(protect), DOL_SHOW_EMPTY,
         .doc = "it cannot be deleted until this is cleared"},
        {"group", DOL_STRING, AT(group), DOL_READONLY,
         .doc = "the group that was taken at one moment with it"},
        {"source", DOL_STRING, AT(source), DOL_READONLY,
         .doc = "uid of the snapshot of another volume that was imported as this one"},
        {"schedule", DOL_STRING, AT(schedule), DOL_READONLY, .doc = "the schedule that made it"},
        {"rules", DOL_STRINGS, AT(rules), DOL_READONLY,
         .doc = "the rules of that schedule that it was taken for"},
        {"phase", DOL_ENUM, AT(phase), DOL_READONLY, .words = dol_snapshot_phase_words,
         .doc = "where it is in its life"},
        {"consistency", DOL_ENUM, AT(consistency), DOL_READONLY, .words = dol_consistency_words,
         .doc = "how much its file system may be trusted"},
        {"size", DOL_SIZE, AT(size), DOL_READONLY, .doc = "size of the volume at that time"},
        {"fs", DOL_ENUM, AT(fs), DOL_READONLY, .words = dol_fs_words, .doc = "file system in it"},
        {"fs_uuid", DOL_STRING, AT(fs_uuid), DOL_READONLY, .doc = "UUID of that file system"},
        {"created", DOL_TIME, AT(created), DOL_READONLY, .doc = "when it was taken"},
        {"frozen_usec", DOL_UINT, AT(frozen_usec), DOL_READONLY | DOL_SHOW_EMPTY,
         .doc = "how long writers waited, microseconds"},
        {"exclusive", DOL_SIZE, AT(exclusive), DOL_READONLY | DOL_SHOW_EMPTY,
         .doc = "bytes that only it has"},
        {"shared", DOL_SIZE, AT(shared), DOL_READONLY | DOL_SHOW_EMPTY,
         .doc = "bytes it shares with others"},
        {"extents", DOL_UINT, AT(extents), DOL_READONLY, .doc = "extents of its image"},
        {"attachment", DOL_OPTIONAL, AT(attachment), DOL_READONLY, &dol_attachment_schema,
         .doc = "where it is mounted"},
        {NULL},
};
#undef AT
const dol_schema dol_snapshot_schema = {"Snapshot", sizeof(dol_snapshot), fields,
                                        "A read-only image of a volume at a point in time."};

dol_snapshot *dol_snapshot_copy(const dol_snapshot *snapshot)
{
        return dol_schema_dup(&dol_snapshot_schema, snapshot);
}

void dol_snapshot_free(dol_snapshot *snapshot)
{
        dol_schema_free(&dol_snapshot_schema, snapshot);
}

bool dol_snapshot_name_check(const char *name, GError **error)
{
        if (!dol_volume_name_check(name, error))
                return false;
        if (strlen(name) > NAME_MAX_BYTES)
                return dol_fail(error, DOL_ERROR_INVALID,
                                "name: a snapshot's name has at most %d bytes, got %zu",
                                NAME_MAX_BYTES, strlen(name));
        return true;
}

bool dol_snapshot_reference_parse(const char *text, char **ret_volume, char **ret_name,
                                  GError **error)
{
        const char *at = strchr(text, '@');

        if (!at || at == text || at[1] == '\0')
                return dol_fail(error, DOL_ERROR_INVALID, "expected VOLUME@SNAPSHOT, got '%.200s'",
                                text);
        *ret_volume = g_strndup(text, (size_t)(at - text));
        *ret_name = g_strdup(at + 1);
        return true;
}
