/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mark of made shards: a file beside their directories. A shard's directory that is not mounted
 * looks like one that never was; only what lies outside of it can tell them apart.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lmdb-schema/path_sync.h"
#include "lmdb-schema/schema.h"

static const char made_text[] =
    "The shards of this switch were made here. While this file is there, a start without them is "
    "refused: their disk is not mounted, or lost.\n";

int schema_made_is(const char *data)
{
	char path[PATH_MAX];

	if ((size_t)snprintf(path, sizeof(path), "%s/" SCHEMA_MADE_NAME, data) >= sizeof(path))
		return -ENAMETOOLONG;
	return access(path, F_OK) == 0 ? 1 : errno == ENOENT ? 0 : -errno;
}

/* Under another name until it is whole and on disk. */
int schema_made_write(const char *data)
{
	char path[PATH_MAX], fresh[PATH_MAX];
	int is = schema_made_is(data), fd, failed;

	if (is != 0)
		return is < 0 ? is : 0;
	(void)snprintf(path, sizeof(path), "%s/" SCHEMA_MADE_NAME, data);
	if ((size_t)snprintf(fresh, sizeof(fresh), "%s/" SCHEMA_MADE_NAME ".new", data) >=
	    sizeof(fresh))
		return -ENAMETOOLONG;
	(void)unlink(fresh);
	fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0)
		return -errno;
	failed = write(fd, made_text, sizeof(made_text) - 1) == (ssize_t)sizeof(made_text) - 1
	             ? 0
	             : -ENOSPC; /* also when it took a part */
	if (failed == 0 && fsync(fd) != 0)
		failed = -errno;
	if (close(fd) != 0 && failed == 0)
		failed = -errno;
	if (failed == 0 && rename(fresh, path) != 0)
		failed = -errno;
	if (failed != 0) {
		(void)unlink(fresh);
		return failed;
	}
	return path_sync(data);
}
