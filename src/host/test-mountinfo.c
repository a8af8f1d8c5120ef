/* SPDX-License-Identifier: Apache-2.0 */
#include "host/mount-private.h"

#include <string.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>

static const char good[] =
        "25 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,errors=remount-ro\n"
        "36 25 7:12 /sub/dir /mnt/a rw,noatime - xfs /dev/loop12 rw,attr2\n"
        "37 25 0:45 / /mnt/b rw shared:2 master:1 propagate_from:3 - tmpfs tmpfs rw,size=4k\n";

static void test_fields(void)
{
        g_autoptr(GPtrArray) entries = dol_mountinfo_parse(good);
        const dol_mount_entry *entry;

        g_assert_cmpuint(entries->len, ==, 3);
        entry = entries->pdata[1];
        g_assert_cmpuint(entry->id, ==, 36);
        g_assert_true(entry->device == makedev(7, 12));
        g_assert_cmpstr(entry->root, ==, "/sub/dir");
        g_assert_cmpstr(entry->path, ==, "/mnt/a");
        g_assert_cmpstr(entry->options, ==, "rw,noatime");
        g_assert_cmpstr(entry->fs_type, ==, "xfs");
        g_assert_cmpstr(entry->source, ==, "/dev/loop12");
        g_assert_cmpstr(entry->super_options, ==, "rw,attr2");
        entry = entries->pdata[2];
        g_assert_cmpstr(entry->fs_type, ==, "tmpfs");
        g_assert_true(entry->device == makedev(0, 45));
}

typedef struct {
        const char *escaped, *plain;
} pair;

static void test_escapes(void)
{
        static const pair pairs[] = {
                {"/a\\040b", "/a b"},         {"/a\\011b", "/a\tb"}, {"/a\\012b", "/a\nb"},
                {"/a\\134b", "/a\\b"},        {"/a\\043b", "/a#b"},  {"/\\040\\040", "/  "},
                {"/\\134040", "/\\040"},                            /* unescaped once only */
                {"/\\303\\244", "/\303\244"}, {"/end\\", "/end\\"}, /* not escapes: kept as they are
                                                                     */
                {"/end\\04", "/end\\04"},     {"/\\089", "/\\089"},  {"/\\777", "/\\777"},
        };

        for (unsigned i = 0; i < G_N_ELEMENTS(pairs); i++) {
                g_autofree char *text =
                        g_strdup_printf("1 2 7:0 %s %s rw - ext4 %s rw,x=%s\n", pairs[i].escaped,
                                        pairs[i].escaped, pairs[i].escaped, pairs[i].escaped);
                g_autoptr(GPtrArray) entries = dol_mountinfo_parse(text);
                const dol_mount_entry *entry;

                g_assert_cmpuint(entries->len, ==, 1);
                entry = entries->pdata[0];
                g_assert_cmpstr(entry->root, ==, pairs[i].plain);
                g_assert_cmpstr(entry->path, ==, pairs[i].plain);
                g_assert_cmpstr(entry->source, ==, pairs[i].plain);
                g_assert_cmpstr(entry->super_options + strlen("rw,x="), ==, pairs[i].plain);
        }
}

static void test_malformed(void)
{
        static const char *const lines[] = {
                "",
                " ",
                "\n\n",
                "1",
                "1 2",
                "1 2 7:0",
                "1 2 7:0 / /m",
                "1 2 7:0 / /m rw",
                "1 2 7:0 / /m rw -",
                "1 2 7:0 / /m rw - ext4",
                "1 2 7:0 / /m rw - ext4 /dev/x",
                "1 2 7:0 / /m rw shared:1 ext4 /dev/x rw",
                "x 2 7:0 / /m rw - ext4 /dev/x rw",
                "-1 2 7:0 / /m rw - ext4 /dev/x rw",
                "1 2 7 / /m rw - ext4 /dev/x rw",
                "1 2 7: / /m rw - ext4 /dev/x rw",
                "1 2 :7 / /m rw - ext4 /dev/x rw",
                "1 2 7:0x / /m rw - ext4 /dev/x rw",
                "1 2 7:99999999999 / /m rw - ext4 /dev/x rw",
                "99999999999999999999999 2 7:0 / /m rw - ext4 /dev/x rw",
        };

        for (unsigned i = 0; i < G_N_ELEMENTS(lines); i++) {
                g_autofree char *text = g_strdup_printf("%s\n%s", lines[i], good);
                g_autoptr(GPtrArray) alone = dol_mountinfo_parse(lines[i]);
                g_autoptr(GPtrArray) among = dol_mountinfo_parse(text);

                g_test_message("'%s'", lines[i]);
                g_assert_cmpuint(alone->len, ==, 0);
                g_assert_cmpuint(among->len, ==, 3);
        }
}

