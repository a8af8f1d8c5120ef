/* SPDX-License-Identifier: Apache-2.0 */
#include "model/volume.h"

#include "codec/units.h"

#include <string.h>

const char *const dol_fs_words[] = {"auto", "ext4", "xfs", "none", "directory", NULL};
const char *const dol_volume_phase_words[] = {"creating", "available", "trashed",
                                              "deleting", "lost",      NULL};
const char *const dol_client_words[] = {"docker", "podman", "rest", "csi", "files", NULL};

#define AT(member) offsetof(dol_consumer, member)
static const dol_field consumer_fields[] = {
        {"client", DOL_ENUM, AT(client), 0, .words = dol_client_words, .doc = "kind of client"},
        {"id", DOL_STRING, AT(id), DOL_SHOW_EMPTY,
         .doc = "the id under which the client mounted it"},
        {"generation", DOL_STRING, AT(generation), DOL_INTERNAL},
        {"count", DOL_UINT, AT(count), 0, .doc = "how many mounts of this id are open"},
        {"since", DOL_TIME, AT(since), 0, .doc = "when the first of them was made"},
        {"terms", DOL_STRING, AT(terms), 0, .doc = "how the client asked for it"},
        {"exclusive", DOL_BOOL, AT(exclusive), 0,
         .doc = "clients of other kinds cannot use the volume meanwhile"},
        {NULL},
};
#undef AT
static const dol_schema consumer_schema = {"Consumer", sizeof(dol_consumer), consumer_fields,
                                           "Who holds a volume's mount."};

#define AT(member) offsetof(dol_attachment, member)
static const dol_field attachment_fields[] = {
        {"node", DOL_STRING, AT(node), 0, .doc = "host on which it is mounted"},
        {"boot_id", DOL_STRING, AT(boot_id), DOL_INTERNAL},
        {"device", DOL_STRING, AT(device), 0, .doc = "block device on that host"},
        {"path", DOL_STRING, AT(path), 0, .doc = "where it is mounted on that host"},
        {"since", DOL_TIME, AT(since), 0, .doc = "since when"},
        {"consumers", DOL_ARRAY, AT(consumers), DOL_SHOW_EMPTY, &consumer_schema,
         .doc = "who uses it"},
        {NULL},
};
#undef AT
const dol_schema dol_attachment_schema = {"Attachment", sizeof(dol_attachment), attachment_fields,
                                          "A volume's presence on a node."};

#define AT(member) offsetof(dol_volume_spec, member)
static const dol_field spec_fields[] = {
        {"size", DOL_SIZE, AT(size), 0, .doc = "size in bytes, or a string like \"10G\""},
        {"pool", DOL_STRING, AT(pool), 0, .doc = "name of the pool it lives in"},
        {"fs", DOL_ENUM, AT(fs), 0, .words = dol_fs_words,
         .doc = "file system in it; none makes a block volume"},
        {"thick", DOL_BOOL, AT(thick), DOL_SHOW_EMPTY, .doc = "its space is set aside at create"},
        {"uid", DOL_UINT, AT(uid), DOL_SHOW_EMPTY, .doc = "owner of the root directory"},
        {"gid", DOL_UINT, AT(gid), DOL_SHOW_EMPTY, .doc = "group of the root directory"},
        {"mode", DOL_MODE, AT(mode), DOL_SHOW_EMPTY, .doc = "permissions of the root directory"},
        {"mountopts", DOL_STRING, AT(mountopts), 0, .doc = "mount options, comma separated"},
        {"protect", DOL_BOOL, AT(protect), DOL_SHOW_EMPTY,
         .doc = "it cannot be deleted until this is cleared"},
        {"from", DOL_STRING, AT(from), 0,
         .doc = "volume, or volume@snapshot, that it is cloned from"},
        {"trash", DOL_DURATION, AT(trash), DOL_SHOW_EMPTY,
         .doc = "how long it is kept after delete; 0s removes it at once"},
        {"read_iops", DOL_UINT, AT(limits.read_iops), 0,
         .doc = "reads per second of all its users together; 0 = no limit"},
        {"write_iops", DOL_UINT, AT(limits.write_iops), 0,
         .doc = "writes per second of all its users together; 0 = no limit"},
        {"read_bps", DOL_SIZE, AT(limits.read_bps), 0,
         .doc = "bytes read per second by all its users together; 0 = no limit"},
        {"write_bps", DOL_SIZE, AT(limits.write_bps), 0,
         .doc = "bytes written per second by all its users together; 0 = no limit"},
        {NULL},
};
#undef AT
const dol_schema dol_volume_spec_schema = {"VolumeSpec", sizeof(dol_volume_spec), spec_fields,
                                           "What was asked for."};

