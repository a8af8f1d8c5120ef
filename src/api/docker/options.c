/* SPDX-License-Identifier: Apache-2.0 */
/* Create options as a table: name, how to read it, what it is for. */
#include "api/docker/docker.h"

#include "codec/units.h"

#include <string.h>

static bool set_size(dol_volume *want, const char *value, GError **error)
{
        return dol_size_parse(value, &want->spec.size, error);
}

static bool set_fs(dol_volume *want, const char *value, GError **error)
{
        for (int i = 0; dol_fs_words[i]; i++)
                if (strcmp(dol_fs_words[i], value) == 0) {
                        want->spec.fs = (dol_fs_kind)i;
                        return true;
                }
        return dol_fail(error, DOL_ERROR_INVALID, "expected ext4, xfs, none or directory, got '%s'",
                        value);
}

static bool set_pool(dol_volume *want, const char *value, GError **error)
{
        want->spec.pool = g_strdup(value);
        return dol_pool_name_check(value, error);
}

static bool set_class(dol_volume *want, const char *value, GError **error)
{
        return dol_fail(error, DOL_ERROR_UNSUPPORTED,
                        "there are no classes yet: say pool=NAME to choose a pool");
}

static bool set_thick(dol_volume *want, const char *value, GError **error)
{
        return dol_bool_parse(value, &want->spec.thick, error);
}

static bool set_uid(dol_volume *want, const char *value, GError **error)
{
        return dol_number_parse(value, UINT32_MAX - 1, &want->spec.uid, error);
}

static bool set_gid(dol_volume *want, const char *value, GError **error)
{
        return dol_number_parse(value, UINT32_MAX - 1, &want->spec.gid, error);
}

static bool set_mode(dol_volume *want, const char *value, GError **error)
{
        return dol_mode_parse(value, &want->spec.mode, error);
}

static bool set_mountopts(dol_volume *want, const char *value, GError **error)
{
        want->spec.mountopts = g_strdup(value);
        return true;
}

static bool set_protect(dol_volume *want, const char *value, GError **error)
{
        return dol_bool_parse(value, &want->spec.protect, error);
}

static bool set_trash(dol_volume *want, const char *value, GError **error)
{
        return dol_duration_parse(value, &want->spec.trash, error);
}

static bool set_from(dol_volume *want, const char *value, GError **error)
{
        want->spec.from = g_strdup(value);
        return true;
}

/* A volume that is only read, such as a look at a snapshot. */
static bool set_ro(dol_volume *want, const char *value, GError **error)
{
        bool read_only;

        if (!dol_bool_parse(*value ? value : "true", &read_only, error))
                return false;
        if (read_only) {
                g_autofree char *others = g_steal_pointer(&want->spec.mountopts);

                want->spec.mountopts =
                        others && *others ? g_strconcat(others, ",ro", NULL) : g_strdup("ro");
        }
        return true;
}

/* "none" or a number. */
static bool set_iops(const char *value, uint64_t *ret, GError **error)
{
        *ret = 0;
        return strcmp(value, "none") == 0 || dol_number_parse(value, INT64_MAX, ret, error);
}

static bool set_bps(const char *value, uint64_t *ret, GError **error)
{
        *ret = 0;
        return strcmp(value, "none") == 0 || dol_size_parse(value, ret, error);
}

static bool set_read_iops(dol_volume *want, const char *value, GError **error)
{
        return set_iops(value, &want->spec.limits.read_iops, error);
}

static bool set_write_iops(dol_volume *want, const char *value, GError **error)
{
        return set_iops(value, &want->spec.limits.write_iops, error);
}

static bool set_read_bps(dol_volume *want, const char *value, GError **error)
{
        return set_bps(value, &want->spec.limits.read_bps, error);
}

static bool set_write_bps(dol_volume *want, const char *value, GError **error)
{
        return set_bps(value, &want->spec.limits.write_bps, error);
}

static const struct {
        const char *name;
        bool (*set)(dol_volume *want, const char *value, GError **error);
} rows[] = {
        {"size", set_size},
        {"fs", set_fs},
        {"pool", set_pool},
        {"class", set_class},
        {"thick", set_thick},
        {"uid", set_uid},
        {"gid", set_gid},
        {"mode", set_mode},
        {"mountopts", set_mountopts},
        {"protect", set_protect},
        {"trash", set_trash},
        {"from", set_from},
        {"ro", set_ro},
        {"read-iops", set_read_iops},
        {"write-iops", set_write_iops},
        {"read-bps", set_read_bps},
        {"write-bps", set_write_bps},
};

static const char label_prefix[] = "label.";

static bool unknown_option(const char *name, GError **error)
{
        g_autoptr(GString) known = g_string_new(NULL);

        for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++)
                g_string_append_printf(known, "%s, ", rows[i].name);
        return dol_fail(error, DOL_ERROR_INVALID, "unknown option '%s' (known: %slabel.KEY)", name,
                        known->str);
}

static bool set_option(dol_volume *want, const char *name, const char *value, GError **error)
{
        if (g_str_has_prefix(name, label_prefix)) {
                if (!want->labels)
                        want->labels = dol_map_new();
                g_hash_table_replace(want->labels, g_strdup(name + strlen(label_prefix)),
                                     g_strdup(value));
                return true;
        }
        for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++)
                if (strcmp(rows[i].name, name) == 0)
                        return rows[i].set(want, value, error) ||
                               dol_fail_while(error, "option %s", name);
        return unknown_option(name, error);
}

bool dol_docker_options(GHashTable *options, dol_volume *want, GError **error)
{
        g_autofree const char **names = options ? dol_map_keys(options) : NULL;

        for (unsigned i = 0; names && names[i]; i++)
                if (!set_option(want, names[i], g_hash_table_lookup(options, names[i]), error))
                        return false;
        return true;
}
