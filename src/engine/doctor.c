/* SPDX-License-Identifier: Apache-2.0 */
/* What this host can and cannot do, and why: one function per question. */
#include "engine/private.h"

#include "base/file.h"
#include "codec/units.h"
#include "host/cgroup.h"
#include "host/loop.h"
#include "host/mount.h"

#include <string.h>
#include <sys/utsname.h>

static const char *const level_words[] = {"ok", "warning", "error", NULL};

#define AT(member) offsetof(dol_check, member)
static const dol_field check_fields[] = {
        {"name", DOL_STRING, AT(name), 0, .doc = "what was looked at"},
        {"level", DOL_ENUM, AT(level), 0, .words = level_words, .doc = "ok, warning or error"},
        {"message", DOL_STRING, AT(message), 0, .doc = "what was found"},
        {"help", DOL_STRING, AT(help), 0, .doc = "what to do about it"},
        {NULL},
};
#undef AT
const dol_schema dol_check_schema = {"Check", sizeof(dol_check), check_fields,
                                     "One thing the doctor looked at."};

typedef struct {
        dol_engine *engine;
        const dol_call *call;
        GPtrArray *checks;
} examination;

static void free_check(void *data)
{
        dol_schema_free(&dol_check_schema, data);
}

/* Takes the message. */
static void note(examination *exam, const char *name, dol_check_level level, char *message,
                 const char *help)
{
        dol_check *check = g_new0(dol_check, 1);

        *check = (dol_check){g_strdup(name), level, message,
                             level == DOL_CHECK_OK ? NULL : g_strdup(help)};
        g_ptr_array_add(exam->checks, check);
}

static void look_at_kernel(examination *exam)
{
        struct utsname name;
        int major = 0, minor = 0;
        g_auto(GStrv) parts = NULL;

        uname(&name);
        parts = g_strsplit(name.release, ".", 3);
        if (parts[0] && parts[1]) {
                major = (int)g_ascii_strtoll(parts[0], NULL, 10);
                minor = (int)g_ascii_strtoll(parts[1], NULL, 10);
        }
        note(exam, "kernel",
             major > 5 || (major == 5 && minor >= 8) ? DOL_CHECK_OK : DOL_CHECK_ERROR,
             g_strdup_printf("Linux %s", name.release),
             "loop devices are configured in one step from Linux 5.8 on: upgrade the kernel");
}

static void look_at_loop(examination *exam)
{
        bool there = g_file_test("/dev/loop-control", G_FILE_TEST_EXISTS);

        note(exam, "loop devices", there ? DOL_CHECK_OK : DOL_CHECK_ERROR,
             g_strdup(there ? "/dev/loop-control is there" : "/dev/loop-control is missing"),
             "load the module: modprobe loop; in a container, pass /dev and CAP_SYS_ADMIN");
}

static void look_at_programs(examination *exam)
{
        static const struct {
                const char *program, *help;
        } needed[] = {
                {"mkfs.ext4", "install the package e2fsprogs"},
                {"mkfs.xfs", "install the package xfsprogs"},
        };

        for (unsigned i = 0; i < G_N_ELEMENTS(needed); i++) {
                g_autofree char *sbin = g_build_filename("/usr/sbin", needed[i].program, NULL);
                g_autofree char *found = g_find_program_in_path(needed[i].program);
                bool there = found || g_file_test(sbin, G_FILE_TEST_IS_EXECUTABLE);

                note(exam, needed[i].program, there ? DOL_CHECK_OK : DOL_CHECK_ERROR,
                     g_strdup_printf("%s", there ? "installed" : "not installed"), needed[i].help);
        }
}

static void look_at_pool(examination *exam, const dol_pool_record *pool)
{
        g_autofree char *name = g_strdup_printf("pool %s", pool->name);
        g_autofree char *used = dol_size_format_short(pool->status.used);
        g_autofree char *capacity = dol_size_format_short(pool->status.capacity);
        dol_capacity now = {pool->status.capacity, pool->status.used, pool->status.available,
                            pool->status.allocated};
        dol_level level = dol_capacity_level(&pool->spec, &now);

        if (pool->status.phase != DOL_POOL_READY) {
                note(exam, name, DOL_CHECK_ERROR, g_strdup(pool->status.reason),
                     "its volumes cannot be mounted until it is back; doliumd tries again by "
                     "itself");
                return;
        }
        note(exam, name, level == DOL_LEVEL_FINE ? DOL_CHECK_OK : DOL_CHECK_WARNING,
             g_strdup_printf("%s, %s of %s used, media %s", pool->status.kind, used, capacity,
                             dol_media_words[pool->status.media]),
             "delete volumes, empty the trash (dolium trash empty), or enlarge the pool");
        if (strcmp(pool->spec.driver, "dir") == 0)
                note(exam, name, DOL_CHECK_WARNING,
                     g_strdup("plain directories: sizes are not enforced"),
                     "use the driver 'image' on XFS, btrfs or a block device for enforced sizes");
}