#define AT(member) offsetof(dol_volume_io, member)
static const dol_field io_fields[] = {
        {"reads", DOL_UINT, AT(reads), DOL_SHOW_EMPTY, .doc = "requests that read"},
        {"read_bytes", DOL_UINT, AT(read_bytes), DOL_SHOW_EMPTY, .doc = "bytes read"},
        {"read_usec", DOL_UINT, AT(read_usec), DOL_SHOW_EMPTY,
         .doc = "microseconds that reads took, summed up"},
        {"writes", DOL_UINT, AT(writes), DOL_SHOW_EMPTY, .doc = "requests that wrote"},
        {"write_bytes", DOL_UINT, AT(write_bytes), DOL_SHOW_EMPTY, .doc = "bytes written"},
        {"write_usec", DOL_UINT, AT(write_usec), DOL_SHOW_EMPTY,
         .doc = "microseconds that writes took, summed up"},
        {NULL},
};
#undef AT
static const dol_schema io_schema = {"VolumeIo", sizeof(dol_volume_io), io_fields,
                                     "What was counted on its device; differences tell."};

#define AT(member) offsetof(dol_volume_status, member)
static const dol_field status_fields[] = {
        {"phase", DOL_ENUM, AT(phase), 0, .words = dol_volume_phase_words,
         .doc = "where it is in its life"},
        {"reason", DOL_STRING, AT(reason), 0, .doc = "why it is in this phase, for people"},
        {"created", DOL_TIME, AT(created), 0, .doc = "when it was created"},
        {"changed", DOL_TIME, AT(changed), 0, .doc = "when its record last changed"},
        {"trashed", DOL_TIME, AT(trashed), 0, .doc = "when it was moved to the trash"},
        {"expires", DOL_TIME, AT(expires), 0, .doc = "when the trash gives it up"},
        {"unclean", DOL_BOOL, AT(unclean), 0,
         .doc = "the host went down while it was mounted, and it was not checked since"},
        {"fs_uuid", DOL_STRING, AT(fs_uuid), 0, .doc = "UUID of the file system in it"},
        {"size_enforced", DOL_BOOL, AT(size_enforced), DOL_SHOW_EMPTY,
         .doc = "whether the kernel holds it to its size"},
        {"size", DOL_SIZE, AT(size), DOL_SHOW_EMPTY,
         .doc = "the size it really has; below spec.size while a grow has not ended"},
        {"received", DOL_STRING, AT(received), DOL_INTERNAL},
        {"received_apart", DOL_UINT, AT(received_apart), DOL_INTERNAL},
        {"origin", DOL_STRING, AT(origin), DOL_INTERNAL},
        {"used", DOL_SIZE, AT(used), DOL_SHOW_EMPTY, .doc = "bytes used in its file system"},
        {"available", DOL_SIZE, AT(available), DOL_SHOW_EMPTY,
         .doc = "bytes left in its file system"},
        {"inodes", DOL_UINT, AT(inodes), 0, .doc = "inodes of its file system, while mounted"},
        {"inodes_used", DOL_UINT, AT(inodes_used), 0, .doc = "inodes in use, while mounted"},
        {"allocated", DOL_SIZE, AT(allocated), DOL_SHOW_EMPTY, .doc = "bytes it takes in its pool"},
        {"io", DOL_OPTIONAL, AT(io), 0, &io_schema, .doc = "I/O on its device, while attached"},
        {"attachment", DOL_OPTIONAL, AT(attachment), 0, &dol_attachment_schema,
         .doc = "where it is in use"},
        {NULL},
};
#undef AT
static const dol_schema status_schema = {"VolumeStatus", sizeof(dol_volume_status), status_fields,
                                         "What is."};

#define AT(member) offsetof(dol_volume, member)
static const dol_field volume_fields[] = {
        {"name", DOL_STRING, AT(name), DOL_REQUIRED, .doc = "its name; may be changed"},
        {"uid", DOL_STRING, AT(uid), DOL_READONLY, .doc = "its identity; never changes"},
        {"revision", DOL_INT, AT(revision), DOL_READONLY,
         .doc = "for If-Match: changes with each change"},
        {"labels", DOL_MAP, AT(labels), DOL_SHOW_EMPTY, .doc = "key-value pairs of the user"},
        {"spec", DOL_OBJECT, AT(spec), 0, &dol_volume_spec_schema},
        {"status", DOL_OBJECT, AT(status), DOL_READONLY, &status_schema},
        {NULL},
};
#undef AT
const dol_schema dol_volume_schema = {"Volume", sizeof(dol_volume), volume_fields,
                                      "A named piece of storage that outlives its users."};

dol_volume *dol_volume_copy(const dol_volume *volume)
{
        return dol_schema_dup(&dol_volume_schema, volume);
}

void dol_volume_free(dol_volume *volume)
{
        dol_schema_free(&dol_volume_schema, volume);
}

