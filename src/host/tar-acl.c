/* SPDX-License-Identifier: Apache-2.0 */
/* POSIX ACLs between the kernel's form (linux/posix_acl_xattr.h) and libarchive's. */
#include "host/tar-private.h"

#include <endian.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <string.h>

static const struct {
        const char *name;
        int type;
} kinds[] = {
        {"system.posix_acl_access", ARCHIVE_ENTRY_ACL_TYPE_ACCESS},
        {"system.posix_acl_default", ARCHIVE_ENTRY_ACL_TYPE_DEFAULT},
};

static const struct {
        uint16_t kernel;
        int tag;
} tags[] = {
        {ACL_USER_OBJ, ARCHIVE_ENTRY_ACL_USER_OBJ},   {ACL_USER, ARCHIVE_ENTRY_ACL_USER},
        {ACL_GROUP_OBJ, ARCHIVE_ENTRY_ACL_GROUP_OBJ}, {ACL_GROUP, ARCHIVE_ENTRY_ACL_GROUP},
        {ACL_MASK, ARCHIVE_ENTRY_ACL_MASK},           {ACL_OTHER, ARCHIVE_ENTRY_ACL_OTHER},
};

static bool add_to_entry(struct archive_entry *entry, int type,
                         const struct posix_acl_xattr_entry *one)
{
        uint16_t kernel = le16toh(one->e_tag);
        int id = kernel == ACL_USER || kernel == ACL_GROUP ? (int)le32toh(one->e_id) : -1;

        for (unsigned i = 0; i < G_N_ELEMENTS(tags); i++)
                if (tags[i].kernel == kernel)
                        return archive_entry_acl_add_entry(entry, type, le16toh(one->e_perm),
                                                           tags[i].tag, id, NULL) == ARCHIVE_OK;
        return false;
}

bool dol_tar_acl_to_entry(const dol_file_xattr *xattr, struct archive_entry *entry)
{
        const struct posix_acl_xattr_header *header = xattr->value;
        const struct posix_acl_xattr_entry *entries = (const void *)(header + 1);
        size_t count = xattr->size < sizeof(*header)
                               ? 0
                               : (xattr->size - sizeof(*header)) / sizeof(*entries);

        for (unsigned i = 0; i < G_N_ELEMENTS(kinds); i++) {
                if (strcmp(kinds[i].name, xattr->name) != 0)
                        continue;
                if (count == 0 || le32toh(header->a_version) != POSIX_ACL_XATTR_VERSION)
                        return false;
                for (size_t j = 0; j < count; j++)
                        if (!add_to_entry(entry, kinds[i].type, &entries[j]))
                                return false;
                return true;
        }
        return false;
}

static uint16_t kernel_tag(int tag)
{
        for (unsigned i = 0; i < G_N_ELEMENTS(tags); i++)
                if (tags[i].tag == tag)
                        return tags[i].kernel;
        return 0;
}

/* The kernel wants them in order of tag and id. */
static int compare_entries(const void *a, const void *b)
{
        const struct posix_acl_xattr_entry *x = a, *y = b;
        uint16_t tag_x = le16toh(x->e_tag), tag_y = le16toh(y->e_tag);
        uint32_t id_x = le32toh(x->e_id), id_y = le32toh(y->e_id);

        if (tag_x != tag_y)
                return tag_x < tag_y ? -1 : 1;
        return id_x < id_y ? -1 : id_x > id_y;
}

static GArray *read_entries(struct archive_entry *entry, int type)
{
        GArray *found = g_array_new(false, true, sizeof(struct posix_acl_xattr_entry));
        int found_type, permset, tag, id;
        const char *name;

        archive_entry_acl_reset(entry, type);
        while (archive_entry_acl_next(entry, type, &found_type, &permset, &tag, &id, &name) ==
               ARCHIVE_OK) {
                bool has_id = tag == ARCHIVE_ENTRY_ACL_USER || tag == ARCHIVE_ENTRY_ACL_GROUP;
                const struct posix_acl_xattr_entry one = {
                        .e_tag = htole16(kernel_tag(tag)),
                        .e_perm = htole16((uint16_t)(permset & 7)),
                        .e_id = htole32(has_id ? (uint32_t)id : (uint32_t)ACL_UNDEFINED_ID),
                };

                g_array_append_val(found, one);
        }
        g_array_sort(found, compare_entries);
        return found;
}

/* With a mask in the ACL, the group's bits of the mode are the mask. */
static void take_mask(const GArray *entries, dol_file *file)
{
        for (unsigned i = 0; i < entries->len; i++) {
                const struct posix_acl_xattr_entry *one =
                        &g_array_index(entries, struct posix_acl_xattr_entry, i);

                if (le16toh(one->e_tag) == ACL_MASK)
                        file->mode = (file->mode & ~070U) | (unsigned)le16toh(one->e_perm) << 3;
        }
}

void dol_tar_acls_from_entry(struct archive_entry *entry, dol_file *file)
{
        const struct posix_acl_xattr_header header = {htole32(POSIX_ACL_XATTR_VERSION)};

        for (unsigned i = 0; i < G_N_ELEMENTS(kinds); i++) {
                g_autoptr(GArray) entries = read_entries(entry, kinds[i].type);
                size_t size = entries->len * sizeof(struct posix_acl_xattr_entry);
                dol_file_xattr *xattr;

                /* three are the mode and no more */
                if (entries->len == 0 ||
                    (kinds[i].type == ARCHIVE_ENTRY_ACL_TYPE_ACCESS && entries->len <= 3))
                        continue;
                if (kinds[i].type == ARCHIVE_ENTRY_ACL_TYPE_ACCESS)
                        take_mask(entries, file);
                xattr = g_new0(dol_file_xattr, 1);
                xattr->name = g_strdup(kinds[i].name);
                xattr->size = sizeof(header) + size;
                xattr->value = g_malloc(xattr->size);
                memcpy(xattr->value, &header, sizeof(header));
                memcpy((char *)xattr->value + sizeof(header), entries->data, size);
                g_ptr_array_add(file->xattrs, xattr);
        }
}

/* ---- the locale of names ---- */

dol_tar_locale dol_tar_locale_begin(void)
{
        dol_tar_locale locale = {.own = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0)};

        if (locale.own)
                locale.before = uselocale(locale.own);
        return locale;
}

void dol_tar_locale_end(dol_tar_locale *locale)
{
        if (!locale->own)
                return;
        uselocale(locale->before);
        freelocale(locale->own);
        locale->own = (locale_t)0;
}
