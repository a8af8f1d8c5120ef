/* SPDX-License-Identifier: Apache-2.0 */
/* A tree from a tar stream. libarchive reads the format; what is made of it is the sink's. */
#include "base/guard.h"
#include "host/tar-private.h"

#include <errno.h>
#include <string.h>

enum { BLOCK = 65536, TAIL_MAX = 1 << 20 };

typedef struct {
        const dol_call *call;
        struct archive *archive;
        dol_file_sink *sink;
        const char *top;
        dol_tar_in in;
        void *user;
        GError *in_error; /* why `in` has failed */
        bool is_over;     /* `in` has come to its end */
        char block[BLOCK];
} reading;

static la_ssize_t read_in(struct archive *archive, void *user, const void **ret)
{
        reading *tar = user;
        size_t size = 0;

        if (tar->in_error || !tar->in(tar->block, BLOCK, &size, tar->user, &tar->in_error)) {
                archive_set_error(archive, EIO, "the stream cannot be read");
                return -1;
        }
        tar->is_over = size == 0;
        *ret = tar->block;
        return (la_ssize_t)size;
}

static bool fail_read(reading *tar, GError **error)
{
        const char *why = archive_error_string(tar->archive);

        if (tar->in_error) {
                g_propagate_error(error, g_steal_pointer(&tar->in_error));
                return false;
        }
        return dol_fail(error, DOL_ERROR_INVALID, "the tar is damaged, cut off, or none: %s",
                        why ? why : "its end is missing");
}

/* ---- names ---- */

/* The path beneath the sink; NULL with *error set when it would lead out of it. */
static char *place_of(const reading *tar, const char *name, GError **error)
{
        g_autofree char *path = name ? dol_file_path_clean(name, error) : NULL;
        const char *rest;

        if (!name)
                dol_fail(error, DOL_ERROR_INVALID, "an entry of the tar has no name");
        if (!path || !tar->top)
                return g_steal_pointer(&path);
        rest = strchr(path, '/');
        return g_strconcat(tar->top, rest, NULL);
}

static const char *name_of(struct archive_entry *entry)
{
        const char *name = archive_entry_pathname(entry);

        return name ? name : archive_entry_pathname_utf8(entry);
}

static const char *link_of(struct archive_entry *entry)
{
        const char *name = archive_entry_hardlink(entry);

        return name ? name : archive_entry_hardlink_utf8(entry);
}

static const char *target_of(struct archive_entry *entry)
{
        const char *name = archive_entry_symlink(entry);

        return name ? name : archive_entry_symlink_utf8(entry);
}

/* ---- one entry ---- */

static GPtrArray *xattrs_of(struct archive_entry *entry)
{
        GPtrArray *xattrs = g_ptr_array_new_with_free_func(dol_file_xattr_free);
        const char *name;
        const void *value;
        size_t size;

        archive_entry_xattr_reset(entry);
        while (archive_entry_xattr_next(entry, &name, &value, &size) == ARCHIVE_OK) {
                dol_file_xattr *xattr = g_new0(dol_file_xattr, 1);

                xattr->name = g_strdup(name);
                xattr->size = size;
                xattr->value = g_memdup2(value, size);
                g_ptr_array_add(xattrs, xattr);
        }
        return xattrs;
}

static bool is_id(int64_t id)
{
        return id >= 0 && id < UINT32_MAX;
}

/* Its strings are borrowed from the entry. */
static bool file_of(struct archive_entry *entry, const char *path, const char *link, dol_file *ret,
                    GError **error)
{
        mode_t type = archive_entry_filetype(entry);

        if (!link && dol_file_type_bits(dol_file_type_of(type)) != type)
                return dol_fail(error, DOL_ERROR_INVALID, "'/%s' is of no kind that is known",
                                path);
        if (!is_id(archive_entry_uid(entry)) || !is_id(archive_entry_gid(entry)))
                return dol_fail(error, DOL_ERROR_INVALID, "'/%s' has an impossible owner", path);
        *ret = (dol_file){
                .path = path,
                .link_to = (char *)link,
                .type = link ? DOL_FILE_REGULAR : dol_file_type_of(type),
                .mode = archive_entry_mode(entry) & 07777,
                .uid = (uint64_t)archive_entry_uid(entry),
                .gid = (uint64_t)archive_entry_gid(entry),
                .size = (uint64_t)MAX(archive_entry_size(entry), 0),
                .device = archive_entry_rdev(entry),
                .target = (char *)target_of(entry),
                .mtime = {archive_entry_mtime(entry), archive_entry_mtime_nsec(entry)},
        };
        return ret->type != DOL_FILE_SYMLINK || ret->target ||
               dol_fail(error, DOL_ERROR_INVALID, "the link '/%s' points to nothing", path);
}

