/* SPDX-License-Identifier: Apache-2.0 */
/* One connection to the admin socket. Refusals are kept whole here: commands need their "kind". */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "control/link/inside.h"

static int connection_fail(struct link *link, int error, const char *what)
{
	snprintf(link->admin.message, sizeof(link->admin.message),
	    "The connection to the data plane broke: %s. It is tried again.", what);
	return error;
}

/* A UNIX socket's name has at most 107 bytes; a longer path is walked by its folder. */
static int connect_path(struct link *link, const char *path)
{
	char folder[PATH_MAX], name[64];
	int fd, result;

	if (strlen(path) < sizeof(((struct sockaddr_un *)NULL)->sun_path))
		return admin_client_open(&link->admin, path, LINK_ANSWER_S);
	link->admin = (struct admin_client){ .fd = -1 };
	snprintf(folder, sizeof(folder), "%s/run/sluice", link->root);
	fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		result = -errno;
		snprintf(link->admin.message, sizeof(link->admin.message),
		    "Cannot open the folder %.200s: %s. Start sluice-dataplane with this root.",
		    folder, strerror(-result));
		return result;
	}
	snprintf(name, sizeof(name), "/proc/self/fd/%d/admin.sock", fd);
	result = admin_client_open(&link->admin, name, LINK_ANSWER_S);
	close(fd);
	return result;
}

int link_connect(struct link *link)
{
	char path[PATH_MAX];
	int result;

	link->admin = (struct admin_client){ .fd = -1 };
	if (admin_client_path(link->root, path, sizeof(path)) != 0) {
		snprintf(link->admin.message, sizeof(link->admin.message),
		    "The path of SLUICE_ROOT is too long. Use a shorter one.");
		return -ENAMETOOLONG;
	}
	result = connect_path(link, path);
	if (result != 0)
		return result;
	pthread_mutex_lock(&link->mutex);
	link->fd = link->admin.fd;
	if (link->stop)
		result = connection_fail(link, -ECANCELED, "control stops");
	pthread_mutex_unlock(&link->mutex);
	return result;
}

void link_disconnect(struct link *link)
{
	pthread_mutex_lock(&link->mutex);
	link->fd = -1;
	pthread_mutex_unlock(&link->mutex);
	admin_client_close(&link->admin);
}

static int send_all(struct link *link, const char *bytes, size_t size)
{
	size_t done = 0;

	while (done < size) {
		ssize_t sent = send(link->admin.fd, bytes + done, size - done, MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			return connection_fail(link, -ECONNRESET,
			    errno == EAGAIN ? "it takes no requests" : strerror(errno));
		done += (size_t)sent;
	}
	return 0;
}

int link_send(struct link *link, const char *text, size_t size)
{
	int result = send_all(link, text, size);

	return result != 0 ? result : send_all(link, "\n", 1);
}

int link_send_json(struct link *link, json_t *request)
{
	char *text = json_dumps(request, JSON_COMPACT);
	size_t size = text == NULL ? 0 : strlen(text);
	int result = -EMSGSIZE;

	json_decref(request);
	if (text == NULL)
		return connection_fail(link, -ENOMEM, "out of memory");
	if (size <= LINK_LINE_SIZE_MAX) {
		text[size] = '\n'; /* in place of the terminator: the length is kept apart */
		result = send_all(link, text, size + 1);
	}
	free(text);
	return result;
}

int link_receive(struct link *link, json_t **answer)
{
	int result = admin_client_line(&link->admin, answer);

	switch (result) {
	case 0:
		return 0;
	case -EMSGSIZE:
		return connection_fail(link, -EPROTO, "an answer is too long");
	case -ENOMEM:
		return connection_fail(link, -ENOMEM, "out of memory");
	case -EPROTO:
		return connection_fail(link, -EPROTO, "an answer is not a JSON object");
	case -ECONNRESET:
		return connection_fail(link, -ECONNRESET, "it was closed");
	case -EAGAIN:
		return connection_fail(link, -ECONNRESET, "no answer came in time");
	default:
		return connection_fail(link, -ECONNRESET, strerror(-result));
	}
}

int link_call(struct link *link, json_t *request, json_t **answer)
{
	int result = link_send_json(link, request);

	return result != 0 ? result : link_receive(link, answer);
}

int link_answer_ok(const json_t *answer)
{
	return json_is_true(json_object_get(answer, "ok"));
}

const char *link_answer_error(const json_t *answer)
{
	const char *error = json_string_value(json_object_get(answer, "error"));

	return error != NULL ? error : "refused, no reason given";
}

int link_wait(struct link *link, uint64_t until_ns)
{
	struct pollfd fds[2] = { { .fd = link->wake_fd, .events = POLLIN },
		{ .fd = link->admin.fd, .events = POLLIN } };
	uint64_t now_ns = link_mono_ns(), count;
	uint64_t left_ns = until_ns > now_ns ? until_ns - now_ns : 0;
	struct timespec wait = { (time_t)(left_ns / 1000000000u), (long)(left_ns % 1000000000u) };

	/* A descriptor of -1 (not connected) is ignored by poll. */
	if (ppoll(fds, 2, &wait, NULL) <= 0)
		return 0;
	if (fds[0].revents != 0 && read(link->wake_fd, &count, sizeof(count)) < 0)
		return 0; /* another wake is as good */
	if (fds[1].revents != 0)
		return connection_fail(link, -ECONNRESET, "it was closed");
	return 0;
}
