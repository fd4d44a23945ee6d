/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A directory in the making belongs to the process that makes it: a lock on the directory itself,
 * which goes with the process and leaves no file. What is left of one cut short has none.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/sluice-db/backup.h"

long lock_holder(int fd)
{
	struct stat status;
	FILE *locks = fopen("/proc/locks", "re");
	char line[256];
	long holder = 0;

	if (locks != NULL && fstat(fd, &status) == 0)
		while (holder == 0 && fgets(line, sizeof(line), locks) != NULL) {
			unsigned long inode = 0;
			long process = 0;

			if (sscanf(line, "%*d: FLOCK %*s WRITE %ld %*x:%*x:%lu", &process,
			        &inode) == 2 &&
			    inode == status.st_ino)
				holder = process;
		}
	if (locks != NULL)
		fclose(locks);
	return holder;
}

int directory_claim(const char *path, unsigned mode, char *why, size_t why_size)
{
	int there = mkdir(path, mode) != 0, error = errno, fd;
	long holder;

	if (there && error != EEXIST) {
		snprintf(why, why_size, "%.300s cannot be made: %s", path, strerror(error));
		return -error;
	}
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		snprintf(why, why_size, "%.300s cannot be read: %s", path, strerror(errno));
		return -EIO;
	}
	if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
		if (!there)
			return 0; /* the lock ends with the process */
		snprintf(why, why_size,
		    "%.300s is left of a run that was cut short; remove it and begin again", path);
		close(fd);
		return -EEXIST;
	}
	holder = lock_holder(fd);
	close(fd);
	snprintf(why, why_size,
	    holder > 0 ? "%.300s is being made now by process %ld; wait for its end"
	               : "%.300s is being made now by another process; wait for its end",
	    path, holder);
	return -EBUSY;
}
