/* SPDX-License-Identifier: Apache-2.0 */
/*
 * File: one text line, "sluice-counter 1 <limit>\n". Replaced whole:
 *
 *   write <path>.new, fsync it, rename over <path>, fsync the directory
 *
 * A crash before the rename leaves the old limit (nothing of the new block was used yet), after it
 * the new one. The lock is on <path>.lock, because a rename would lose a lock on the file itself.
 */
#include "wire/client/counter_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

struct counter_file {
	char path[PATH_MAX];
	char path_new[PATH_MAX];
	int directory_fd, lock_fd;
	uint64_t limit; /* as on stable storage */
};

static int write_all(int fd, const char *text, size_t size)
{
	while (size > 0) {
		ssize_t written = write(fd, text, size);

		if (written < 0 && errno != EINTR)
			return -errno;
		if (written > 0) {
			text += written;
			size -= (size_t)written;
		}
	}
	return 0;
}

static int limit_store(struct counter_file *file, uint64_t limit)
{
	char line[64];
	int fd = open(file->path_new, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int length, rc;

	if (fd < 0)
		return -errno;
	length = snprintf(line, sizeof(line), "sluice-counter 1 %" PRIu64 "\n", limit);
	rc = write_all(fd, line, (size_t)length);
	if (rc == 0 && fsync(fd) < 0)
		rc = -errno;
	if (close(fd) < 0 && rc == 0)
		rc = -errno;
	if (rc == 0 && rename(file->path_new, file->path) < 0)
		rc = -errno;
	if (rc == 0 && fsync(file->directory_fd) < 0)
		rc = -errno;
	if (rc == 0)
		file->limit = limit;
	return rc;
}

/* Reads the limit; `first` when there is no file yet. */
static int limit_load(const struct counter_file *file, uint64_t first, uint64_t *limit)
{
	char line[64], again[64];
	ssize_t size;
	uint64_t value;
	int fd = open(file->path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT) {
		*limit = first;
		return 0;
	}
	if (fd < 0)
		return -errno;
	size = read(fd, line, sizeof(line) - 1);
	close(fd);
	if (size < 0)
		return -errno;
	line[size] = '\0';
	if (sscanf(line, "sluice-counter 1 %" SCNu64, &value) != 1 || value == 0)
		return -EBADMSG;
	/* Byte for byte what we write, or a cut line would pass as a smaller number. */
	snprintf(again, sizeof(again), "sluice-counter 1 %" PRIu64 "\n", value);
	if (strcmp(line, again) != 0)
		return -EBADMSG;
	*limit = value;
	return 0;
}

static int counter_file_extend(void *context, uint64_t next, uint64_t *limit)
{
	struct counter_file *file = context;
	uint64_t fresh = next + COUNTER_FILE_BLOCK;
	int rc = fresh < next ? -EOVERFLOW : limit_store(file, fresh);

	if (rc == 0)
		*limit = fresh;
	return rc;
}

static void file_free(struct counter_file *file)
{
	if (file->lock_fd >= 0)
		close(file->lock_fd); /* gives the lock back */
	if (file->directory_fd >= 0)
		close(file->directory_fd);
	free(file);
}

/* 0 or -ENAMETOOLONG. */
static int path_make(char out[PATH_MAX], const char *path, const char *suffix)
{
	int length = snprintf(out, PATH_MAX, "%s%s", path, suffix);

	return length < 0 || length >= PATH_MAX ? -ENAMETOOLONG : 0;
}

static int paths_open(struct counter_file *file, const char *path)
{
	char lock_path[PATH_MAX], directory[PATH_MAX];
	char *slash;

	if (path_make(lock_path, path, ".lock") < 0 || path_make(file->path, path, "") < 0 ||
	    path_make(file->path_new, path, ".new") < 0)
		return -ENAMETOOLONG;
	memcpy(directory, file->path, sizeof(directory));
	slash = strrchr(directory, '/');
	if (slash == NULL)
		memcpy(directory, ".", 2);
	else
		slash[slash == directory] = '\0';
	file->directory_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (file->directory_fd < 0)
		return -errno;
	file->lock_fd = open(lock_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (file->lock_fd < 0)
		return -errno;
	if (flock(file->lock_fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? -EBUSY : -errno;
	return 0;
}

int counter_file_open(
    const char *path, uint64_t first, struct counter_file **file, struct client_counter *counter)
{
	struct counter_file *made = calloc(1, sizeof(*made));
	uint64_t limit = 0;
	int rc;

	if (made == NULL)
		return -ENOMEM;
	made->directory_fd = made->lock_fd = -1;
	rc = paths_open(made, path);
	if (rc == 0)
		rc = limit_load(made, first, &limit);
	if (rc < 0) {
		file_free(made);
		return rc;
	}
	made->limit = limit;
	*counter = (struct client_counter){ limit, limit, counter_file_extend, made };
	*file = made;
	return 0;
}

int counter_file_close(struct counter_file *file, uint64_t next)
{
	int rc = 0;

	if (next != file->limit && next != 0)
		rc = limit_store(file, next);
	file_free(file);
	return rc;
}
