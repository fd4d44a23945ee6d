/* SPDX-License-Identifier: Apache-2.0 */
/* A file's contents, or the names in a folder, made durable by its path. */
#ifndef SLUICE_LMDB_SCHEMA_PATH_SYNC_H
#define SLUICE_LMDB_SCHEMA_PATH_SYNC_H

#include "wire/assert.h"

/* Opens file or folder for reading, syncs and closes it. A new name is durable only when its folder
 * is synced. 0, or -errno. */
SLUICE_MUST_USE int path_sync(const char *path);

#endif
