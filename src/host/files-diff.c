/* SPDX-License-Identifier: Apache-2.0 */
/* What differs between two trees. Both are walked side by side in the same order; only what differs
 * is kept, until all is seen and renames can be told. */
#include "base/guard.h"
#include "host/files-private.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

enum { BLOCK = 256 * 1024 };

/* One of the two trees. */
typedef struct {
        dol_file_walk *walk;
        const dol_file *file; /* the one it is at; NULL = the end */
        int fd;
} side;

/* A difference. Of an added or removed file, what tells whether it is the other one renamed. */
typedef struct {
        dol_file_change_kind change;
        char *path, *from;
        dol_file_type type;
        uint64_t size, inode;
        struct timespec mtime, btime;
} found;

typedef struct {
        const dol_call *call;
        side before, after;
        GPtrArray *found; /* of found, in order of their paths */
} comparing;

static void found_free(void *data)
{
        found *one = data;

        g_free(one->path);
        g_free(one->from);
        g_free(one);
}

static void add(const comparing *both, dol_file_change_kind change, const dol_file *file)
{
        found *one = g_new0(found, 1);

        *one = (found){
                .change = change,
                .path = g_strdup(file->path),
                .type = file->type,
                .size = file->size,
                .inode = file->inode,
                .mtime = file->mtime,
                .btime = file->btime,
        };
        g_ptr_array_add(both->found, one);
}

/* ---- two files of one path ---- */

