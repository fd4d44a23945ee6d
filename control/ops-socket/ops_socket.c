/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "control/ops-socket/ops_internal.h"

#define LISTEN_BACKLOG 64

/*
 * The name of a UNIX socket has at most 107 bytes; a path may have more. Through the folder's
 * descriptor any folder is short. *folder is to be closed by the caller.
 */
static int short_address(const char *path, struct sockaddr_un *address, int *folder)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash != NULL ? slash + 1 : path;
	char folder_path[4096];
	int length;

	*folder = -1;
	if (slash != NULL && (size_t)(slash - path) + 2 > sizeof(folder_path))
		return -ENAMETOOLONG;
	snprintf(folder_path, sizeof(folder_path), "%.*s",
	    slash != NULL ? (int)(slash - path) + 1 : 1, slash != NULL ? path : ".");
	*folder = open(folder_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (*folder < 0)
		return -errno;
	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	length = snprintf(
	    address->sun_path, sizeof(address->sun_path), "/proc/self/fd/%d/%s", *folder, name);
	return length < 0 || (size_t)length >= sizeof(address->sun_path) ? -ENAMETOOLONG : 0;
}

/* Nobody answers there: 0, and the name is free now. */
static int stale_remove(const struct sockaddr_un *address)
{
	struct stat status;
	int fd, error;

	if (lstat(address->sun_path, &status) != 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(status.st_mode))
		return -EEXIST;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	error = connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 ? 0 : errno;
	close(fd);
	if (error != ECONNREFUSED) /* connected, or a full queue: somebody is there */
		return -EADDRINUSE;
	return unlink(address->sun_path) == 0 || errno == ENOENT ? 0 : -errno;
}

static void explain(const char *path, int error, char *message, size_t message_size)
{
	if (error == -EADDRINUSE)
		snprintf(message, message_size,
		    "Another sluice-control serves %s. Stop it first, or use another root.", path);
	else if (error == -EEXIST)
		snprintf(message, message_size,
		    "%s is there and is no socket. Move it away, then start again.", path);
	else
		snprintf(message, message_size,
		    "Cannot make the ops socket %s: %s. Look at the folder and its rights.", path,
		    strerror(-error));
}

int ops_socket_listen(const char *path, char *message, size_t message_size)
{
	struct sockaddr_un address;
	int folder = -1, fd = -1;
	int result = short_address(path, &address, &folder);

	if (result != 0)
		goto out;
	result = stale_remove(&address);
	if (result != 0)
		goto out;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
	    chmod(address.sun_path, 0666) != 0 || listen(fd, LISTEN_BACKLOG) != 0)
		result = -errno;
out:
	if (folder >= 0)
		close(folder);
	if (result == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	explain(path, result, message, message_size);
	return result;
}

void ops_socket_remove(const char *path)
{
	(void)unlink(path);
}
