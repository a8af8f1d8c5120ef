/* SPDX-License-Identifier: Apache-2.0 */
/* A tree as a tar stream. */
#include "base/guard.h"
#include "host/tar-private.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

enum { BLOCK = 65536, ZEROES = 1 << 20 };

typedef struct {
        const dol_call *call;
        struct archive *archive;
        GHashTable *linked; /* inode -> name in the stream */
        size_t skip;        /* bytes of each path that are not in the stream */
        dol_tar_out out;
        void *user;
        GError *out_error; /* why `out` has failed */
        bool given_up;     /* nothing goes out any more */
        uint64_t at;       /* in the content of the file being written */
} writing;

/* libarchive does not hear of a failed `out`, which is asked for after each step: what it holds to
 * be broken it never closes, and then it loses memory. */
static la_ssize_t write_out(struct archive *archive, void *user, const void *bytes, size_t size)
{
        writing *tar = user;

        if (tar->given_up) {
                archive_set_error(archive, EIO, "given up");
                return -1;
        }
        if (!tar->out_error)
                tar->out(bytes, size, tar->user, &tar->out_error);
        return (la_ssize_t)size;
}

static bool fail_write(writing *tar, const char *path, GError **error)
{
        if (tar->out_error) {
                g_propagate_error(error, g_steal_pointer(&tar->out_error));
                return false;
        }
        return dol_fail(error, DOL_ERROR_INTERNAL, "write '/%s': %s", path,
                        archive_error_string(tar->archive));
}

/* ---- the head of a file ---- */

static bool set_xattrs(struct archive_entry *entry, const dol_file *file, int fd, GError **error)
{
        g_autoptr(GError) why = NULL;
        g_autoptr(GPtrArray) xattrs = dol_files_xattrs(fd, file->path, &why);

        if (why) {
                g_propagate_error(error, g_steal_pointer(&why));
                return false;
        }
        for (unsigned i = 0; xattrs && i < xattrs->len; i++) {
                const dol_file_xattr *xattr = xattrs->pdata[i];

                if (!dol_tar_acl_to_entry(xattr, entry))
                        archive_entry_xattr_add_entry(entry, xattr->name, xattr->value,
                                                      xattr->size);
        }
        return true;
}

static void set_link(const writing *tar, struct archive_entry *entry, const dol_file *file,
                     const char *name)
{
        int64_t inode = (int64_t)file->inode;
        const char *first;

        if (file->links < 2 || file->type == DOL_FILE_DIRECTORY)
                return;
        first = g_hash_table_lookup(tar->linked, &inode);
        if (first)
                archive_entry_set_hardlink(entry, first);
        else
                g_hash_table_insert(tar->linked, g_memdup2(&inode, sizeof(inode)), g_strdup(name));
}

static struct archive_entry *entry_of(const writing *tar, const dol_file *file)
{
        struct archive_entry *entry = archive_entry_new();
        const char *name = file->path + tar->skip;
        g_autofree char *shown = NULL;

        name += *name == '/';
        shown = g_strconcat(*name ? name : ".", file->type == DOL_FILE_DIRECTORY ? "/" : "", NULL);
        archive_entry_set_pathname(entry, shown);
        archive_entry_set_mode(entry, dol_file_type_bits(file->type) | file->mode);
        archive_entry_set_uid(entry, (int64_t)file->uid);
        archive_entry_set_gid(entry, (int64_t)file->gid);
        archive_entry_set_mtime(entry, file->mtime.tv_sec, file->mtime.tv_nsec);
        archive_entry_set_size(entry, (int64_t)file->size);
        if (file->type == DOL_FILE_SYMLINK)
                archive_entry_set_symlink(entry, file->target);
        if (file->type == DOL_FILE_CHARACTER || file->type == DOL_FILE_BLOCK)
                archive_entry_set_rdev(entry, file->device);
        set_link(tar, entry, file, shown);
        return entry;
}

/* A file without data has one hole, and one without holes no list of them. */
static void set_holes(struct archive_entry *entry, int fd, int64_t size)
{
        int64_t end = 0;

        if (lseek(fd, 0, SEEK_HOLE) >= size)
                return;
        while (end < size) {
                int64_t begin = lseek(fd, end, SEEK_DATA);

                if (begin < 0 || begin >= size)
                        break;
                end = MIN(lseek(fd, begin, SEEK_HOLE), size);
                if (end <= begin)
                        break;
                archive_entry_sparse_add_entry(entry, begin, end - begin);
        }
        if (archive_entry_sparse_count(entry) == 0)
                archive_entry_sparse_add_entry(entry, size, 0);
}

