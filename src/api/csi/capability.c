/* SPDX-License-Identifier: Apache-2.0 */
/* How a volume is to be used: as a file system or a device, by how many. */
#include "api/csi/private.h"

#include <string.h>

typedef Csi__V1__VolumeCapability__AccessMode__Mode access_mode;

static access_mode mode_of(const Csi__V1__VolumeCapability *capability)
{
        return capability->access_mode->mode;
}

bool dol_csi_is_block(const Csi__V1__VolumeCapability *capability)
{
        return capability->access_type_case == CSI__V1__VOLUME_CAPABILITY__ACCESS_TYPE_BLOCK;
}

bool dol_csi_is_exclusive(const Csi__V1__VolumeCapability *capability)
{
        access_mode mode = mode_of(capability);

        return mode == CSI__V1__VOLUME_CAPABILITY__ACCESS_MODE__MODE__SINGLE_NODE_WRITER ||
               mode == CSI__V1__VOLUME_CAPABILITY__ACCESS_MODE__MODE__SINGLE_NODE_SINGLE_WRITER;
}

bool dol_csi_is_reader(const Csi__V1__VolumeCapability *capability)
{
        return mode_of(capability) ==
               CSI__V1__VOLUME_CAPABILITY__ACCESS_MODE__MODE__SINGLE_NODE_READER_ONLY;
}

char *dol_csi_terms(const Csi__V1__VolumeCapability *capability, bool read_only)
{
        const ProtobufCEnumValue *word = protobuf_c_enum_descriptor_get_value(
                &csi__v1__volume_capability__access_mode__mode__descriptor,
                (int)mode_of(capability));

        return g_strdup_printf("%s,%s%s", word->name,
                               dol_csi_is_block(capability) ? "block" : "mount",
                               read_only ? ",ro" : "");
}

static bool check_mode(const Csi__V1__VolumeCapability *capability, GError **error)
{
        if (!capability->access_mode)
                return dol_fail(error, DOL_ERROR_INVALID, "access_mode: is required");
        switch (mode_of(capability)) {
        case CSI__V1__VOLUME_CAPABILITY__ACCESS_MODE__MODE__SINGLE_NODE_WRITER:
        case CSI__V1__VOLUME_CAPABILITY__ACCESS_MODE__MODE__SINGLE_NODE_READER_ONLY:
        case CSI__V1__VOLUME_CAPABILITY__ACCESS_MODE__MODE__SINGLE_NODE_SINGLE_WRITER:
        case CSI__V1__VOLUME_CAPABILITY__ACCESS_MODE__MODE__SINGLE_NODE_MULTI_WRITER:
                return true;
        case CSI__V1__VOLUME_CAPABILITY__ACCESS_MODE__MODE__MULTI_NODE_READER_ONLY:
        case CSI__V1__VOLUME_CAPABILITY__ACCESS_MODE__MODE__MULTI_NODE_SINGLE_WRITER:
        case CSI__V1__VOLUME_CAPABILITY__ACCESS_MODE__MODE__MULTI_NODE_MULTI_WRITER:
                return dol_fail(error, DOL_ERROR_INVALID,
                                "access_mode: a volume can be used on one node only");
        case CSI__V1__VOLUME_CAPABILITY__ACCESS_MODE__MODE__UNKNOWN:
        case _CSI__V1__VOLUME_CAPABILITY__ACCESS_MODE__MODE_IS_INT_SIZE:
        default:
                return dol_fail(error, DOL_ERROR_INVALID, "access_mode: %d is not known",
                                (int)mode_of(capability));
        }
}

/* Options of one mount among several; those of the file system are the volume's. */
static bool check_flags(const Csi__V1__VolumeCapability__MountVolume *mount, GError **error)
{
        static const char *const known[] = {"ro",          "rw",      "nosuid",     "nodev",
                                            "noexec",      "noatime", "nodiratime", "relatime",
                                            "strictatime", NULL};

        for (size_t i = 0; i < mount->n_mount_flags; i++)
                if (!g_strv_contains(known, mount->mount_flags[i])) {
                        g_autofree char *words = g_strjoinv(", ", (char **)known);

                        return dol_fail(error, DOL_ERROR_INVALID,
                                        "mount_flags: '%s' is none of %s; options of the file "
                                        "system are the parameter 'mountopts'",
                                        mount->mount_flags[i], words);
                }
        return true;
}

static bool check_fs(const char *fs_type, const dol_volume *volume, GError **error)
{
        if (*fs_type == '\0')
                return true;
        if (strcmp(fs_type, "ext4") != 0 && strcmp(fs_type, "xfs") != 0)
                return dol_fail(error, DOL_ERROR_INVALID, "fs_type: expected ext4 or xfs, got '%s'",
                                fs_type);
        if (volume && strcmp(fs_type, dol_fs_words[volume->spec.fs]) != 0)
                return dol_fail(error, DOL_ERROR_INVALID, "fs_type: the volume has %s, not %s",
                                dol_fs_words[volume->spec.fs], fs_type);
        return true;
}

static bool check_mount(const Csi__V1__VolumeCapability__MountVolume *mount,
                        const dol_volume *volume, GError **error)
{
        if (volume && volume->spec.fs == DOL_FS_NONE)
                return dol_fail(error, DOL_ERROR_INVALID,
                                "mount: the volume is a block volume and has no file system");
        if (*mount->volume_mount_group)
                return dol_fail(error, DOL_ERROR_INVALID,
                                "volume_mount_group: is not supported; the parameters 'gid' and "
                                "'mode' set the volume's group");
        return check_fs(mount->fs_type, volume, error) && check_flags(mount, error);
}

bool dol_csi_capability_check(const Csi__V1__VolumeCapability *capability, const dol_volume *volume,
                              GError **error)
{
        if (!capability)
                return dol_fail(error, DOL_ERROR_INVALID, "volume_capability: is required");
        if (!check_mode(capability, error))
                return false;
        switch (capability->access_type_case) {
        case CSI__V1__VOLUME_CAPABILITY__ACCESS_TYPE_MOUNT:
                return check_mount(capability->mount, volume, error);
        case CSI__V1__VOLUME_CAPABILITY__ACCESS_TYPE_BLOCK:
                return !volume || volume->spec.fs == DOL_FS_NONE ||
                       dol_fail(error, DOL_ERROR_INVALID,
                                "block: the volume has a file system (%s)",
                                dol_fs_words[volume->spec.fs]);
        case CSI__V1__VOLUME_CAPABILITY__ACCESS_TYPE__NOT_SET:
        case _CSI__V1__VOLUME_CAPABILITY__ACCESS_TYPE__CASE_IS_INT_SIZE:
        default:
                return dol_fail(error, DOL_ERROR_INVALID,
                                "access_type: expected block or mount, and there is none");
        }
}

bool dol_csi_capabilities_check(Csi__V1__VolumeCapability **capabilities, size_t count,
                                const dol_volume *volume, GError **error)
{
        if (count == 0)
                return dol_fail(error, DOL_ERROR_INVALID, "volume_capabilities: are required");
        for (size_t i = 0; i < count; i++) {
                if (!dol_csi_capability_check(capabilities[i], volume, error))
                        return dol_fail_while(error, "volume_capabilities");
                if (dol_csi_is_block(capabilities[i]) != dol_csi_is_block(capabilities[0]))
                        return dol_fail(error, DOL_ERROR_INVALID,
                                        "volume_capabilities: a volume is block or mount, not "
                                        "both");
        }
        return true;
}
