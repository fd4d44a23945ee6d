/* SPDX-License-Identifier: Apache-2.0 */
/* What a restore could not write: which file, what the disk lacks, and what to do. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>

#include "tools/sluice-db/restore.h"

#define NO_ROOM (1u << 20) /* bytes free: what LMDB could not write whole it calls EIO */

/* Bytes free for us on the file system of `path`, or of the nearest directory above that is there.
 */
static unsigned long long free_bytes(const char *path)
{
	char above[PATH_MAX];
	struct statvfs disk;

	snprintf(above, sizeof(above), "%s", path);
	while (statvfs(above, &disk) != 0) {
		char *slash = strrchr(above, '/');

		if (slash == NULL || slash == above)
			return ULLONG_MAX;
		*slash = '\0';
	}
	return (unsigned long long)disk.f_bavail * disk.f_frsize;
}

int restore_disk_is_full(const struct restore *restore, int error)
{
	return error == -ENOSPC || error == -EDQUOT ||
	       (error == -EIO && free_bytes(restore->building) < NO_ROOM);
}

int restore_unwritten(struct restore *restore, int error, const char *path)
{
	if (!restore_disk_is_full(restore, error))
		return restore_fail(
		    restore, EXIT_MISSING, "%.300s cannot be written: %s", path, strerror(-error));
	return restore_fail(restore, EXIT_MISSING,
	    "%.300s cannot be written: the disk is full (%llu MiB free there now); make room on "
	    "it, "
	    "or restore into a root on another disk, and begin again",
	    path, free_bytes(path) >> 20);
}
