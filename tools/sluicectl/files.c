/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/sluicectl/sluicectl.h"

/* 0 or -errno; -EFBIG above the limit. *size bytes in *out, to be freed. */
static int read_all(int fd, char **out, size_t *size)
{
	size_t room = 65536, used = 0;
	char *buffer = malloc(room);
	ssize_t got = 0;

	while (buffer != NULL) {
		char *larger;

		got = read(fd, buffer + used, room - used);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		used += (size_t)got;
		if (used > VERB_FILE_SIZE_MAX) {
			free(buffer);
			return -EFBIG;
		}
		if (used < room)
			continue;
		room *= 2;
		larger = realloc(buffer, room);
		if (larger == NULL)
			free(buffer);
		buffer = larger;
	}
	if (buffer == NULL)
		return -ENOMEM;
	if (got < 0) {
		int error = -errno;

		free(buffer);
		return error;
	}
	*out = buffer;
	*size = used;
	return 0;
}

int ctl_file_read(const char *path, json_t **text, char *message, size_t message_size)
{
	int standard_input = strcmp(path, "-") == 0;
	int fd = standard_input ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	const char *name = standard_input ? "Standard input" : path;
	char *bytes = NULL;
	size_t size = 0;
	int result = fd < 0 ? -errno : read_all(fd, &bytes, &size);

	if (fd >= 0 && !standard_input)
		close(fd);
	if (result == -EFBIG) {
		snprintf(message, message_size,
		    "%s has more than %u bytes, which is too much for one request. Split it.", name,
		    VERB_FILE_SIZE_MAX);
		return result;
	}
	if (result != 0) {
		snprintf(message, message_size, "Cannot read %s: %s.", path, strerror(-result));
		return result;
	}
	*text = memchr(bytes, '\0', size) == NULL ? json_stringn(bytes, size) : NULL;
	free(bytes);
	if (size == 0 || *text == NULL) {
		json_decref(*text);
		*text = NULL;
		snprintf(message, message_size,
		    size == 0 ? "%s is empty." : "%s is not UTF-8 text (PEM and CSV are).", name);
		return -EILSEQ;
	}
	return 0;
}

int ctl_out_begin(struct ctl_out *out, const char *path, char *message, size_t message_size)
{
	int length;

	*out = (struct ctl_out){ .fd = -1, .path = path };
	length = snprintf(out->temporary, sizeof(out->temporary), "%s.XXXXXX", path);
	if (length < 0 || (size_t)length >= sizeof(out->temporary)) {
		snprintf(message, message_size, "The path of the file to write is too long.");
		return -ENAMETOOLONG;
	}
	out->fd = mkostemp(out->temporary, O_CLOEXEC);
	if (out->fd < 0) {
		int error = -errno;

		snprintf(message, message_size,
		    "Cannot write %s: %s. Nothing was sent; give another place.", path,
		    strerror(-error));
		return error;
	}
	return 0;
}

int ctl_out_commit(
    struct ctl_out *out, const char *text, size_t size, char *message, size_t message_size)
{
	int error = 0;

	for (size_t done = 0; done < size && error == 0;) {
		ssize_t wrote = write(out->fd, text + done, size - done);

		if (wrote >= 0)
			done += (size_t)wrote;
		else if (errno != EINTR)
			error = -errno;
	}
	if (error == 0 && (fchmod(out->fd, 0644) != 0 || fsync(out->fd) != 0 ||
	                      rename(out->temporary, out->path) != 0))
		error = -errno;
	if (error != 0) {
		snprintf(
		    message, message_size, "Cannot write %s: %s.", out->path, strerror(-error));
		ctl_out_abandon(out);
		return error;
	}
	close(out->fd);
	out->fd = -1;
	return 0;
}

void ctl_out_abandon(struct ctl_out *out)
{
	if (out->fd < 0)
		return;
	close(out->fd);
	(void)unlink(out->temporary);
	out->fd = -1;
}
