/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/admin/admin_client.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define ADMIN_LINE_SIZE_MAX (16u << 20)

__attribute__((format(printf, 3, 4))) static int admin_fail(
    struct admin_client *admin, int error, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(admin->message, sizeof(admin->message), format, arguments);
	va_end(arguments);
	return error;
}

int admin_client_path(const char *root, char *out, size_t size)
{
	int length = snprintf(out, size, "%s%srun/sluice/admin.sock", root,
	    root[0] != '\0' && root[strlen(root) - 1] == '/' ? "" : "/");

	return length < 0 || (size_t)length >= size ? -ENAMETOOLONG : 0;
}

int admin_client_open(struct admin_client *admin, const char *path, unsigned timeout_s)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct timeval timeout = { .tv_sec = timeout_s };
	int error;

	*admin = (struct admin_client){ .fd = -1 };
	if (strlen(path) >= sizeof(address.sun_path))
		return admin_fail(admin, -ENAMETOOLONG,
		    "The socket path %s is longer than %zu characters. Use a shorter root.", path,
		    sizeof(address.sun_path) - 1);
	memcpy(address.sun_path, path, strlen(path) + 1);
	admin->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (admin->fd < 0)
		return admin_fail(admin, -errno, "Cannot make a UNIX socket: %s.", strerror(errno));
	if (setsockopt(admin->fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) != 0 ||
	    setsockopt(admin->fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) != 0 ||
	    connect(admin->fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
		error = -errno;
		return admin_fail(admin, error,
		    "The data plane does not answer at %s: %s. Start sluice-dataplane with this "
		    "root, or give the right one with --root.",
		    path, strerror(-error));
	}
	return 0;
}

void admin_client_close(struct admin_client *admin)
{
	if (admin->fd >= 0)
		close(admin->fd);
	free(admin->buffer);
	admin->buffer = NULL;
	admin->fd = -1;
}

static int admin_io_error(struct admin_client *admin, int error, const char *what)
{
	if (error == EAGAIN || error == EWOULDBLOCK)
		return admin_fail(admin, -ETIMEDOUT,
		    "The data plane did not %s in time. Look at its log in var/log/sluice.", what);
	return admin_fail(admin, -error, "The admin connection broke (%s). Try again.",
	    error == 0 ? "closed by the data plane" : strerror(error));
}

int admin_client_send(struct admin_client *admin, json_t *request)
{
	char *text = json_dumps(request, JSON_COMPACT);
	size_t size, done = 0;
	int result = 0;

	json_decref(request);
	if (text == NULL)
		return admin_fail(admin, -ENOMEM, "Out of memory.");
	size = strlen(text);
	text[size++] = '\n'; /* in place of the terminator: the length is kept apart */
	while (done < size) {
		ssize_t sent = send(admin->fd, text + done, size - done, MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0) {
			result = admin_io_error(admin, errno, "take the request");
			break;
		}
		done += (size_t)sent;
	}
	/* Requests carry session keys. */
	explicit_bzero(text, size);
	free(text);
	return result;
}

static int line_fill(struct admin_client *admin)
{
	ssize_t received;

	if (admin->used == admin->size) {
		size_t size = admin->size == 0 ? 64 * 1024 : admin->size * 2;
		char *buffer;

		if (size > ADMIN_LINE_SIZE_MAX)
			return -EMSGSIZE;
		buffer = realloc(admin->buffer, size);
		if (buffer == NULL)
			return -ENOMEM;
		admin->buffer = buffer;
		admin->size = size;
	}
	do {
		received =
		    recv(admin->fd, admin->buffer + admin->used, admin->size - admin->used, 0);
	} while (received < 0 && errno == EINTR);
	if (received <= 0)
		return received == 0 ? -ECONNRESET : -errno;
	admin->used += (size_t)received;
	return 0;
}