void dol_volume_spec_init(dol_volume_spec *spec)
{
        *spec = (dol_volume_spec){
                .size = DOL_VOLUME_SIZE_UNSET,
                .fs = DOL_FS_AUTO,
                .mode = 0755,
                .trash = INT64_C(86400) * 1000000,
        };
}

static const bool moves[DOL_VOLUME_PHASE_COUNT][DOL_VOLUME_PHASE_COUNT] = {
        [DOL_VOLUME_CREATING] = {[DOL_VOLUME_AVAILABLE] = true, [DOL_VOLUME_DELETING] = true},
        [DOL_VOLUME_AVAILABLE] = {[DOL_VOLUME_TRASHED] = true,
                                  [DOL_VOLUME_DELETING] = true,
                                  [DOL_VOLUME_LOST] = true},
        [DOL_VOLUME_TRASHED] = {[DOL_VOLUME_AVAILABLE] = true, [DOL_VOLUME_DELETING] = true},
        [DOL_VOLUME_LOST] = {[DOL_VOLUME_AVAILABLE] = true, [DOL_VOLUME_DELETING] = true},
};

bool dol_volume_may_move(dol_volume_phase from, dol_volume_phase to)
{
        return moves[from][to];
}

bool dol_volume_move(dol_volume *volume, dol_volume_phase to, GError **error)
{
        if (!dol_volume_may_move(volume->status.phase, to))
                return dol_fail(error, DOL_ERROR_CONFLICT, "volume '%s' is %s and cannot become %s",
                                volume->name, dol_volume_phase_words[volume->status.phase],
                                dol_volume_phase_words[to]);
        volume->status.phase = to;
        return true;
}

/* true when the text has a C0, DEL or C1 control character. */
static bool has_control(const char *text)
{
        for (const char *c = text; *c; c = g_utf8_next_char(c))
                if (g_unichar_iscntrl(g_utf8_get_char(c)))
                        return true;
        return false;
}

bool dol_volume_name_check(const char *name, GError **error)
{
        size_t length = name ? strlen(name) : 0;

        if (length == 0)
                return dol_fail(error, DOL_ERROR_INVALID, "name: expected a volume name, got ''");
        if (length > DOL_VOLUME_NAME_MAX)
                return dol_fail(error, DOL_ERROR_INVALID,
                                "name: expected at most %d bytes, got %zu", DOL_VOLUME_NAME_MAX,
                                length);
        if (!g_utf8_validate(name, -1, NULL))
                return dol_fail(error, DOL_ERROR_INVALID, "name: not valid UTF-8");
        if (has_control(name))
                return dol_fail(error, DOL_ERROR_INVALID,
                                "name: control characters are not allowed");
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
                return dol_fail(error, DOL_ERROR_INVALID, "name: '%s' is not a name", name);
        if (g_str_has_prefix(name, "uid:"))
                return dol_fail(error, DOL_ERROR_INVALID, "name: '%s' must not begin with 'uid:'",
                                name);
        if (strpbrk(name, "/@"))
                return dol_fail(error, DOL_ERROR_INVALID, "name: '%s' must not contain '/' or '@'",
                                name);
        if (g_unichar_isspace(g_utf8_get_char(name)) ||
            g_unichar_isspace(g_utf8_get_char(g_utf8_prev_char(name + length))))
                return dol_fail(error, DOL_ERROR_INVALID,
                                "name: '%s' must not begin or end with white space", name);
        return true;
}

static bool label_text_check(const char *what, const char *text, size_t max, GError **error)
{
        if (strlen(text) > max)
                return dol_fail(error, DOL_ERROR_INVALID,
                                "labels: a %s may have %zu bytes, got %zu", what, max,
                                strlen(text));
        if (!g_utf8_validate(text, -1, NULL) || has_control(text))
                return dol_fail(error, DOL_ERROR_INVALID,
                                "labels: a %s must be UTF-8 without control characters", what);
        return true;
}

bool dol_labels_check(GHashTable *labels, GError **error)
{
        GHashTableIter iter;
        void *key, *value;

        if (!labels)
                return true;
        if (g_hash_table_size(labels) > 64)
                return dol_fail(error, DOL_ERROR_INVALID, "labels: at most 64, got %u",
                                g_hash_table_size(labels));
        g_hash_table_iter_init(&iter, labels);
        while (g_hash_table_iter_next(&iter, &key, &value)) {
                if (*(char *)key == '\0' || strchr(key, '='))
                        return dol_fail(error, DOL_ERROR_INVALID,
                                        "labels: a key must not be empty or contain '='");
                if (!label_text_check("key", key, 128, error) ||
                    !label_text_check("value", value, 256, error))
                        return false;
        }
        return true;
}

