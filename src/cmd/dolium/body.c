/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/dolium/body.h"

#include "codec/units.h"

#include <string.h>

static json_t *number_of(const char *text)
{
        uint64_t number = 0;

        dol_number_parse(text, INT64_MAX, &number, NULL);
        return json_integer((json_int_t)number);
}

static json_t *value_of(const dol_args *args, const dol_option *option, const char *text)
{
        switch (option->kind) {
        case DOL_VALUE_FLAG:
        case DOL_VALUE_TOGGLE:
                return json_boolean(dol_args_is_on(args, option->name));
        case DOL_VALUE_NUMBER:
                return number_of(text);
        case DOL_VALUE_IOPS:
                return strcmp(text, "none") == 0 ? json_integer(0) : number_of(text);
        case DOL_VALUE_BPS:
                return strcmp(text, "none") == 0 ? json_integer(0) : json_string(text);
        case DOL_VALUE_RATIO:
                return json_real(g_ascii_strtod(text, NULL));
        case DOL_VALUE_TEXT:
        case DOL_VALUE_SIZE:
        case DOL_VALUE_DURATION:
        case DOL_VALUE_MODE:
        case DOL_VALUE_LABEL:
        case DOL_VALUE_SELECTOR:
        case DOL_VALUE_WORD:
        case DOL_VALUE_PATH:
        case DOL_VALUE_VOLUME:
        case DOL_VALUE_TRASHED:
        case DOL_VALUE_SNAPSHOT:
        case DOL_VALUE_IMAGE:
        case DOL_VALUE_POOL:
        case DOL_VALUE_SCHEDULE:
        case DOL_VALUE_OPERATION:
        case DOL_VALUE_COMMAND:
        default:
                return *text ? json_string(text) : json_null();
        }
}

static void put_labels(json_t *body, const dol_args *args, const dol_body_row *row)
{
        json_t *labels = json_object();
        unsigned at = 0;

        for (const char *label; (label = dol_args_next(args, row->option, &at));) {
                size_t length = strcspn(label, "=");
                g_autofree char *key = g_strndup(label, length);

                json_object_set_new(labels, key, json_string(label + length + 1));
        }
        dol_json_put(body, row->path, labels);
}

void dol_body_put(json_t *body, const dol_args *args, const dol_body_row *rows)
{
        for (const dol_body_row *row = rows; row->option; row++) {
                const dol_option *option =
                        dol_option_find(args->command, row->option, strlen(row->option));

                if (!dol_args_given(args, row->option))
                        continue;
                if (option->kind == DOL_VALUE_LABEL)
                        put_labels(body, args, row);
                else
                        dol_json_put(body, row->path,
                                     value_of(args, option, dol_args_value(args, row->option)));
        }
}
