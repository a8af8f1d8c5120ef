/* SPDX-License-Identifier: Apache-2.0 */
#include "model/event.h"

static const char *const level_words[] = {"normal", "warning", NULL};

#define AT(member) offsetof(dol_event, member)
static const dol_field fields[] = {
        {"sequence", DOL_UINT, AT(sequence), 0, .doc = "grows by one per event"},
        {"time", DOL_TIME, AT(time), 0, .doc = "when it happened"},
        {"level", DOL_ENUM, AT(level), 0, .words = level_words, .doc = "normal or warning"},
        {"reason", DOL_STRING, AT(reason), 0, .doc = "one word for programs"},
        {"object", DOL_STRING, AT(object), 0,
         .doc = "kind of the object: volume, pool, schedule or node"},
        {"name", DOL_STRING, AT(name), 0, .doc = "name of the object"},
        {"uid", DOL_STRING, AT(uid), 0, .doc = "identity of the object"},
        {"message", DOL_STRING, AT(message), 0, .doc = "what happened, for people"},
        {"actor", DOL_STRING, AT(actor), 0, .doc = "who asked for it"},
        {NULL},
};
#undef AT
const dol_schema dol_event_schema = {"Event", sizeof(dol_event), fields,
                                     "One line of the event log."};

void dol_event_free(dol_event *event)
{
        dol_schema_free(&dol_event_schema, event);
}
