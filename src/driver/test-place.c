/* SPDX-License-Identifier: Apache-2.0 */
/* Whose a directory is, and that looking at a foreign one changes nothing in it. */
#include "driver/place.h"

#include "base/file.h"
#include "base/random.h"
#include "driver/test-suite.h"
#include "driver/tree.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define UID "0b9c7c7e-4f6e-4b1c-8f4e-111111111111"

typedef struct {
        char *directory;
} place_fixture;

static void setup(place_fixture *fixture, const void *unused)
{
        fixture->directory = g_dir_make_tmp("dolium-place-XXXXXX", NULL);
        g_assert_nonnull(fixture->directory);
}

static void teardown(place_fixture *fixture, const void *unused)
{
        dol_call call = dol_call_forever("test");

        dol_tree_remove(&call, fixture->directory, NULL);
        g_free(fixture->directory);
}

static void put(const char *directory, const char *name, const char *text)
{
        g_autofree char *path = g_build_filename(directory, name, NULL);
        g_autofree char *parent = g_path_get_dirname(path);
        g_autoptr(GError) error = NULL;

        dol_assert_done(dol_directory_ensure(parent, 0700, &error), error);
        dol_assert_done(dol_file_replace(path, text, strlen(text), 0600, &error), error);
}

static void assert_text(const char *directory, const char *name, const char *text)
{
        g_autofree char *path = g_build_filename(directory, name, NULL);
        g_autofree char *got = NULL;
        g_autoptr(GError) error = NULL;

        dol_assert_done(dol_file_read(path, 1 << 20, &got, NULL, &error), error);
        g_assert_cmpstr(got, ==, text);
}

static void assert_refused(const char *path, const char *why)
{
        g_autoptr(GError) error = NULL;
        dol_place state;

        g_assert_false(dol_place_look(path, "image", UID, &state, &error));
        g_assert_error(error, DOL_ERROR, DOL_ERROR_CONFLICT);
        if (!strstr(error->message, why))
                g_error("'%s' does not say '%s'", error->message, why);
}

static void assert_state(const char *path, dol_place expected)
{
        g_autoptr(GError) error = NULL;
        dol_place state;

        dol_assert_done(dol_place_look(path, "image", UID, &state, &error), error);
        g_assert_cmpint(state, ==, expected);
}

static void test_own(place_fixture *fixture, const void *unused)
{
        dol_pool_request request = {.uid = UID, .name = "fast"};
        g_autofree char *absent = g_build_filename(fixture->directory, "a", "b", NULL);
        g_autoptr(GError) error = NULL;

        assert_state(absent, DOL_PLACE_ABSENT);
        assert_state(fixture->directory, DOL_PLACE_EMPTY);
        put(fixture->directory, "pool.json.tmp", "{\"kin");
        assert_state(fixture->directory, DOL_PLACE_EMPTY);
        dol_assert_done(dol_place_mark(fixture->directory, "image", &request, &error), error);
        assert_state(fixture->directory, DOL_PLACE_OURS);
        put(fixture->directory, "anything", "else");
        assert_state(fixture->directory, DOL_PLACE_OURS);
}

static void test_foreign(place_fixture *fixture, const void *unused)
{
        g_autofree char *file = g_build_filename(fixture->directory, "file\n\xff", NULL);

        put(fixture->directory, "file\n\xff", "mine");
        assert_refused(fixture->directory, "no pool.json");
        assert_refused(file, "not a directory");
        put(fixture->directory, "b", "");
        put(fixture->directory, "c", "");
        put(fixture->directory, "d", "");
        put(fixture->directory, "e", "");
        assert_refused(fixture->directory, "and 2 more");
        assert_text(fixture->directory, "file\n\xff", "mine");
}

static void test_marks(place_fixture *fixture, const void *unused)
{
#define MARK(kind, version, driver, uid)                                                          \
        "{\"kind\":\"" kind "\",\"version\":" version ",\"driver\":\"" driver "\",\"uid\":\"" uid \
        "\",\"name\":\"old\",\"created\":\"2026-01-02T03:04:05Z\"}"
        static const struct {
                const char *text, *why;
        } bad[] = {
                {"", "damaged"},
                {"{", "damaged"},
                {"[]", "damaged"},
                {"{}", "damaged"},
                {"null", "damaged"},
                {"{\"kind\":\"dolium-pool\",\"version\":1}", "damaged"},
                {"{\"kind\":\"dolium-pool\",\"version\":1,\"version\":1}", "damaged"},
                {MARK("dolium-pool", "\"1\"", "image", UID), "damaged"},
                {MARK("dolium-pool", "1", "image", "\xff"), "damaged"},
                {MARK("something", "1", "image", UID), "not a pool's"},
                {MARK("dolium-pool", "2", "image", UID), "version 2"},
                {MARK("dolium-pool", "1", "dir", UID), "driver 'dir'"},
                {MARK("dolium-pool", "1", "image", "another"), "another pool, 'old'"},
        };

        for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
                put(fixture->directory, "pool.json", bad[i].text);
                assert_refused(fixture->directory, bad[i].why);
                assert_text(fixture->directory, "pool.json", bad[i].text);
        }
        put(fixture->directory, "pool.json", MARK("dolium-pool", "1", "image", UID));
        assert_state(fixture->directory, DOL_PLACE_OURS);
#undef MARK
}

