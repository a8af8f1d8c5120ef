/* SPDX-License-Identifier: Apache-2.0 */
/* /v1/schedules */
#include "api/rest/private.h"
#include "engine/schedule.h"

#include <string.h>

enum { CHANGE_TRIES = 5 };

static void reply_schedule(dol_http_request *request, int status, const dol_schedule *schedule)
{
        g_autofree char *etag = g_strdup_printf("\"%" G_GINT64_FORMAT "\"", schedule->revision);

        dol_http_reply_header(request, "ETag", etag);
        dol_http_reply_json(request, status, &dol_schedule_schema, schedule);
}

DOL_REST_HANDLER(schedule_list)
{
        dol_engine *engine = dol_rest_engine(user, error);
        g_autoptr(GPtrArray) schedules = NULL;

        if (!engine)
                return false;
        schedules = dol_engine_schedule_list(engine);
        dol_rest_reply_items(request, 200, &dol_schedule_schema, schedules);
        return true;
}

DOL_REST_HANDLER(schedule_get)
{
        dol_engine *engine = dol_rest_engine(user, error);
        g_autoptr(dol_schedule) schedule = NULL;

        if (!engine || !(schedule = dol_engine_schedule_get(
                                 engine, dol_http_argument(request, "schedule"), error)))
                return false;
        reply_schedule(request, 200, schedule);
        return true;
}

DOL_REST_HANDLER(schedule_create)
{
        dol_engine *engine = dol_rest_engine(user, error);
        g_autoptr(dol_schedule) schedule = NULL;
        dol_schedule want;
        dol_call call;
        bool ok;

        if (!engine ||
            !dol_http_decode(request, &dol_schedule_schema, DOL_DECODE_REQUEST, &want, error))
                return false;
        ok = dol_rest_begin(request, engine, &call, error) &&
             dol_engine_schedule_create(engine, &call, &want, &schedule, error);
        dol_schema_clear(&dol_schedule_schema, &want);
        if (ok)
                reply_schedule(request, 201, schedule);
        return ok;
}

/* The patch is applied to what the schedule is now; a change in between (a run, somebody else's) is
 * seen by its revision. */
static bool change_once(dol_http_request *request, dol_engine *engine, const dol_call *call,
                        int64_t wanted_revision, dol_schedule **ret_schedule, GError **error)
{
        const char *name = dol_http_argument(request, "schedule");
        g_autoptr(dol_schedule) patched = dol_engine_schedule_get(engine, name, error);

        if (!patched || !dol_http_decode(request, &dol_schedule_schema,
                                         DOL_DECODE_REQUEST | DOL_DECODE_MERGE, patched, error))
                return false;
        if (strcmp(patched->name, name) != 0)
                return dol_fail(error, DOL_ERROR_INVALID,
                                "name: a schedule's name never changes: its snapshots carry it");
        return dol_engine_schedule_change(engine, call, name, &patched->spec,
                                          wanted_revision ? wanted_revision : patched->revision,
                                          ret_schedule, error);
}

DOL_REST_HANDLER(schedule_change)
{
        dol_engine *engine = dol_rest_engine(user, error);
        g_autoptr(dol_schedule) schedule = NULL;
        g_autoptr(GError) why = NULL;
        int64_t wanted;
        dol_call call;

        if (!engine || !dol_rest_if_match(request, &wanted, error) ||
            !dol_rest_begin(request, engine, &call, error))
                return false;
        for (unsigned i = 0; i < CHANGE_TRIES; i++) {
                g_clear_error(&why);
                if (change_once(request, engine, &call, wanted, &schedule, &why)) {
                        reply_schedule(request, 200, schedule);
                        return true;
                }
                if (wanted || !dol_error_is(why, DOL_ERROR_STALE))
                        break;
        }
        g_propagate_error(error, g_steal_pointer(&why));
        return false;
}

DOL_REST_HANDLER(schedule_delete)
{
        dol_engine *engine = dol_rest_engine(user, error);
        const char *name = dol_http_argument(request, "schedule");
        g_autoptr(dol_schedule) schedule = NULL;
        dol_call call;

        if (!engine || !(schedule = dol_engine_schedule_get(engine, name, error)) ||
            !dol_rest_begin(request, engine, &call, error) ||
            !dol_engine_schedule_delete(engine, &call, name, error))
                return false;
        reply_schedule(request, 200, schedule);
        return true;
}

DOL_REST_HANDLER(schedule_run)
{
        dol_engine *engine = dol_rest_engine(user, error);
        g_autoptr(dol_schedule) schedule = NULL;
        dol_call call;

        if (!engine || !dol_rest_begin(request, engine, &call, error) ||
            !dol_engine_schedule_run(engine, &call, dol_http_argument(request, "schedule"),
                                     &schedule, error))
                return false;
        reply_schedule(request, 200, schedule);
        return true;
}