/* ---- content ---- */

static bool write_bytes(writing *tar, const char *path, const void *bytes, size_t size,
                        GError **error)
{
        const char *from = bytes;

        while (size > 0) {
                la_ssize_t done = archive_write_data(tar->archive, from, size);

                if (done <= 0 || tar->out_error)
                        return fail_write(tar, path, error);
                from += done;
                size -= (size_t)done;
                tar->at += (uint64_t)done;
        }
        return true;
}

/* libarchive leaves out what the head says is a hole. */
static bool write_zeroes(writing *tar, const char *path, uint64_t end, GError **error)
{
        static const char zeroes[ZEROES];

        while (tar->at < end)
                if (!dol_call_check(tar->call, error) ||
                    !write_bytes(tar, path, zeroes, (size_t)MIN((uint64_t)ZEROES, end - tar->at),
                                 error))
                        return false;
        return true;
}

typedef struct {
        writing *tar;
        const dol_file *file;
} content;

/* A file that has grown since its head was written ends where that says. */
static bool add_piece(uint64_t offset, const void *bytes, size_t size, void *user, GError **error)
{
        const content *piece = user;
        uint64_t end = MIN(offset + size, piece->file->size);

        if (offset >= end)
                return true;
        return write_zeroes(piece->tar, piece->file->path, offset, error) &&
               write_bytes(piece->tar, piece->file->path, bytes, (size_t)(end - offset), error);
}

static bool write_content(writing *tar, const dol_file *file, int fd, GError **error)
{
        content piece = {tar, file};
        uint64_t size;

        tar->at = 0;
        return dol_files_content(tar->call, fd, file->path, add_piece, &piece, &size, error) &&
               write_zeroes(tar, file->path, file->size, error);
}

static bool write_entry(writing *tar, const dol_file *file, struct archive_entry *entry, int fd,
                        GError **error)
{
        bool has_content = file->type == DOL_FILE_REGULAR && !archive_entry_hardlink(entry);
        dol_autofd opened = -1;

        if (has_content) {
                opened = dol_files_reopen(fd, O_RDONLY | O_NOATIME, file->path, error);
                if (opened < 0)
                        return false;
                set_holes(entry, opened, (int64_t)file->size);
        } else {
                archive_entry_set_size(entry, 0);
        }
        if (archive_write_header(tar->archive, entry) < ARCHIVE_WARN || tar->out_error)
                return fail_write(tar, file->path, error);
        return !has_content || write_content(tar, file, opened, error);
}

static bool write_one(const dol_file *file, int fd, void *user, GError **error)
{
        writing *tar = user;
        struct archive_entry *entry;
        bool ok;

        if (file->type == DOL_FILE_SOCKET)
                return true;
        entry = entry_of(tar, file);
        ok = (archive_entry_hardlink(entry) || set_xattrs(entry, file, fd, error)) &&
             write_entry(tar, file, entry, fd, error);
        archive_entry_free(entry);
        return ok;
}

bool dol_tar_write(const dol_call *call, int root, const char *path, dol_tar_out out, void *user,
                   GError **error)
{
        const char *slash = strrchr(path, '/');
        g_auto(dol_tar_locale) locale G_GNUC_UNUSED = dol_tar_locale_begin();
        writing tar = {.call = call, .out = out, .user = user};
        bool ok;

        tar.skip = slash ? (size_t)(slash - path) + 1 : 0;
        tar.linked = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, g_free);
        tar.archive = archive_write_new();
        archive_write_set_format_pax(tar.archive);
        archive_write_set_options(tar.archive, "pax:xattrheader=SCHILY");
        archive_write_set_bytes_per_block(tar.archive, BLOCK);
        archive_write_set_bytes_in_last_block(tar.archive, 1);
        ok = archive_write_open(tar.archive, &tar, NULL, write_out, NULL) == ARCHIVE_OK ||
             fail_write(&tar, path, error);
        ok = ok && dol_files_walk(call, root, path, UINT_MAX, write_one, &tar, error);
        if (ok && (archive_write_close(tar.archive) != ARCHIVE_OK || tar.out_error))
                ok = fail_write(&tar, path, error);
        tar.given_up = true; /* no end is written when it is not whole */
        archive_write_free(tar.archive);
        g_hash_table_unref(tar.linked);
        g_clear_error(&tar.out_error);
        return ok;
}
