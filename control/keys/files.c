/* SPDX-License-Identifier: Apache-2.0 */
#include "control/keys/files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lmdb-schema/path_sync.h"

static int path_make(char out[PATH_MAX], const char *directory, const char *name)
{
	int size = snprintf(out, PATH_MAX, "%s/%s", directory, name);

	return size > 0 && size < PATH_MAX ? 0 : -ENAMETOOLONG;
}

int files_directory(const char *path)
{
	char parent[PATH_MAX];
	char *slash;
	int made;

	if (strlen(path) >= sizeof(parent))
		return -ENAMETOOLONG;
	memcpy(parent, path, strlen(path) + 1);
	slash = strrchr(parent, '/');
	if (slash == NULL || slash == parent)
		return -ENOENT;
	*slash = '\0';
	made = mkdir(path, 0700) == 0;
	if (!made && errno == ENOENT) {
		if (mkdir(parent, 0755) != 0 && errno != EEXIST)
			return -errno;
		made = mkdir(path, 0700) == 0;
	}
	if (!made && errno != EEXIST)
		return -errno;
	/* It was there: nobody else may look into it from now on. */
	if (!made && chmod(path, 0700) != 0)
		return -errno;
	/* Its own name too, also when whoever made it was killed before this. */
	return path_sync(parent);
}

static int fd_write(int fd, const void *data, size_t size)
{
	const char *bytes = data;
	size_t done = 0;

	while (done < size) {
		ssize_t count = write(fd, bytes + done, size - done);

		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0)
			return -errno;
		done += (size_t)count;
	}
	return fsync(fd) == 0 ? 0 : -errno;
}

int files_write(
    const char *directory, const char *name, const void *data, size_t size, unsigned mode)
{
	char path[PATH_MAX], temporary[PATH_MAX];
	int error, fd;

	error = path_make(path, directory, name);
	if (error != 0)
		return error;
	fd = snprintf(temporary, sizeof(temporary), "%s.tmp", path);
	if (fd < 0 || (size_t)fd >= sizeof(temporary))
		return -ENAMETOOLONG;
	/* Left by a crash, maybe with another mode. */
	if (unlink(temporary) != 0 && errno != ENOENT)
		return -errno;
	fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	error = fd_write(fd, data, size);
	if (error == 0 && fchmod(fd, (mode_t)mode) != 0)
		error = -errno;
	if (close(fd) != 0 && error == 0)
		error = -errno;
	if (error == 0 && rename(temporary, path) != 0)
		error = -errno;
	if (error != 0) {
		(void)unlink(temporary);
		return error;
	}
	return path_sync(directory);
}

int files_read(const char *directory, const char *name, char **data, size_t *size)
{
	char path[PATH_MAX];
	char *text = NULL;
	size_t done = 0;
	int error, fd;

	error = path_make(path, directory, name);
	if (error != 0)
		return error;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	text = calloc(1, FILES_SIZE_MAX + 1);
	if (text == NULL) {
		close(fd);
		return -ENOMEM;
	}
	while (done <= FILES_SIZE_MAX) {
		ssize_t count = read(fd, text + done, FILES_SIZE_MAX + 1 - done);

		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0)
			error = -errno;
		if (count <= 0)
			break;
		done += (size_t)count;
	}
	close(fd);
	if (error == 0 && done > FILES_SIZE_MAX)
		error = -EFBIG;
	if (error != 0) {
		files_free(text, FILES_SIZE_MAX);
		return error;
	}
	text[done] = '\0';
	*data = text;
	*size = done;
	return 0;
}

void files_free(char *data, size_t size)
{
	if (data != NULL)
		explicit_bzero(data, size);
	free(data);
}

int files_rename(const char *directory, const char *from, const char *to)
{
	char old_path[PATH_MAX], new_path[PATH_MAX];
	int error = path_make(old_path, directory, from);

	if (error == 0)
		error = path_make(new_path, directory, to);
	if (error != 0)
		return error;
	if (rename(old_path, new_path) != 0)
		return -errno;
	return path_sync(directory);
}

int files_remove(const char *directory, const char *name)
{
	char path[PATH_MAX];
	int error = path_make(path, directory, name);

	if (error != 0)
		return error;
	if (unlink(path) != 0)
		return errno == ENOENT ? 0 : -errno;
	return path_sync(directory);
}
