/* SPDX-License-Identifier: Apache-2.0 */
/* Health, version, doctor. */
#include "api/rest/private.h"

static void reply_plain(dol_http_request *request, int status, const char *text)
{
        dol_http_reply_text(request, status, "text/plain; charset=utf-8", g_string_new(text));
}

DOL_REST_HANDLER(healthz)
{
        reply_plain(request, 200, "ok\n");
        return true;
}

DOL_REST_HANDLER(readyz)
{
        if (!dol_rest_engine(user, error))
                return false;
        reply_plain(request, 200, "ready\n");
        return true;
}

typedef struct {
        char *version, *api, *node, *boot_id;
} version_answer;

#define AT(member) offsetof(version_answer, member)
static const dol_field version_fields[] = {
        {"version", DOL_STRING, AT(version), DOL_REQUIRED, .doc = "of doliumd"},
        {"api", DOL_STRING, AT(api), DOL_REQUIRED, .doc = "of this interface: v1"},
        {"node", DOL_STRING, AT(node), 0, .doc = "name of this node"},
        {"boot_id", DOL_STRING, AT(boot_id), 0, .doc = "of the running boot"},
        {NULL},
};
#undef AT
const dol_schema dol_version_schema = {"Version", sizeof(version_answer), version_fields,
                                       "Who answers."};

DOL_REST_HANDLER(version)
{
        dol_engine *engine = dol_rest_engine(user, NULL);
        version_answer answer = {
                .version = (char *)DOL_VERSION,
                .api = (char *)"v1",
                .node = engine ? (char *)dol_engine_node(engine) : NULL,
                .boot_id = engine ? (char *)dol_engine_boot_id(engine) : NULL,
        };

        dol_http_reply_json(request, 200, &dol_version_schema, &answer);
        return true;
}

DOL_REST_HANDLER(doctor)
{
        dol_engine *engine = dol_rest_engine(user, error);
        g_autoptr(GPtrArray) checks = NULL;

        if (!engine)
                return false;
        checks = dol_engine_doctor(engine, dol_http_call(request));
        dol_rest_reply_items(request, 200, &dol_check_schema, checks);
        return true;
}
