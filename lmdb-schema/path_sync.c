/* SPDX-License-Identifier: Apache-2.0 */
#include "lmdb-schema/path_sync.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int path_sync(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), error = 0;

	if (fd < 0)
		return -errno;
	if (fsync(fd) != 0)
		error = -errno;
	close(fd);
	return error;
}
