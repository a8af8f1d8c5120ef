/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of places share: a place before and after, and what a pool says of itself. */
#include "driver/test-suite.h"

#include "base/guard.h"
#include "host/mount.h"

#include <fcntl.h>
#include <ftw.h>
#include <string.h>
#include <sys/stat.h>

static GChecksum *summing; /* nftw passes no data of the caller's */

/* Blocks of zeroes are skipped: the files here are large and nearly empty. */
static void sum_file(const char *path)
{
        static const char zeroes[65536];
        static char block[sizeof(zeroes)];
        dol_autofd fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        off_t at = 0;
        ssize_t n;

        g_assert_cmpint(fd, >=, 0);
        for (; (n = read(fd, block, sizeof(block))) > 0; at += n) {
                if (memcmp(block, zeroes, (size_t)n) == 0)
                        continue;
                g_checksum_update(summing, (const void *)&at, sizeof(at));
                g_checksum_update(summing, (const void *)block, n);
        }
        g_assert_cmpint(n, ==, 0);
}

static int sum_entry(const char *path, const struct stat *st, int type, struct FTW *where)
{
        g_autofree char *line = g_strdup_printf(
                "%s %o %u %ld %ld.%09ld\n", path, st->st_mode, st->st_uid, (long)st->st_size,
                (long)st->st_mtim.tv_sec, (long)st->st_mtim.tv_nsec);

        g_checksum_update(summing, (const void *)line, -1);
        if (S_ISREG(st->st_mode))
                sum_file(path);
        return 0;
}

char *suite_digest(const char *directory)
{
        dol_autofd fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        char *text;

        g_assert_cmpint(syncfs(fd), ==, 0);
        summing = g_checksum_new(G_CHECKSUM_SHA256);
        g_assert_cmpint(nftw(directory, sum_entry, 16, FTW_PHYS), ==, 0);
        text = g_strdup(g_checksum_get_string(summing));
        g_checksum_free(summing);
        return text;
}

void suite_assert_refused(suite_pool *suite, dol_error_kind kind, const char *why)
{
        g_autofree char *before = suite_digest(suite->directory);
        g_autofree char *after = NULL;
        g_autoptr(GError) error = NULL;
        g_autoptr(dol_pool) pool = dol_pool_open(&suite->call, &suite->request, &error);

        g_assert_null(pool);
        g_assert_error(error, DOL_ERROR, (int)kind);
        if (!strstr(error->message, why))
                g_error("'%s' does not say '%s'", error->message, why);
        after = suite_digest(suite->directory);
        g_assert_cmpstr(before, ==, after);
}

void suite_assert_kind(suite_pool *suite, const char *kind)
{
        g_autoptr(GError) error = NULL;
        dol_pool_space space;

        dol_assert_done(dol_pool_space_of(suite->pool, &suite->call, &space, &error), error);
        g_assert_cmpstr(space.kind, ==, kind);
        g_assert_cmpuint(space.capacity, >, UINT64_C(300) << 20);
        g_assert_cmpuint(space.available, >, 0);
        g_assert_cmpuint(space.available, <=, space.capacity);
}

void suite_pool_unmount(suite_pool *suite)
{
        g_autoptr(GError) error = NULL;

        dol_assert_done(dol_unmount(&suite->call, suite->spec.path, &error), error);
}
