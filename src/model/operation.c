/* SPDX-License-Identifier: Apache-2.0 */
#include "model/operation.h"

const char *const dol_operation_words[] = {"create",   "change",          "delete", "restore",
                                           "mount",    "unmount",         "adopt",  "resize",
                                           "snapshot", "snapshot-delete", "revert", "export",
                                           "import",   "files-restore",   "check",  NULL};
const char *const dol_operation_phase_words[] = {"running", "done", "failed", NULL};

#define AT(member) offsetof(dol_operation, member)
static const dol_field fields[] = {
        {"uid", DOL_STRING, AT(uid), 0, .doc = "its identity"},
        {"revision", DOL_INT, AT(revision), 0, .doc = "changes with each change"},
        {"operation", DOL_ENUM, AT(operation), 0, .words = dol_operation_words,
         .doc = "what is being done"},
        {"volume", DOL_STRING, AT(volume), 0, .doc = "uid of the volume it changes"},
        {"volume_name", DOL_STRING, AT(volume_name), 0, .doc = "name of the volume at the time"},
        {"snapshots", DOL_STRINGS, AT(snapshots), 0, .doc = "uids of the snapshots it is about"},
        {"actor", DOL_STRING, AT(actor), 0, .doc = "who asked for it"},
        {"phase", DOL_ENUM, AT(phase), 0, .words = dol_operation_phase_words,
         .doc = "how far it is"},
        {"error_kind", DOL_STRING, AT(error_kind), 0, .doc = "kind of error, when it failed"},
        {"message", DOL_STRING, AT(message), 0, .doc = "why it failed"},
        {"started", DOL_TIME, AT(started), 0, .doc = "when it began"},
        {"ended", DOL_TIME, AT(ended), 0, .doc = "when it ended"},
        {NULL},
};
#undef AT
const dol_schema dol_operation_schema = {"Operation", sizeof(dol_operation), fields,
                                         "One recorded change of a volume."};

void dol_operation_free(dol_operation *operation)
{
        dol_schema_free(&dol_operation_schema, operation);
}
