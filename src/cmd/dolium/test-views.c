/* SPDX-License-Identifier: Apache-2.0 */
/* What tables show is what documents have: every path of a view is a field of src/model. */
#include "cmd/dolium/show.h"
#include "cmd/dolium/text.h"
#include "model/event.h"
#include "model/operation.h"
#include "model/pool.h"
#include "model/schedule.h"
#include "model/volume.h"

#include <string.h>

static const dol_field *field_of(const dol_schema *schema, const char *key)
{
        for (const dol_field *field = schema->fields; field->key; field++)
                if (strcmp(field->key, key) == 0 && !(field->flags & DOL_INTERNAL))
                        return field;
        return NULL;
}

static void check_path(const dol_schema *schema, const char *path)
{
        g_auto(GStrv) keys = g_strsplit(path, ".", -1);

        for (unsigned i = 0; keys[i]; i++) {
                const dol_field *field = schema ? field_of(schema, keys[i]) : NULL;

                g_test_message("%s", path);
                g_assert_nonnull(field);
                schema = field->schema;
        }
}

static void check_columns(const dol_schema *schema, const dol_column *columns)
{
        for (const dol_column *at = columns; at->title; at++)
                if (at->path)
                        check_path(schema, at->path);
}

static void check_view(const dol_schema *schema, const dol_view *view)
{
        check_path(schema, view->name);
        check_columns(schema, view->columns);
        check_columns(schema, view->details);
}

static void test_paths(void)
{
        static const char *const volume_paths[] = {"status.used",
                                                   "status.available",
                                                   "status.inodes",
                                                   "status.inodes_used",
                                                   "status.attachment.consumers.client",
                                                   "status.attachment.consumers.id",
                                                   "status.attachment.consumers.count",
                                                   "status.attachment.path",
                                                   "status.attachment.device",
                                                   "status.expires",
                                                   NULL};
        static const char *const operation_paths[] = {
                "uid",         "phase",     "error_kind", "message", "volume",
                "volume_name", "operation", "started",    "ended",   NULL};

        check_view(&dol_volume_schema, &dol_volume_view);
        check_view(&dol_volume_schema, &dol_trash_view);
        check_view(&dol_volume_schema, &dol_df_volume_view);
        check_view(&dol_pool_schema, &dol_pool_view);
        check_view(&dol_pool_schema, &dol_df_pool_view);
        check_view(&dol_operation_schema, &dol_operation_view);
        check_view(&dol_schedule_schema, &dol_schedule_view);
        check_view(&dol_event_schema, &dol_event_view);
        for (unsigned i = 0; volume_paths[i]; i++)
                check_path(&dol_volume_schema, volume_paths[i]);
        for (unsigned i = 0; operation_paths[i]; i++)
                check_path(&dol_operation_schema, operation_paths[i]);
}

static void test_width(void)
{
        static const struct {
                const char *text;
                size_t width;
        } rows[] = {
                {"", 0},
                {"abc", 3},
                {"caf\xc3\xa9", 4},
                {"cafe\xcc\x81", 4},
                {"日本", 4},
                {"한글", 4},
                {"🐳", 2},
                {"a\xe2\x80\x8b"
                 "b",
                 2},
                {"ｆｕｌｌ", 8},
                {"שלום", 4},
        };

        for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++)
                g_assert_cmpuint(dol_text_width(rows[i].text), ==, rows[i].width);
}

static void check_shown(const char *text, bool lines, const char *expected)
{
        g_autofree char *shown = dol_text_shown(text, lines);

        g_assert_cmpstr(shown, ==, expected);
}

static void test_shown(void)
{
        check_shown("plain caf\xc3\xa9", false, "plain caf\xc3\xa9");
        check_shown("\x1b[31mred", false, "\\x1b[31mred");
        check_shown("a\nb", false, "a\\x0ab");
        check_shown("a\nb\r", true, "a\nb\\x0d");
        check_shown("\xc2\x9b"
                    "2J",
                    false, "\\x9b2J");
        check_shown("\xe2\x80\xae"
                    "gpj",
                    false, "\\u{202e}gpj");
        check_shown("\xff", false, "\xef\xbf\xbd");
}

static void check_age(int64_t seconds, const char *expected)
{
        g_autofree char *age = dol_age_format(seconds * 1000000);

        g_assert_cmpstr(age, ==, expected);
}

static void test_age(void)
{
        check_age(-5, "0s");
        check_age(0, "0s");
        check_age(119, "119s");
        check_age(120, "2m");
        check_age(119 * 60, "119m");
        check_age(120 * 60, "2h");
        check_age(47 * 3600, "47h");
        check_age(48 * 3600, "2d");
        check_age(INT64_C(400) * 86400, "400d");
}

static void check_use(json_int_t used, json_int_t available, const char *expected)
{
        g_autoptr(dol_json) status = json_pack("{s:I, s:I}", "used", used, "available", available);
        g_autofree char *use = dol_cell_use(status);

        g_assert_cmpstr(use, ==, expected);
}

/* Rounded up, as df does: what is not quite full must not look empty. */
static void test_use(void)
{
        check_use(0, 0, NULL);
        check_use(0, 100, "0%");
        check_use(1, 99999, "1%");
        check_use(50, 50, "50%");
        check_use(INT64_C(1) << 46, INT64_C(1) << 46, "50%");
        check_use(100, 0, "100%");
        g_assert_null(dol_cell_use(NULL));
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/dolium/views/paths", test_paths);
        g_test_add_func("/dolium/views/width", test_width);
        g_test_add_func("/dolium/views/shown", test_shown);
        g_test_add_func("/dolium/views/age", test_age);
        g_test_add_func("/dolium/views/use", test_use);
        return g_test_run();
}