/* A source may be empty; the last line may lack its end. */
static void test_oddities(void)
{
        g_autoptr(GPtrArray) entries =
                dol_mountinfo_parse("1 2 7:0 / /m rw - ext4  rw\n3 2 7:0 / /n rw - ext4 none rw");
        const dol_mount_entry *entry;

        g_assert_cmpuint(entries->len, ==, 2);
        entry = entries->pdata[0];
        g_assert_cmpstr(entry->source, ==, "");
        g_assert_cmpstr(entry->super_options, ==, "rw");
}

static void test_read(void)
{
        g_autoptr(GError) error = NULL;
        g_autoptr(GPtrArray) entries = dol_mountinfo_read("/proc/self/mountinfo", &error);
        g_autoptr(GPtrArray) none = NULL;
        bool root = false;

        g_assert_no_error(error);
        for (unsigned i = 0; i < entries->len; i++)
                root |= strcmp(((dol_mount_entry *)entries->pdata[i])->path, "/") == 0;
        g_assert_true(root);
        none = dol_mountinfo_read("/proc/2147483647/mountinfo", &error);
        g_assert_null(none);
        g_assert_error(error, DOL_ERROR, DOL_ERROR_NOT_FOUND);
}

static void test_find(void)
{
        g_autoptr(GError) error = NULL;
        g_autoptr(dol_mount_entry) proc = dol_mount_find("/proc", &error);
        g_autoptr(dol_mount_entry) none = dol_mount_find("/proc/self", &error);
        g_autoptr(dol_mount_entry) missing = dol_mount_find("/nowhere/at/all", &error);
        g_autoptr(dol_mount_entry) below_file = dol_mount_find("/etc/passwd/x", &error);

        g_assert_no_error(error);
        g_assert_nonnull(proc);
        g_assert_cmpstr(proc->fs_type, ==, "proc");
        g_assert_null(none);
        g_assert_null(missing);
        g_assert_null(below_file);
}

typedef struct {
        const char *options;
        unsigned long flags;
        uint64_t set;
        const char *data;
} words_case;

static void test_words(void)
{
        static const words_case cases[] = {
                {NULL, 0, 0, NULL},
                {"", 0, 0, NULL},
                {",,defaults,", 0, 0, NULL},
                {"noatime,nosuid", MS_NOATIME | MS_NOSUID, MOUNT_ATTR_NOATIME | MOUNT_ATTR_NOSUID,
                 NULL},
                {"ro,rw", 0, 0, NULL},
                {"rw,ro", MS_RDONLY, MOUNT_ATTR_RDONLY, NULL},
                {"noatime,relatime", MS_RELATIME, 0, NULL},
                {"relatime,noatime", MS_NOATIME, MOUNT_ATTR_NOATIME, NULL},
                {"noexec,commit=30,sync,data=ordered", MS_NOEXEC | MS_SYNCHRONOUS,
                 MOUNT_ATTR_NOEXEC, "commit=30,data=ordered"},
                {"discard, nodev ,x-note=1", MS_NODEV, MOUNT_ATTR_NODEV, "discard"},
                {"lazytime,nodiratime,dirsync", MS_LAZYTIME | MS_NODIRATIME | MS_DIRSYNC,
                 MOUNT_ATTR_NODIRATIME, NULL},
        };

        for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_auto(dol_mount_words) words = {0};

                dol_mount_words_parse(cases[i].options, &words);
                g_assert_cmphex(words.flags, ==, cases[i].flags);
                g_assert_cmphex(words.set, ==, cases[i].set);
                g_assert_cmpstr(words.data, ==, cases[i].data);
        }
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/mountinfo/fields", test_fields);
        g_test_add_func("/mountinfo/escapes", test_escapes);
        g_test_add_func("/mountinfo/malformed", test_malformed);
        g_test_add_func("/mountinfo/oddities", test_oddities);
        g_test_add_func("/mountinfo/read", test_read);
        g_test_add_func("/mountinfo/find", test_find);
        g_test_add_func("/mountinfo/words", test_words);
        return g_test_run();
}