static bool is_same_time(struct timespec a, struct timespec b)
{
        return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

/* Reads a block; 0 at the end, -1 on failure. */
static ssize_t read_block(int fd, char *to, uint64_t offset)
{
        size_t filled = 0;
        ssize_t size = 1;

        while (size > 0 && filled < BLOCK) {
                size = pread(fd, to + filled, BLOCK - filled, (off_t)(offset + filled));
                if (size < 0 && errno != EINTR)
                        return -1;
                filled += size > 0 ? (size_t)size : 0;
        }
        return (ssize_t)filled;
}

static bool compare_content(const comparing *both, bool *ret_same, GError **error)
{
        const char *path = both->after.file->path;
        dol_autofd a = dol_files_reopen(both->before.fd, O_RDONLY | O_NOATIME, path, error);
        dol_autofd b =
                a < 0 ? -1 : dol_files_reopen(both->after.fd, O_RDONLY | O_NOATIME, path, error);
        g_autofree char *blocks = g_malloc(2 * BLOCK);
        uint64_t offset = 0;
        ssize_t size;

        if (a < 0 || b < 0)
                return false;
        do {
                if (!dol_call_check(both->call, error))
                        return false;
                size = read_block(a, blocks, offset);
                if (size < 0 || read_block(b, blocks + BLOCK, offset) != size) {
                        *ret_same = false;
                        return size >= 0 || dol_fail_errno(error, errno, "read '/%s'", path);
                }
                if (memcmp(blocks, blocks + BLOCK, (size_t)size) != 0)
                        break;
                offset += (uint64_t)size;
        } while (size == BLOCK);
        *ret_same = memcmp(blocks, blocks + BLOCK, (size_t)size) == 0;
        return true;
}

/* *ret_same: the same content, whatever that is for this kind of file. */
static bool has_same_content(const comparing *both, bool *ret_same, GError **error)
{
        const dol_file *a = both->before.file, *b = both->after.file;

        *ret_same = a->type == b->type && a->size == b->size && a->device == b->device &&
                    g_strcmp0(a->target, b->target) == 0;
        if (!*ret_same || a->type != DOL_FILE_REGULAR || a->size == 0)
                return true;
        return compare_content(both, ret_same, error);
}

static bool has_same_xattrs(const comparing *both)
{
        g_autoptr(GPtrArray) a = dol_files_xattrs(both->before.fd, "", NULL);
        g_autoptr(GPtrArray) b = dol_files_xattrs(both->after.fd, "", NULL);

        if (!a || !b || a->len != b->len)
                return !a && !b;
        for (unsigned i = 0; i < a->len; i++) {
                const dol_file_xattr *x = a->pdata[i], *y = b->pdata[i];

                if (strcmp(x->name, y->name) != 0 || x->size != y->size ||
                    memcmp(x->value, y->value, x->size) != 0)
                        return false;
        }
        return true;
}

/* What is in a directory changes its times and is told by itself. */
static bool has_same_metadata(const comparing *both)
{
        const dol_file *a = both->before.file, *b = both->after.file;

        return a->mode == b->mode && a->uid == b->uid && a->gid == b->gid &&
               (a->type == DOL_FILE_DIRECTORY || is_same_time(a->mtime, b->mtime)) &&
               has_same_xattrs(both);
}

/* Every change of an inode changes its ctime. */
static bool compare_files(const comparing *both, GError **error)
{
        const dol_file *a = both->before.file, *b = both->after.file;
        bool same;

        if (a->inode == b->inode && is_same_time(a->ctime, b->ctime) && a->type == b->type)
                return true;
        if (!has_same_content(both, &same, error))
                return false;
        if (!same)
                add(both, DOL_FILE_CHANGED, b);
        else if (!has_same_metadata(both))
                add(both, DOL_FILE_METADATA, b);
        return true;
}

/* ---- side by side ---- */

/* The order of a walk: '/' comes before every byte of a name. */
static int compare_paths(const char *a, const char *b)
{
        for (; *a && *a == *b; a++)
                b++;
        if (*a == *b)
                return 0;
        if (!*a || !*b)
                return *a ? 1 : -1;
        if (*a == '/' || *b == '/')
                return *a == '/' ? -1 : 1;
        return (unsigned char)*a < (unsigned char)*b ? -1 : 1;
}

static bool advance(side *one, GError **error)
{
        return dol_file_walk_next(one->walk, &one->file, &one->fd, error);
}

static bool step(comparing *both, GError **error)
{
        const dol_file *a = both->before.file, *b = both->after.file;
        int order = !a ? 1 : !b ? -1 : compare_paths(a->path, b->path);

        if (order < 0)
                add(both, DOL_FILE_REMOVED, a);
        else if (order > 0)
                add(both, DOL_FILE_ADDED, b);
        else if (!compare_files(both, error))
                return false;
        return (order > 0 || advance(&both->before, error)) &&
               (order < 0 || advance(&both->after, error));
}

/* ---- renames ---- */

static bool is_renamed(const found *old, const found *now)
{
        return old->type == now->type && now->btime.tv_sec != 0 &&
               is_same_time(old->btime, now->btime);
}

/* Is it in a directory that was renamed, under the name it had there? */
static bool is_implied(GHashTable *directories, const found *now)
{
        const char *slash = strrchr(now->path, '/');
        g_autofree char *parent = g_strndup(now->path, slash ? (size_t)(slash - now->path) : 0);
        const char *from = slash ? g_hash_table_lookup(directories, parent) : NULL;
        g_autofree char *expected = from ? g_strconcat(from, slash, NULL) : NULL;

        return g_strcmp0(expected, now->from) == 0;
}

/* Takes the removed file that this added one was out of the table. */
static void join_pair(GHashTable *removed, GHashTable *directories, found *now)
{
        found *old = g_hash_table_lookup(removed, &now->inode);
        bool implied;

        if (!old || !is_renamed(old, now))
                return;
        g_hash_table_remove(removed, &now->inode);
        now->from = g_strdup(old->path);
        implied = is_implied(directories, now);
        if (now->type == DOL_FILE_DIRECTORY)
                g_hash_table_insert(directories, now->path, now->from);
        if (now->size != old->size || !is_same_time(now->mtime, old->mtime))
                now->change = now->type == DOL_FILE_DIRECTORY ? DOL_FILE_RENAMED : DOL_FILE_CHANGED;
        else
                now->change = DOL_FILE_RENAMED;
        if (implied && now->change == DOL_FILE_RENAMED)
                now->inode = 0;
        old->inode = 0;
}

/* Files with an inode of 0 are not told. */
static void find_renames(GPtrArray *all)
{
        g_autoptr(GHashTable) removed = g_hash_table_new(g_int64_hash, g_int64_equal);
        g_autoptr(GHashTable) directories = g_hash_table_new(g_str_hash, g_str_equal);

        for (unsigned i = 0; i < all->len; i++) {
                found *one = all->pdata[i];

                if (one->change == DOL_FILE_REMOVED)
                        g_hash_table_insert(removed, &one->inode, one);
        }
        for (unsigned i = 0; i < all->len; i++) {
                found *one = all->pdata[i];

                if (one->change == DOL_FILE_ADDED)
                        join_pair(removed, directories, one);
        }
}

static void tell(GPtrArray *all, dol_file_change_fn fn, void *user)
{
        for (unsigned i = 0; i < all->len; i++) {
                const found *one = all->pdata[i];

                if (one->inode &&
                    !fn(&(dol_file_change){one->change, one->path, one->from, one->type, one->size},
                        user))
                        return;
        }
}

bool dol_files_diff(const dol_call *call, int before, int after, dol_file_change_fn fn, void *user,
                    GError **error)
{
        g_autoptr(GPtrArray) all = g_ptr_array_new_with_free_func(found_free);
        g_autoptr(dol_file_walk) a = dol_file_walk_new(call, before, "", UINT_MAX, error);
        g_autoptr(dol_file_walk) b = a ? dol_file_walk_new(call, after, "", UINT_MAX, error) : NULL;
        comparing both = {call, {a, NULL, -1}, {b, NULL, -1}, all};

        if (!b || !advance(&both.before, error) || !advance(&both.after, error))
                return false;
        while (both.before.file || both.after.file)
                if (!step(&both, error))
                        return false;
        find_renames(all);
        tell(all, fn, user);
        return true;
}
