/* SPDX-License-Identifier: Apache-2.0 */
/* /v1/pools */
#include "api/rest/private.h"

DOL_REST_HANDLER(pool_list)
{
        dol_engine *engine = dol_rest_engine(user, error);
        g_autoptr(GPtrArray) pools = NULL;

        if (!engine)
                return false;
        pools = dol_engine_pool_list(engine);
        dol_rest_reply_items(request, 200, &dol_pool_schema, pools);
        return true;
}

DOL_REST_HANDLER(pool_get)
{
        dol_engine *engine = dol_rest_engine(user, error);
        g_autoptr(dol_pool_record) pool = NULL;

        if (!engine ||
            !(pool = dol_engine_pool_get(engine, dol_http_argument(request, "pool"), error)))
                return false;
        dol_http_reply_json(request, 200, &dol_pool_schema, pool);
        return true;
}

DOL_REST_HANDLER(pool_create)
{
        dol_engine *engine = dol_rest_engine(user, error);
        g_autoptr(dol_pool_record) pool = NULL;
        dol_pool_record want = {0};
        dol_call call;
        bool ok;

        if (!engine)
                return false;
        dol_pool_spec_init(&want.spec);
        ok = dol_http_decode(request, &dol_pool_schema, DOL_DECODE_REQUEST | DOL_DECODE_DEFAULTS,
                             &want, error) &&
             dol_rest_begin(request, engine, &call, error) &&
             dol_engine_pool_create(engine, &call, &want, &pool, error);
        dol_schema_clear(&dol_pool_schema, &want);
        if (ok)
                dol_http_reply_json(request, 201, &dol_pool_schema, pool);
        return ok;
}

DOL_REST_HANDLER(pool_unknown)
{
        dol_engine *engine = dol_rest_engine(user, error);
        g_autoptr(GPtrArray) found = NULL;

        if (!engine ||
            !(found = dol_engine_pool_unknown(engine, dol_http_call(request),
                                              dol_http_argument(request, "pool"), error)))
                return false;
        dol_rest_reply_items(request, 200, &dol_unknown_volume_schema, found);
        return true;
}

DOL_REST_HANDLER(pool_adopt)
{
        dol_engine *engine = dol_rest_engine(user, error);
        g_autoptr(dol_volume) volume = NULL;
        dol_adopt_body body;
        dol_call call;
        bool ok;

        if (!engine ||
            !dol_http_decode(request, &dol_adopt_body_schema, DOL_DECODE_REQUEST, &body, error))
                return false;
        ok = dol_rest_begin(request, engine, &call, error) &&
             dol_engine_adopt(engine, &call, dol_http_argument(request, "pool"), body.uid,
                              body.name, &volume, error);
        dol_schema_clear(&dol_adopt_body_schema, &body);
        if (ok)
                dol_rest_reply_volume(request, 200, volume);
        return ok;
}
