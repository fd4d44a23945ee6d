/* SPDX-License-Identifier: Apache-2.0 */
/* Small files that must be there whole or not at all: keys and certificates. */
#ifndef SLUICE_CONTROL_KEYS_FILES_H
#define SLUICE_CONTROL_KEYS_FILES_H

#include <stddef.h>

#include "wire/assert.h"

#define FILES_SIZE_MAX 65536u

/* Makes a directory of mode 0700, its parent too if that is missing. 0 or -errno. */
SLUICE_MUST_USE int files_directory(const char *path);
/* Writes beside its place, syncs, renames, syncs the directory. `mode`: 0600 or 0644. */
SLUICE_MUST_USE int files_write(
    const char *directory, const char *name, const void *data, size_t size, unsigned mode);
/* The whole file with a zero behind it, the caller's to free with files_free. -ENOENT; -EFBIG. */
SLUICE_MUST_USE int files_read(const char *directory, const char *name, char **data, size_t *size);
/* Wipes, then frees. */
void files_free(char *data, size_t size);
/* Renames within the directory and syncs it. */
SLUICE_MUST_USE int files_rename(const char *directory, const char *from, const char *to);
/* Removes; a file that is not there is no error. */
SLUICE_MUST_USE int files_remove(const char *directory, const char *name);

#endif
