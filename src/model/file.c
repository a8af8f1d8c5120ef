/* SPDX-License-Identifier: Apache-2.0 */
#include "model/file.h"

#include <string.h>
#include <sys/stat.h>

enum { PATH_BYTES_MAX = 4095 };

const char *const dol_file_type_words[] = {"file",   "directory",        "symlink",      "fifo",
                                           "socket", "character-device", "block-device", NULL};

#define AT(member) offsetof(dol_file, member)
static const dol_field fields[] = {
        {"path", DOL_STRING, AT(shown), DOL_REQUIRED,
         .doc = "from the root of the volume; what is not UTF-8 is replaced by U+FFFD"},
        {"raw", DOL_STRING, AT(raw), 0, .doc = "the path in base64, when it is not UTF-8"},
        {"type", DOL_ENUM, AT(type), DOL_SHOW_EMPTY, .words = dol_file_type_words,
         .doc = "what kind of file it is"},
        {"mode", DOL_MODE, AT(mode), DOL_SHOW_EMPTY, .doc = "its permissions"},
        {"uid", DOL_UINT, AT(uid), DOL_SHOW_EMPTY, .doc = "its owner"},
        {"gid", DOL_UINT, AT(gid), DOL_SHOW_EMPTY, .doc = "its group"},
        {"size", DOL_UINT, AT(size), DOL_SHOW_EMPTY, .doc = "bytes"},
        {"links", DOL_UINT, AT(links), 0, .doc = "how many names it has"},
        {"inode", DOL_UINT, AT(inode), 0, .doc = "its number in the file system"},
        {"target", DOL_STRING, AT(target), 0, .doc = "where a symbolic link points to"},
        {"modified", DOL_TIME, AT(modified), DOL_SHOW_EMPTY, .doc = "when its content changed"},
        {NULL},
};
#undef AT
const dol_schema dol_file_schema = {"File", sizeof(dol_file), fields,
                                    "A file in a volume or snapshot."};

static const char *const change_words[] = {"added",    "removed", "changed",
                                           "metadata", "renamed", NULL};

typedef struct {
        dol_file_change_kind change;
        char *path, *raw, *from, *from_raw;
        dol_file_type type;
        uint64_t size;
} shown_change;

#define AT(member) offsetof(shown_change, member)
static const dol_field change_fields[] = {
        {"change", DOL_ENUM, AT(change), DOL_SHOW_EMPTY, .words = change_words,
         .doc = "what happened to it; metadata: all but its content"},
        {"path", DOL_STRING, AT(path), DOL_REQUIRED, .doc = "its path, now; see File"},
        {"raw", DOL_STRING, AT(raw), 0, .doc = "the path in base64, when it is not UTF-8"},
        {"from", DOL_STRING, AT(from), 0, .doc = "its path before, when it was renamed"},
        {"from_raw", DOL_STRING, AT(from_raw), 0, .doc = "that in base64, when it is not UTF-8"},
        {"type", DOL_ENUM, AT(type), DOL_SHOW_EMPTY, .words = dol_file_type_words,
         .doc = "what kind of file it is"},
        {"size", DOL_UINT, AT(size), DOL_SHOW_EMPTY, .doc = "bytes, now; of a removed one: before"},
        {NULL},
};
#undef AT
const dol_schema dol_file_change_schema = {"FileChange", sizeof(shown_change), change_fields,
                                           "How a file differs."};

static const struct {
        mode_t bits;
        dol_file_type type;
} types[] = {
        {S_IFREG, DOL_FILE_REGULAR}, {S_IFDIR, DOL_FILE_DIRECTORY}, {S_IFLNK, DOL_FILE_SYMLINK},
        {S_IFIFO, DOL_FILE_FIFO},    {S_IFSOCK, DOL_FILE_SOCKET},   {S_IFCHR, DOL_FILE_CHARACTER},
        {S_IFBLK, DOL_FILE_BLOCK},
};

dol_file_type dol_file_type_of(mode_t mode)
{
        for (unsigned i = 0; i < G_N_ELEMENTS(types); i++)
                if (types[i].bits == (mode & S_IFMT))
                        return types[i].type;
        return DOL_FILE_REGULAR;
}

mode_t dol_file_type_bits(dol_file_type type)
{
        for (unsigned i = 0; i < G_N_ELEMENTS(types); i++)
                if (types[i].type == type)
                        return types[i].bits;
        return S_IFREG;
}

static char *shown_path(const char *path)
{
        return path ? g_strconcat("/", path, NULL) : NULL;
}

static char *raw_path(const char *path)
{
        return !path || g_utf8_validate(path, -1, NULL)
                       ? NULL
                       : g_base64_encode((const guchar *)path, strlen(path));
}

void dol_file_encode(const dol_file *file, GString *to)
{
        g_autofree char *shown = shown_path(file->path), *raw = raw_path(file->path);
        dol_file complete = *file;

        complete.shown = shown;
        complete.raw = raw;
        complete.modified =
                (int64_t)file->mtime.tv_sec * G_USEC_PER_SEC + file->mtime.tv_nsec / 1000;
        dol_json_encode(&dol_file_schema, &complete, DOL_ENCODE_CLIENT, to);
}

void dol_file_change_encode(const dol_file_change *change, GString *to)
{
        shown_change shown = {
                .change = change->change,
                .path = shown_path(change->path),
                .raw = raw_path(change->path),
                .from = shown_path(change->from),
                .from_raw = raw_path(change->from),
                .type = change->type,
                .size = change->size,
        };

        dol_json_encode(&dol_file_change_schema, &shown, DOL_ENCODE_CLIENT, to);
        dol_schema_clear(&dol_file_change_schema, &shown);
}

char *dol_file_path_clean(const char *text, GError **error)
{
        g_auto(GStrv) parts = g_strsplit(text, "/", -1);
        g_autoptr(GString) path = g_string_new(NULL);

        for (unsigned i = 0; parts[i]; i++) {
                if (strcmp(parts[i], "..") == 0) {
                        dol_fail(error, DOL_ERROR_INVALID,
                                 "expected a path from the root of the volume, without '..', got "
                                 "'%.200s'",
                                 text);
                        return NULL;
                }
                if (*parts[i] && strcmp(parts[i], ".") != 0)
                        g_string_append_printf(path, "%s%s", path->len ? "/" : "", parts[i]);
        }
        return g_strdup(path->str);
}

char *dol_file_path_parse(const char *text, GError **error)
{
        g_autofree char *path = dol_file_path_clean(text, error);

        if (path && strlen(path) > PATH_BYTES_MAX) {
                dol_fail(error, DOL_ERROR_INVALID, "expected a path of at most %d bytes, got %zu",
                         PATH_BYTES_MAX, strlen(path));
                return NULL;
        }
        return g_steal_pointer(&path);
}