int admin_client_line(struct admin_client *admin, json_t **line)
{
	json_t *object;
	char *end;

	for (;;) {
		int result;

		end = admin->used > admin->scanned ? memchr(admin->buffer + admin->scanned, '\n',
		                                         admin->used - admin->scanned)
		                                   : NULL;
		if (end != NULL)
			break;
		admin->scanned = admin->used;
		result = line_fill(admin);
		if (result != 0)
			return result;
	}
	object = json_loadb(admin->buffer, (size_t)(end - admin->buffer), 0, NULL);
	admin->used -= (size_t)(end + 1 - admin->buffer);
	memmove(admin->buffer, end + 1, admin->used);
	admin->scanned = 0;
	if (!json_is_object(object)) {
		json_decref(object);
		return -EPROTO;
	}
	*line = object;
	return 0;
}

static int receive_error(struct admin_client *admin, int error)
{
	switch (error) {
	case -EMSGSIZE:
		return admin_fail(admin, -EPROTO, "The data plane's answer is too long.");
	case -ENOMEM:
		return admin_fail(admin, -ENOMEM, "Out of memory.");
	case -EPROTO:
		return admin_fail(admin, -EPROTO, "The data plane's answer is not a JSON object.");
	case -ECONNRESET:
		admin_io_error(admin, 0, "answer");
		return -ECONNRESET;
	default:
		return admin_io_error(admin, -error, "answer");
	}
}

int admin_client_receive(struct admin_client *admin, json_t **answer)
{
	json_t *object;
	int result = admin_client_line(admin, &object);

	if (result != 0)
		return receive_error(admin, result);
	if (!json_is_true(json_object_get(object, "ok"))) {
		const char *error = json_string_value(json_object_get(object, "error"));

		admin_fail(
		    admin, -EPERM, "%s", error != NULL ? error : "Refused, no reason given.");
		json_decref(object);
		return -EPERM;
	}
	*answer = object;
	return 0;
}

int admin_client_call(struct admin_client *admin, json_t *request, json_t **answer)
{
	json_t *object = NULL;
	int result = admin_client_send(admin, request);

	if (result == 0)
		result = admin_client_receive(admin, &object);
	if (result != 0)
		return result;
	if (answer != NULL)
		*answer = object;
	else
		json_decref(object);
	return 0;
}

int admin_client_status_parse(
    struct admin_client *admin, const json_t *answer, struct admin_client_status *status)
{
	const char *boot_id = json_string_value(json_object_get(answer, "boot_id"));
	const json_t *epoch = json_object_get(answer, "epoch");
	const json_t *shards = json_object_get(answer, "shards");
	struct admin_client_status parsed = { 0 };
	const json_t *shard;
	size_t index;
	char *end;

	if (boot_id == NULL)
		return admin_fail(admin, -EPROTO, "The data plane's status has no boot_id.");
	errno = 0;
	parsed.boot_id = strtoull(boot_id, &end, 10);
	if (errno != 0 || end == boot_id || *end != '\0')
		return admin_fail(admin, -EPROTO, "The data plane's boot_id is not a number.");
	if (!json_is_integer(epoch) || json_integer_value(epoch) < 0 ||
	    json_integer_value(epoch) > UINT16_MAX)
		return admin_fail(admin, -EPROTO, "The data plane's status has no epoch.");
	parsed.epoch = (uint16_t)json_integer_value(epoch);
	if (!json_is_array(shards) || json_array_size(shards) == 0)
		return admin_fail(admin, -EPROTO, "The data plane's status has no shards.");
	json_array_foreach(shards, index, shard)
	{
		const json_t *sequence = json_object_get(shard, "control_sequence");

		if (!json_is_integer(sequence) || json_integer_value(sequence) < 0)
			return admin_fail(
			    admin, -EPROTO, "Shard %zu has no control_sequence.", index);
		/* The lowest: after a crash between shards the switch takes up from there. */
		if (index == 0 || (uint64_t)json_integer_value(sequence) < parsed.control_sequence)
			parsed.control_sequence = (uint64_t)json_integer_value(sequence);
	}
	*status = parsed;
	return 0;
}