static void test_huge_mark(place_fixture *fixture, const void *unused)
{
        g_autofree char *text = g_strnfill(1 << 20, 'x');
        g_autofree char *path = g_build_filename(fixture->directory, "pool.json", NULL);

        put(fixture->directory, "pool.json", text);
        assert_refused(fixture->directory, "larger than");
        assert_text(fixture->directory, "pool.json", text);
        g_assert_cmpint(unlink(path), ==, 0);
        g_assert_cmpint(mkfifo(path, 0600), ==, 0);
        assert_refused(fixture->directory, "not a file");
        g_assert_cmpint(unlink(path), ==, 0);
        g_assert_cmpint(symlink("/etc/passwd", path), ==, 0);
        assert_refused(fixture->directory, "not a file");
}

static void assert_not_allowed(const char *path, const char *why)
{
        g_autoptr(GError) error = NULL;

        g_assert_false(dol_place_check(path, &error));
        g_assert_error(error, DOL_ERROR, DOL_ERROR_CONFLICT);
        g_assert_nonnull(strstr(error->message, why));
}

static void test_engines(place_fixture *fixture, const void *unused)
{
        g_autofree char *within = g_build_filename(fixture->directory, "new", "pool", NULL);
        g_autoptr(GError) error = NULL;

        assert_not_allowed("/var/lib/docker", "container engine");
        assert_not_allowed("/var/lib/docker/pool", "container engine");
        assert_not_allowed("/var/lib/containers/storage", "container engine");
        dol_assert_done(dol_place_check("/var/lib/dockers", &error), error);
        dol_assert_done(dol_place_check(within, &error), error);
        put(fixture->directory, "overlay2/x", "");
        dol_assert_done(dol_place_check(within, &error), error);
        put(fixture->directory, "containers/x", "");
        assert_not_allowed(within, "Docker's own storage");
        assert_not_allowed(fixture->directory, "Docker's own storage");
}

static void test_nested(place_fixture *fixture, const void *unused)
{
        g_autofree char *within = g_build_filename(fixture->directory, "volumes", "x", NULL);
        g_autoptr(GError) error = NULL;

        put(fixture->directory, "pool.json", "{}");
        assert_not_allowed(within, "inside the pool");
        dol_assert_done(dol_place_check(fixture->directory, &error), error);
}

static void assert_resolved(const char *path, const char *expected)
{
        g_autoptr(GError) error = NULL;
        g_autofree char *resolved = dol_place_resolve(path, &error);

        g_assert_no_error(error);
        g_assert_cmpstr(resolved, ==, expected);
}

static void assert_not_resolved(const char *path)
{
        g_autoptr(GError) error = NULL;

        g_assert_null(dol_place_resolve(path, &error));
        g_assert_error(error, DOL_ERROR, DOL_ERROR_INVALID);
}

static void test_resolve(place_fixture *fixture, const void *unused)
{
        g_autofree char *real = realpath(fixture->directory, NULL);
        g_autofree char *link = g_build_filename(real, "link", NULL);
        g_autofree char *through = g_build_filename(link, "new", "pool", NULL);
        g_autofree char *target = g_build_filename(real, "new", "pool", NULL);
        g_autofree char *slashes = g_strconcat(real, "//new///pool/", NULL);

        g_assert_cmpint(symlink(real, link), ==, 0);
        assert_resolved(link, real);
        assert_resolved(through, target);
        assert_resolved(slashes, target);
        assert_resolved("/", "/");
        assert_not_resolved("pool");
        assert_not_resolved("");
        assert_not_resolved("/nowhere/../etc");
        assert_not_resolved(NULL);
}

static void test_still(place_fixture *fixture, const void *unused)
{
        g_autofree char *path = g_build_filename(fixture->directory, "pool", NULL);
        g_autofree char *other = g_build_filename(fixture->directory, "other", NULL);
        g_autoptr(GError) error = NULL;
        dol_place_id id;

        g_assert_cmpint(mkdir(path, 0700), ==, 0);
        dol_assert_done(dol_place_identify(path, &id, &error), error);
        dol_assert_done(dol_place_still(path, &id, &error), error);
        g_assert_cmpint(rename(path, other), ==, 0);
        g_assert_false(dol_place_still(path, &id, &error));
        g_assert_error(error, DOL_ERROR, DOL_ERROR_UNAVAILABLE);
        g_clear_error(&error);
        g_assert_cmpint(mkdir(path, 0700), ==, 0);
        g_assert_false(dol_place_still(path, &id, &error));
        g_assert_error(error, DOL_ERROR, DOL_ERROR_UNAVAILABLE);
}

static void add_tests(void)
{
        static const struct {
                const char *path;
                void (*test)(place_fixture *fixture, const void *unused);
        } tests[] = {
                {"/place/own", test_own},         {"/place/foreign", test_foreign},
                {"/place/marks", test_marks},     {"/place/huge-mark", test_huge_mark},
                {"/place/engines", test_engines}, {"/place/nested", test_nested},
                {"/place/resolve", test_resolve}, {"/place/still", test_still},
        };

        for (unsigned i = 0; i < G_N_ELEMENTS(tests); i++)
                g_test_add(tests[i].path, place_fixture, NULL, setup, tests[i].test, teardown);
}

int main(int argc, char **argv)
{
        return suite_unit_main(argc, argv, add_tests);
}
