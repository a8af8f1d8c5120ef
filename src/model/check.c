/* SPDX-License-Identifier: Apache-2.0 */
#include "model/check.h"

#define AT(member) offsetof(dol_volume_check, member)
static const dol_field fields[] = {
        {"volume", DOL_STRING, AT(volume), 0, .doc = "name of the volume"},
        {"fs", DOL_ENUM, AT(fs), 0, .words = dol_fs_words, .doc = "the file system in it"},
        {"clean", DOL_BOOL, AT(clean), DOL_SHOW_EMPTY,
         .doc = "no errors were found, or all of them were repaired"},
        {"repair", DOL_BOOL, AT(repair), DOL_SHOW_EMPTY, .doc = "it was to be repaired"},
        {"report", DOL_STRING, AT(report), 0, .doc = "what e2fsck or xfs_repair says"},
        {NULL},
};
#undef AT
const dol_schema dol_volume_check_schema = {"VolumeCheck", sizeof(dol_volume_check), fields,
                                            "What a check of a file system found."};

void dol_volume_check_free(dol_volume_check *check)
{
        dol_schema_free(&dol_volume_check_schema, check);
}