static bool read_content(reading *tar, const dol_file *file, GError **error)
{
        const void *bytes;
        la_int64_t offset;
        size_t size;
        int status;

        while ((status = archive_read_data_block(tar->archive, &bytes, &size, &offset)) ==
               ARCHIVE_OK) {
                if (offset < 0 || (uint64_t)offset + size > file->size)
                        return dol_fail(error, DOL_ERROR_INVALID,
                                        "'/%s' has content beyond its end", file->path);
                if (!dol_call_check(tar->call, error) ||
                    !dol_file_sink_write(tar->sink, (uint64_t)offset, bytes, size, error))
                        return false;
        }
        return status == ARCHIVE_EOF ? dol_file_sink_end_file(tar->sink, file->size, error)
                                     : fail_read(tar, error);
}

static bool read_entry(reading *tar, struct archive_entry *entry, GError **error)
{
        g_autofree char *path = place_of(tar, name_of(entry), error);
        const char *link_name = link_of(entry);
        g_autofree char *link = path && link_name ? place_of(tar, link_name, error) : NULL;
        g_autoptr(GPtrArray) xattrs = NULL;
        dol_file file;

        if (!path || (link_name && !link) || !file_of(entry, path, link, &file, error))
                return false;
        file.xattrs = xattrs = xattrs_of(entry);
        dol_tar_acls_from_entry(entry, &file);
        if (!dol_file_sink_put(tar->sink, &file, error))
                return false;
        return link || file.type != DOL_FILE_REGULAR || read_content(tar, &file, error);
}

/* ---- the stream ---- */

/* Without compression the end is told by two blocks of zeroes: who meets the end of the stream
 * instead has only a part of it. */
static bool check_end(reading *tar, GError **error)
{
        size_t size = 1, tail = 0;

        if (tar->is_over)
                return archive_filter_code(tar->archive, 0) != ARCHIVE_FILTER_NONE ||
                       fail_read(tar, error);
        while (size > 0 && tail < TAIL_MAX) {
                if (!tar->in(tar->block, BLOCK, &size, tar->user, error))
                        return false;
                tail += size;
        }
        return size == 0 || dol_fail(error, DOL_ERROR_INVALID, "there is more behind the tar");
}

static bool read_entries(reading *tar, GError **error)
{
        struct archive_entry *entry;
        int status;

        if (archive_read_open(tar->archive, tar, NULL, read_in, NULL) != ARCHIVE_OK)
                return fail_read(tar, error);
        while ((status = archive_read_next_header(tar->archive, &entry)) == ARCHIVE_OK ||
               status == ARCHIVE_WARN)
                if (!dol_call_check(tar->call, error) || !read_entry(tar, entry, error))
                        return false;
        return status == ARCHIVE_EOF ? check_end(tar, error) : fail_read(tar, error);
}

bool dol_tar_read(const dol_call *call, dol_tar_in in, void *user, const char *top,
                  dol_file_sink *sink, GError **error)
{
        g_auto(dol_tar_locale) locale G_GNUC_UNUSED = dol_tar_locale_begin();
        g_autofree reading *tar = g_new0(reading, 1);
        bool ok;

        *tar = (reading){.call = call, .sink = sink, .top = top, .in = in, .user = user};
        tar->archive = archive_read_new();
        archive_read_support_format_tar(tar->archive);
        archive_read_support_filter_gzip(tar->archive);
        archive_read_support_filter_zstd(tar->archive);
        ok = read_entries(tar, error) && dol_file_sink_finish(sink, error);
        archive_read_free(tar->archive);
        g_clear_error(&tar->in_error);
        return ok;
}
