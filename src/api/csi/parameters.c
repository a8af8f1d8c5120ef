/* SPDX-License-Identifier: Apache-2.0 */
/* Parameters of CreateVolume (of a StorageClass) as a table, and names. */
#include "api/csi/private.h"

#include "codec/units.h"

#include <string.h>

static bool set_fs(dol_volume *want, const char *value, GError **error)
{
        for (int fs = DOL_FS_EXT4; fs <= DOL_FS_XFS; fs++)
                if (strcmp(dol_fs_words[fs], value) == 0) {
                        want->spec.fs = (dol_fs_kind)fs;
                        return true;
                }
        return dol_fail(error, DOL_ERROR_INVALID, "expected ext4 or xfs, got '%s'", value);
}

static bool set_pool(dol_volume *want, const char *value, GError **error)
{
        g_free(want->spec.pool);
        want->spec.pool = g_strdup(value);
        return dol_pool_name_check(value, error);
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
        g_free(want->spec.mountopts);
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

static const struct {
        const char *name;
        bool (*set)(dol_volume *want, const char *value, GError **error);
} rows[] = {
        {"fs", set_fs},       {"pool", set_pool},       {"thick", set_thick},
        {"uid", set_uid},     {"gid", set_gid},         {"mode", set_mode},
        {"trash", set_trash}, {"protect", set_protect}, {"mountopts", set_mountopts},
};

void dol_csi_label(GHashTable **labels, const char *key, const char *value)
{
        if (!*labels)
                *labels = dol_map_new();
        g_hash_table_replace(*labels, g_strdup(key), g_strdup(value));
}

bool dol_csi_parameter_label(GHashTable **labels, const char *key, const char *value)
{
        if (!g_str_has_prefix(key, "csi.storage.k8s.io/"))
                return false;
        dol_csi_label(labels, key, value);
        return true;
}

bool dol_csi_parameter(dol_volume *want, const char *key, const char *value, GError **error)
{
        static const char prefix[] = "label.";
        g_autoptr(GString) known = g_string_new(NULL);

        if (dol_csi_parameter_label(&want->labels, key, value))
                return true;
        if (g_str_has_prefix(key, prefix)) {
                dol_csi_label(&want->labels, key + strlen(prefix), value);
                return true;
        }
        for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
                if (strcmp(rows[i].name, key) == 0)
                        return rows[i].set(want, value, error) ||
                               dol_fail_while(error, "parameter %s", key);
                g_string_append_printf(known, "%s, ", rows[i].name);
        }
        return dol_fail(error, DOL_ERROR_INVALID, "unknown parameter '%s' (known: %slabel.KEY)",
                        key, known->str);
}

bool dol_csi_snapshot_parameter(GHashTable **labels, const char *key, const char *value,
                                GError **error)
{
        return dol_csi_parameter_label(labels, key, value) ||
               dol_fail(error, DOL_ERROR_INVALID, "unknown parameter '%s' (snapshots have none)",
                        key);
}

char *dol_csi_name(const char *name, bool is_fine, GHashTable **labels)
{
        g_autofree char *digest = NULL;

        if (is_fine)
                return g_strdup(name);
        dol_csi_label(labels, DOL_CSI_NAME_LABEL, name);
        digest = g_compute_checksum_for_string(G_CHECKSUM_SHA1, name, -1);
        return g_strconcat("csi-", digest, NULL);
}