static bool size_check(dol_volume_spec *spec, GError **error)
{
        uint64_t min = spec->fs == DOL_FS_XFS ? DOL_VOLUME_SIZE_MIN_XFS : DOL_VOLUME_SIZE_MIN;
        g_autofree char *least = dol_size_format(min);
        g_autofree char *most = dol_size_format(DOL_VOLUME_SIZE_MAX);
        g_autofree char *got = dol_size_format(spec->size);

        if (spec->fs == DOL_FS_DIRECTORY)
                return spec->size == 0 ||
                       dol_fail(error, DOL_ERROR_UNSUPPORTED,
                                "size: a plain directory has no enforced size; leave it out");
        if (spec->size < min)
                return dol_fail(error, DOL_ERROR_INVALID,
                                "size: a volume with fs=%s has at least %s, got %s",
                                dol_fs_words[spec->fs], least, got);
        if (spec->size > DOL_VOLUME_SIZE_MAX)
                return dol_fail(error, DOL_ERROR_INVALID, "size: a volume has at most %s, got %s",
                                most, got);
        spec->size = (spec->size + DOL_SIZE_GRAIN - 1) / DOL_SIZE_GRAIN * DOL_SIZE_GRAIN;
        return true;
}

static bool number_max(const char *field, uint64_t value, uint64_t max, GError **error)
{
        if (value > max)
                return dol_fail(error, DOL_ERROR_INVALID,
                                "%s: expected at most %" G_GUINT64_FORMAT
                                ", got %" G_GUINT64_FORMAT,
                                field, max, value);
        return true;
}

/* Limits are held on a device, for those who have its file system mounted. */
static bool limits_check(const dol_volume_spec *spec, GError **error)
{
        if (dol_io_limits_are_none(&spec->limits))
                return true;
        if (spec->fs == DOL_FS_NONE || spec->fs == DOL_FS_DIRECTORY)
                return dol_fail(error, DOL_ERROR_UNSUPPORTED,
                                "limits: a volume with fs=%s cannot be limited: %s",
                                dol_fs_words[spec->fs],
                                spec->fs == DOL_FS_NONE ? "nobody can tell who uses its device"
                                                        : "it has no device of its own");
        return dol_io_limits_check(&spec->limits, error);
}

bool dol_volume_spec_check(dol_volume_spec *spec, GError **error)
{
        /* (uid_t)-1 means "leave it" to chown(2) and owns nothing */
        static const uint64_t id_max = UINT32_MAX - 1;

        if (!size_check(spec, error) || !number_max("uid", spec->uid, id_max, error) ||
            !number_max("gid", spec->gid, id_max, error))
                return false;
        if (spec->mode > 07777)
                return dol_fail(error, DOL_ERROR_INVALID,
                                "mode: expected at most 7777 (octal), got %o", spec->mode);
        if (spec->trash < 0)
                return dol_fail(error, DOL_ERROR_INVALID, "trash: expected a duration >= 0");
        if (spec->mountopts && spec->fs == DOL_FS_NONE)
                return dol_fail(error, DOL_ERROR_INVALID,
                                "mountopts: a block volume (fs=none) is not mounted");
        return limits_check(spec, error) &&
               (!spec->mountopts || dol_mountopts_check(spec->mountopts, spec->fs, error));
}

static bool mountopt_known(const char *option, dol_fs_kind fs)
{
        static const char *const plain[] = {
                "noatime", "nodiratime", "relatime", "strictatime", "lazytime",
                "nosuid",  "nodev",      "noexec",   "ro",          "rw",
                "sync",    "dirsync",    "discard",  "nodiscard",   NULL,
        };
        static const char *const ext4[] = {"data=ordered", "data=journal", "data=writeback", NULL};

        if (g_strv_contains(plain, option))
                return true;
        if (fs != DOL_FS_EXT4)
                return false;
        if (g_str_has_prefix(option, "commit=")) {
                uint64_t seconds;

                return dol_number_parse(option + strlen("commit="), 300, &seconds, NULL) &&
                       seconds > 0;
        }
        return g_strv_contains(ext4, option);
}

bool dol_mountopts_check(const char *options, dol_fs_kind fs, GError **error)
{
        g_auto(GStrv) parts = g_strsplit(options, ",", -1);

        for (unsigned i = 0; parts[i]; i++)
                if (!mountopt_known(parts[i], fs))
                        return dol_fail(error, DOL_ERROR_INVALID,
                                        "mountopts: '%s' is not allowed (allowed: noatime, "
                                        "nodiratime, relatime, strictatime, lazytime, nosuid, "
                                        "nodev, noexec, ro, rw, sync, dirsync, discard, nodiscard; "
                                        "ext4 also: commit=1..300, data=ordered|journal|writeback)",
                                        parts[i]);
        return true;
}

unsigned dol_attachment_count(const dol_attachment *attachment)
{
        return attachment && attachment->consumers ? attachment->consumers->len : 0;
}
