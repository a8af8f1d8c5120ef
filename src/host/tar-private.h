/* SPDX-License-Identifier: Apache-2.0 */
/* What tar-read.c and tar-write.c share. */
#pragma once

#include "host/files-private.h"
#include "host/tar.h"

#include <archive.h>
#include <archive_entry.h>
#include <locale.h>

/* While it lives, libarchive takes this thread's names for UTF-8, whatever the locale. */
typedef struct {
        locale_t own, before;
} dol_tar_locale;

dol_tar_locale dol_tar_locale_begin(void);
void dol_tar_locale_end(dol_tar_locale *locale);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(dol_tar_locale, dol_tar_locale_end)

/* POSIX ACLs are extended attributes of the kernel's, and have records of their own in a tar.
 * Takes those of the file into the entry; false: it is none, or not one that is known. */
bool dol_tar_acl_to_entry(const dol_file_xattr *xattr, struct archive_entry *entry);
/* Adds the entry's to the extended attributes, and the mask that one has to the mode. */
void dol_tar_acls_from_entry(struct archive_entry *entry, dol_file *file);