static void look_at_pools(examination *exam)
{
        g_autoptr(GPtrArray) pools = dol_engine_pool_list(exam->engine);

        if (pools->len == 0)
                note(exam, "pools", DOL_CHECK_ERROR, g_strdup("there is no pool"),
                     "make one: dolium pool create default");
        for (unsigned i = 0; i < pools->len; i++)
                look_at_pool(exam, pools->pdata[i]);
}

static bool is_lost(const dol_volume *volume, void *user)
{
        return volume->status.phase == DOL_VOLUME_LOST;
}

static void look_at_volumes(examination *exam)
{
        g_autoptr(GPtrArray) lost = dol_index_list(exam->engine->index, NULL, 0, is_lost, NULL);

        note(exam, "volumes", lost->len ? DOL_CHECK_ERROR : DOL_CHECK_OK,
             lost->len ? g_strdup_printf("%u are lost, the first is '%s'", lost->len,
                                         ((const dol_volume *)lost->pdata[0])->name)
                       : g_strdup("all are where they should be"),
             "bring the missing data back into the pool, or remove them: dolium volume rm --purge");
}

/* Containers are made in mount namespaces of their own; what is mounted later reaches them only
 * through a shared mount. Docker binds the path itself, so this matters for paths that users bind.
 */
static void look_at_propagation(examination *exam)
{
        g_autofree char *text = NULL;
        bool shared = false;

        if (dol_file_read("/proc/self/mountinfo", 16 << 20, &text, NULL, NULL)) {
                g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

                for (unsigned i = 0; lines[i]; i++)
                        shared = shared ||
                                 (strstr(lines[i], " / / ") && strstr(lines[i], " shared:"));
        }
        note(exam, "mount propagation", shared ? DOL_CHECK_OK : DOL_CHECK_WARNING,
             g_strdup(shared ? "the root file system is shared"
                             : "the root file system is not a shared mount"),
             "only a container engine in another mount namespace would miss the volumes: mount "
             "--make-rshared / if there is one");
}

static void look_at_docker(examination *exam)
{
        static const char volumes[] = "/var/lib/docker/volumes";
        g_autoptr(GDir) dir = g_dir_open(volumes, 0, NULL);
        const char *name;

        while (dir && (name = g_dir_read_name(dir))) {
                g_autoptr(dol_held_volume) same = dol_index_by_name(exam->engine->index, name);
                g_autofree char *data = g_build_filename(volumes, name, "_data", NULL);

                if (same && g_file_test(data, G_FILE_TEST_IS_DIR))
                        note(exam, "docker", DOL_CHECK_WARNING,
                             g_strdup_printf("Docker has a local volume '%s' of its own beside the "
                                             "one here: containers may use the wrong one",
                                             name),
                             "look at both; then remove the local one: docker volume rm");
        }
}

static void look_at_limits(examination *exam)
{
        g_auto(dol_cgroup_tree) tree = {0};
        g_autoptr(GError) why = NULL;
        bool can = dol_cgroup_find(DOL_CGROUP_MOUNTS, &tree, &why);

        note(exam, "limits", can ? DOL_CHECK_OK : DOL_CHECK_WARNING,
             can ? g_strdup_printf("held by control groups of version %d at '%s'", tree.version,
                                   tree.directory)
                 : g_strdup(why->message),
             "limits of I/O cannot be set: mount control groups with a controller for I/O where "
             "doliumd can write them");
}

GPtrArray *dol_engine_doctor(dol_engine *engine, const dol_call *call)
{
        examination exam = {engine, call, g_ptr_array_new_with_free_func(free_check)};

        look_at_kernel(&exam);
        look_at_loop(&exam);
        look_at_programs(&exam);
        look_at_pools(&exam);
        look_at_volumes(&exam);
        look_at_propagation(&exam);
        look_at_docker(&exam);
        look_at_limits(&exam);
        return exam.checks;
}
